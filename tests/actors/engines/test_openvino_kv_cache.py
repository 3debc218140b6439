"""The size of the CPU engine's KV cache."""

from __future__ import annotations

import pytest

from actors.engines.openvino_kv_cache import check_kv_cache, kv_blocks
from actors.engines.settings import OpenVinoSettings
from danlu.errors import ConfigError

CONFIG = {
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "num_hidden_layers": 28,
    "hidden_size": 1024,
    "max_position_embeddings": 40960,
}
SMALL = {**CONFIG, "num_hidden_layers": 2, "max_position_embeddings": 512}


def test_the_kv_cache_is_no_larger_than_full_contexts_need() -> None:
    assert kv_blocks(SMALL, OpenVinoSettings(sequences=4)) == 4 * 512 // 32


def test_the_kv_cache_keeps_to_its_limit() -> None:
    """28 layers x 8 heads x (128 + 8) bytes x 2 = 60,928 bytes a token."""
    assert kv_blocks(CONFIG, OpenVinoSettings(kv_cache_gib=1.0)) == 2**30 // (60_928 * 32)


def test_float32_caches_hold_fewer_tokens() -> None:
    assert kv_blocks(CONFIG, OpenVinoSettings(precision="fp32")) == 2**30 // (28 * 8 * 128 * 4 * 2 * 32)


def test_a_limit_too_small_for_anything_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"kv_cache_gib is 0\.001"):
        kv_blocks(CONFIG, OpenVinoSettings(kv_cache_gib=0.001))


def test_a_cache_larger_than_the_memory_is_refused() -> None:
    """32 contexts of 40,960 tokens of 60,928 bytes are 74.4 GiB."""
    all_of_it = OpenVinoSettings(kv_cache_gib=900)
    check_kv_cache(CONFIG, all_of_it, 75.0)
    with pytest.raises(ConfigError, match=r"kv_cache_gib is 900: the cache would grow to 74\.4 GiB .* has 74\.0 GiB"):
        check_kv_cache(CONFIG, all_of_it, 74.0)


def test_a_high_limit_is_none_where_less_will_do() -> None:
    check_kv_cache(SMALL, OpenVinoSettings(kv_cache_gib=900), 1.0)
