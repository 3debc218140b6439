"""Error feedback: what compression loses of one message is added to the next."""

from __future__ import annotations

import torch

from pipelines.training.compression.signs import decode, encode


def compress(values: torch.Tensor, error: torch.Tensor, block: int) -> torch.Tensor:
    """The message for `values + error`; `error` becomes what the message lacks.

    So the decoded messages of all steps and the last error add up to the values of all steps (arXiv 1901.09847,
    algorithm 2).

    Args:
        values: (n,) float32, n a multiple of 8. Overwritten.
        error: (n,) float32, changed in place; zeros at the first step.
    """
    values.add_(error)
    message = encode(values, block)
    torch.sub(values, decode(message, len(values), block), out=error)
    return message
