"""How large the CPU engine's KV cache becomes, by config.json and settings alone."""

from __future__ import annotations

from typing import Any

from actors.engines.model_files import context_length, positive_count
from actors.engines.settings import OpenVinoSettings
from danlu.errors import ConfigError

BLOCK_TOKENS = 32  # tokens per block of the CPU plugin's paged KV cache


def kv_blocks(config: dict[str, Any], settings: OpenVinoSettings) -> int:
    """Blocks of the KV cache: enough for `sequences` full contexts, within `kv_cache_gib`.

    Raises:
        ConfigError: the limit is below one block per layer.
    """
    block_bytes = _block_bytes(config, settings)
    wanted = settings.sequences * -(-context_length(config) // BLOCK_TOKENS)
    allowed = int(settings.kv_cache_gib * 2**30 / block_bytes)
    if min(wanted, allowed) < 2:
        raise ConfigError(
            f"kv_cache_gib is {settings.kv_cache_gib}",
            rule=f"two blocks of this model's KV cache take {2 * block_bytes / 2**30:.3f} GiB",
        )
    return min(wanted, allowed)


def check_kv_cache(config: dict[str, Any], settings: OpenVinoSettings, memory_gib: float) -> None:
    """Refuse a KV cache that a machine can't hold. A high limit alone is none: less is taken where less will do.

    Args:
        memory_gib: all that the machine has.

    Raises:
        ConfigError: the cache is larger, or the limit is below one block per layer.
    """
    taken = kv_blocks(config, settings) * _block_bytes(config, settings) / 2**30
    if taken > memory_gib:
        raise ConfigError(
            f"kv_cache_gib is {settings.kv_cache_gib:g}",
            rule=f"the cache would grow to {taken:.1f} GiB ({settings.sequences} contexts of "
            f"{context_length(config)} tokens), and this machine has {memory_gib:.1f} GiB of memory",
            fix="lower options.kv_cache_gib to what the model leaves free",
        )


def _block_bytes(config: dict[str, Any], settings: OpenVinoSettings) -> int:
    heads = positive_count(config, "num_attention_heads")
    head_size = positive_count(config, "head_dim", positive_count(config, "hidden_size") // heads)
    element_bytes = 4 if settings.precision == "fp32" else 1
    # Keys and values of every layer; 8-bit caches add a scale and a zero point (2 x float32) per head and token.
    head_bytes = head_size * element_bytes + (8 if element_bytes == 1 else 0)
    kv_heads = positive_count(config, "num_key_value_heads", heads)
    return 2 * positive_count(config, "num_hidden_layers") * kv_heads * head_bytes * BLOCK_TOKENS
