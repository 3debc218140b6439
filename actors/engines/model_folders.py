"""Where a model lies, and what this process may run it on."""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from actors.engines.model_files import WEIGHTS_INDEX, check_config, check_weight_files, read_config
from actors.engines.openvino_architecture import read_architecture
from actors.engines.openvino_folder import MODEL_FILE
from danlu.errors import InputError, NotAvailableError
from danlu.inputs import require_ended

_OWN = "danlu_sparse"  # model_type in config.json
ARTIFACTS = ("checkpoint", "model", "openvino")


@dataclass(frozen=True)
class ModelFolders:
    """A model in the forms that engines read.

    Attributes:
        checkpoint: the Hugging Face folder, if there is one.
        openvino: the converted folder, if there is one.
        unconvertible: why the checkpoint can't be converted for OpenVINO; empty when it can.
        own: whether the checkpoint is a network of danlu's own, which transformers alone can run.
    """

    checkpoint: Path | None
    openvino: Path | None
    unconvertible: str = ""
    own: bool = False


@dataclass(frozen=True)
class Hardware:
    """What this process may use.

    Attributes:
        torch_cuda: whether the installed torch was built for CUDA.
    """

    gpus: int
    torch_cuda: bool = True


def find_model(path: str | Path, key: str = "path") -> ModelFolders:
    """The model in a run directory (`checkpoint/`, `model/`, `openvino/`) or in the folder itself.

    Args:
        key: the config key that named the path, for messages.

    Raises:
        InputError: there is none, the run that makes it is not finished, its weights are incomplete, or its config.json
            can't be.
        NotAvailableError: the path is a URI.
    """
    if "://" in str(path):
        raise NotAvailableError(
            f"{key} is {str(path)!r}",
            rule="engines map a model's files into memory",
            fix="copy or mount the folder, and give its local path",
        )
    root = Path(path)
    require_ended(str(root), ARTIFACTS, key)
    places = (root, root / "model", root / "checkpoint")
    checkpoint = next((p for p in places if (p / "config.json").is_file() and _has_weights(p)), None)
    converted = next((p for p in (root, root / "openvino") if (p / MODEL_FILE).is_file()), None)
    if checkpoint is None and converted is None:
        refuse_hub_name(str(path), f"{key} is {str(path)!r}")
        raise InputError(
            f"{key} is {str(path)!r}",
            rule="it holds no model (config.json with *.safetensors, openvino_model.xml, or a run directory of either)"
            if root.is_dir()
            else "no such folder",
            fix="give the output of `danlu train` or `danlu compress`, or a Hugging Face folder",
        )
    if checkpoint is None:
        return ModelFolders(checkpoint, converted)
    config = read_config(checkpoint)
    try:
        check_config(config)
    except InputError as error:
        raise InputError(f"{checkpoint}/{error.what}", rule=error.rule, fix=error.fix) from None
    check_weight_files(checkpoint)
    return ModelFolders(checkpoint, converted, _unconvertible(checkpoint, config), config.get("model_type") == _OWN)


def _has_weights(folder: Path) -> bool:
    """Whether there are weights, or an index that says which there should be."""
    return any(folder.glob("*.safetensors")) or (folder / WEIGHTS_INDEX).is_file()


def _unconvertible(checkpoint: Path, config: dict[str, Any]) -> str:
    try:
        read_architecture(config)
    except NotAvailableError as error:
        return str(error).partition("\n")[0]
    except InputError as error:  # no engine can load that
        raise InputError(f"{checkpoint}/{error.what}", rule=error.rule, fix=error.fix) from None
    return ""


def refuse_hub_name(path: str, what: str) -> None:
    """Raise for a path that is none here, and looks like a model's name at Hugging Face: an owner, a slash and a name.

    Raises:
        InputError: says of `what` that such names are not fetched.
    """
    named = re.fullmatch(r"[A-Za-z0-9][\w.-]*/([A-Za-z0-9][\w.-]*)", path)
    if named is None or path.endswith((".yaml", ".yml")) or Path(path).exists():
        return
    rule = "there is no such path, and language models are not fetched by their name at Hugging Face"
    fix = f"download it first (hf download {path} --local-dir {named[1]}), and give that folder"
    raise InputError(what, rule=rule, fix=fix)


def find_hardware() -> Hardware:
    """The GPUs that this process sees: CUDA_VISIBLE_DEVICES (Ray sets it per replica), else the device files."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    present = len(list(Path("/dev").glob("nvidia[0-9]*")))
    if named is not None:
        # CUDA takes the devices before the first that is none (CUDA programming guide, environment variables).
        visible = takewhile(lambda device: device.strip() not in ("", "-1", "NoDevFiles"), named.split(","))
        present = min(present, len(list(visible)))
    return Hardware(present, torch_has_cuda())


def torch_has_cuda() -> bool:
    """Whether torch was built for CUDA, read from its file of versions: importing it takes seconds and 190 MB."""
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        return False
    versions = Path(torch.origin).with_name("version.py")
    return versions.is_file() and runpy.run_path(str(versions)).get("cuda") is not None
