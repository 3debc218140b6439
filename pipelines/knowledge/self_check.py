"""Ask an index its own questions: each question-and-answer pair must lead to the document it stands in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.knowledge_base.knowledge_base import Arms, KnowledgeBase
from actors.knowledge_base.terms import question_terms
from danlu.errors import InputError
from pipelines.knowledge.retrieval import DENSE_WEIGHTS, Ranks, rank_of

OUT_OF_SCOPE_INTENT = "out_of_scope"


@dataclass(frozen=True)
class SelfCheck:
    """Ranks by search method. `indexed`: with the index as it is. `held_out`: with the question's own chunk hidden,
    so that the article's running text, or another question, has to lead there; the harder and more telling figure.
    """

    indexed: dict[str, Ranks]
    held_out: dict[str, Ranks]

    def by_weight(self) -> dict[float, Ranks]:
        """Held-out ranks of the fusion by weight of its dense arm."""
        return {weight: self.held_out[fused_name(weight)] for weight in DENSE_WEIGHTS}


def fused_name(weight: float) -> str:
    """What the fusion with this weight is called in tables."""
    return f"fusion, dense weight {weight:g}"


def ask_own_questions(
    knowledge: KnowledgeBase,
    questions: Sequence[dict[str, Any]],
    advance: Callable[[], None],
    weights: Sequence[float] = DENSE_WEIGHTS,
) -> SelfCheck:
    """Search for each of `questions` (rows with chunk_id, document_id, question); `advance` is called after each.

    Args:
        weights: of the dense arm; the fusion is measured with each.
    """
    indexed: dict[str, list[int | None]] = {}
    held_out: dict[str, list[int | None]] = {}
    for row in questions:
        arms = knowledge.arms(row["question"])
        hidden = Arms(
            *[[hit for hit in arm if hit["chunk_id"] != row["chunk_id"]] for arm in (arms.full_text, arms.dense)]
        )
        for found, ranks in ((arms, indexed), (hidden, held_out)):
            for name, hits in _rankings(found, weights).items():
                ranks.setdefault(name, []).append(rank_of(row["document_id"], (hit["document_id"] for hit in hits)))
        advance()
    return SelfCheck(*[{name: Ranks(tuple(r)) for name, r in ranks.items()} for ranks in (indexed, held_out)])


def best_score(knowledge: KnowledgeBase, question: str, dense_weight: float) -> float:
    """The score of what the index finds best for a question, 0 when it finds nothing."""
    wanted = question_terms(question)
    found = knowledge.arms(question).fused(dense_weight) if wanted else []
    return max((knowledge.score(row, wanted, dense_weight) for row in found[:5]), default=0.0)


def read_out_of_scope(path: str) -> list[str]:
    """The questions of a jsonl file: all of them, or those of intent `out_of_scope` where lines have intents.

    Raises:
        InputError: the file is missing, malformed, or has no such question.
    """
    if not Path(path).is_file():
        raise InputError(f"out_of_scope is {path!r}", rule="no such file")
    texts: list[str] = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if row.get("intent", OUT_OF_SCOPE_INTENT) == OUT_OF_SCOPE_INTENT:
                texts.append(str(row["text"]))
        except (ValueError, KeyError, AttributeError) as error:
            raise InputError(f"{path}, line {number}", rule=f"no JSON object with a `text` ({error})") from None
    if not texts:
        raise InputError(
            f"out_of_scope is {path!r}", rule=f"no line has intent {OUT_OF_SCOPE_INTENT!r}, or none at all"
        )
    return texts


def _rankings(arms: Arms, weights: Sequence[float]) -> dict[str, list[dict[str, Any]]]:
    fused = {fused_name(weight): arms.fused(weight) for weight in weights}
    return {"full text (BM25)": arms.full_text, "dense": arms.dense, **fused}
