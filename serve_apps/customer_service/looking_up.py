"""A question answered from the knowledge base."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from actors.knowledge_base.knowledge_base import Passage
from actors.knowledge_base.relevance import TermWeights
from serve_apps.customer_service.answers import Answer, extract, needed_score, preferred, speaks_of
from serve_apps.customer_service.decisions import Lookup
from serve_apps.customer_service.phrasing import Phrasing
from serve_apps.customer_service.rewriting import Query, queries
from serve_apps.customer_service.state import Topic


class Knowledge(Protocol):
    """What is needed of actors.knowledge_base.KnowledgeBase."""

    @property
    def weights(self) -> TermWeights: ...

    @property
    def threshold(self) -> float: ...

    def search(self, query: str, limit: int = 5) -> list[Passage]: ...


@dataclass(frozen=True)
class Librarian:
    """Looks questions up.

    Args:
        phrasing: None when answers are given in the documents' own words.
        passages: how many are looked at for an answer.
    """

    knowledge: Knowledge
    phrasing: Phrasing | None
    passages: int

    async def answer(self, lookup: Lookup, topic: Topic | None) -> Answer | None:
        """The answer to a question, which may follow up on `topic`; None when nothing is relevant."""
        tried = queries(lookup.question, topic, lookup.context)
        # A question that may or may not need what was said before is best answered from there.
        near = lookup.context or (topic.title if topic and len(tried) > 1 else "")
        for query in tried:
            passages = preferred(await self._relevant(query, lookup), near, self.knowledge.weights)
            answer = extract(query.text, passages, self.knowledge.weights)
            if answer is not None:
                return answer if self.phrasing is None else await self.phrasing.phrase(query.text, answer, passages)
        return None

    async def _relevant(self, query: Query, lookup: Lookup) -> list[Passage]:
        """The passages that answer a query. An intent says nothing about a question that was rewritten: the model saw
        only a part of it."""
        found = await asyncio.to_thread(self.knowledge.search, query.text, self.passages)
        weights = self.knowledge.weights
        needed = needed_score(self.knowledge.threshold, "unknown" if query.rewritten else lookup.scope)
        passages = [passage for passage in found if passage.score >= needed]
        if query.rewritten:
            passages = [passage for passage in passages if speaks_of(passage, lookup.question, query.own, weights)]
        return passages
