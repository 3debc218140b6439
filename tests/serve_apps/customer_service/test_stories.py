"""Dialogues through the real flows, the intent model and the outside world scripted: what the state machine decides."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from actors.intent_model.understanding import Slot, Understanding
from serve_apps.customer_service.decisions import ActionResult, Decision, DialogueLimits, Lookup
from serve_apps.customer_service.dialogue import Dialogue
from serve_apps.customer_service.filling import Message
from serve_apps.customer_service.flow_files import load_flows
from serve_apps.customer_service.state import DialogueState

FILES = sorted((Path(__file__).parent / "stories").glob("*.yaml"))
STORIES = [story for file in FILES for story in yaml.safe_load(file.read_text(encoding="utf-8"))]
TODAY = date(2026, 3, 15)


@pytest.fixture(scope="module")
def dialogue(examples: Path) -> Dialogue:
    return Dialogue(load_flows(examples / "flows"), DialogueLimits())


def message_of(turn: dict[str, Any]) -> Message:
    text = str(turn["user"])
    slots = [Slot(n, text.index(v), text.index(v) + len(v), v) for n, v in turn.get("slots", {}).items()]
    understanding = Understanding(turn["intent"], turn.get("confidence", 0.95), tuple(slots))
    return Message(text, understanding, TODAY)


def play(dialogue: Dialogue, state: DialogueState, turn: dict[str, Any]) -> tuple[DialogueState, str, Decision]:
    """One turn, effects included; returns the new state, the whole reply and the last decision but its texts."""
    decision = dialogue.receive(state, message_of(turn))
    texts = list(decision.texts)
    while decision.effect is not None:
        effect = decision.effect
        if isinstance(effect, Lookup):
            assert effect.question == turn.get("lookup", turn["user"])
            title = turn["found"]  # a lookup that the story does not expect is a KeyError
            if title is not None:
                texts.append(f"《{title}》")
            decision = dialogue.looked_up(decision.state, effect, title)
        else:
            results = {**effect.simulated, "reference": "R-1"}
            result = ActionResult(turn.get("action", "done"), results, simulated=True)
            decision = dialogue.acted(decision.state, effect, result)
        texts += decision.texts
    return decision.state, "\n".join(texts), decision


@pytest.mark.parametrize("story", STORIES, ids=[story["story"] for story in STORIES])
def test_story(dialogue: Dialogue, story: dict[str, Any]) -> None:
    state = DialogueState()
    for turn in story["turns"]:
        state, reply, decision = play(dialogue, state, turn)
        state = DialogueState.model_validate_json(state.model_dump_json())  # as it is kept between messages
        for part in turn["reply"]:
            assert part in reply, f"{turn['user']!r} -> {reply!r}"
        for part in turn.get("not_reply", []):
            assert part not in reply
        assert (state.handoff.reason if state.handoff else None) == turn.get("handoff")
        if "outcome" in turn:
            assert decision.outcome == turn["outcome"]
        if "flow" in turn:
            assert (state.frame.flow if state.frame else None) == turn["flow"]
        if "filled" in turn:
            assert state.frame is not None
            assert state.frame.slots == turn["filled"]
