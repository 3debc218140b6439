"""Read and mend: input files become shards of documents with unique ids, and the boilerplate lines become known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import fsspec
import pyarrow as pa

from danlu.errors import InputError
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import repeated_lines, store
from pipelines.cleaning.config import CleanConfig, NormaliseConfig
from pipelines.cleaning.document import RawDocument, mend_surrogates
from pipelines.cleaning.layout import Layout, Shard
from pipelines.cleaning.normalise import normalise
from pipelines.cleaning.readers import Fields, read_documents
from pipelines.cleaning.spread import spread
from pipelines.cleaning.stages.lines import find_repeated_lines

SCHEMA = pa.schema([("id", pa.string()), ("source", pa.string()), ("text", pa.string()), ("failure", pa.string())])
# A unit is a few small files or one large one: big enough to be worth a task, small enough for every worker to get one.
_UNIT_BYTES = (256 << 10, 32 << 20)
_UNITS = 8
_UNIT_FILES = 1000
# A shard is held at once by every stage that works on it; documents as large as books make it shorter.
SHARD_BYTES = 64 << 20


@dataclass(frozen=True)
class Unit:
    """Files that one task reads, in order. `sources` are their names as the corpus shows them."""

    name: str
    files: tuple[str, ...]
    sources: tuple[str, ...]


def read(files: Sequence[str], config: CleanConfig, run: RunDirectory, progress: Progress) -> list[Shard]:
    """Read `files` into shards; returns them in the order of the files.

    Raises:
        InputError: no document in any file, or rows without the text field.
    """
    done = run.done("read")
    if done is not None:
        return [Shard(name, documents) for name, documents in done["shards"]]
    layout = Layout(run.uri)
    units = plan_units(files, [file_size(file) for file in files])
    shards: list[Shard] = []
    with progress.stage("read", len(files), "files") as stage:
        fields = Fields(config.text_field, config.id_field, config.text_files)
        work = ReadUnit(layout, fields, config.normalise, config.shard_documents)
        for unit, facts in spread(work, units, config.workers):
            shards.extend(Shard(name, documents) for name, documents in facts["shards"])
            stage.advance(len(unit.files), note=f"{sum(s.documents for s in shards):,} documents")
    shards.sort(key=lambda shard: shard.name)
    if not shards:
        raise InputError(f"input is {config.input!r}", rule=f"its {len(files)} files hold no document")
    lines = find_repeated_lines(shards, config, layout)
    run.mark_done("read", shards=[[s.name, s.documents] for s in shards], repeated_lines=lines)
    return shards


def plan_units(files: Sequence[str], sizes: Sequence[int]) -> list[Unit]:
    """Neighbouring files up to about an eighth of all bytes, within 256 KiB and 32 MiB; a larger file is alone."""
    target = min(max(sum(sizes) // _UNITS, _UNIT_BYTES[0]), _UNIT_BYTES[1])
    names = source_names(files)
    groups: list[list[str]] = [[]]
    held = 0
    for file, size in zip(files, sizes, strict=True):
        if groups[-1] and (held + size > target or len(groups[-1]) >= _UNIT_FILES):
            groups.append([])
            held = 0
        groups[-1].append(file)
        held += size
    return [
        Unit(f"{number:05d}", tuple(group), tuple(names[file] for file in group)) for number, group in enumerate(groups)
    ]


def source_names(files: Sequence[str]) -> dict[str, str]:
    """Each file without the folders that all have in common; what no encoding can write in a name is replaced."""
    parts = {file: mend_surrogates(file).split("/") for file in files}
    levels = zip(*(folders[:-1] for folders in parts.values()), strict=False)
    shared = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))
    return {file: "/".join(folders[shared:]) for file, folders in parts.items()}


@dataclass(frozen=True)
class ReadUnit:
    """Reads the files of a unit into shards of bounded size. The unit's own file is written last and marks it done."""

    layout: Layout
    fields: Fields
    normalise: NormaliseConfig | None
    shard_documents: int

    def __call__(self, unit: Unit) -> tuple[Unit, dict[str, list[list[Any]]]]:
        uri = self.layout.unit(unit.name)
        facts = store.read_facts(uri)
        if facts is not None:
            return unit, facts
        lines: Counter[int] = Counter()
        shards: list[list[Any]] = []
        for number, rows in enumerate(_batches(self._rows(unit, lines), self.shard_documents)):
            name = f"{unit.name}-{number:04d}"
            store.write_table(self.layout.raw(name), pa.Table.from_pylist(rows, SCHEMA))
            store.write_table(self.layout.lines(name), _lines_table(lines))
            lines.clear()
            shards.append([name, len(rows)])
        store.write_table(uri, pa.table({"source": unit.sources}), shards=shards)
        return unit, {"shards": shards}

    def _rows(self, unit: Unit, lines: Counter[int]) -> Iterable[dict[str, str | None]]:
        for file, source in zip(unit.files, unit.sources, strict=True):
            for document in read_documents(file, self.fields, source):
                text = self._mend(document)
                if text is not None and self.normalise and self.normalise.repeated_lines:
                    lines.update(repeated_lines.document_lines(text, self.normalise.repeated_lines))
                yield {"id": document.id, "source": source, "text": text, "failure": document.failure or None}

    def _mend(self, document: RawDocument) -> str | None:
        if document.text is None or self.normalise is None:
            return document.text
        return normalise(document.text, self.normalise)


def _batches(rows: Iterable[dict[str, str | None]], documents: int) -> Iterator[list[dict[str, str | None]]]:
    """Rows in their order, `documents` at a time, or fewer when their texts are 64 MiB long."""
    batch: list[dict[str, str | None]] = []
    held = 0
    for row in rows:
        batch.append(row)
        held += len((row["text"] or "").encode("utf-8", "surrogatepass"))
        if len(batch) == documents or held >= SHARD_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _lines_table(lines: Counter[int]) -> pa.Table:
    ordered = sorted(lines.items())
    columns = [[line for line, _ in ordered], [count for _, count in ordered]]
    return pa.table([pa.array(columns[0], pa.uint64()), pa.array(columns[1], pa.int64())], names=["line", "documents"])


def file_size(file: str) -> int:
    """Bytes of a file; 0 for one that is gone, of which its reader will have to say so."""
    filesystem, path = fsspec.core.url_to_fs(file)
    try:
        return int(filesystem.size(path) or 0)
    except OSError:
        return 0
