"""Judge every document by itself: boilerplate lines out, screening, quality, and what finding its duplicates needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import store
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.keys import DIGEST_BYTES, key_digest
from pipelines.cleaning.layout import Layout, Shard
from pipelines.cleaning.minhash import SKETCH_SIZE, band_keys, shorten
from pipelines.cleaning.normalise import drop_lines
from pipelines.cleaning.repeated_lines import line_hash
from pipelines.cleaning.screening import Screened, Screening
from pipelines.cleaning.spread import spread
from pipelines.cleaning.stages.benchmark import load_benchmark
from pipelines.cleaning.stages.renames import find_renames

# `stage` and `reason` are null for what is kept; `key`, `bands` and `sketch` are null for what is not.
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("text", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("quality", pa.float32()),
        ("length", pa.int32()),
        ("key", pa.binary(DIGEST_BYTES)),
    ]
)


@dataclass(frozen=True)
class Judged:
    """How many documents passed, and how many got a new id because another document had theirs.

    masked: {kind: masked matches of personal data}, and the `documents` that had any.
    """

    passed: int
    renamed: int
    masked: dict[str, int]


def judge(shards: Sequence[Shard], config: CleanConfig, run: RunDirectory, progress: Progress) -> Judged:
    """Judge all documents, shard by shard."""
    done = run.done("judge")
    if done is not None:
        return Judged(**done)
    layout = Layout(run.uri)
    renames = find_renames(shards, config, layout)
    work = judge_work(layout, config)
    dropped, masked = 0, Counter[str]()
    with progress.stage("filter", sum(shard.documents for shard in shards), "documents") as stage:
        items = [(shard.name, renames.get(shard.name, {})) for shard in shards]
        for facts in spread(work, items, config.workers):
            dropped += facts["dropped"]
            masked.update(facts["masked"])
            stage.advance(facts["documents"], note=f"{dropped:,} dropped")
    passed = sum(shard.documents for shard in shards) - dropped
    judged = Judged(passed, sum(map(len, renames.values())), dict(masked))
    run.mark_done("judge", **vars(judged))
    return judged


def _compact(sketches: Sequence[np.ndarray | None]) -> dict[str, pa.Array]:
    """What the stages that compare documents need of (SKETCH_SIZE,) sketches: two columns, 259 bytes a document."""
    known = [sketch_ for sketch_ in sketches if sketch_ is not None]
    stacked = np.stack(known) if known else np.zeros((0, SKETCH_SIZE), dtype=np.uint32)
    # Where each document's sketch is among the known ones; null for a document without.
    places = iter(range(len(known)))
    taken = pa.array([None if sketch_ is None else next(places) for sketch_ in sketches], pa.int64())
    columns = {"bands": band_keys(stacked).astype("<u4"), "sketch": shorten(stacked)}
    return {name: store.binary(values).take(taken) for name, values in columns.items()}


def judge_work(layout: Layout, config: CleanConfig) -> JudgeShard:
    """The work of this stage on a shard, as `config` wants it."""
    has_lines = config.normalise is not None and config.normalise.repeated_lines is not None
    return JudgeShard(layout, config, has_lines, need_sketch=_need_sketch(config))


def _need_sketch(config: CleanConfig) -> bool:
    return config.near is not None or (config.semantic is not None and config.semantic.pairs > 0)


@dataclass(frozen=True)
class JudgeShard:
    """Judges the documents of a shard; returns how many there are and how many are dropped."""

    layout: Layout
    config: CleanConfig
    has_lines: bool
    need_sketch: bool

    def __call__(self, item: tuple[str, dict[int, str]]) -> dict[str, Any]:
        shard, renames = item
        uri = self.layout.texts(shard)
        return store.read_facts(uri) or self._write(shard, renames, uri)

    def _write(self, shard: str, renames: dict[int, str], uri: str) -> dict[str, Any]:
        rows = store.read_table(self.layout.raw(shard)).to_pylist()
        lines = self._repeated_lines()
        screened = self._screening()([_without_lines(row["text"], lines) for row in rows if row["text"] is not None])
        judged = [self._judge({**row, "id": renames.get(place, row["id"])}, screened) for place, row in enumerate(rows)]
        facts: dict[str, Any] = {
            "documents": len(rows),
            "dropped": sum("reason" in row for row in judged),
            "masked": _count_masked(judged),
        }
        sketches = [row.pop("sketch", None) for row in judged]
        table = pa.Table.from_pylist(judged, SCHEMA)
        for name, column in _compact(sketches).items():
            table = table.append_column(name, column)
        store.write_table(uri, table, **facts)
        return facts

    def _repeated_lines(self) -> frozenset[int]:
        if not self.has_lines:
            return frozenset()
        return frozenset(store.read_table(self.layout.repeated_lines)["line"].to_pylist())

    def _screening(self) -> Screening:
        if self.config.decontaminate is None:
            return Screening(self.config, None)
        return Screening(self.config, load_benchmark(self.layout, self.config.decontaminate.overlap).find)

    def _judge(self, row: dict[str, Any], all_screened: Iterator[Screened]) -> dict[str, Any]:
        """Args: all_screened: of the rows that have a text."""
        kept = {"id": row["id"], "source": row["source"], "text": row["text"]}
        if row["text"] is None:
            return kept | {"stage": "read", "reason": "unreadable", "detail": row["failure"]}
        screened = next(all_screened)
        document, verdict = screened.document, screened.verdict
        kept |= {"text": document.text, "quality": document.quality, "length": len(document.text)}
        kept["masked"] = screened.masked
        if verdict is not None:
            return kept | {"stage": verdict.stage, "reason": verdict.reason, "detail": verdict.detail}
        if self.need_sketch and document.key:
            kept["sketch"] = document.sketch
        return kept | {"key": key_digest(document.text, document.key)}


def _without_lines(text: str, lines: frozenset[int]) -> str:
    return drop_lines(text, lambda line: line_hash(line) in lines) if lines else text


def _count_masked(judged: Sequence[dict[str, Any]]) -> dict[str, int]:
    """{kind: masked matches}, and the `documents` that had any."""
    masked = Counter[str]()
    for row in judged:
        if row.get("masked"):
            masked.update(row["masked"], documents=1)
    return masked
