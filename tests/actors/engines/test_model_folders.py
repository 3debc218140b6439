"""Where a model lies, what is said of one that can't be, and what this process may run it on."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from actors.engines import model_folders
from actors.engines.model_folders import ARTIFACTS, ModelFolders, find_hardware, find_model
from actors.engines.openvino_folder import openvino_folder
from danlu.config import JobConfig
from danlu.errors import DanluError, InputError, NotAvailableError
from danlu.report import Report
from danlu.run_directory import RunDirectory


def test_models_are_found_in_run_directories_and_as_they_are(checkpoint: Path, tmp_path: Path) -> None:
    train, compress = tmp_path / "train", tmp_path / "compress"
    shutil.copytree(checkpoint, train / "checkpoint")
    shutil.copytree(checkpoint, compress / "model")
    shutil.copytree(openvino_folder(checkpoint), compress / "openvino")
    assert find_model(train) == ModelFolders(train / "checkpoint", None)
    assert find_model(compress) == ModelFolders(compress / "model", compress / "openvino")
    assert find_model(checkpoint) == ModelFolders(checkpoint, None)
    assert find_model(compress / "openvino") == ModelFolders(None, compress / "openvino")


@pytest.mark.parametrize("place", ["", "model"])
def test_an_unfinished_runs_model_is_not_taken(checkpoint: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "source").write_text("text")
    with RunDirectory.open("compress", JobConfig(output=str(tmp_path / "run")), [str(tmp_path / "source")]) as run:
        shutil.copytree(checkpoint, run.local("model"))
        with pytest.raises(InputError, match="that run is not finished"):
            find_model(tmp_path / "run" / place)
        run.finish(Report(job="compress"))
    assert find_model(tmp_path / "run" / place).checkpoint == run.local("model")


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no model"):
        find_model(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        find_model(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not fetched by their name at Hugging Face"):
        find_model("Qwen/Qwen3-0.6B")
    with pytest.raises(NotAvailableError, match="s3://bucket/run"):
        find_model("s3://bucket/run")


def test_why_a_checkpoint_can_not_be_converted_is_kept(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["SparseForCausalLM"]}))
    assert "SparseForCausalLM" in find_model(folder).unconvertible


def test_hidden_gpus_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert find_hardware().gpus == 0


def test_whether_torch_knows_cuda_is_told_without_importing_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find_hardware().torch_cuda == torch.backends.cuda.is_built()
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch")
    assert not find_hardware().torch_cuda
    for version in ("'12.8'", None):
        (tmp_path / "torch" / "version.py").write_text(f"cuda = {version}\n")
        assert find_hardware().torch_cuda == (version is not None)


def refusal(path: Path | str, **named: str) -> DanluError:
    """The error that `find_model` ends with."""
    with pytest.raises(DanluError) as refused:
        find_model(path, **named)
    return refused.value


def test_a_place_without_a_model_is_one_error_with_key_value_rule_and_fix(tmp_path: Path) -> None:
    for path, kind, rule, fix in (
        (tmp_path, InputError, "it holds no model (config.json with", "give the output of `danlu train`"),
        (tmp_path / "nowhere", InputError, "no such folder", "give the output of `danlu train`"),
        ("hf://a/b", NotAvailableError, "engines map a model's files into memory", "copy or mount the folder"),
    ):
        error = refusal(path, key="models.small.path")
        assert type(error) is kind
        assert error.what == f"models.small.path is {str(path)!r}"
        assert error.rule.startswith(rule) and error.fix.startswith(fix)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_half_a_checkpoint_is_none(missing: str, checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    (folder / missing).unlink()
    assert refusal(folder).rule.startswith("it holds no model")


def test_what_is_missing_from_a_checkpoint_is_named_with_its_fix(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    index = {"weight_map": {str(at): f"model-{at}-of-5.safetensors" for at in range(1, 6)}}
    (folder / "model.safetensors").rename(folder / "model-1-of-5.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    error = refusal(tmp_path)
    assert error.what == f"{folder} is no complete checkpoint"
    assert error.rule == (
        "it lacks model-2-of-5.safetensors, model-3-of-5.safetensors, model-4-of-5.safetensors and 1 more"
    )
    assert error.fix == "copy the missing files, or download the model again"
    (folder / "model-1-of-5.safetensors").unlink()  # the index alone says that there is a checkpoint
    assert refusal(tmp_path).rule.startswith("it lacks model-1-of-5.safetensors")


def test_a_file_in_place_of_a_folder_is_no_model(checkpoint: Path) -> None:
    assert refusal(checkpoint / "config.json").rule == "no such folder"


def test_the_nearest_model_is_taken(checkpoint: Path, tmp_path: Path) -> None:
    """The folder itself goes before what lies in it, and a run's smaller model before the one that it was made of."""
    run = tmp_path / "run"
    for name in ("checkpoint", "model"):
        shutil.copytree(checkpoint, run / name)
        assert find_model(run).checkpoint == run / name
    shutil.copytree(checkpoint, run, dirs_exist_ok=True)
    assert find_model(run).checkpoint == run
    assert set(ARTIFACTS) >= {"checkpoint", "model"}


@pytest.fixture
def config(checkpoint: Path, tmp_path: Path) -> Callable[..., Path]:
    """config(key=value, ...): a checkpoint with these keys in its config.json."""

    def write(**changed: Any) -> Path:
        folder = shutil.copytree(checkpoint, tmp_path / "model", dirs_exist_ok=True)
        keys = json.loads((checkpoint / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**keys, **changed}))
        return folder

    return write


@pytest.mark.parametrize(
    ("changed", "what", "rule"),
    [
        ({"vocab_size": -1}, "vocab_size is -1", "it must be a whole number above zero"),
        ({"rope_scaling": 3}, "rope_scaling is 3", "it must be a JSON object"),
        ({"head_dim": 15}, "head_dim is 15", "rotary embeddings need an even one"),
        ({"rms_norm_eps": "tiny"}, "rms_norm_eps is 'tiny'", "it must be a small positive number"),
    ],
)
def test_a_config_that_can_not_be_is_told_with_its_file(
    config: Callable[..., Path], changed: dict[str, Any], what: str, rule: str
) -> None:
    """By whichever of the two that look into it."""
    folder = config(**changed)
    error = refusal(folder)
    assert type(error) is InputError
    assert (error.what, error.rule) == (f"{folder}/config.json: {what}", rule)


def test_what_the_converter_can_not_rebuild_is_said_in_one_line_without_a_fix(config: Callable[..., Path]) -> None:
    """Others can load it: it is a reason, not an error."""
    found = find_model(config(hidden_act="gelu"))
    assert found.unconvertible == (
        "config.json: hidden_act is 'gelu': the OpenVINO converter can't rebuild that; it knows silu"
    )
    assert not found.own


def test_a_network_of_danlus_own_is_told_apart(config: Callable[..., Path]) -> None:
    assert find_model(config(model_type="danlu_sparse")).own
    assert not find_model(config(model_type="qwen3")).own


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[int], None]:
    """devices(count): the machine has that many GPUs, and what else lies in /dev."""

    def make(count: int) -> None:
        folder = tmp_path / f"dev{count}"
        folder.mkdir(exist_ok=True)
        for name in (*(f"nvidia{at}" for at in range(count)), "nvidiactl", "nvidia-uvm"):
            (folder / name).touch()
        monkeypatch.setattr(model_folders, "Path", lambda place: folder if place == "/dev" else Path(place))

    return make


@pytest.mark.parametrize(
    ("named", "gpus"),
    [
        (None, 4),
        ("", 0),
        ("-1", 0),
        ("NoDevFiles", 0),
        ("0", 1),
        ("2,3", 2),
        (" 0 , 1 ", 2),
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", 1),
        ("0,1,2,3,4,5,6,7", 4),
        ("0,-1,1", 1),
        ("-1,0", 0),
    ],
)
def test_gpus_are_those_that_are_there_and_named(
    named: str | None, gpus: int, devices: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA takes the devices before the first name that is none."""
    devices(4)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert find_hardware().gpus == gpus


@given(named=st.none() | st.lists(st.integers(-1, 9)).map(lambda found: ",".join(map(str, found))))
def test_there_are_never_more_gpus_than_the_machine_has(named: str | None) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        everything = find_hardware().gpus
        if named is not None:
            patch.setenv("CUDA_VISIBLE_DEVICES", named)
        assert 0 <= find_hardware().gpus <= everything


def test_without_torch_there_is_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_folders.importlib.util, "find_spec", lambda name: None)
    assert not find_hardware().torch_cuda
