"""What must stay in fp32 where the weights are bf16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.nn import Module


@contextmanager
def exact_positions(network: Module) -> Iterator[None]:
    """Keep the frequencies of rotary positions as they are while DeepSpeed casts the network within.

    bf16 has 8 bits: at position 1,000 an angle would be wrong by up to 2 radians, and the finished checkpoint, which is
    loaded with exact ones, would be another network.
    """
    exact = {
        (module, name): buffer.clone()
        for module in network.modules()
        for name, buffer in module.named_buffers(recurse=False)
        if name.endswith("inv_freq")
    }
    yield
    for (module, name), buffer in exact.items():
        setattr(module, name, buffer.to(getattr(module, name).device))
