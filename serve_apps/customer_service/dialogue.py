"""The dialogue state machine: a message and a state give the next state and what to say. No I/O.

Looking something up and acting are left to the caller: `receive` returns a decision with an effect, and the caller
comes back with its result (`looked_up`, `acted`) until a decision has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from serve_apps.customer_service.cues import Cues, read_cues
from serve_apps.customer_service.decisions import ActionResult, Decision, DialogueLimits, Lookup, Outcome, Scope
from serve_apps.customer_service.filling import Filling, Message, read_values
from serve_apps.customer_service.flow_files import FlowBook
from serve_apps.customer_service.flows import ActionStep, ConfirmStep, Flow
from serve_apps.customer_service.rewriting import follows_up
from serve_apps.customer_service.state import DialogueState, Frame, Handoff, Offer, PendingAction, Topic
from serve_apps.customer_service.values import shown
from serve_apps.customer_service.walking import Act, corrected, fitting, render, walk

ASKED_FOR = "客户要求转人工"
NOT_UNDERSTOOD = "多次未能理解客户的问题"
UNCONFIRMED = "{title}已提交给后台，但没有得到答复，请核实是否办理成功"
# Characters that people put around an answer (是…这个号): with more, the message says something else as well.
_AROUND_AN_ANSWER = 6
_SCOPES: dict[str, Scope] = {"ask_knowledge": "inside", "out_of_scope": "outside"}


class Dialogue:
    """All flows together. Holds no conversation: the state is given and returned."""

    def __init__(self, book: FlowBook, limits: DialogueLimits) -> None:
        self.book = book
        self.phrases = book.phrases
        self.limits = limits

    def receive(self, state: DialogueState, message: Message) -> Decision:
        """Decide upon a customer's message. An action that is still pending in `state` counts as lost."""
        cues = read_cues(message.text, message.understanding, self.limits.confidence)
        state = self._current(state)
        if state.pending is not None:
            return self._lost(state, state.pending)
        if state.handoff is not None:
            return Decision(state, (self.phrases.waiting,), outcome="handoff")
        if cues.human:
            return self._hand_off(state, ASKED_FOR)
        offer, state = state.offer, state.model_copy(update={"offer": None})
        if offer is not None and (cues.affirm or cues.deny):
            return self._take_offer(state, offer, cues)
        if state.frame is not None:
            return self._in_flow(state, state.frame, message, cues)
        return self._outside(state, message, cues)

    def looked_up(self, state: DialogueState, lookup: Lookup, title: str | None) -> Decision:
        """Go on after a lookup: `title` is that of the document that answered, None when nothing was found."""
        if title is not None:
            topic = Topic(question=lookup.question, title=title)
            state = state.model_copy(update={"topic": topic, "misunderstandings": 0})
            return self._resumed(state, "answered") if state.frame else Decision(state)
        likely = self.book.flows.get(lookup.likely)
        if likely is not None:
            state = state.model_copy(update={"offer": Offer(kind="flow", flow=likely.flow)})
            return Decision(state, (self.phrases.offer_flow.format(title=likely.title),), outcome="not_found")
        state = state.model_copy(update={"misunderstandings": state.misunderstandings + 1})
        if state.misunderstandings >= self.limits.misunderstandings:
            return self._hand_off(state, NOT_UNDERSTOOD)
        state = state.model_copy(update={"offer": Offer(kind="human")})
        return Decision(state, (self.phrases.not_found,), outcome="not_found")

    def acted(self, state: DialogueState, act: Act, result: ActionResult) -> Decision:
        """Go on after an action: with its results, without it, or with a person who finds out what became of it."""
        frame = state.frame
        assert frame is not None, "actions come from a flow under way"
        flow = self.book.flows[act.flow]
        step = flow.steps[flow.place(act.step)]
        assert isinstance(step, ActionStep)
        state = state.model_copy(update={"actions": state.actions + 1})
        if result.status == "unconfirmed":
            return self._unconfirmed(state.popped(), flow.title)
        if result.status == "refused":
            return self._leave(state.popped(), (render(flow, step.failed, act.slots),))
        text = render(flow, step.reply, act.slots, result.results)
        text += self.phrases.simulated if result.simulated else ""
        done = frame.model_copy(update={"passed": [*frame.passed, act.step]})
        return self._walk(state.with_frame(done), texts=(text,))

    def released(self, state: DialogueState) -> DialogueState:
        """The state once a person gives the conversation back: without the flows that would lead to one at once."""
        state = _understood(self._current(state)).model_copy(update={"handoff": None})
        while state.frame is not None and walk(self.book.flows[state.frame.flow], state.frame).handoff is not None:
            state = state.popped()
        return state

    def _lost(self, state: DialogueState, pending: PendingAction) -> Decision:
        """The process that asked the back office ended before it wrote the answer: a person has to find out."""
        state = state.model_copy(update={"pending": None, "actions": state.actions + 1})
        flow = self.book.flows.get(pending.flow)
        if state.frame is not None and state.frame.flow == pending.flow:
            state = state.popped()
        return self._unconfirmed(state, flow.title if flow is not None else pending.flow)

    def _unconfirmed(self, state: DialogueState, title: str) -> Decision:
        handed = self._hand_off(state, UNCONFIRMED.format(title=title))
        return replace(handed, texts=(self.phrases.unconfirmed.format(title=title), *handed.texts))

    def _current(self, state: DialogueState) -> DialogueState:
        """A stored state without what the flows, which may have changed since, no longer have."""
        flows = self.book.flows
        stack = [fitting(frame, flows[frame.flow]) for frame in state.stack if frame.flow in flows]
        lost = state.offer is not None and state.offer.kind == "flow" and state.offer.flow not in flows
        return state.model_copy(update={"stack": stack, "offer": None if lost else state.offer})

    # A message outside of any flow.

    def _outside(self, state: DialogueState, message: Message, cues: Cues) -> Decision:
        understanding = message.understanding
        sure = understanding.intent if understanding.confidence >= self.limits.confidence else ""
        flow = self.book.started_by(understanding.intent)
        if state.topic is not None and follows_up(message.text):
            return Decision(state, effect=Lookup(message.text, scope="inside"))
        if flow is not None and sure:
            return self._start(state, flow, message, cues)
        if (said := self._small_talk(sure)) is not None:
            return Decision(_understood(state), (said,))
        if cues.cancel:
            return Decision(state, (self.phrases.nothing_to_cancel,))
        if cues.affirm or cues.deny:
            return Decision(state, (self.phrases.acknowledged,))
        likely = flow.flow if flow is not None and understanding.confidence >= self.limits.likely_confidence else ""
        return Decision(state, effect=Lookup(message.text, likely=likely, scope=_SCOPES.get(sure, "unknown")))

    def _start(
        self, state: DialogueState, flow: Flow, message: Message, cues: Cues, texts: Sequence[str] = ()
    ) -> Decision:
        filling = read_values(flow, {}, None, message, cues)
        state = _understood(state).pushed(Frame(flow=flow.flow, slots=dict(filling.values)))
        return self._walk(state, texts=(*texts, *self._refusals(flow, filling)), values=filling.values)

    def _small_talk(self, intent: str) -> str | None:
        phrases = self.phrases
        return {"greet": phrases.greeting, "goodbye": phrases.goodbye, "thanks": phrases.thanks}.get(intent)

    def _take_offer(self, state: DialogueState, offer: Offer, cues: Cues) -> Decision:
        if cues.deny:
            return self._resumed(state, "answered") if state.frame else Decision(state, (self.phrases.acknowledged,))
        if offer.kind == "human":
            return self._hand_off(state, ASKED_FOR)
        return self._walk(_understood(state).pushed(Frame(flow=offer.flow)))

    # A message while a flow is under way.

    def _in_flow(self, state: DialogueState, frame: Frame, message: Message, cues: Cues) -> Decision:
        flow = self.book.flows[frame.flow]
        if cues.cancel:
            return self._leave(state.popped(), (self.phrases.cancelled.format(title=flow.title),))
        asks = message.understanding.intent == "ask_knowledge"
        if asks and cues.question and message.understanding.confidence >= self.limits.confidence:
            return Decision(_understood(state), effect=Lookup(message.text, flow.title, scope="inside"), outcome="flow")
        filling = read_values(
            flow, frame.slots, frame.awaiting, message, cues, free_text=not (cues.question or cues.deny)
        )
        other = self._interrupting(state, flow, message, cues, filling.values.get(frame.awaiting or "", ""))
        if other is not None:
            return self._start(state, other, message, cues, (self.phrases.starting.format(title=other.title),))
        news = {name: value for name, value in filling.values.items() if frame.slots.get(name) != value}
        if news or filling.invalid:
            return self._fill(state, frame, flow, news, filling)
        if frame.confirming is not None and (cues.affirm or cues.deny):
            return self._confirm(state, frame, flow, cues)
        return self._off_track(state, frame, message, cues, filling)

    def _interrupting(self, state: DialogueState, flow: Flow, message: Message, cues: Cues, answer: str) -> Flow | None:
        """The other flow that the message surely begins. One that only answers what was asked begins none."""
        understanding = message.understanding
        other = self.book.started_by(understanding.intent)
        if other is None or other is flow or understanding.confidence < self.limits.confidence:
            return None
        open_already = any(frame.flow == other.flow for frame in state.stack)
        bare = answer and len(message.text.strip()) <= len(answer) + _AROUND_AN_ANSWER
        if cues.correction or bare or open_already or len(state.stack) >= self.limits.open_flows:
            return None
        return other

    def _fill(
        self, state: DialogueState, frame: Frame, flow: Flow, news: Mapping[str, str], filling: Filling
    ) -> Decision:
        changed = {name: value for name, value in news.items() if name in frame.slots}
        texts = [
            self.phrases.corrected.format(label=flow.slots[name].label, value=shown(flow.slots[name], value))
            for name, value in changed.items()
        ]
        filled = corrected(frame, flow, news) if changed else _with_values(frame, news)
        state = _understood(state) if news else _puzzled(state)
        if state.misunderstandings >= self.limits.misunderstandings:
            return self._hand_off(state, NOT_UNDERSTOOD)
        return self._walk(state.with_frame(filled), texts=(*texts, *self._refusals(flow, filling)), values=news)

    def _confirm(self, state: DialogueState, frame: Frame, flow: Flow, cues: Cues) -> Decision:
        assert frame.confirming is not None
        if cues.affirm:
            agreed = frame.model_copy(update={"passed": [*frame.passed, frame.confirming], "denials": 0})
            return self._walk(_understood(state).with_frame(agreed))
        step = flow.steps[flow.place(frame.confirming)]
        assert isinstance(step, ConfirmStep)
        if step.on_no == "end" or frame.denials:
            return self._leave(state.popped(), (self.phrases.cancelled.format(title=flow.title),))
        denied = frame.model_copy(update={"denials": frame.denials + 1})
        return Decision(_understood(state).with_frame(denied), (self.phrases.revise,), outcome="flow")

    def _off_track(
        self, state: DialogueState, frame: Frame, message: Message, cues: Cues, filling: Filling
    ) -> Decision:
        """The message brings nothing that the flow waits for: small talk, a question, or not understood."""
        understanding = message.understanding
        if cues.resume:
            return self._resumed(_understood(state), "flow")
        if understanding.confidence >= self.limits.confidence:
            said = self._small_talk(understanding.intent)
            if said is not None:
                return self._resumed(_understood(state), "flow", (said,))
        if cues.question:
            flow = self.book.flows[frame.flow]
            return Decision(state, effect=Lookup(message.text, flow.title), outcome="flow")
        if filling.values or self.book.started_by(understanding.intent) is self.book.flows[frame.flow]:
            return self._resumed(_understood(state), "flow")  # says again what is known already
        state = _puzzled(state)
        if state.misunderstandings >= self.limits.misunderstandings:
            return self._hand_off(state, NOT_UNDERSTOOD)
        return self._walk(state, texts=(self.phrases.unclear,))

    # What several paths end in.

    def _walk(
        self, state: DialogueState, texts: Sequence[str] = (), values: Mapping[str, str] | None = None
    ) -> Decision:
        """Take the flow on top as far as it goes; when it is over, go back to the one below."""
        assert state.frame is not None
        going = walk(self.book.flows[state.frame.flow], state.frame)
        state, said = state.with_frame(going.frame), (*texts, *going.texts)
        if going.handoff is not None:
            handed = self._hand_off(state, going.handoff)
            return replace(handed, texts=(*said, *handed.texts), values=values or {})
        if going.done:
            return self._leave(state.popped(), said, values)
        return Decision(state, said, going.act, "flow", values or {})

    def _leave(self, state: DialogueState, texts: Sequence[str], values: Mapping[str, str] | None = None) -> Decision:
        """A flow is over: say so, and take up the one that it interrupted."""
        state = _understood(state)
        if state.frame is None:
            return Decision(state, tuple(texts), None, "flow", values or {})
        return replace(self._resumed(state, "flow", texts), values=values or {})

    def _resumed(self, state: DialogueState, outcome: Outcome, texts: Sequence[str] = ()) -> Decision:
        """Back to the flow on top: name it, and ask again what it waits for."""
        assert state.frame is not None
        title = self.book.flows[state.frame.flow].title
        resumed = self._walk(state, texts=(*texts, self.phrases.resuming.format(title=title)))
        return resumed if resumed.outcome == "handoff" else replace(resumed, outcome=outcome)

    def _hand_off(self, state: DialogueState, reason: str) -> Decision:
        handed = state.model_copy(update={"handoff": Handoff(reason=reason), "offer": None})
        return Decision(handed, (self.phrases.handoff,), outcome="handoff")

    def _refusals(self, flow: Flow, filling: Filling) -> list[str]:
        rules = [flow.slots[name] for name in filling.invalid]
        return [rule.invalid or self.phrases.invalid.format(label=rule.label) for rule in rules]


def _understood(state: DialogueState) -> DialogueState:
    return state.model_copy(update={"misunderstandings": 0})


def _puzzled(state: DialogueState) -> DialogueState:
    return state.model_copy(update={"misunderstandings": state.misunderstandings + 1})


def _with_values(frame: Frame, values: Mapping[str, str]) -> Frame:
    return frame.model_copy(update={"slots": {**frame.slots, **values}})
