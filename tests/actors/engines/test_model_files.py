"""Which files of a folder are its model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actors.engines.model_files import WEIGHTS_INDEX, weight_files
from actors.engines.model_folders import find_model
from danlu.errors import InputError


def write_index(folder: Path, *files: str) -> None:
    (folder / WEIGHTS_INDEX).write_text(json.dumps({"weight_map": {str(i): file for i, file in enumerate(files)}}))


def test_an_index_names_the_files_and_no_other_is_taken(tmp_path: Path) -> None:
    for name in ("weights-a.safetensors", "model-00001-of-00003.safetensors"):
        (tmp_path / name).touch()
    write_index(tmp_path, "weights-a.safetensors")
    assert [file.name for file in weight_files(tmp_path)] == ["weights-a.safetensors"]


def test_where_every_shard_is_missing_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    write_index(tmp_path, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    with pytest.raises(InputError, match="lacks model-00001-of-00002"):
        find_model(tmp_path)
