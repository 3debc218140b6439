"""Judge every document by itself: boilerplate lines out, filters, quality, and what finding its duplicates needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import store
from pipelines.cleaning.config import CleanConfig, FilterConfig
from pipelines.cleaning.filters import reject
from pipelines.cleaning.identifiers import rename_repeated
from pipelines.cleaning.keys import DIGEST_BYTES, comparison_key, key_digest
from pipelines.cleaning.layout import Layout, Shard
from pipelines.cleaning.minhash import SKETCH_SIZE, shingles, sketch
from pipelines.cleaning.normalise import drop_lines
from pipelines.cleaning.quality import quality
from pipelines.cleaning.repeated_lines import line_hash
from pipelines.cleaning.spread import spread
from pipelines.cleaning.statistics import measure

# `stage` and `reason` are null for what is kept; `key` and `sketch` are null for what is not.
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
        ("sketch", pa.binary(4 * SKETCH_SIZE)),
    ]
)


def judge(shards: Sequence[Shard], config: CleanConfig, run: RunDirectory, progress: Progress) -> int:
    """Judge all documents, shard by shard; returns how many got a new id because another document had theirs."""
    done = run.done("judge")
    if done is not None:
        return done["renamed"]
    layout = Layout(run.uri)
    renames = _renames(shards, layout)
    work = judge_work(layout, config)
    dropped = 0
    with progress.stage("filter", sum(shard.documents for shard in shards), "documents") as stage:
        items = [(shard.name, renames.get(shard.name, {})) for shard in shards]
        for facts in spread(work, items, config.workers):
            dropped += facts["dropped"]
            stage.advance(facts["documents"], note=f"{dropped:,} dropped")
    renamed = sum(map(len, renames.values()))
    run.mark_done("judge", renamed=renamed)
    return renamed


def judge_work(layout: Layout, config: CleanConfig) -> JudgeShard:
    """The work of this stage on a shard, as `config` wants it."""
    has_lines = config.normalise is not None and config.normalise.repeated_lines is not None
    return JudgeShard(layout, config.filters, has_lines, need_sketch=_need_sketch(config))


def _need_sketch(config: CleanConfig) -> bool:
    return config.near is not None or (config.semantic is not None and config.semantic.pairs > 0)


def _renames(shards: Sequence[Shard], layout: Layout) -> dict[str, dict[int, str]]:
    """{shard: {row: new id}} for ids that occurred before."""
    ids: list[str] = []
    places: list[tuple[str, int]] = []
    for shard in shards:
        ids.extend(store.read_table(layout.raw(shard.name), ["id"])["id"].to_pylist())
        places.extend((shard.name, row) for row in range(shard.documents))
    renames: dict[str, dict[int, str]] = {}
    for place, identifier in rename_repeated(ids).items():
        shard_name, row = places[place]
        renames.setdefault(shard_name, {})[row] = identifier
    return renames


@dataclass(frozen=True)
class JudgeShard:
    """Judges the documents of a shard; returns how many there are and how many are dropped."""

    layout: Layout
    filters: FilterConfig | None
    has_lines: bool
    need_sketch: bool

    def __call__(self, item: tuple[str, dict[int, str]]) -> dict[str, int]:
        shard, renames = item
        uri = self.layout.texts(shard)
        return store.read_facts(uri) or self._write(shard, renames, uri)

    def _write(self, shard: str, renames: dict[int, str], uri: str) -> dict[str, int]:
        rows = store.read_table(self.layout.raw(shard)).to_pylist()
        lines = self._repeated_lines()
        judged = [self._judge({**row, "id": renames.get(place, row["id"])}, lines) for place, row in enumerate(rows)]
        facts = {"documents": len(rows), "dropped": sum("reason" in row for row in judged)}
        store.write_table(uri, pa.Table.from_pylist(judged, SCHEMA), **facts)
        return facts

    def _repeated_lines(self) -> frozenset[int]:
        if not self.has_lines:
            return frozenset()
        return frozenset(store.read_table(self.layout.repeated_lines)["line"].to_pylist())

    def _judge(self, row: dict[str, Any], lines: frozenset[int]) -> dict[str, Any]:
        kept = {"id": row["id"], "source": row["source"], "text": row["text"]}
        if row["text"] is None:
            return kept | {"stage": "read", "reason": "unreadable", "detail": row["failure"]}
        text = drop_lines(row["text"], lambda line: line_hash(line) in lines) if lines else row["text"]
        key = comparison_key(text)
        grams = shingles(key)
        statistics = measure(text, len(key), len(grams))
        kept |= {"text": text, "quality": quality(statistics), "length": len(text)}
        rejection = reject(text, statistics, self.filters) if self.filters else None
        if rejection is not None:
            return kept | {"stage": "filters", "reason": rejection.reason, "detail": rejection.detail}
        if self.need_sketch and key:
            kept["sketch"] = np.ascontiguousarray(sketch(grams), dtype="<u4").tobytes()
        return kept | {"key": key_digest(text, key)}
