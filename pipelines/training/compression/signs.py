"""Numbers as signs: one bit per element, and one scale per block of elements."""

from __future__ import annotations

import torch

BITS = 8
SCALE_BYTES = 4


def pack(values: torch.Tensor) -> torch.Tensor:
    """The signs of `values` (n,), n a multiple of 8, as (n / 8,) uint8; a set bit is "not negative"."""
    powers = 2 ** torch.arange(BITS, device=values.device, dtype=torch.uint8)
    return ((values >= 0).view(-1, BITS) * powers).sum(dim=1, dtype=torch.uint8)


def unpack(packed: torch.Tensor) -> torch.Tensor:
    """(n,) uint8 to (8 n,) float32 of -1 and 1."""
    powers = 2 ** torch.arange(BITS, device=packed.device, dtype=torch.uint8)
    bits = (packed[:, None] & powers) > 0
    return bits.view(-1).float().mul_(2).sub_(1)


def block_means(values: torch.Tensor, block: int) -> torch.Tensor:
    """Mean of |values| (n,) over each block of `block` elements; the last one may be shorter. (ceil(n / block),)."""
    magnitudes = values.abs()
    whole = len(values) // block * block
    means = magnitudes[:whole].view(-1, block).mean(dim=1)
    return means if whole == len(values) else torch.cat([means, magnitudes[whole:].mean().view(1)])


def spread(scales: torch.Tensor, elements: int, block: int) -> torch.Tensor:
    """Each block's scale for each of its elements: (elements,)."""
    return scales.repeat_interleave(block)[:elements]


def encode(values: torch.Tensor, block: int) -> torch.Tensor:
    """`values` (n,) float32, n a multiple of 8, as one message of `message_bytes(n, block)` bytes: signs, then scales.

    Among all vectors of one magnitude with these signs, the block's mean of |values| is the nearest to `values`.
    """
    return torch.cat([pack(values), block_means(values, block).view(torch.uint8)])


def decode(message: torch.Tensor, elements: int, block: int) -> torch.Tensor:
    """What `encode` kept of `elements` values: (elements,) float32."""
    signs = elements // BITS
    # The copy aligns the scales: a view as float32 must start at a multiple of four bytes.
    scales = message[signs:].clone().view(torch.float32)
    return unpack(message[:signs]).mul_(spread(scales, elements, block))


def message_bytes(elements: int, block: int) -> int:
    """Bytes of an encoded vector."""
    return elements // BITS + SCALE_BYTES * -(-elements // block)
