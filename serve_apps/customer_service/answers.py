"""Answers made of the passages' own sentences, each with its source. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from actors.knowledge_base.knowledge_base import Passage
from actors.knowledge_base.relevance import TermWeights
from actors.knowledge_base.sentences import sentences
from actors.knowledge_base.terms import question_terms, search_terms
from serve_apps.customer_service.decisions import Scope

# Neighbours of the best sentence join the answer when they speak of the question at least half as much.
_NEIGHBOUR = 0.5
_MOST_SENTENCES = 3
# Scores closer than this are no reason to leave what the talk is about.
_ABOUT_EQUAL = 0.75
# Share of a follow-up question's own subject that its answer has to hold.
_OWN_SHARE = 0.4
# What an answer has to hold when a question asks for a kind of thing: money, papers, a time.
_KINDS = (
    (re.compile(r"多少钱|收费|费用|价格|资费|手续费|花钱"), re.compile(r"\d\s*元|免费|免收|费|不收")),
    (re.compile(r"材料|资料|证件"), re.compile(r"证|材料|资料|凭|原件")),
    (
        re.compile(r"多久|几天|什么时候|什么时间|期限"),
        re.compile(r"\d\s*个?(?:天|日|小时|分钟|秒|月|年|点|周|工作日)|立即|即时|实时|当天|次"),
    ),
)


@dataclass(frozen=True)
class Citation:
    """Where a sentence of an answer comes from: `quote` stands in the document word for word."""

    sentence: str
    document_id: str
    title: str
    quote: str


@dataclass(frozen=True)
class Answer:
    """An answer, and one citation for each of its sentences, in order."""

    text: str
    citations: tuple[Citation, ...]

    @property
    def title(self) -> str:
        """The title of the document that the answer begins with."""
        return self.citations[0].title


def needed_score(threshold: float, scope: Scope) -> float:
    """How relevant a passage must be to answer a question.

    The index's threshold knows nothing but the words. What the intent model takes for a question about the company
    needs less evidence; what it takes for something else has to be all but the words of an article.
    """
    if scope == "outside":
        return (1 + threshold) / 2
    return 0.8 * threshold if scope == "inside" else threshold


def preferred(passages: Sequence[Passage], context: str, weights: TermWeights) -> list[Passage]:
    """Of passages that fit a question about equally well, those first whose title fits what the talk is about."""
    if not passages or not context:
        return list(passages)
    enough, wanted = _ABOUT_EQUAL * passages[0].score, search_terms(context)
    close = [passage for passage in passages if passage.score >= enough]
    close.sort(key=lambda passage: -weights.coverage(wanted, search_terms(passage.title)))
    return [*close, *(passage for passage in passages if passage.score < enough)]


def speaks_of(passage: Passage, question: str, subject: str, weights: TermWeights) -> bool:
    """Whether a passage speaks of what the customer asked, not only of the subject that was put in for them.

    Args:
        question: the customer's own words.
        subject: what of them has to be spoken of; may be empty.
    """
    if any(asked.search(question) and not given.search(passage.text) for asked, given in _KINDS):
        return False
    offered = search_terms(f"{passage.title} {passage.heading} {passage.text}")
    return weights.share(search_terms(subject), offered) >= _OWN_SHARE


def extract(question: str, passages: Sequence[Passage], weights: TermWeights) -> Answer | None:
    """The answer of the best passage: of a question-and-answer pair its answer, else its best sentences.

    Args:
        passages: relevant ones, best first. Without any the answer is None: nothing is made up.
    """
    if not passages:
        return None
    best = passages[0]
    body = best.answer if best.kind == "faq" else best.text
    spans = sentences(body)
    chosen = range(len(spans)) if best.kind == "faq" else _best(question, [body[a:b] for a, b in spans], weights)
    quotes = [body[spans[place][0] : spans[place][1]] for place in chosen]
    citations = tuple(Citation(quote, best.document_id, best.title, quote) for quote in quotes)
    return Answer(" ".join(quotes) if best.text.isascii() else "".join(quotes), citations)


def _best(question: str, parts: Sequence[str], weights: TermWeights) -> range:
    """The places of the sentence that speaks of the question most, and of the neighbours that speak of it too."""
    wanted = question_terms(question)
    scores = [weights.coverage(wanted, search_terms(part)) for part in parts]
    best = max(range(len(parts)), key=lambda place: (scores[place], -place))
    first = last = best
    while last - first + 1 < _MOST_SENTENCES:
        before = scores[first - 1] if first > 0 else -1.0
        after = scores[last + 1] if last + 1 < len(parts) else -1.0
        if max(before, after) < _NEIGHBOUR * scores[best] or max(before, after) < 0:
            break
        first, last = (first - 1, last) if before > after else (first, last + 1)
    return range(first, last + 1)
