"""The folder that the OpenVINO engine loads: made from a checkpoint, and cached by the checkpoint's content."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.engines.model_files import read_config
from actors.engines.openvino_architecture import read_architecture

MODEL_FILE = "openvino_model.xml"
# Counts up when the same checkpoint would be converted differently.
_VERSION = 1


def openvino_folder(path: Path) -> Path:
    """`path` itself when it is converted already, else its conversion in the cache (made now if need be).

    The cache is `$DANLU_CACHE`, else `~/.cache/danlu`; processes that want the same conversion wait for the first.

    Raises:
        NotAvailableError: the network can't be converted.
        InputError: the folder is no model.
    """
    if (path / MODEL_FILE).is_file():
        return path
    read_architecture(read_config(path))  # refuses before gigabytes are hashed
    folder = cache_folder() / "openvino" / content_hash(path)
    if not folder.is_dir():
        with _locked(folder.with_suffix(".lock")):
            if not folder.is_dir():
                part = folder.with_suffix(".part")
                shutil.rmtree(part, ignore_errors=True)
                write_openvino_folder(path, part)
                part.rename(folder)
    return folder


def write_openvino_folder(source: Path, destination: Path, *, widen: bool = False) -> None:
    """Convert the checkpoint in `source`; the result serves on its own (model, tokenizer, chat template).

    Args:
        widen: store half-precision weights as float32.
    """
    import openvino as ov

    from actors.engines.openvino_convert import convert_model

    model = convert_model(source, widen=widen)
    destination.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "generation_config.json"):
        if (source / name).is_file():
            shutil.copy2(source / name, destination / name)
    write_tokenizer(source, destination)
    ov.save_model(model, destination / MODEL_FILE, compress_to_fp16=False)


def write_tokenizer(source: Path, destination: Path) -> None:
    """The tokenizer in both forms: for our engine, and as the OpenVINO models that openvino-genai asks for."""
    import openvino as ov
    from openvino_tokenizers import convert_tokenizer

    from actors.engines.tokenizer import ModelTokenizer

    original = ModelTokenizer(source).huggingface
    original.save_pretrained(destination)
    tokenizer, detokenizer = convert_tokenizer(original, with_detokenizer=True)
    ov.save_model(tokenizer, destination / "openvino_tokenizer.xml")
    ov.save_model(detokenizer, destination / "openvino_detokenizer.xml")


def cache_folder() -> Path:
    """Where danlu keeps what it can make again."""
    return Path(os.environ.get("DANLU_CACHE") or Path.home() / ".cache" / "danlu")


def content_hash(path: Path) -> str:
    """BLAKE2b over every file that the conversion reads, in hex; the same wherever the folder lies."""
    digest = hashlib.blake2b(str(_VERSION).encode(), digest_size=16)
    files = sorted(file for pattern in ("*.safetensors", "*.json", "*.jinja", "*.model") for file in path.glob(pattern))
    for file in files:
        digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "blake2b").digest())
    return digest.hexdigest()


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
