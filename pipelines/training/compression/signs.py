"""Numbers as signs: one bit per element, and one scale per block of elements."""

from __future__ import annotations

import torch

BITS = 8
SCALE_BYTES = 4


def pack(values: torch.Tensor) -> torch.Tensor:
    """The signs of (rows, n) values, n a multiple of 8, as (rows, n / 8) uint8. A set bit is "not negative"."""
    signs = (values >= 0).view(len(values), -1, BITS)
    return (signs * _powers(values.device)).sum(dim=2, dtype=torch.uint8)


def unpack(packed: torch.Tensor) -> torch.Tensor:
    """(rows, n) uint8 to (rows, 8 n) float32 of -1 and 1."""
    bits = (packed[:, :, None] & _powers(packed.device)) > 0
    return bits.view(len(packed), -1).float().mul_(2).sub_(1)


def block_means(values: torch.Tensor, block: int) -> torch.Tensor:
    """Mean of |values| (rows, n) over each block of `block` elements of a row, the last one being shorter.

    Returns:
        (rows, ceil(n / block)) float32.
    """
    magnitudes = values.abs()
    whole = values.shape[1] // block * block
    means = magnitudes[:, :whole].reshape(len(values), -1, block).mean(dim=2)
    if whole == values.shape[1]:
        return means
    return torch.cat([means, magnitudes[:, whole:].mean(dim=1, keepdim=True)], dim=1)


def encode(values: torch.Tensor, block: int) -> torch.Tensor:
    """Each row of `values` (rows, n) float32, n a multiple of 8, as a message: its signs, then its scales.

    Of all vectors with these signs and one magnitude per block, this one is the nearest to `values`.

    Returns:
        (rows, message_bytes(n, block)) uint8.
    """
    return torch.cat([pack(values), block_means(values, block).view(torch.uint8)], dim=1)


def decode(messages: torch.Tensor, elements: int, block: int) -> torch.Tensor:
    """What `encode` kept of rows of `elements` values: (rows, elements) float32."""
    signs = elements // BITS
    # A copy, as a view as float32 must start at a multiple of four bytes.
    scales = messages[:, signs:].clone(memory_format=torch.contiguous_format).view(torch.float32)
    return unpack(messages[:, :signs]).mul_(scales.repeat_interleave(block, dim=1)[:, :elements])


def message_bytes(elements: int, block: int) -> int:
    """Bytes of one encoded row."""
    return elements // BITS + SCALE_BYTES * -(-elements // block)


def _powers(device: torch.device) -> torch.Tensor:
    return 2 ** torch.arange(BITS, device=device, dtype=torch.uint8)
