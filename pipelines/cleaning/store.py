"""Tables between the stages: parquet files in the run directory, written whole or not at all."""

from __future__ import annotations

import errno
import json
import posixpath
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from danlu.errors import ResourceError

_FACTS = b"danlu"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def write_table(uri: str, table: pa.Table, *, compression: str = "zstd", **facts: Any) -> None:
    """Write `table` to `uri`; `facts` (plain JSON values) travel in the file's metadata.

    A stopped process leaves no half-written file under that name, so a file that exists is finished.
    """
    metadata = {_FACTS: json.dumps(facts, ensure_ascii=False, sort_keys=True).encode()} if facts else None
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), sink, compression=compression)
    write_bytes(uri, sink.getvalue().to_pybytes())


def write_bytes(uri: str, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        ResourceError: the disk is full; what was written before is whole, and the half of this file is gone.
    """
    filesystem, path = fsspec.core.url_to_fs(uri)
    part = f"{path}.part"
    try:
        filesystem.makedirs(posixpath.dirname(path), exist_ok=True)
        filesystem.pipe_file(part, data)
        filesystem.mv(part, path)
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        with suppress(OSError):
            filesystem.rm(part)
        raise ResourceError(
            f"no space left to write {uri}",
            rule=f"{len(data):,} bytes were to be written: {error.strerror}",
            fix="make room or raise the quota and give the same command again: it goes on where it was",
        ) from None


def read_bytes(uri: str) -> bytes:
    """The whole of a file."""
    with fsspec.open(uri, "rb") as stream:
        return stream.read()


def read_table(uri: str, columns: list[str] | None = None, ids: Iterable[str] | None = None) -> pa.Table:
    """A table, or some columns of it, or only the rows with one of some `ids`."""
    filters = None if ids is None else [("id", "in", sorted(ids))]
    with fsspec.open(uri, "rb") as stream:
        return pq.read_table(pa.PythonFile(stream, mode="r"), columns=columns, filters=filters)


def read_rows(uri: str, column: str, rows: np.ndarray) -> list[Any]:
    """The values of `column` at `rows`, in their order."""
    return read_table(uri, [column])[column].take(rows).to_pylist()


def matrix(column: pa.ChunkedArray, dtype: str, width: int) -> np.ndarray:
    """(n, width) from n values of fixed-size binary; the other way is `binary`."""
    array = column.combine_chunks()
    if not len(array):
        return np.zeros((0, width), dtype=dtype)
    size = array.type.byte_width
    data = np.frombuffer(array.buffers()[1], dtype=np.uint8)[array.offset * size : (array.offset + len(array)) * size]
    return data.view(dtype).reshape(-1, width)


def binary(values: np.ndarray) -> pa.Array:
    """Each row of a (n, width) array as a value of fixed-size binary."""
    size = values.shape[1] * values.itemsize
    buffer = pa.py_buffer(np.ascontiguousarray(values).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), len(values), [None, buffer])


def order_of(keys: pa.ChunkedArray) -> np.ndarray:
    """(n,) places that put digests of comparison keys into ascending order."""
    digests = matrix(keys, "<u8", 2)
    return np.lexsort((digests[:, 1], digests[:, 0]))


def read_facts(uri: str) -> dict[str, Any] | None:
    """The facts of a finished file, or None while there is none."""
    filesystem, path = fsspec.core.url_to_fs(uri)
    if not filesystem.exists(path):
        return None
    with filesystem.open(path, "rb") as stream:
        metadata = pq.read_metadata(pa.PythonFile(stream, mode="r")).metadata or {}
    return json.loads(metadata.get(_FACTS, b"{}"))


def put_folder(folder: Path, uri: str) -> None:
    """Copy a local folder to `uri`, in place of what is there."""
    filesystem, path = fsspec.core.url_to_fs(uri)
    if filesystem.exists(path):
        filesystem.rm(path, recursive=True)
    filesystem.makedirs(path, exist_ok=True)
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        target = posixpath.join(path, file.relative_to(folder).as_posix())
        filesystem.makedirs(posixpath.dirname(target), exist_ok=True)
        filesystem.put_file(str(file), target)


@contextmanager
def local_folder(uri: str) -> Iterator[str]:
    """`uri` as something libraries can open: remote folders are fetched for a while, anything else stays as it is."""
    if "://" not in uri:
        yield uri
        return
    filesystem, path = fsspec.core.url_to_fs(uri)
    with tempfile.TemporaryDirectory() as folder:
        filesystem.get(path, folder, recursive=True)
        inside = Path(folder, posixpath.basename(path))
        yield str(inside if inside.is_dir() else folder)


def part_files(root: str, folder: str) -> list[str]:
    """The parquet files of an artifact of a run, in order."""
    filesystem, path = fsspec.core.url_to_fs(posixpath.join(root, folder))
    found = sorted(filesystem.glob(posixpath.join(path, "*.parquet")))
    return [filesystem.unstrip_protocol(file) if "://" in root else file for file in found]
