"""How long a context and how large a vocabulary is, of architectures that have a place of their own for it, or none."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from actors.engines.text_sizes import with_text_sizes
from danlu.errors import InputError


def length(folder: Path, config: dict[str, Any], tokenizer: dict[str, Any] | None = None) -> int:
    (folder / "config.json").write_text(json.dumps(config))
    if tokenizer is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    found = with_text_sizes(folder, config)
    assert found.items() >= config.items()
    return int(found["max_position_embeddings"])


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "llama", "max_position_embeddings": 96}, 96),
        ({"model_type": "gpt2", "n_positions": 96}, 96),
        ({"model_type": "mpt", "max_seq_len": 96}, 96),
        ({"model_type": "rwkv", "context_length": 96}, 96),
        ({"model_type": "bloom", "seq_length": 96}, 96),
    ],
)
def test_each_architecture_has_its_own_name(tmp_path: Path, config: dict[str, Any], expected: int) -> None:
    assert length(tmp_path, config, {"model_max_length": 512}) == expected


def test_the_tokenizer_tells_what_the_network_does_not(tmp_path: Path) -> None:
    assert length(tmp_path, {"model_type": "mamba"}, {"model_max_length": 512}) == 512


@pytest.mark.parametrize("tokenizer", [None, {}, {"model_max_length": 1e30}, {"model_max_length": int(1e30)}])
def test_what_nobody_tells_is_guessed_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, tokenizer: dict[str, Any] | None
) -> None:
    with caplog.at_level(logging.WARNING):
        assert length(tmp_path, {"model_type": "mamba"}, tokenizer) == 2048
    assert "2048 tokens are taken" in caplog.text


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "nothing-like-it"},
        {"model_type": ["gpt2"]},
        {"model_type": "gpt2", "n_positions": "96", "vocab_size": 420},
        {"model_type": "gpt2", "layer_types": 3},
        {"model_type": "gemma3", "text_config": "x"},
        {"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}},
    ],
)
def test_what_transformers_does_not_take_is_refused(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"config\.json"):
        length(tmp_path, config)


def test_the_sizes_of_a_part_are_those_of_the_network(tmp_path: Path) -> None:
    part = {"model_type": "gemma3_text", "vocab_size": 420, "max_position_embeddings": 96}
    config = {"model_type": "gemma3", "text_config": part}
    assert length(tmp_path, config) == 96
    assert with_text_sizes(tmp_path, config)["vocab_size"] == 420


def test_a_vocabulary_that_is_told_is_kept(tmp_path: Path) -> None:
    part = {"model_type": "gemma3_text", "vocab_size": 420, "max_position_embeddings": 96}
    config = {"model_type": "gemma3", "vocab_size": 96, "text_config": part}
    assert length(tmp_path, config) == 96
    assert with_text_sizes(tmp_path, config)["vocab_size"] == 96


@pytest.mark.parametrize("told", [10485760, 0, -5])
def test_what_the_network_tells_is_not_replaced_by_a_guess(tmp_path: Path, told: int) -> None:
    """Whether it can be a length is looked at, and refused, where it is used."""
    assert length(tmp_path, {"model_type": "gpt2", "n_positions": told, "vocab_size": 420}) == told
