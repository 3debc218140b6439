"""A checkpoint's tensors as OpenVINO constants, read from safetensors shard by shard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openvino as ov
from openvino import Node, Type
from openvino import opset15 as op

from actors.engines.model_files import read_json
from danlu.errors import InputError

_INDEX = "model.safetensors.index.json"


class Weights:
    """The tensors of a Hugging Face folder by name; remembers which were used.

    Args:
        widen: give half-precision weights as float32.

    Raises:
        InputError: no weights, or a shard that the index names is missing.
    """

    def __init__(self, folder: Path, *, widen: bool = False) -> None:
        self._folder = folder
        self._widen = widen
        self._shards: dict[str, Path] = self._find_shards()  # tensor name -> file
        self._open: dict[Path, Any] = {}
        self._used: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._shards

    def matrix(self, name: str) -> Node:
        """A weight, stored in the checkpoint's own precision unless `widen`; the graph sees float32."""
        return self._constant(name, widen=self._widen)

    def vector(self, name: str) -> Node:
        """A norm's weight or a bias, always stored in float32."""
        return self._constant(name, widen=True)

    def optional_vector(self, name: str) -> Node | None:
        """The same, or None when the checkpoint has no such tensor."""
        return self.vector(name) if name in self else None

    def unused(self) -> list[str]:
        """Tensors that nobody asked for: part of a network that is not what the config says."""
        return sorted(set(self._shards) - self._used)

    def _constant(self, name: str, *, widen: bool) -> Node:
        import torch

        kinds = {torch.float32: Type.f32, torch.float16: Type.f16, torch.bfloat16: Type.bf16}
        tensor = self._read(name)
        if tensor.dtype not in kinds:
            rule = f"its type is {tensor.dtype}; float32, float16 and bfloat16 can be converted"
            raise InputError(f"tensor {name} in {self._folder}", rule=rule)
        if widen or tensor.dtype == torch.float32:
            return op.constant(tensor.float().numpy(), shared_memory=True)  # keeps the array alive
        shape = ov.Shape(list(tensor.shape))
        half = ov.Tensor(tensor.view(torch.uint16).numpy(), shape, kinds[tensor.dtype])
        # A copy: an ov.Tensor does not keep the array alive that it was made of.
        wide = op.convert(op.constant(half, shared_memory=False), "f32")
        wide.get_rt_info()["decompression"] = ""  # keeps the half precision in the file and in memory
        return wide

    def _read(self, name: str) -> Any:
        from safetensors import safe_open

        if name not in self._shards:
            raise InputError(f"tensor {name} in {self._folder}", rule="it is missing from the checkpoint")
        self._used.add(name)
        file = self._shards[name]
        if file not in self._open:
            self._open[file] = safe_open(file, "pt")
        return self._open[file].get_tensor(name).contiguous()

    def _find_shards(self) -> dict[str, Path]:
        from safetensors import SafetensorError, safe_open

        files = sorted(self._folder.glob("model*.safetensors"))
        index = self._folder / _INDEX
        named = set(read_json(index)["weight_map"].values()) if index.is_file() else set()
        missing = sorted(named - {file.name for file in files})
        if missing or not files:
            lacking = ", ".join(missing) or "model.safetensors"
            raise InputError(f"{self._folder} is no complete checkpoint", rule=f"it lacks {lacking}")
        found: dict[str, Path] = {}
        for file in files:
            try:
                with safe_open(file, "pt") as shard:
                    found |= dict.fromkeys(shard.keys(), file)
            except SafetensorError as error:
                raise InputError(f"{file} can't be read", rule=str(error)) from None
        return found
