"""What the demo says to the served applications, over HTTP as any client would."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import httpx

from danlu.errors import RunError
from danlu.report import Check, Code, Dialogue, Turn

# One conversation that fills slots over several turns, asks the knowledge base in between, and ends at a person.
CUSTOMER_TURNS = (
    "你好",
    "我的银行卡丢了，要挂失",
    "挂失要收手续费吗？",
    "尾号6789",
    "是的，确认",
    "帮我转人工",
)


@dataclass(frozen=True)
class Streamed:
    """A streamed chat answer and the seconds until its first piece."""

    text: str
    pieces: int
    first_token_s: float


def stream_chat(base_url: str, model: str, question: str) -> Streamed:
    """Ask the gateway with the official openai client, streaming."""
    from openai import OpenAI

    client = OpenAI(base_url=f"{base_url}/v1", api_key="none", timeout=60, max_retries=0)
    began, first, pieces = time.monotonic(), 0.0, []
    stream = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}], temperature=0, max_tokens=128, stream=True
    )
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            first = first or time.monotonic() - began
            pieces.append(chunk.choices[0].delta.content)
    return Streamed("".join(pieces), len(pieces), first)


def customer_dialogue(base_url: str) -> tuple[Dialogue, list[Check]]:
    """Hold the conversation of CUSTOMER_TURNS and check slots, citations and hand-off."""
    with httpx.Client(base_url=f"{base_url}/customer-service/v1", timeout=60) as http:
        conversation = _json(http.post("/conversations"))["conversation_id"]
        replies = [
            _json(http.post(f"/conversations/{conversation}/messages", json={"text": text})) for text in CUSTOMER_TURNS
        ]
    turns: list[Turn] = []
    for text, reply in zip(CUSTOMER_TURNS, replies, strict=True):
        turns += [
            Turn(speaker="user", text=text),
            Turn(speaker="云杉客服", text=reply["reply"], details=_details(reply)),
        ]
    return Dialogue(title="Customer service", turns=turns), check_dialogue(replies)


def check_dialogue(replies: list[dict[str, Any]]) -> list[Check]:
    """What must hold of the replies to CUSTOMER_TURNS."""
    cards = [slot["value"] for reply in replies for slot in reply["slots"] if slot["name"] == "card_tail"]
    cited = [c["title"] for reply in replies for c in reply["citations"]]
    return [
        Check(name="customer service fills slots over turns", held="6789" in cards, detail=f"card_tail {cards}"),
        Check(name="customer service answers with citations", held=bool(cited), detail="; ".join(cited[:2])),
        Check(name="customer service hands off to a person", held=bool(replies[-1]["handoff"])),
    ]


def solve_task(base_url: str, task: dict[str, Any]) -> tuple[list[Code], dict[str, Any]]:
    """Ask the code-generation app for one of the example tasks; returns what to show and its answer."""
    body = {key: task[key] for key in ("task", "signature", "examples", "language")}
    with httpx.Client(base_url=f"{base_url}/code-generation/v1", timeout=120) as http:
        answer = _json(http.post("/solutions", json=body))
    plan = json.dumps(answer["plan"], ensure_ascii=False, indent=2)
    checks = "; ".join(f"{check['name']} {'✓' if check['passed'] else '✗'}" for check in answer["checks"])
    sections = [
        Code(
            title=f"Code generation: {task['task']}", code=answer["code"], note=f"origin {answer['origin']}; {checks}"
        ),
        Code(title="Its plan", code=plan, language="json"),
    ]
    return sections, answer


def _details(reply: dict[str, Any]) -> str:
    slots = ", ".join(f"{slot['name']}={slot['value']}" for slot in reply["slots"])
    cited = "; ".join(f"[{n}] {c['title']}" for n, c in enumerate(reply["citations"], start=1))
    return "\n".join(part for part in (f"intent {reply['intent']}" + (f" · {slots}" if slots else ""), cited) if part)


def _json(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        raise RunError(f"{response.request.url} answered {response.status_code}", rule=response.text[:500])
    body: dict[str, Any] = response.json()
    return body
