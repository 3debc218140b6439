"""What a start of `danlu serve` would stumble over minutes later, looked at on this machine before there is a Ray."""

from __future__ import annotations

import tempfile
from pathlib import Path

import psutil

from actors.engines.model_files import read_config
from actors.engines.model_folders import find_model
from actors.engines.openvino_kv_cache import check_kv_cache
from actors.engines.settings import OpenVinoSettings
from danlu.config import validate
from danlu.errors import ConfigError, InputError
from serve_apps.config import EmbeddingSettings, ModelSettings, ServeConfig
from serve_apps.gateway.usage import usage_path
from serve_apps.model_apps import versions_of

_EMBEDDER_FILES = ("modules.json", "config.json")  # of sentence-transformers, and of transformers


def check_embedder(model: EmbeddingSettings) -> None:
    """Refuse a folder that holds no embedding model. A name that is no path here may be one of Hugging Face.

    Raises:
        InputError: the folder is missing, or has none of the files that such a model begins with.
    """
    place = Path(model.path)
    if place.is_dir():
        if any((place / name).is_file() for name in _EMBEDDER_FILES):
            return
        rule = f"it holds no embedding model ({' or '.join(_EMBEDDER_FILES)})"
    elif place.exists():
        rule = "it is a file, not a model's folder"
    elif place.is_absolute() or model.path.startswith((".", "~")) or model.path.count("/") > 1:
        rule = "no such folder"
    else:
        return
    fix = "give a sentence-transformers model, by its folder or its Hugging Face name, or what `danlu index` has fitted"
    raise InputError(f"embeddings.{model.name}.path is {model.path!r}", rule=rule, fix=fix)


def check_here(config: ServeConfig) -> None:
    """Refuse what this machine can't do, where it is the one that serves.

    Raises:
        ConfigError: a KV cache is larger than the memory.
        InputError: audit lines, or the use of keys, can't be written where they are wanted.
    """
    for model in versions_of(config.models):
        _check_memory(model)
    if config.gateway.audit.folder is not None:
        folder = config.gateway.audit.folder
        _check_writable(Path(folder), f"gateway.audit.folder is {folder!r}")
    if config.auth.keys_file is not None:
        file = config.auth.usage_file or usage_path(config.auth.keys_file)
        _check_writable(Path(file).parent, f"auth.usage_file is {file!r}")


def _check_memory(model: ModelSettings) -> None:
    # The default is small; so who gives it means the engine that has it.
    if "kv_cache_gib" not in model.options:
        return
    found = find_model(model.path)
    folder = found.openvino or found.checkpoint
    if folder is None or not (folder / "config.json").is_file():
        return
    memory_gib = psutil.virtual_memory().total / 2**30
    try:
        check_kv_cache(read_config(folder), validate(OpenVinoSettings, dict(model.options)), memory_gib)
    except ConfigError as error:
        raise ConfigError(
            f"in options of the model {model.name}: {error.what}", rule=error.rule, fix=error.fix
        ) from None


def _check_writable(folder: Path, what: str) -> None:
    """Try it, with a folder that goes at once: permissions alone say little about /proc or to root."""
    existing = next(place for place in (folder, *folder.resolve().parents) if place.exists())
    rule = ""
    if not existing.is_dir():
        rule = "it is a file, not a folder" if existing == folder else f"{existing} is a file, not a folder"
    else:
        try:
            with tempfile.TemporaryDirectory(prefix=".danlu-", dir=existing):
                return
        except OSError as error:
            rule = f"nothing can be written in {existing} ({error.strerror})"
    raise InputError(what, rule=rule, fix="give a folder that danlu may write in")
