"""A file of tensors with a checksum for each: safetensors, written as a stream and read piece by piece.

The safetensors library opens these files too. They are written here because its writer copies all tensors into one
more buffer, and because the checksums are taken from the bytes as they pass.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch

_CHUNK_BYTES = 8 << 20
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


class DamagedError(Exception):
    """A checkpoint is not what was written: a file is missing, cut off, or its bytes have changed."""


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies in its file (bytes from the beginning), and the sha256 of its bytes."""

    dtype: str
    shape: list[int]
    offset: int
    size: int
    checksum: str


def write_tensors(file: Path, tensors: Mapping[str, torch.Tensor]) -> dict[str, StoredTensor]:
    """Write contiguous CPU tensors; returns when the bytes are on the disk.

    Raises:
        OSError: the file can't be written, for example because the disk is full.
    """
    header, offsets = _header(tensors)
    stored = {}
    with open(file, "wb") as stream:
        stream.write(header)
        for name, tensor in tensors.items():
            checksum = hashlib.sha256()
            for chunk in _chunks(_bytes_of(tensor)):
                stream.write(chunk)
                checksum.update(chunk)
            stored[name] = StoredTensor(
                _NAMES[tensor.dtype], list(tensor.shape), offsets[name], tensor.nbytes, checksum.hexdigest()
            )
        stream.flush()
        os.fsync(stream.fileno())
    return stored


def verify_tensors(file: Path, stored: Iterable[StoredTensor]) -> None:
    """Read the tensors again, from the disk where the system lets us, and compare them with their checksums.

    Raises:
        DamagedError: one differs.
    """
    with _open(file) as stream:
        if hasattr(os, "posix_fadvise"):  # what is on the disk counts, not what is still in memory
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        buffer = bytearray(_CHUNK_BYTES)
        for tensor in stored:
            checksum = hashlib.sha256()
            stream.seek(tensor.offset)
            left = tensor.size
            while left:
                view = memoryview(buffer)[: min(left, _CHUNK_BYTES)]
                count = stream.readinto(view)  # type: ignore[attr-defined]  # every file opened "rb" has it
                if not count:
                    break
                checksum.update(view[:count])
                left -= count
            _require_equal(file, tensor, checksum.hexdigest())


def read_tensor(file: Path, stored: StoredTensor) -> torch.Tensor:
    """One tensor, checked.

    Raises:
        DamagedError: the file is missing or its bytes have changed.
    """
    buffer = bytearray(stored.size)
    with _open(file) as stream:
        stream.seek(stored.offset)
        stream.readinto(buffer)  # type: ignore[attr-defined]
    _require_equal(file, stored, hashlib.sha256(buffer).hexdigest())
    if not stored.size:
        return torch.empty(stored.shape, dtype=_DTYPES[stored.dtype])
    return torch.frombuffer(buffer, dtype=_DTYPES[stored.dtype]).reshape(stored.shape)


def _header(tensors: Mapping[str, torch.Tensor]) -> tuple[bytes, dict[str, int]]:
    """The head of a safetensors file (its length as 8 bytes, then JSON), and where each tensor begins in the file."""
    entries, relative = {}, {}
    end = 0
    for name, tensor in tensors.items():
        relative[name] = end
        end += tensor.nbytes
        entries[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [relative[name], end],
        }
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)  # numbers of eight bytes begin at a multiple of eight
    head = struct.pack("<Q", len(text)) + text
    return head, {name: len(head) + offset for name, offset in relative.items()}


def _bytes_of(tensor: torch.Tensor) -> memoryview:
    assert tensor.device.type == "cpu" and tensor.is_contiguous()
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _chunks(data: memoryview) -> Iterator[memoryview]:
    for first in range(0, len(data), _CHUNK_BYTES):
        yield data[first : first + _CHUNK_BYTES]


def _open(file: Path) -> BinaryIO:
    try:
        return open(file, "rb")
    except OSError as error:
        raise DamagedError(f"{file.parent.name}/{file.name}: {error.strerror}") from error


def _require_equal(file: Path, stored: StoredTensor, found: str) -> None:
    if found != stored.checksum:
        raise DamagedError(f"{file.parent.name}/{file.name}: the bytes from {stored.offset} on have changed")
