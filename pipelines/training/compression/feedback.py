"""Error feedback: what compression loses of one message is added to the next."""

from __future__ import annotations

import torch

from pipelines.training.compression.signs import decode, encode


def compress(values: torch.Tensor, error: torch.Tensor, block: int) -> torch.Tensor:
    """The messages for `values + error`; `error` becomes what they lack.

    So all messages so far and the last error add up to all values so far (arXiv 1901.09847, algorithm 2).

    Args:
        values: (rows, n) float32, n a multiple of 8. Overwritten.
        error: (rows, n) float32, changed in place; zeros at the first step.

    Returns:
        (rows, message_bytes(n, block)) uint8.
    """
    values.add_(error)
    messages = encode(values, block)
    torch.sub(values, decode(messages, values.shape[1], block), out=error)
    return messages
