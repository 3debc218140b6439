"""Which files of a folder are its model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from actors.engines.model_files import (
    DTYPES,
    ROPE_KINDS,
    WEIGHTS_INDEX,
    check_config,
    end_tokens,
    weight_files,
    writes_no_text,
)
from actors.engines.model_folders import find_model
from danlu.errors import InputError


def write_index(folder: Path, *files: str) -> None:
    (folder / WEIGHTS_INDEX).write_text(json.dumps({"weight_map": {str(i): file for i, file in enumerate(files)}}))


def test_an_index_names_the_files_and_no_other_is_taken(tmp_path: Path) -> None:
    for name in ("weights-a.safetensors", "model-00001-of-00003.safetensors"):
        (tmp_path / name).touch()
    write_index(tmp_path, "weights-a.safetensors")
    assert [file.name for file in weight_files(tmp_path)] == ["weights-a.safetensors"]


def test_a_single_file_goes_before_an_index_as_in_transformers(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    write_index(folder, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    assert [file.name for file in weight_files(folder)] == ["model.safetensors"]
    _, loading = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"]
    assert find_model(folder).checkpoint == folder


@pytest.mark.parametrize(
    ("keys", "writes"),
    [
        ({"architectures": ["BertModel"], "model_type": "bert"}, False),
        ({"architectures": ["XLMRobertaForSequenceClassification"], "model_type": "xlm-roberta"}, False),
        ({"architectures": ["Qwen2ForSequenceClassification"], "model_type": "qwen2"}, False),
        ({"architectures": ["MT5ForConditionalGeneration"], "model_type": "mt5", "is_encoder_decoder": True}, False),
        ({"architectures": ["BertLMHeadModel"], "model_type": "bert", "is_decoder": True}, True),
        ({"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3"}, True),
        ({"architectures": ["ChatGLMModel"], "model_type": "chatglm"}, True),
        ({"architectures": "BertModel", "model_type": "bert"}, True),  # said elsewhere
        ({}, True),
    ],
)
def test_networks_that_write_no_text_are_known_by_their_names(keys: dict[str, Any], writes: bool) -> None:
    assert writes_no_text(keys) != writes
    if not writes:
        with pytest.raises(InputError, match="no engine can serve it as a language model"):
            check_config(keys)


def test_every_type_that_is_let_through_is_one_of_torch() -> None:
    assert all(isinstance(getattr(torch, name), torch.dtype) for name in DTYPES)


def test_weights_of_another_name_are_none(tmp_path: Path) -> None:
    (tmp_path / "model.fp16.safetensors").touch()
    with pytest.raises(InputError, match=r"lacks model\.safetensors"):
        weight_files(tmp_path)


def test_where_every_shard_is_missing_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    write_index(tmp_path, "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    with pytest.raises(InputError, match="lacks model-00001-of-00002"):
        find_model(tmp_path)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"rope_scaling": {"rope_type": "wild", "factor": 2.0}}, r"the rope_type in rope_scaling is 'wild': .*yarn"),
        ({"dtype": "float7"}, "dtype is 'float7': torch has no such type"),
        ({"torch_dtype": ["bfloat16"]}, r"torch_dtype is \['bfloat16'\]: torch has no such type"),
        ({"rope_scaling": {"type": "wild"}}, "the rope_type in rope_scaling is 'wild'"),
        ({"rope_parameters": {"sliding": {"rope_type": "wild"}}}, "the rope_type in rope_parameters is 'wild'"),
        ({"rope_parameters": {"rope_type": ["yarn"]}}, r"the rope_type in rope_parameters is \['yarn'\]"),
        ({"rope_parameters": "yarn"}, "rope_parameters is 'yarn': it must be a JSON object"),
        ({"max_position_embeddings": 0}, "max_position_embeddings is 0: it must be a whole number above zero"),
        ({"vocab_size": "420"}, "vocab_size is '420'"),
    ],
)
def test_a_config_that_no_engine_loads_is_refused_by_its_file(
    keys: dict[str, Any], problem: str, checkpoint: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["OlmoForCausalLM"]  # whose settings the converter does not look at
    (folder / "config.json").write_text(json.dumps(config))
    assert find_model(folder).unconvertible
    (folder / "config.json").write_text(json.dumps({**config, **keys}))
    with pytest.raises(InputError, match=problem):
        find_model(folder)


@pytest.mark.parametrize("kind", sorted({*ROPE_INIT_FUNCTIONS, "default"}))
def test_each_kind_of_rope_that_transformers_has_is_taken(kind: str) -> None:
    assert kind in ROPE_KINDS
    check_config({"rope_scaling": {"rope_type": kind}, "rope_parameters": {"full_attention": {"type": kind}}})


@pytest.mark.parametrize(
    ("config", "generation", "expected"),
    [
        ({"eos_token_id": 1}, {"eos_token_id": [2, 3]}, {2, 3}),
        ({"eos_token_id": 1, "text_config": {"eos_token_id": 2}}, {}, {1}),
        ({"eos_token_id": 0, "text_config": {"eos_token_id": 2}}, None, {0}),
        ({"text_config": {"eos_token_id": 2}}, None, {2}),
        ({"text_config": None}, None, set()),
    ],
)
def test_where_end_tokens_are_told(
    tmp_path: Path, config: dict[str, Any], generation: dict[str, Any] | None, expected: set[int]
) -> None:
    if generation is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps(generation))
    assert end_tokens(tmp_path, config) == expected
