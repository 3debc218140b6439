from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from actors.engines import select, trial_import
from actors.engines.model_folders import Hardware, ModelFolders, find_model
from actors.engines.openvino_engine import OpenVinoEngine
from actors.engines.protocol import GenerationRequest, SamplingParams
from actors.engines.select import check_options, choose_engine, create_engine, engine_availability
from actors.engines.tensorrt_llm import TensorRtLlmEngine
from actors.engines.transformers_engine import TransformersEngine
from actors.engines.trtllm_serve import TrtllmServeEngine
from danlu.errors import ConfigError, InputError, NotAvailableError

HERE = Path("model")
CHECKPOINT = ModelFolders(checkpoint=HERE, openvino=None)
BOTH = ModelFolders(checkpoint=HERE, openvino=HERE)
CONVERTED = ModelFolders(checkpoint=None, openvino=HERE)
FOREIGN = ModelFolders(checkpoint=HERE, openvino=None, unconvertible="the network is unknown")
SPARSE = ModelFolders(checkpoint=HERE, openvino=None, unconvertible="no DanluSparseForCausalLM", own=True)
ALL = {"tensorrt_llm": "", "openvino": "", "transformers": ""}
NO_TENSORRT = {**ALL, "tensorrt_llm": "not installed"}
CPU, GPU, NO_CUDA = Hardware(gpus=0), Hardware(gpus=1), Hardware(gpus=1, torch_cuda=False)


@pytest.mark.parametrize(
    ("model", "available", "hardware", "expected"),
    [
        (CHECKPOINT, ALL, CPU, "openvino"),
        (FOREIGN, ALL, CPU, "transformers"),
        (SPARSE, ALL, CPU, "transformers"),
        (SPARSE, ALL, GPU, "transformers"),
        (CONVERTED, ALL, CPU, "openvino"),
        (BOTH, ALL, GPU, "tensorrt_llm"),
        (BOTH, NO_TENSORRT, GPU, "transformers"),
        (CONVERTED, ALL, GPU, "openvino"),
        (BOTH, ALL, NO_CUDA, "tensorrt_llm"),
        (BOTH, NO_TENSORRT, NO_CUDA, "openvino"),
        (FOREIGN, NO_TENSORRT, NO_CUDA, "transformers"),
        (CHECKPOINT, {**ALL, "openvino": "not installed"}, CPU, "transformers"),
    ],
)
def test_auto_takes_what_fits(
    model: ModelFolders, available: dict[str, str], hardware: Hardware, expected: str
) -> None:
    assert choose_engine("auto", model, available, hardware)[0] == expected


def test_the_reason_names_what_was_passed_over() -> None:
    _, why = choose_engine("auto", FOREIGN, ALL, CPU)
    assert why == "no GPU for this process; not openvino: the network is unknown"
    _, why = choose_engine("auto", BOTH, NO_TENSORRT, NO_CUDA)
    assert why == "GPUs for this process: 1; torch was built without CUDA; not tensorrt_llm: not installed"
    _, why = choose_engine("auto", SPARSE, ALL, GPU)
    assert why == "GPUs for this process: 1; not tensorrt_llm: it does not know danlu's sparse network"


def test_an_engine_asked_for_is_taken_or_refused_with_the_reason() -> None:
    assert choose_engine("transformers", BOTH, ALL, CPU) == ("transformers", "asked for")
    for wanted, model, available, reason in (
        ("openvino", FOREIGN, ALL, "the network is unknown"),
        ("transformers", CONVERTED, ALL, "no Hugging Face checkpoint"),
        ("tensorrt_llm", BOTH, ALL, "needs a CUDA GPU"),
        ("tensorrt_llm", BOTH, NO_TENSORRT, "not installed"),
    ):
        with pytest.raises(NotAvailableError, match=reason):
            choose_engine(wanted, model, available, CPU)


def test_an_unknown_engine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="tensorrt_llm, openvino, transformers"):
        choose_engine("vllm", BOTH, ALL, CPU)


def test_when_nothing_fits_every_reason_is_given() -> None:
    with pytest.raises(NotAvailableError, match=r"not openvino: broken; not transformers: broken too"):
        choose_engine("auto", BOTH, {**ALL, "openvino": "broken", "transformers": "broken too"}, CPU)


def test_a_config_that_can_not_be_is_one_error_that_names_the_folder(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": float("nan")}))
    with pytest.raises(InputError, match=r"model/config\.json: hidden_size is nan"):
        create_engine(folder)


def test_a_checkpoint_with_missing_weights_is_refused_whichever_engine_is_asked(
    checkpoint: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    shard = folder / "model-00001-of-00002.safetensors"
    (folder / "model.safetensors").rename(shard)
    for engine in ("auto", "openvino", "transformers"):
        with pytest.raises(InputError, match=r"it lacks model\.safetensors\.index\.json"):
            create_engine(folder, engine)
    names = {"a": shard.name, "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    for engine in ("auto", "openvino", "transformers"):
        with pytest.raises(InputError, match=r"it lacks model-00002-of-00002\.safetensors"):
            create_engine(folder, engine)
    shutil.copy(shard, folder / "model-00002-of-00002.safetensors")
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"00001-of-00002\.safetensors can't be read: it has \d+ bytes"):
        create_engine(folder)
    shard.write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match="no head of a safetensors file"):
        create_engine(folder)


@pytest.mark.parametrize("engine", ["auto", "openvino", "transformers"])
def test_the_engine_made_of_a_path_answers(engine: str, checkpoint: Path) -> None:
    async def session() -> Any:
        made = create_engine(checkpoint, engine, name="tiny", threads=1)
        await made.start()
        request = GenerationRequest("a", made.render_chat([{"role": "user", "content": "你好"}]), SamplingParams(5))
        deltas = [delta async for delta in made.generate(request)]
        await made.shutdown()
        assert made.name == "tiny"
        return deltas[-1]

    assert asyncio.run(session()).finish_reason in ("stop", "length")


def test_a_sparse_checkpoint_is_served_by_transformers_alone(
    write_checkpoint: Callable[..., Path], tmp_path: Path, ask: Callable[..., Any]
) -> None:
    sizes = {"layer_kinds": ["dense", "sparse"], "num_experts": 4, "num_experts_per_tok": 2, "slice_width": 16}
    folder = write_checkpoint(tmp_path, "sparse", **sizes)
    engine = create_engine(folder)
    assert isinstance(engine, TransformersEngine) and find_model(folder).own
    request = GenerationRequest("a", "云杉银行", SamplingParams(max_tokens=8, temperature=0, ignore_eos=True))
    answer = ask(engine, request)[0]
    assert answer[-1].completion_tokens == 8

    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.tensor([engine.tokenizer.encode("云杉银行")])
    whole = model.generate(ids, max_new_tokens=8, min_new_tokens=8, do_sample=False, eos_token_id=None)
    assert "".join(delta.text for delta in answer) == engine.tokenizer.decode(whole[0, ids.shape[1] :].tolist())
    with pytest.raises(NotAvailableError, match=r"DanluSparseForCausalLM.*OpenVINO converter can't rebuild that"):
        create_engine(folder, "openvino")


def test_an_option_that_the_engine_does_not_have_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match=r"engine option thread is 1.*threads"):
        create_engine(checkpoint, thread=1)


@pytest.mark.parametrize(
    ("engine", "options", "problem"),
    [
        ("openvino", {"precision": "fp16"}, "precision is 'fp16': input should be 'auto' or 'fp32'"),
        ("openvino", {"kv_cache_gib": "2"}, "kv_cache_gib is '2': input should be a valid number"),
        ("openvino", {"kv_cache_gib": 0}, "kv_cache_gib is 0: input should be greater than 0"),
        ("openvino", {"kv_cache_gib": float("inf")}, "kv_cache_gib is inf: input should be a finite number"),
        ("openvino", {"sequences": 0}, "sequences is 0: input should be greater than or equal to 1"),
        ("openvino", {"prefix_cache": "yes"}, "prefix_cache is 'yes': input should be a valid boolean"),
        (
            "transformers",
            {"dtype": "fp16"},
            "dtype is 'fp16': input should be 'auto', 'float32', 'bfloat16' or 'float16'",
        ),
        ("transformers", {"device": "gpu"}, "device is 'gpu': input should be 'auto', 'cpu' or 'cuda'"),
        ("transformers", {"threads": -1}, "threads is -1: input should be greater than or equal to 0"),
        ("transformers", {"kv_cache_gib": 2}, "kv_cache_gib is 2: engine transformers knows device, dtype"),
        ("tensorrt_llm", {"kv_cache_share": 1.5}, "kv_cache_share is 1.5: input should be less than or equal to 1"),
        ("tensorrt_llm", {"tensor_parallel": 2.0}, "tensor_parallel is 2.0: input should be a valid integer"),
        ("auto", {"precision": "fp16"}, "precision is 'fp16': input should be 'auto' or 'fp32'"),
        ("auto", {"threads": "two"}, "threads is 'two': input should be a valid integer"),
        ("auto", {"thread": 2}, "thread is 2: engine tensorrt_llm knows"),
        ("auto", {"thread": 2}, "engine transformers knows device, dtype, threads, sequences"),
        ("openvino", {"name": "x"}, "name is 'x': engine openvino knows"),
    ],
)
def test_options_that_an_engine_can_not_have_are_named(engine: str, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        check_options(engine, options)
    assert str(refusal.value).startswith("engine option ") and problem in str(refusal.value)


def test_several_wrong_options_are_named_together() -> None:
    with pytest.raises(ConfigError, match=r"engine option threads is -1.*\nengine option sequences is 0"):
        check_options("openvino", {"threads": -1, "sequences": 0})


@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("openvino", {"threads": 2, "precision": "fp32", "sequences": 8, "kv_cache_gib": 2, "prefix_cache": False}),
        ("transformers", {"device": "cpu", "dtype": "bfloat16"}),
        ("auto", {"kv_cache_share": 0.5}),
        ("auto", {"sequences": 1}),
        ("auto", {}),
    ],
)
def test_options_that_an_engine_has_are_taken(engine: str, options: dict[str, Any]) -> None:
    check_options(engine, options)


def test_a_wrong_value_is_refused_before_the_model_is_loaded(checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="engine option sequences is 0"):
        create_engine(checkpoint, "openvino", name="tiny", sequences=0)
    with pytest.raises(ConfigError, match="precision is 'fp16'"):
        OpenVinoEngine(checkpoint, precision="fp16")
    with pytest.raises(ConfigError, match="dtype is 'fp16'"):
        TransformersEngine(checkpoint, dtype="fp16")


def test_availability_tells_version_or_what_is_missing() -> None:
    found = {name: (usable, reason) for name, usable, reason in engine_availability()}
    assert found["openvino"][0]
    assert found["openvino"][1].startswith("openvino_genai 20")
    usable, reason = found["tensorrt_llm"]
    assert usable or "danlu[tensorrt]" in reason


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """package(code): tensorrt_llm as a package that runs `code` when it is imported; gives its folder."""

    def write(code: str) -> Path:
        folder = tmp_path / "packages" / "tensorrt_llm"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(code)
        monkeypatch.syspath_prepend(folder.parent)
        monkeypatch.delitem(sys.modules, "tensorrt_llm", raising=False)
        trial_import._trial.cache_clear()
        return folder

    return write


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise ImportError('libcuda.so.1 is missing')", "does not import: ImportError: libcuda.so.1 is missing"),
        ("import os; os._exit(7)", "does not import: its process ended with code 7"),
    ],
)
def test_a_package_that_does_not_import_gives_way_to_its_executable(
    code: str,
    reason: str,
    package: Callable[[str], Path],
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    package(code)
    monkeypatch.setattr(select, "find_hardware", lambda: GPU)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {name: (usable, reason) for name, usable, reason in engine_availability()}
    assert not found["tensorrt_llm"][0] and reason in found["tensorrt_llm"][1]
    with pytest.raises(NotAvailableError, match=reason):
        TensorRtLlmEngine(checkpoint)
    assert isinstance(create_engine(checkpoint), TransformersEngine | OpenVinoEngine)
    (tmp_path / "trtllm-serve").touch(mode=0o755)
    assert isinstance(create_engine(checkpoint), TrtllmServeEngine)


def test_a_package_that_imports_is_tried_once_and_in_another_process(
    package: Callable[[str], Path], checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = package("from pathlib import Path\nPath(__file__).with_name('log').open('a').write('imported ')\n")
    monkeypatch.setattr(select, "find_hardware", lambda: GPU)
    for _ in range(2):
        assert type(create_engine(checkpoint)) is TensorRtLlmEngine
    assert "tensorrt_llm" not in sys.modules
    assert (folder / "log").read_text() == "imported "
