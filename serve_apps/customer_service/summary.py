"""What a person who takes over should know, in a few lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from serve_apps.customer_service.flows import Flow
from serve_apps.customer_service.state import DialogueState
from serve_apps.customer_service.values import shown

_LAST_MESSAGES = 3
_QUOTE_CHARACTERS = 60


def summarize(state: DialogueState, said: Sequence[str], flows: Mapping[str, Flow]) -> str:
    """Reason, concerns under way with their values, and the customer's last messages.

    Args:
        said: everything that the customer wrote, in order.
    """
    assert state.handoff is not None, "only a conversation that is handed off has a summary"
    lines = [f"转接原因：{state.handoff.reason}"]
    for frame in reversed(state.stack):
        flow = flows[frame.flow]
        known = [f"{flow.slots[name].label} {shown(flow.slots[name], value)}" for name, value in frame.slots.items()]
        lines.append(f"正在办理：{flow.title}" + (f"（{'，'.join(known)}）" if known else ""))
    if state.topic is not None:
        lines.append(f"最近回答过：{_shortened(state.topic.question)}（依据《{state.topic.title}》）")
    quotes = "".join(f"“{_shortened(text)}”" for text in said[-_LAST_MESSAGES:])
    return "\n".join([*lines, f"客户最近说：{quotes}"])


def _shortened(text: str) -> str:
    return text if len(text) <= _QUOTE_CHARACTERS else f"{text[:_QUOTE_CHARACTERS]}…"
