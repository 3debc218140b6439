from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.engines.protocol import GenerationRequest, SamplingParams
from actors.engines.select import create_engine
from danlu.errors import InputError, NotAvailableError
from pipelines.compression import job
from pipelines.compression.config import CompressConfig

STEPS = ["convert", "compress", "measure_quality", "measure_speed", "copy_checkpoint"]


def test_a_checkpoint_becomes_small_and_is_served(compress: Callable[..., Any]) -> None:
    output, report, _ = compress(speed_rounds=1)
    assert report.held, report.checks
    assert 0.25 < report.figures["size_share"] < 0.27
    assert report.figures["tokens_per_s_8_after"] > 0
    assert not (output / "_work").exists()
    assert answers(output, "openvino") == answers(output / "openvino", "auto")
    assert answers(output, "transformers") == answers(output / "model", "transformers")


def test_quality_is_measured_on_given_texts(compress: Callable[..., Any], tmp_path: Path) -> None:
    texts = [{"text": "云杉银行的借记卡可以在手机上挂失。" * 5}, {"messages": [{"role": "user", "content": "你好"}]}]
    file = tmp_path / "held-out.jsonl"
    file.write_text("\n".join(json.dumps(text) for text in texts))
    _, report, _ = compress(quality_input=str(file), quality_tokens=64, max_perplexity_rise=0.5)
    assert report.figures["quality_tokens"] == 64
    assert report.figures["perplexity_before"] > 1
    assert report.checks[2].name == "perplexity rises by at most 50.0%"


def test_finished_steps_are_not_repeated(compress: Callable[..., Any], tmp_path: Path) -> None:
    output, first, _ = compress()
    for step in ("run", "copy_checkpoint"):
        (output / "_state" / f"{step}.json").unlink()
    shutil.rmtree(output / "model")
    _, second, told = compress()
    assert "copy checkpoint" in told
    assert "convert" not in told
    assert second.figures == first.figures
    assert (output / "model" / "config.json").is_file()


def test_a_killed_run_goes_on_where_it_was(checkpoint: Path, tmp_path: Path) -> None:
    """Killed while the weights are being compressed."""
    output = tmp_path / "run"
    command = command_line(checkpoint, output, "speed_rounds=0", "min_agreement=0.9")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for(output / "_state" / "convert.json", process)
    process.kill()
    process.wait()
    again = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert "store weights as int8" in again.stderr
    assert "convert" not in again.stderr.splitlines()[0]
    assert {file.stem for file in (output / "_state").iterdir()} == {*STEPS, "run"}


def test_an_interrupted_run_leaves_nothing_running(checkpoint: Path, tmp_path: Path) -> None:
    """Ctrl-C while the engines measure speed: the process ends by itself, with its threads."""
    output = tmp_path / "run"
    command = command_line(checkpoint, output, "speed_rounds=100")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    wait_for(output / "_state" / "measure_quality.json", process)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=90) != 0  # a busy machine is no failure
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_the_inputs_are_the_checkpoint_and_the_texts(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}')
    config = CompressConfig(
        input=str(checkpoint.parent), output="out", quality_input=str(tmp_path), calibration_input=None
    )
    names = [Path(file).name for file in job.inputs(config)]
    assert {"config.json", "model.safetensors", "tokenizer.json", "a.jsonl"} <= set(names)


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"input is .* holds no model"):
        job.inputs(CompressConfig(input=str(tmp_path), output="out"))


def test_a_converted_folder_is_no_checkpoint(compress: Callable[..., Any]) -> None:
    output, _, _ = compress()
    with pytest.raises(InputError, match="converted model only"):
        job.inputs(CompressConfig(input=str(output / "openvino"), output="out"))


def test_a_network_that_can_not_be_converted_is_refused_at_once(
    compress: Callable[..., Any], checkpoint: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "foreign")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["SparseForCausalLM"]}))
    with pytest.raises(NotAvailableError, match="SparseForCausalLM"):
        compress(input=str(folder))


def test_texts_without_text_are_refused(compress: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text('{"text": ""}\n')
    with pytest.raises(InputError, match="has no text to measure by"):
        compress(quality_input=str(tmp_path / "empty.jsonl"))


def command_line(checkpoint: Path, output: Path, *more: str) -> list[str]:
    keys = [f"input={checkpoint}", f"output={output}", "threads=1", *more]
    return [sys.executable, "-m", "cluster.command", "compress", *keys]


def wait_for(file: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 90
    while not file.exists():
        assert process.poll() is None, process.stdout and process.stdout.read().decode()
        assert time.monotonic() < until
        time.sleep(0.01)


def answers(path: Path, engine: str) -> str:
    """A greedy answer of what lies in `path`."""

    async def session() -> str:
        made = create_engine(path, engine, threads=1)
        await made.start()
        request = GenerationRequest("a", "云杉银行", SamplingParams(max_tokens=12, temperature=0.0, ignore_eos=True))
        text = "".join([delta.text async for delta in made.generate(request)])
        await made.shutdown()
        return text

    text = asyncio.run(session())
    assert text
    return text
