"""A checkpoint's tensors as OpenVINO constants, read from safetensors shard by shard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import openvino as ov
from openvino import Node, Type
from openvino import opset15 as op

from actors.engines.model_files import weight_files
from danlu.errors import InputError

StoredAs = Literal["auto", "fp32", "bf16"]


class Weights:
    """The tensors of a Hugging Face folder by name; remembers which were used.

    Args:
        stored: how matrices are stored: `auto` as the checkpoint has them, else converted to that type.

    Raises:
        InputError: no weights, or a shard that the index names is missing.
    """

    def __init__(self, folder: Path, stored: StoredAs = "auto") -> None:
        self._folder = folder
        self._stored: StoredAs = stored
        self._shards: dict[str, Path] = self._find_shards()  # tensor name -> file
        self._open: dict[Path, Any] = {}
        self._used: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._shards

    def matrix(self, name: str, rows: int, columns: int) -> Node:
        """A weight, stored as was asked; the graph sees float32."""
        return self._constant(self._read(name, (rows, columns)), self._stored)

    def matrices(self, names: Sequence[str], rows: int, columns: int) -> Node:
        """Weights of one size as one constant, (len(names), rows, columns)."""
        import torch

        return self._constant(torch.stack([self._read(name, (rows, columns)) for name in names]), self._stored)

    def vector(self, name: str, size: int) -> Node:
        """A norm's weight or a bias, always stored in float32."""
        return self._constant(self._read(name, (size,)), "fp32")

    def unused(self) -> list[str]:
        """Tensors that nobody asked for: part of a network that is not what the config says."""
        return sorted(set(self._shards) - self._used)

    def _constant(self, tensor: Any, stored: StoredAs) -> Node:
        import torch

        if stored != "auto":
            tensor = tensor.to(torch.float32 if stored == "fp32" else torch.bfloat16)
        if tensor.dtype == torch.float32:
            return op.constant(tensor.numpy(), shared_memory=True)  # keeps the array alive
        kind = {torch.float16: Type.f16, torch.bfloat16: Type.bf16}[tensor.dtype]
        half = ov.Tensor(tensor.view(torch.uint16).numpy(), ov.Shape(list(tensor.shape)), kind)
        # A copy: an ov.Tensor does not keep the array alive that it was made of.
        wide = op.convert(op.constant(half, shared_memory=False), "f32")
        wide.get_rt_info()["decompression"] = ""  # keeps the half precision in the file and in memory
        return wide

    def _read(self, name: str, shape: tuple[int, ...]) -> Any:
        """A tensor of the checkpoint.

        Raises:
            InputError: it is missing, its type or shape is another, or it holds NaN or an infinite number.
        """
        import torch
        from safetensors import safe_open

        if name not in self._shards:
            raise InputError(f"tensor {name} in {self._folder}", rule="it is missing from the checkpoint")
        self._used.add(name)
        file = self._shards[name]
        if file not in self._open:
            self._open[file] = safe_open(file, "pt")
        tensor = self._open[file].get_tensor(name).contiguous()
        if tensor.dtype not in (torch.float32, torch.float16, torch.bfloat16):
            rule = f"its type is {tensor.dtype}; float32, float16 and bfloat16 can be converted"
            raise InputError(f"tensor {name} in {self._folder}", rule=rule)
        if tuple(tensor.shape) != shape:
            rule = f"its shape is {tuple(tensor.shape)}, by config.json it is {shape}"
            raise InputError(
                f"tensor {name} in {self._folder}", rule=rule, fix="take the config.json that belongs to the weights"
            )
        # NaN passes through. A second tensor, as isfinite() makes one, would cost thirty times the time.
        if not all(math.isfinite(end.item()) for end in tensor.aminmax()):
            bad = int((~tensor.isfinite()).sum())
            rule = f"{bad} of its {tensor.numel()} values are NaN or infinite, so that every answer would be noise"
            fix = "take a checkpoint from before the training broke, or copy the file again"
            raise InputError(f"tensor {name} in {self._folder}", rule=rule, fix=fix)
        return tensor

    def _find_shards(self) -> dict[str, Path]:
        from safetensors import SafetensorError, safe_open

        found: dict[str, Path] = {}
        for file in weight_files(self._folder):
            try:
                with safe_open(file, "pt") as shard:
                    found |= dict.fromkeys(shard.keys(), file)
            except SafetensorError as error:
                raise InputError(f"{file} can't be read", rule=str(error)) from None
        return found
