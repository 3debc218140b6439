"""Where things lie in the run directory of a cleaning run."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """A table of documents: the unit of all work after reading."""

    name: str
    documents: int


@dataclass(frozen=True)
class Layout:
    """Names inside `root`. `_work/` holds what lies between stages; a finished file there is never written again."""

    root: str

    def unit(self, unit: str) -> str:
        """The shards that a unit of input files became."""
        return self._work("units", unit)

    def lines(self, shard: str) -> str:
        """Hashed short lines of the documents of a shard, and how many of them have each."""
        return self._work("lines", shard)

    def raw(self, shard: str) -> str:
        """Documents as read and mended: id, source, text, failure."""
        return self._work("raw", shard)

    def texts(self, shard: str) -> str:
        """The same documents (same rows) judged by the filters, with what the comparison of duplicates needs."""
        return self._work("texts", shard)

    def vectors(self, shard: str) -> str:
        """Embeddings of the shard's documents that are left: row, vector."""
        return self._work("vectors", shard)

    def removals(self, stage: str) -> str:
        """What a stage that compares documents dropped: number, survivor, similarity."""
        return self._work("removals", stage)

    def benchmark_grams(self, script: str) -> str:
        """n-grams of benchmark passages in a script, ascending, with the numbers of the passages that have them."""
        return self._work("benchmark", f"{script}-grams")

    def benchmark_passages(self, script: str) -> str:
        """Where those passages come from, in the order of their numbers."""
        return self._work("benchmark", f"{script}-passages")

    @property
    def repeated_lines(self) -> str:
        return self._work("repeated", "lines")

    @property
    def embedder(self) -> str:
        return posixpath.join(self.root, "_work", "embedder.safetensors")

    @property
    def domain_classifier(self) -> str:
        return posixpath.join(self.root, "domain_classifier")

    def clean(self, shard: str) -> str:
        return posixpath.join(self.root, "clean", f"part-{shard}.parquet")

    def dropped(self, shard: str) -> str:
        return posixpath.join(self.root, "dropped", f"part-{shard}.parquet")

    def _work(self, kind: str, name: str) -> str:
        return posixpath.join(self.root, "_work", kind, f"{name}.parquet")
