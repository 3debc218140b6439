"""One message from arrival to reply: read the conversation, understand, decide, look up or act, and write it back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from http import HTTPStatus
from typing import Any, Protocol
from weakref import WeakValueDictionary

from actors.conversations import ConflictError, Conversation, ConversationStore, Feedback, Turn
from actors.intent_model.understanding import Understanding
from serve_apps.customer_service.back_office import BackOffice, reference_of
from serve_apps.customer_service.decisions import ActionResult, Decision, Lookup
from serve_apps.customer_service.dialogue import Dialogue
from serve_apps.customer_service.filling import Message
from serve_apps.customer_service.looking_up import Librarian
from serve_apps.customer_service.reply import AGENT, USER, Draft, Reply
from serve_apps.customer_service.state import DialogueState, PendingAction
from serve_apps.customer_service.summary import summarize
from serve_apps.customer_service.walking import Act
from serve_apps.gateway.errors import ApiError

log = logging.getLogger("ray.serve")
# Another replica may answer the same conversation at the same moment; the loser reads again and decides anew.
_ATTEMPTS = 5
# Beyond the time that an action may take: to write down what came of it, and for clocks that differ.
_WRITING_S = 30.0
_BEING_WRITTEN = "the conversation is being written to; send the message again"


class Understander(Protocol):
    """What is needed of actors.intent_model.IntentModel."""

    def understand(self, text: str) -> Understanding: ...


class Meter(Protocol):
    """Where figures are reported to."""

    def replied(self, intent: str, outcome: str, seconds: float) -> None: ...


@dataclass(frozen=True)
class Desk:
    """Everything that answering takes.

    An action is written down as pending before the back office is asked for it, and its outcome afterwards, whether
    or not the client still waits. As long as it is pending, no other message of the conversation is answered. One
    that stays pending because its process ended is noticed with the customer's next message, and goes to a person.

    Args:
        action_s: seconds that the back office may take, after which nobody knows whether it has acted.
    """

    store: ConversationStore
    understander: Understander
    librarian: Librarian
    dialogue: Dialogue
    back_office: BackOffice
    meter: Meter
    max_turns: int
    action_s: float
    today: Callable[[], date] = date.today
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _acting: set[asyncio.Task[Reply]] = field(default_factory=set)

    async def begin(self) -> str:
        """A new conversation; returns its id."""
        return await asyncio.to_thread(self.store.create, DialogueState().model_dump(mode="json"))

    async def receive(self, conversation_id: str, text: str) -> Reply:
        """Answer a customer's message.

        Raises:
            InputError: there is no such conversation.
            ApiError: the conversation is full, an action of it is under way, it has changed while this message was
                about to cause an action, or too many write to it at once.
        """
        began = time.perf_counter()
        async with self._lock(conversation_id):
            understanding = await asyncio.to_thread(self.understander.understand, text)
            reply = await self._answer_message(conversation_id, Message(text, understanding, self.today()))
            self.meter.replied(understanding.intent, reply.outcome, time.perf_counter() - began)
            return reply

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
            state = DialogueState.model_validate(conversation.state)
            try:
                await self._append(
                    conversation, [Turn(AGENT, text)], self.dialogue.released(state) if release else state
                )
                return
            except ConflictError:
                continue
        raise ApiError(HTTPStatus.CONFLICT, _BEING_WRITTEN)

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
        """The conversation, when there is room for a message and its answer, and no action under way."""
        conversation = await self.read(conversation_id)
        pending = DialogueState.model_validate(conversation.state).pending
        if pending is not None and time.time() < pending.since + self.action_s + _WRITING_S:
            busy = "an action of this conversation is under way; send the message again in a moment"
            raise ApiError(HTTPStatus.CONFLICT, busy, code="action_under_way", headers={"Retry-After": "1"})
        if len(conversation.turns) + 2 > self.max_turns:
            limit = f"a conversation has at most {self.max_turns} turns; begin a new one"
            raise ApiError(HTTPStatus.CONFLICT, limit, code="conversation_full")
        return conversation

    async def _answer_message(self, conversation_id: str, message: Message) -> Reply:
        """Decide, do what the decision needs, and write it down."""
        for attempt in range(_ATTEMPTS):
            conversation = await self._open(conversation_id)
            draft = Draft(message, DialogueState.model_validate(conversation.state))
            decision = await self._look_up(draft, self.dialogue.receive(draft.state, message))
            try:
                if not isinstance(decision.effect, Act):
                    return await self._write(conversation, draft, [draft.heard(), draft.said()])
                if attempt:  # what the customer said yes to may be another question by now
                    changed = "the conversation has changed meanwhile and nothing was done; read it and send again"
                    raise ApiError(HTTPStatus.CONFLICT, changed, code="conversation_changed")
                return await self._to_the_end(self._act(conversation, draft, decision))
            except ConflictError:
                continue
        raise ApiError(HTTPStatus.CONFLICT, _BEING_WRITTEN)

    async def _look_up(self, draft: Draft, decision: Decision) -> Decision:
        """Go on until nothing is left to be looked up; what remains to be done is in the decision returned."""
        draft.take(decision)
        while isinstance(decision.effect, Lookup):
            answer = await self.librarian.answer(decision.effect, decision.state.topic)
            if answer is not None:
                draft.cite(answer)
            decision = self.dialogue.looked_up(decision.state, decision.effect, answer.title if answer else None)
            draft.take(decision)
        return decision

    async def _act(self, conversation: Conversation, draft: Draft, decision: Decision) -> Reply:
        """Have the back office act, as often as the flow wants it.

        Raises:
            ConflictError: somebody has written to the conversation; nothing was done.
        """
        untold = [draft.heard()]
        while isinstance(act := decision.effect, Act):
            reference = reference_of(conversation.id, decision.state.actions, act)
            pending = PendingAction(flow=act.flow, reference=reference, since=time.time())
            state = decision.state.model_copy(update={"pending": pending})
            try:
                conversation = await self._append(conversation, untold, state)
            except ConflictError:
                if untold:
                    raise
                break  # the action before is done and has to be told
            untold = []
            result = await self._perform(act, reference)
            decision = self.dialogue.acted(decision.state, act, result)
            draft.take(decision)
        return await self._settle(conversation, draft)

    async def _perform(self, act: Act, reference: str) -> ActionResult:
        try:
            async with asyncio.timeout(self.action_s):
                return await self.back_office.perform(act, reference)
        except Exception:  # it may have acted all the same, so the conversation has to go on from there
            log.exception("back office: %s %s", act.action, reference)
            return ActionResult("unconfirmed")

    async def _settle(self, conversation: Conversation, draft: Draft) -> Reply:
        """Write what came of an action. It has been done, so nothing is decided anew: where the conversation has
        gone on without it, the answer is added and the conversation stays where it is."""
        for _ in range(_ATTEMPTS):
            try:
                return await self._write(conversation, draft, [draft.said()])
            except ConflictError:
                conversation = await self.read(conversation.id)
                draft.state = DialogueState.model_validate(conversation.state)
        raise ApiError(HTTPStatus.CONFLICT, _BEING_WRITTEN)

    async def _to_the_end(self, work: Coroutine[Any, Any, Reply]) -> Reply:
        """The result of work that goes on when the client is gone, with the conversation locked until it is done."""
        task = asyncio.create_task(work)
        self._acting.add(task)  # the event loop alone would not keep it alive
        task.add_done_callback(self._acting.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise

    async def _write(self, conversation: Conversation, draft: Draft, spoken: Sequence[Turn]) -> Reply:
        said = [turn.text for turn in (*conversation.turns, *spoken) if turn.speaker == USER]
        draft.state = self._with_summary(draft.state, said)
        conversation = await self._append(conversation, spoken, draft.state)
        return draft.finished(len(conversation.turns) - 1)

    async def _append(self, conversation: Conversation, spoken: Sequence[Turn], state: DialogueState) -> Conversation:
        """The conversation with more turns and a new state; ConflictError when somebody else was faster."""
        values, handoff = state.model_dump(mode="json"), state.handoff is not None
        await asyncio.to_thread(self.store.append, conversation, spoken, values, handoff=handoff)
        turns = (*conversation.turns, *spoken)
        return replace(conversation, version=conversation.version + 1, turns=turns, state=values, handoff=handoff)

    def _with_summary(self, state: DialogueState, said: Sequence[str]) -> DialogueState:
        handoff = state.handoff
        if handoff is None or handoff.summary:
            return state
        text = summarize(state, said, self.dialogue.book.flows)
        return state.model_copy(update={"handoff": handoff.model_copy(update={"summary": text})})

    def _lock(self, conversation_id: str) -> asyncio.Lock:
        """One message of a conversation at a time, so that two quick ones are answered in the order they came."""
        return self._locks.setdefault(conversation_id, asyncio.Lock())
