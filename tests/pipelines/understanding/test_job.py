import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from actors.intent_model import IntentModel
from danlu.errors import InputError
from danlu.progress import Progress
from danlu.report import Report
from danlu.run_directory import RunDirectory
from pipelines.understanding import job
from pipelines.understanding.config import UnderstandConfig
from pipelines.understanding.readers import read_utterances
from pipelines.understanding.scores import Answer, score

HERE = Path(__file__).parent


def run(config: UnderstandConfig) -> Report:
    with RunDirectory.open("understand", config, job.inputs(config)) as directory:
        report = job.run(config, directory, Progress())
        directory.finish(report)
        return report


def test_a_run_leaves_a_model_and_a_report(tiny_config: UnderstandConfig) -> None:
    report = run(tiny_config)
    assert report.figures["training_utterances"] == 72 and report.figures["validation_utterances"] == 18
    assert report.figures["epochs"] == 6
    model = IntentModel(tiny_config.output)
    assert model.intents == ["ask", "bye", "pay"]
    assert model.understand("转账丁100元").slot("amount") is not None
    assert not Path(tiny_config.output, "training_state.pt").exists()


def test_a_finished_training_is_not_repeated(tiny_config: UnderstandConfig) -> None:
    first = run(tiny_config)
    weights = Path(tiny_config.output, "model", "model.safetensors")
    written = weights.stat().st_mtime_ns
    again = run(tiny_config)
    assert weights.stat().st_mtime_ns == written
    del first.figures["latency_ms"], again.figures["latency_ms"]
    assert again.figures == first.figures


def test_a_killed_run_goes_on_where_it_was(tiny_config: UnderstandConfig) -> None:
    config = tiny_config.model_copy(update={"epochs": 40})
    process = multiprocessing.get_context("spawn").Process(target=run, args=(config,))
    process.start()
    state = Path(config.output, "training_state.pt")
    deadline = time.monotonic() + 120
    while not state.exists() and time.monotonic() < deadline and process.is_alive():
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert state.exists(), "killed in the middle"
    killed = run(config)
    whole = run(config.model_copy(update={"output": config.output + "-whole"}))
    curves = [[section.series for section in report.sections if section.kind == "lines"] for report in (killed, whole)]
    assert curves[0] == curves[1] and len(curves[0][1]["training"]) == 40


def test_validation_utterances_of_their_own(tiny_config: UnderstandConfig) -> None:
    config = tiny_config.model_copy(update={"validation_input": tiny_config.input})
    assert run(config).figures["validation_utterances"] == 90
    assert job.inputs(config) == [tiny_config.input, tiny_config.input]


def test_too_few_wordings_leave_nothing_to_measure_by(tiny_config: UnderstandConfig, tmp_path: Path) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text('{"text": "你好", "intent": "greet"}\n{"text": "再见", "intent": "goodbye"}\n', encoding="utf-8")
    with pytest.raises(InputError, match="validation_share leaves nothing to measure by"):
        job.read_parts(tiny_config.model_copy(update={"input": str(few)}))
    with pytest.raises(InputError, match="validation_input leaves nothing to measure by"):
        job.read_parts(tiny_config.model_copy(update={"validation_input": str(few)}))


@pytest.mark.slow
def test_the_examples_are_understood(examples: Path, tmp_path: Path) -> None:
    """Held-out wordings of the examples, and utterances that were written after all else was settled."""
    config = UnderstandConfig(input=str(examples / "utterances.jsonl"), output=str(tmp_path / "run"))
    report = run(config)
    assert report.held
    assert report.figures["intent_accuracy"] >= 0.92 and report.figures["slot_f1"] >= 0.9
    unseen = read_utterances([str(HERE / "unseen_utterances.jsonl")])
    texts = {utterance.text for utterance in read_utterances([str(examples / "utterances.jsonl")])}
    assert not any(utterance.text in texts for utterance in unseen)
    found = IntentModel(config.output).understand_batch([utterance.text for utterance in unseen])
    answers = [
        Answer(u.intent, f.intent, u.spans, tuple((s.name, s.start, s.end) for s in f.slots))
        for u, f in zip(unseen, found, strict=True)
    ]
    scores = score(answers)
    assert scores.intent_accuracy >= 0.88 and scores.slot_f1 >= 0.85


@pytest.mark.slow
@pytest.mark.realdata
def test_snips_is_learnt_from_nothing(public_data: Path, tmp_path: Path) -> None:
    """Two passes over a third of SNIPS with the small encoder; published JointBERT figures need a pretrained one."""
    snips = public_data / "snips_atis" / "snips"
    part = tmp_path / "train"
    part.mkdir()
    for name in ("seq.in", "seq.out", "label"):
        lines = (snips / "train" / name).read_text(encoding="utf-8").splitlines()
        (part / name).write_text("\n".join(lines[::3]) + "\n", encoding="utf-8")
    config = UnderstandConfig(
        input=str(part), validation_input=str(snips / "dev"), output=str(tmp_path / "run"), epochs=3, max_characters=256
    )
    report = run(config)
    assert report.figures["training_utterances"] == 4362 and report.figures["validation_utterances"] == 700
    assert report.figures["intent_accuracy"] > 0.9 and report.figures["slot_f1"] > 0.4
