"""The pieces that input is encoded in: small enough that a lost one costs little, the same on every machine.

How files are cut depends on the files alone, never on how many processes share the work, so token files come out the
same byte by byte. A piece of jsonl holds the lines that begin within its bytes; a piece of parquet is some row groups.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import fsspec

from danlu.errors import InputError

# Half a minute of one core's work: with less, the tokenizer's loading shows; with more, a lost shard would.
SHARD_BYTES = 64 << 20
_ROWS = 1024


@dataclass(frozen=True)
class InputShard:
    """A part of one input file.

    Attributes:
        number: its place among all shards.
        start, stop: byte range of jsonl, or range of row groups of parquet; stop is exclusive.
        first_row: rows of the file before `start`; None where they have not been counted (jsonl).
        size_bytes: of its data, uncompressed.
    """

    number: int
    file: str
    start: int
    stop: int
    first_row: int | None
    size_bytes: int

    @property
    def label(self) -> str:
        """What people call the rows of this shard; a row's number follows."""
        kind = "row" if _is_parquet(self.file) else "line"
        return f"{self.file} {kind}" if self.first_row is not None else f"{self.file} after byte {self.start}: {kind}"

    def row_name(self, row: int) -> str:
        """Where row `row` (from 1) of this shard lies, for people."""
        return f"{self.label} {(self.first_row or 0) + row}"


def plan_shards(files: Sequence[str], shard_bytes: int = SHARD_BYTES) -> list[InputShard]:
    """All shards of `files`, in their order."""
    cuts = [(file, cut) for file in files for cut in _cut_file(file, shard_bytes)]
    return [InputShard(number, file, *cut) for number, (file, cut) in enumerate(cuts)]


def cut_bytes(size: int, shard_bytes: int) -> list[tuple[int, int]]:
    """(start, stop) of the fewest equal ranges of at most `shard_bytes` that cover `size` bytes."""
    count = max(1, -(-size // shard_bytes))
    borders = [size * i // count for i in range(count + 1)]
    return list(pairwise(borders))


def cut_groups(sizes: Sequence[int], shard_bytes: int) -> list[tuple[int, int]]:
    """(start, stop) of row groups; a shard is full once it has `shard_bytes`."""
    ranges, start, held = [], 0, 0
    for place, size in enumerate(sizes):
        held += size
        if held >= shard_bytes or place == len(sizes) - 1:
            ranges.append((start, place + 1))
            start, held = place + 1, 0
    return ranges


def read_shard(shard: InputShard, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row within the shard, from 1; its fields) of all rows; of parquet only the `columns` that are there.

    Raises:
        InputError: the file can't be read as what its name says.
    """
    if _is_parquet(shard.file):
        return _parquet_rows(shard, columns)
    return _jsonl_rows(shard)


def first_row(file: str, columns: Sequence[str]) -> dict[str, Any] | None:
    """The first row of a file, None where it has none.

    Raises:
        InputError: as `read_shard`, or a parquet file has none of the columns.
    """
    stop = len(_group_sizes(file)) if _is_parquet(file) else _size(file)
    found = next(read_shard(InputShard(0, file, 0, stop, 0, 0), columns), None)
    return None if found is None else found[1]


def _cut_file(file: str, shard_bytes: int) -> Iterator[tuple[int, int, int | None, int]]:
    """(start, stop, first_row, size_bytes) of each shard of a file."""
    if not _is_parquet(file):
        for start, stop in cut_bytes(_size(file), shard_bytes):
            yield start, stop, 0 if start == 0 else None, stop - start
        return
    sizes = _group_sizes(file)
    rows = 0
    for start, stop in cut_groups([size for size, _ in sizes], shard_bytes):
        yield start, stop, rows, sum(size for size, _ in sizes[start:stop])
        rows += sum(count for _, count in sizes[start:stop])


def _is_parquet(file: str) -> bool:
    return file.lower().endswith(".parquet")


def _size(file: str) -> int:
    filesystem, path = fsspec.core.url_to_fs(file)
    return int(filesystem.size(path))


def _group_sizes(file: str) -> list[tuple[int, int]]:
    """(bytes, rows) of each row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with fsspec.open(file, "rb") as stream:
            meta = pq.read_metadata(stream)
    except pa.ArrowInvalid as error:
        raise InputError(f"{file} is no readable parquet file", rule=str(error).splitlines()[0]) from None
    groups = (meta.row_group(i) for i in range(meta.num_row_groups))
    return [(int(group.total_byte_size), int(group.num_rows)) for group in groups]


def _parquet_rows(shard: InputShard, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with fsspec.open(shard.file, "rb") as stream:
            table = pq.ParquetFile(stream)
            names = table.schema_arrow.names
            wanted = [name for name in columns if name in names]
            if not {"text", "messages"}.intersection(wanted):
                raise InputError(
                    f"{shard.file} has the columns {', '.join(names)}", rule="`text` or `messages` is needed"
                )
            row = 0
            groups = list(range(shard.start, shard.stop))
            for batch in table.iter_batches(_ROWS, row_groups=groups, columns=wanted):
                for fields in batch.to_pylist():
                    row += 1
                    yield row, fields
    except pa.ArrowInvalid as error:
        raise InputError(f"{shard.file} is no readable parquet file", rule=str(error).splitlines()[0]) from None


def _jsonl_rows(shard: InputShard) -> Iterator[tuple[int, dict[str, Any]]]:
    with fsspec.open(shard.file, "rb") as stream:
        position = shard.start
        if position:
            # A line belongs to the shard in which it begins: one byte back tells whether one begins at `start`.
            stream.seek(position - 1)
            position += len(stream.readline()) - 1
        row = 0
        while position < shard.stop and (line := stream.readline()):
            position += len(line)
            row += 1
            if line.strip():
                yield row, _json_object(shard, row, line)


def _json_object(shard: InputShard, row: int, line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line.decode("utf-8-sig" if shard.start == 0 and row == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{shard.row_name(row)} is not UTF-8", rule=str(error)) from None
    except json.JSONDecodeError as error:
        raise InputError(f"{shard.row_name(row)} is not JSON", rule=error.msg) from None
    if not isinstance(fields, dict):
        raise InputError(f"{shard.row_name(row)} is a {type(fields).__name__}", rule="each line must be a JSON object")
    return fields
