"""What must hold for every dialogue, whatever customers write and the intent model makes of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.intent_model.understanding import Slot, Understanding
from serve_apps.customer_service.decisions import ActionResult, DialogueLimits, Lookup
from serve_apps.customer_service.dialogue import Dialogue
from serve_apps.customer_service.filling import Message
from serve_apps.customer_service.flow_files import load_flows
from serve_apps.customer_service.state import DialogueState, Frame, Handoff, Offer

BOOK = load_flows(Path(__file__).resolve().parents[3] / "examples" / "flows")
LIMITS = DialogueLimits()
INTENTS = [
    *(intent for flow in BOOK.flows.values() for intent in flow.starts_on),
    *(
        "greet",
        "thanks",
        "goodbye",
        "affirm",
        "deny",
        "cancel",
        "ask_knowledge",
        "inform",
        "out_of_scope",
        "human_agent",
    ),
]
TEXTS = [
    *("是的", "不对", "不对，是5678", "算了", "6789", "13812345678", "50元", "3万元", "上个月", "明天", "要手续费吗？"),
    *("月包", "青杉", "李雷", "日本", "家里", "金额错了，改成80", "转人工", "啊", "号码是13987654321", "12345", "🙂"),
]
SLOTS = sorted({name for flow in BOOK.flows.values() for name in flow.slots})


@st.composite
def messages(draw: st.DrawFn) -> Message:
    text = draw(
        st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8", exclude_characters="{}"), min_size=1, max_size=20)
    )
    named = draw(st.lists(st.sampled_from(SLOTS), max_size=2))
    slots = tuple(Slot(name, 0, len(text), text) for name in named)
    intent, confidence = draw(st.sampled_from(INTENTS)), draw(st.sampled_from([0.2, 0.65, 0.95]))
    return Message(text, Understanding(intent, confidence, slots), date(2026, 3, 15))


outcomes = st.tuples(st.booleans(), st.sampled_from(["done", "done", "refused", "unconfirmed"]))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(messages(), outcomes), min_size=1, max_size=12))
def test_every_dialogue_goes_on(turns: list[tuple[Message, tuple[bool, Any]]]) -> None:
    dialogue, state = Dialogue(BOOK, LIMITS), DialogueState()
    for message, (found, status) in turns:
        handed_before = state.handoff is not None
        decision = dialogue.receive(state, message)
        said, effects = [*decision.texts], 0
        while decision.effect is not None:
            effects += 1
            assert effects < 10
            if isinstance(decision.effect, Lookup):
                said += ["答案"] if found else []
                decision = dialogue.looked_up(decision.state, decision.effect, "题目" if found else None)
            else:
                assert all(step in decision.state.stack[-1].passed for step in confirmed_before(decision.effect))
                results = {**decision.effect.simulated, "reference": "R-1"}
                decision = dialogue.acted(decision.state, decision.effect, ActionResult(status, results))
            said += decision.texts
        assert said
        assert all(said)
        assert not any("{" in text for text in said)
        state = decision.state
        assert len(state.stack) <= LIMITS.open_flows
        assert state.misunderstandings <= LIMITS.misunderstandings
        assert not handed_before or state.handoff is not None
        assert DialogueState.model_validate_json(state.model_dump_json()) == state


def confirmed_before(act: Any) -> list[str]:
    """The confirmations that stand before an action in its flow: nothing is done without them."""
    flow = BOOK.flows[act.flow]
    return [flow.step_id(i) for i in range(flow.place(act.step)) if hasattr(flow.steps[i], "confirm")]


@pytest.mark.parametrize(
    "state",
    [
        DialogueState(stack=[Frame(flow="gone"), Frame(flow="top_up", slots={"gone": "1"}, awaiting="gone")]),
        DialogueState(stack=[Frame(flow="top_up", passed=["gone"], confirming="gone")]),
        DialogueState(offer=Offer(kind="flow", flow="gone")),
    ],
)
@pytest.mark.parametrize("text", ["是的", "13812345678", "你好"])
def test_a_stored_state_survives_flows_that_were_edited(state: DialogueState, text: str) -> None:
    message = Message(text, Understanding("inform", 0.9), date(2026, 3, 15))
    decision = Dialogue(BOOK, LIMITS).receive(state, message)
    assert "gone" not in decision.state.model_dump_json(exclude={"stack": {"__all__": {"passed"}}})


# A transfer above the limit: its next step is the hand-off.
TOO_MUCH = Frame(flow="transfer_money", slots={"person": "李雷", "amount": "30000"})
ASKING = Frame(flow="top_up", slots={"phone_number": "13812345678"}, awaiting="amount")


@pytest.mark.parametrize(
    ("stack", "left"),
    [([TOO_MUCH], []), ([ASKING, TOO_MUCH], [ASKING]), ([ASKING], [ASKING]), ([TOO_MUCH, ASKING], [TOO_MUCH, ASKING])],
)
def test_a_released_conversation_is_not_handed_off_again(stack: list[Frame], left: list[Frame]) -> None:
    dialogue = Dialogue(BOOK, LIMITS)
    state = dialogue.released(DialogueState(stack=stack, handoff=Handoff(reason="r"), misunderstandings=2))
    assert state == DialogueState(stack=left)
    message = Message("你好", Understanding("greet", 0.9), date(2026, 3, 15))
    assert dialogue.receive(state, message).state.handoff is None


def test_back_in_a_flow_that_ends_with_a_person_is_a_hand_off() -> None:
    message = Message("算了", Understanding("cancel", 0.9), date(2026, 3, 15))
    decision = Dialogue(BOOK, LIMITS).receive(DialogueState(stack=[TOO_MUCH, ASKING]), message)
    assert decision.state.handoff is not None and "单笔限额" in decision.state.handoff.reason
    assert decision.outcome == "handoff"
