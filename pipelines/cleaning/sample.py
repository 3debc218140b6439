"""A small sample of the input, taken through the stages that look at each document by itself, to see what they cost.

The sample depends on the input alone: the beginnings of files spread evenly over the corpus, kind by kind.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from danlu.errors import InputError
from pipelines.cleaning import store
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.formats import PAGE_SUFFIXES, packing_of, suffix_of
from pipelines.cleaning.layout import Layout, Shard
from pipelines.cleaning.readers import Fields
from pipelines.cleaning.stages.judge import judge_work
from pipelines.cleaning.stages.lines import CountLines, EmitLines, save_lines
from pipelines.cleaning.stages.read import ReadUnit, Unit, file_size
from pipelines.cleaning.streams import READ_ERRORS, open_bytes, read_some

_FILES, _SMALL_FILES = 8, 24
_SAMPLE_BYTES, _LEAST_BYTES, _LEAST_PACKED_BYTES = 1 << 20, 32 << 10, 4 << 10
_PARQUET_ROWS = 50
_WARM_UP = "<p>一篇短文，用来热身。</p>\n<p>第二行。</p>"


@dataclass(frozen=True)
class Kind:
    """What the sample says of the files with one ending.

    documents: in all of them, extrapolated. sampled: those that were taken through the stages, in cpu_s CPU seconds;
    kept of them passed the filters, with so many characters; they are disk_bytes in the run directory, raw_bytes of
    which are their texts as read, and text_bytes of UTF-8.
    """

    documents: int
    sampled: int
    cpu_s: float
    kept: int
    characters: int
    text_bytes: int
    raw_bytes: int
    disk_bytes: int


@dataclass(frozen=True)
class _Part:
    """`path`: the beginning of `file`, or `file` itself. `sampled_bytes` hold `documents` (None: reading tells)."""

    file: str
    path: str
    sampled_bytes: int
    is_cut: bool = False
    documents: int | None = None


def take_sample(files: Sequence[str], sizes: Sequence[int], config: CleanConfig) -> list[Kind]:
    """The kinds of files among `files`, each with a sample of its documents.

    Raises:
        InputError: a file can't be read, or has rows without the text field.
    """
    config = config.model_copy(update={"decontaminate": None})  # benchmarks are not indexed for a sample
    groups: dict[str, dict[str, int]] = defaultdict(dict)
    for file, size in zip(files, sizes, strict=True):
        groups[suffix_of(file) + packing_of(file)][file] = size
    with tempfile.TemporaryDirectory() as folder:
        warm_up = Path(folder, "warm_up.html")
        warm_up.write_text(_WARM_UP, encoding="utf-8")
        _measure({}, [_Part(str(warm_up), str(warm_up), 1)], config, Path(folder, "warm_up"))
        kinds = []
        for number, (ending, group) in enumerate(sorted(groups.items())):
            inside = Path(folder, str(number))
            inside.mkdir()
            parts = _take_parts(ending, group, _SAMPLE_BYTES // len(groups), config, inside)
            kinds.append(_measure(group, parts, config, inside))
        return kinds


def spread_evenly(files: Sequence[str], most: int) -> list[str]:
    """At most `most` of the files, at equal distances."""
    count = min(most, len(files))
    return [files[place * len(files) // count] for place in range(count)]


def _require_readable(files: Sequence[str]) -> None:
    """Raise for a file that is gone or may not be read what a run would raise for it."""
    for file in files:
        try:
            with fsspec.open(file, "rb") as stream:
                stream.read(1)
        except OSError as error:
            raise InputError(f"input file {file}", rule=f"it can't be read ({error.strerror or error})") from None


def _take_parts(ending: str, sizes: Mapping[str, int], budget: int, config: CleanConfig, folder: Path) -> list[_Part]:
    files = sorted(sizes)
    if ending.startswith(PAGE_SUFFIXES) or (ending.startswith(".txt") and config.text_files == "whole"):
        chosen = spread_evenly(files, _SMALL_FILES)
        _require_readable(chosen)
        parts: list[_Part] = []
        for file in chosen:
            if not parts or sum(part.sampled_bytes for part in parts) + sizes[file] <= 4 * budget:
                parts.append(_Part(file, file, sizes[file]))
        return parts
    chosen = spread_evenly(files, _FILES)
    _require_readable(chosen)
    if ending == ".parquet":
        return [_first_rows(file, sizes[file], folder, number) for number, file in enumerate(chosen)]
    limit = max(budget // len(chosen), _LEAST_BYTES)
    return [_first_bytes(file, sizes[file], limit, folder, number) for number, file in enumerate(chosen)]


def _first_bytes(file: str, size: int, limit: int, folder: Path, number: int) -> _Part:
    """As much of a file as makes about `limit` bytes, unpacked."""
    if size <= limit and not packing_of(file):
        return _Part(file, file, size)
    path = folder / f"{number}{suffix_of(file)}{packing_of(file)}"
    with fsspec.open(file, "rb") as stream:
        data = stream.read(limit)
    path.write_bytes(data)
    while packing_of(file) and len(data) > _LEAST_PACKED_BYTES and _unpacks_to_more(path, limit):
        data = data[: len(data) // 2]
        path.write_bytes(data)
    return _Part(file, str(path), len(data), is_cut=len(data) < size)


def _unpacks_to_more(path: Path, most: int) -> bool:
    unpacked = 0
    try:
        with open_bytes(str(path)) as stream:
            while unpacked <= most and (part := read_some(stream, most)):
                unpacked += len(part)
    except READ_ERRORS:  # the cut
        pass
    return unpacked > most


def _first_rows(file: str, size: int, folder: Path, number: int) -> _Part:
    path = folder / f"{number}.parquet"
    try:
        with fsspec.open(file, "rb") as stream:
            table = pq.ParquetFile(stream)
            rows = pa.Table.from_batches([next(table.iter_batches(_PARQUET_ROWS))], table.schema_arrow)
            pq.write_table(rows, path)
            return _Part(file, str(path), size, documents=table.metadata.num_rows)
    except (*READ_ERRORS, StopIteration):  # damaged or without rows: its reader says so
        return _Part(file, file, size)


def _measure(sizes: Mapping[str, int], parts: Sequence[_Part], config: CleanConfig, folder: Path) -> Kind:
    """Read and judge the parts, and draw the conclusion for all files of the kind."""
    layout = Layout(str(folder / "run"))
    began = time.process_time()
    documents, shards = [], []
    for number, part in enumerate(parts):
        found = _read(part, f"{number:05d}", layout, config)
        documents.append(sum(shard.documents for shard in found))
        shards.extend(found)
    if config.normalise is not None and config.normalise.repeated_lines is not None:
        tables = [EmitLines(layout, 1)(shard.name) for shard in shards]
        count = CountLines(config.normalise.repeated_lines)
        save_lines([count(pa.concat_tables(tables))] if tables else [], layout)
    work = judge_work(layout, config)
    dropped = sum(work((shard.name, {}))["dropped"] for shard in shards)
    cpu_s = time.process_time() - began
    counted = sum(_counted(part, read) for part, read in zip(parts, documents, strict=True))
    lengths, text_bytes = _lengths(shards, layout)
    total = sum(sizes.values()) * counted / max(sum(part.sampled_bytes for part in parts), 1)
    return Kind(
        documents=round(total),
        sampled=sum(documents),
        cpu_s=cpu_s,
        kept=sum(documents) - dropped,
        characters=lengths,
        text_bytes=text_bytes,
        raw_bytes=sum(file_size(layout.raw(shard.name)) for shard in shards),
        disk_bytes=sum(path.stat().st_size for path in Path(layout.root).rglob("*.parquet")),
    )


def _read(part: _Part, unit: str, layout: Layout, config: CleanConfig) -> list[Shard]:
    fields = Fields(config.text_field, config.id_field, config.text_files)
    work = ReadUnit(layout, fields, config.normalise, config.shard_documents)
    try:
        _, facts = work(Unit(unit, (part.path,), (part.file,)))
    except InputError as error:
        raise InputError(error.what, rule=error.rule.replace(part.path, part.file), fix=error.fix) from None
    return [Shard(name, documents) for name, documents in facts["shards"]]


def _counted(part: _Part, read: int) -> int:
    """Documents in the bytes of the part; the last one of a part that was cut is only a piece."""
    return part.documents if part.documents is not None else read - (part.is_cut and read > 0)


def _lengths(shards: Sequence[Shard], layout: Layout) -> tuple[int, int]:
    """Characters and UTF-8 bytes of what passed the filters, and of all."""
    characters = text_bytes = 0
    for shard in shards:
        table = store.read_table(layout.texts(shard.name), ["text", "stage"])
        characters += sum(map(len, table.filter(table["stage"].is_null())["text"].to_pylist()))
        text_bytes += sum(len(text.encode()) for text in table["text"].drop_null().to_pylist())
    return characters, text_bytes
