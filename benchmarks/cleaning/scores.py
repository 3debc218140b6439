"""How well removals fit a corpus whose copies are known. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.cleaning.labelled_corpus import ORIGINAL, Document


@dataclass(frozen=True)
class Score:
    """removed: all removals. wrong: those in favour of a document of another origin, {id: survivor}.
    surplus: copies beyond one document of each origin. missed: those of them that are left, {id: kind}.
    documents_by_kind: copies of each kind.
    """

    removed: int
    wrong: Mapping[str, str]
    surplus: int
    missed: Mapping[str, str]
    documents_by_kind: Mapping[str, int]

    @property
    def precision(self) -> float:
        return 1 - len(self.wrong) / self.removed if self.removed else 1.0

    @property
    def recall(self) -> float:
        return 1 - len(self.missed) / self.surplus if self.surplus else 1.0

    def recall_by_kind(self) -> dict[str, float]:
        missed = Counter(self.missed.values())
        return {kind: 1 - missed[kind] / count for kind, count in sorted(self.documents_by_kind.items())}


def score(documents: Sequence[Document], survivors: Mapping[str, str]) -> Score:
    """Score removals, {removed id: the survivor's}.

    Of the documents of one origin it does not matter which one stays. What stays beside the one that stands for the
    original is missed; a removal in favour of another origin is wrong, and it does not make up for a missed one.
    """
    origin = {one.id: one.origin for one in documents}
    wrong = {removed: kept for removed, kept in survivors.items() if origin[removed] != origin[kept]}
    standing = {one.origin: survivors.get(one.id, one.id) for one in documents if one.kind == ORIGINAL}
    copies = [one for one in documents if one.kind != ORIGINAL]
    missed = {one.id: one.kind for one in copies if one.id not in survivors and standing[one.origin] != one.id}
    return Score(
        removed=len(survivors),
        wrong=wrong,
        surplus=len(copies),
        missed=missed | {one.id: one.kind for one in copies if one.id in wrong},
        documents_by_kind=dict(Counter(one.kind for one in copies)),
    )
