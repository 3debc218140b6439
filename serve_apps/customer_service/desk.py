"""One message from arrival to reply: read the conversation, understand, decide, look up or act, and write it back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from http import HTTPStatus
from typing import Any, Protocol
from weakref import WeakValueDictionary

from actors.conversations import ConflictError, Conversation, ConversationStore, Feedback, Turn
from actors.intent_model.understanding import Understanding
from actors.knowledge_base.knowledge_base import Passage
from actors.knowledge_base.relevance import TermWeights
from serve_apps.customer_service.answers import Answer, Citation, extract, needed_score, preferred, speaks_of
from serve_apps.customer_service.back_office import BackOffice
from serve_apps.customer_service.decisions import Decision, Lookup
from serve_apps.customer_service.dialogue import Dialogue
from serve_apps.customer_service.filling import Message
from serve_apps.customer_service.phrasing import Phrasing
from serve_apps.customer_service.rewriting import Query, queries
from serve_apps.customer_service.state import DialogueState
from serve_apps.customer_service.summary import summarize
from serve_apps.gateway.errors import ApiError

USER, ASSISTANT, AGENT = "user", "assistant", "agent"
# Another replica may answer the same conversation at the same moment; the loser reads again and decides anew.
_ATTEMPTS = 5


class Understander(Protocol):
    """What is needed of actors.intent_model.IntentModel."""

    def understand(self, text: str) -> Understanding: ...


class Knowledge(Protocol):
    """What is needed of actors.knowledge_base.KnowledgeBase."""

    @property
    def weights(self) -> TermWeights: ...

    @property
    def threshold(self) -> float: ...

    def search(self, query: str, limit: int = 5) -> list[Passage]: ...


class Meter(Protocol):
    """Where figures are reported to."""

    def replied(self, intent: str, outcome: str, seconds: float) -> None: ...


@dataclass(frozen=True)
class Reply:
    """An answer to a message. `parts` are its sentences and paragraphs in order; `values` what the flow took in."""

    parts: tuple[str, ...]
    understanding: Understanding
    values: dict[str, str]
    state: DialogueState
    citations: tuple[Citation, ...]
    outcome: str
    position: int


@dataclass
class _Draft:
    """A reply under way."""

    state: DialogueState
    parts: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    citations: list[Citation] = field(default_factory=list)
    outcome: str = "answered"


@dataclass(frozen=True)
class Desk:
    """Everything that answering takes. `phrasing` is None when answers are given in the documents' own words."""

    store: ConversationStore
    understander: Understander
    knowledge: Knowledge
    dialogue: Dialogue
    back_office: BackOffice
    phrasing: Phrasing | None
    meter: Meter
    passages: int
    max_turns: int
    today: Callable[[], date] = date.today
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def begin(self) -> str:
        """A new conversation; returns its id."""
        return await asyncio.to_thread(self.store.create, DialogueState().model_dump(mode="json"))

    async def receive(self, conversation_id: str, text: str) -> Reply:
        """Answer a customer's message.

        Raises:
            InputError: there is no such conversation.
            ApiError: the conversation is full, or too many write to it at once.
        """
        began = time.perf_counter()
        async with self._lock(conversation_id):
            understanding = await asyncio.to_thread(self.understander.understand, text)
            for _ in range(_ATTEMPTS):
                conversation = await self._open(conversation_id)
                draft = await self._draft(conversation, Message(text, understanding, self.today()))
                try:
                    position = await asyncio.to_thread(self._write, conversation, text, understanding, draft)
                except ConflictError:
                    continue
                self.meter.replied(understanding.intent, draft.outcome, time.perf_counter() - began)
                return _reply(draft, understanding, position + 1)
        raise ApiError(HTTPStatus.CONFLICT, "the conversation is being written to; send the message again")

    async def agent_says(self, conversation_id: str, text: str, *, release: bool) -> None:
        """Add a person's words; with `release` the assistant answers again from the next message on.

        Raises:
            InputError: there is no such conversation.
            ApiError: it has not been handed off, is full, or too many write to it at once.
        """
        for _ in range(_ATTEMPTS):
            conversation = await self._open(conversation_id)
            if not conversation.handoff:
                raise ApiError(HTTPStatus.CONFLICT, "the conversation has not been handed off to a person")
            state = dict(conversation.state)
            if release:
                state = {**state, "handoff": None, "misunderstandings": 0}
            try:
                turn = Turn(AGENT, text)
                await asyncio.to_thread(self.store.append, conversation, [turn], state, handoff=not release)
                return
            except ConflictError:
                continue
        raise ApiError(HTTPStatus.CONFLICT, "the conversation is being written to; send the message again")

    async def read(self, conversation_id: str) -> Conversation:
        """The conversation as it is now; InputError when there is none of that id."""
        return await asyncio.to_thread(self.store.read, conversation_id)

    async def waiting(self) -> list[str]:
        """Ids of conversations that wait for a person."""
        return await asyncio.to_thread(self.store.waiting)

    async def rate(self, conversation_id: str, opinion: Feedback) -> None:
        """Keep an opinion; InputError when the conversation or the turn is not there."""
        await asyncio.to_thread(self.store.add_feedback, conversation_id, opinion)

    async def _open(self, conversation_id: str) -> Conversation:
        """The conversation, when there is room for a message and its answer."""
        conversation = await self.read(conversation_id)
        if len(conversation.turns) + 2 > self.max_turns:
            limit = f"a conversation has at most {self.max_turns} turns; begin a new one"
            raise ApiError(HTTPStatus.CONFLICT, limit, code="conversation_full")
        return conversation

    async def _draft(self, conversation: Conversation, message: Message) -> _Draft:
        """Decide, and do what the decision needs, until nothing is left to do."""
        draft = _Draft(DialogueState.model_validate(conversation.state))
        decision = self.dialogue.receive(draft.state, message)
        _take(draft, decision)
        while decision.effect is not None:
            if isinstance(decision.effect, Lookup):
                answer = await self._answer(decision.effect, decision.state)
                if answer is not None:
                    draft.parts.append(answer.text)
                    draft.citations.extend(answer.citations)
                decision = self.dialogue.looked_up(decision.state, decision.effect, answer.title if answer else None)
            else:
                reference = f"{conversation.id[:8].upper()}-{decision.state.actions + 1}"
                result = await self.back_office.perform(decision.effect, reference)
                decision = self.dialogue.acted(decision.state, decision.effect, result)
            _take(draft, decision)
        return self._with_summary(draft, conversation, message)

    async def _answer(self, lookup: Lookup, state: DialogueState) -> Answer | None:
        tried = queries(lookup.question, state.topic, lookup.context)
        # A question that may or may not need what was said before is best answered from there.
        near = lookup.context or (state.topic.title if state.topic and len(tried) > 1 else "")
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

    def _with_summary(self, draft: _Draft, conversation: Conversation, message: Message) -> _Draft:
        handoff = draft.state.handoff
        if handoff is not None and not handoff.summary:
            said = [turn.text for turn in conversation.turns if turn.speaker == USER]
            text = summarize(draft.state, [*said, message.text], self.dialogue.book.flows)
            summarized = handoff.model_copy(update={"summary": text})
            draft.state = draft.state.model_copy(update={"handoff": summarized})
        return draft

    def _write(self, conversation: Conversation, text: str, understanding: Understanding, draft: _Draft) -> int:
        heard = {"intent": understanding.intent, "confidence": round(understanding.confidence, 4)}
        said = {"citations": [vars(citation) for citation in draft.citations], "outcome": draft.outcome}
        turns = [Turn(USER, text, {**heard, "slots": draft.values}), Turn(ASSISTANT, "\n".join(draft.parts), said)]
        state = draft.state.model_dump(mode="json")
        return self.store.append(conversation, turns, state, handoff=draft.state.handoff is not None)

    def _lock(self, conversation_id: str) -> asyncio.Lock:
        """One message of a conversation at a time, so that two quick ones are answered in the order they came."""
        return self._locks.setdefault(conversation_id, asyncio.Lock())


def _take(draft: _Draft, decision: Decision) -> None:
    draft.state = decision.state
    draft.parts.extend(decision.texts)
    draft.values |= decision.values
    draft.outcome = decision.outcome


def _reply(draft: _Draft, understanding: Understanding, position: int) -> Reply:
    return Reply(
        tuple(draft.parts), understanding, draft.values, draft.state, tuple(draft.citations), draft.outcome, position
    )


def slots_of(reply: Reply) -> Sequence[dict[str, Any]]:
    """What the message named: values that a flow took in, and else what the intent model tagged, as it was written."""
    taken = [{"name": name, "value": value} for name, value in reply.values.items()]
    tagged = [{"name": s.name, "value": s.value} for s in reply.understanding.slots if s.name not in reply.values]
    return [*taken, *tagged]
