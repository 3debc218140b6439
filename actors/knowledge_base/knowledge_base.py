"""Hybrid search over an index that `danlu index` wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from actors.knowledge_base import layout
from actors.knowledge_base.fusion import fuse
from actors.knowledge_base.relevance import TermWeights, blend
from actors.knowledge_base.terms import question_terms
from danlu.errors import InputError
from danlu.inputs import find_artifact

if TYPE_CHECKING:
    import numpy as np

# How deep each arm is read before fusion; below that, a passage does not reach the first places any more.
DEPTH = 50
_COLUMNS = ["chunk_id", "document_id", "kind", "title", "heading", "text", "question", "answer", "start", "end"]


@dataclass(frozen=True)
class Passage:
    """A chunk that was found.

    Attributes:
        kind: `faq` for a question with its answer, else `text`.
        heading: the headings above it, outermost first, joined by ` > `.
        question, answer: the parts of a `faq` passage, else empty.
        start, end: where `text` lies in the document, in characters.
        score: how much of the question the passage speaks of, 0..1.
        relevant: whether `score` reaches the index's threshold.
    """

    chunk_id: str
    document_id: str
    kind: str
    title: str
    heading: str
    text: str
    question: str
    answer: str
    start: int
    end: int
    score: float
    relevant: bool


@dataclass(frozen=True)
class Arms:
    """What each arm found for a question, best first: rows of the table, with `cosine` and `terms`."""

    full_text: list[dict[str, Any]]
    dense: list[dict[str, Any]]

    def fused(self, dense_weight: float) -> list[dict[str, Any]]:
        """The rows of both arms in the order of their fusion."""
        rows = {row["chunk_id"]: row for row in [*self.dense, *self.full_text]}
        rankings = [[row["chunk_id"] for row in arm] for arm in (self.full_text, self.dense)]
        return [rows[chunk_id] for chunk_id, _ in fuse(rankings, [1.0, dense_weight])]


class KnowledgeBase:
    """An index, opened for reading. Safe to use from several threads.

    Args:
        path: a run directory of `danlu index`, or its `knowledge/` folder.
        unfinished: `path` is the `knowledge/` folder of the run that is just making it.

    Raises:
        InputError: there is no index at `path`, or one that another version wrote, or its run is not finished.
    """

    def __init__(self, path: str | Path, *, unfinished: bool = False) -> None:
        from actors.embedder import load_embedder

        self.path = Path(path) if unfinished else Path(find_artifact(str(path), "knowledge", "path"))
        self.facts = _read_facts(self.path)
        self._table: Any = layout.connect(self.path).open_table(layout.TABLE)
        self._embedder = load_embedder(str(self.path / layout.EMBEDDER_FOLDER))
        self.weights = _read_weights(self.path, self.facts.chunks)

    @property
    def threshold(self) -> float:
        """The score from which a passage counts as relevant."""
        return self.facts.threshold

    def search(self, query: str, limit: int = 5) -> list[Passage]:
        """The passages that fit `query` best, best first; none when the query has no letter or digit."""
        wanted = question_terms(query)
        if not wanted or limit < 1:
            return []
        rows = self.arms(query, max(DEPTH, limit)).fused(self.facts.dense_weight)
        weight = self.facts.dense_weight
        return [self._passage(row, self.score(row, wanted, weight)) for row in rows[:limit]]

    def arms(self, query: str, depth: int = DEPTH) -> Arms:
        """What full text and dense search find for themselves, at most `depth` rows each."""
        from lancedb.query import MatchQuery

        columns = [*_COLUMNS, "terms", "embedding"]
        vector = self._embed(query)
        match: Any = cast(Any, MatchQuery)(" ".join(question_terms(query)), "terms")  # its defaults are not typed
        found = self._table.search(match, query_type="fts").select([*columns, "_score"]).limit(depth).to_list()
        near = self._table.search(vector, vector_column_name="embedding").distance_type("cosine")
        close = near.select([*columns, "_distance"]).limit(depth).to_list()
        for row in [*found, *close]:
            row["cosine"] = float(vector @ row.pop("embedding"))
        return Arms(full_text=found, dense=close)

    def score(self, row: dict[str, Any], wanted: list[str], dense_weight: float) -> float:
        """How much of the question's terms a row of `arms` speaks of, 0..1."""
        coverage = self.weights.coverage(wanted, row["terms"].split(" "))
        return blend(coverage, row["cosine"], dense_weight)

    def _embed(self, query: str) -> np.ndarray:
        import numpy as np

        return np.asarray(self._embedder.encode_query(query, normalize_embeddings=True, show_progress_bar=False))

    def _passage(self, row: dict[str, Any], score: float) -> Passage:
        values = {name: row[name] for name in _COLUMNS}
        return Passage(**values, score=score, relevant=score >= self.facts.threshold)


def _read_facts(path: Path) -> layout.IndexFacts:
    file = path / layout.INDEX_FILE
    if not file.is_file():
        raise InputError(
            f"knowledge is {str(path)!r}",
            rule="no index lies there",
            fix="`danlu index input=... output=...` makes one",
        )
    try:
        facts = layout.IndexFacts.model_validate_json(file.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise InputError(f"{file} can't be read", rule=str(error), fix="run `danlu index` again") from None
    if facts.version != layout.VERSION:
        rule = f"it has layout {facts.version}, this danlu reads {layout.VERSION}"
        raise InputError(f"knowledge is {str(path)!r}", rule=rule, fix="run `danlu index` again")
    return facts


def _read_weights(path: Path, chunks: int) -> TermWeights:
    import pyarrow.parquet as pq

    table = pq.read_table(path / layout.TERMS_FILE)
    return TermWeights(chunks, dict(zip(table["term"].to_pylist(), table["chunks"].to_pylist(), strict=True)))
