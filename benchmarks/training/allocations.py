"""Bytes that torch holds on the CPU, counted tensor by tensor; resident memory has libraries and freed pages too."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class AllocationTracker(TorchDispatchMode):
    """Counts the storages that operations make, from their birth until nothing refers to them.

    Attributes:
        held_bytes: now.
        peak_bytes: the most at any moment since `reset`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.held_bytes = 0
        self.peak_bytes = 0
        self._known: dict[int, int] = {}

    def reset(self) -> None:
        """Begin a new peak."""
        self.peak_bytes = self.held_bytes

    def count(self, module: torch.nn.Module) -> None:
        """Take the tensors of a network that was there before."""
        for tensor in [*module.parameters(), *module.buffers()]:
            self._see(tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._see(leaf)
        return result

    def _see(self, tensor: torch.Tensor) -> None:
        if tensor.device.type == "meta":
            return
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        before = self._known.get(key)
        if before is None:
            weakref.finalize(storage, self._forget, key)
        self._known[key] = size
        self.held_bytes += size - (before or 0)
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)

    def _forget(self, key: int) -> None:
        self.held_bytes -= self._known.pop(key, 0)
