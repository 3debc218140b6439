"""The folder that the OpenVINO engine loads: made from a checkpoint, and cached by the checkpoint's content."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from actors.engines.model_files import read_config
from actors.engines.openvino_architecture import read_architecture
from actors.engines.settings import StoredWeights
from actors.engines.signal_stack import kept_signal_stack
from danlu.errors import ConfigError

log = logging.getLogger("ray.serve")

_SOURCES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")
_CONVERTERS = ("openvino", "openvino-tokenizers", "nncf")  # whose results may change from version to version
_HASH_CHARACTERS = 32

MODEL_FILE = "openvino_model.xml"
# Counts up when the same checkpoint would be converted differently.
_VERSION = 1


def openvino_folder(path: Path, weights: StoredWeights = "auto") -> Path:
    """`path` itself when it is converted already, else its conversion in the cache (made now if need be).

    The cache is `$DANLU_CACHE`, else `~/.cache/danlu`; processes that want the same conversion wait for the first.

    Args:
        weights: how the weights are to be stored; `auto` takes them as they are.

    Raises:
        NotAvailableError: the network can't be converted.
        InputError: the folder is no model.
        ConfigError: the folder is converted already, so its weights are what they are.
    """
    if (path / MODEL_FILE).is_file():
        check_convertible(path, weights)
        return path
    read_architecture(read_config(path))  # refuses before gigabytes are hashed
    name = content_hash(path) + ("" if weights == "auto" else f"-{weights}")
    folder = cache_folder() / "openvino" / name
    if not folder.is_dir():
        with _locked(folder.with_suffix(".lock")):
            if not folder.is_dir():
                log.info("converting %s for the CPU, weights=%s; kept in %s", path, weights, folder)
                part = folder.with_suffix(".part")
                shutil.rmtree(part, ignore_errors=True)
                write_openvino_folder(path, part, weights)
                part.rename(folder)
    return folder


def check_convertible(path: Path, weights: str) -> None:
    """Refuse to choose how the weights of a converted folder are stored.

    Raises:
        ConfigError: `path` is converted already, and `weights` is not auto.
    """
    if weights != "auto" and (path / MODEL_FILE).is_file():
        raise ConfigError(
            f"weights is {weights!r}",
            rule=f"{path} is converted already, and its weights are stored as they are",
            fix="leave weights out, or give the checkpoint that it was made from",
        )


def write_openvino_folder(source: Path, destination: Path, weights: StoredWeights = "auto") -> None:
    """Convert the checkpoint in `source`; the result serves on its own (model, tokenizer, chat template).

    Args:
        weights: how they are stored; `auto` as the checkpoint has them.
    """
    import openvino as ov

    from actors.engines.openvino_convert import convert_model
    from actors.engines.openvino_quantization import quantize

    if weights == "int8" or weights == "int4":
        with kept_signal_stack():  # NNCF loads the CPU plugin
            model = quantize(convert_model(source, "fp32"), weights)
    else:
        model = convert_model(source, weights)
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
    """BLAKE2b over every file that the conversion reads and what converts them, in hex.

    The same wherever the folder lies. Weights are read once: it is kept under what the files look like from outside.
    """
    files = sorted(file for pattern in _SOURCES for file in path.glob(pattern))
    seen = [(str(file.resolve()), (status := file.stat()).st_size, status.st_mtime_ns, status.st_ino) for file in files]
    maker = f"{_VERSION} " + " ".join(f"{package} {version(package)}" for package in _CONVERTERS)
    outside = hashlib.blake2b(f"{maker} {seen}".encode(), digest_size=16).hexdigest()
    kept = cache_folder() / "hashes" / outside
    if kept.is_file() and len(known := kept.read_text(encoding="ascii")) == _HASH_CHARACTERS:
        return known
    digest = hashlib.blake2b(maker.encode(), digest_size=_HASH_CHARACTERS // 2)
    for file in files:
        digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "blake2b").digest())
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_suffix(f".{os.getpid()}")
    part.write_text(digest.hexdigest(), encoding="ascii")
    part.replace(kept)
    return digest.hexdigest()


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
