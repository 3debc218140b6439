"""The HTTP interface, in process: every route, every refusal, and what is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.conversations import ConversationStore
from actors.knowledge_base.knowledge_base import KnowledgeBase
from serve_apps.customer_service.app import create_app
from serve_apps.customer_service.back_office import SimulatedBackOffice
from serve_apps.customer_service.config import CustomerServiceConfig
from serve_apps.customer_service.decisions import DialogueLimits
from serve_apps.customer_service.desk import Desk
from serve_apps.customer_service.dialogue import Dialogue
from serve_apps.customer_service.flow_files import load_flows
from serve_apps.customer_service.looking_up import Librarian
from serve_apps.gateway.keys import new_key

Scene = Callable[[httpx.AsyncClient], Awaitable[None]]


class Meter:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def replied(self, intent: str, outcome: str, seconds: float) -> None:
        assert seconds > 0
        self.seen.append((intent, outcome))


class World:
    """An application over a database file; `play` runs a scene against a fresh process of it, as it were."""

    def __init__(self, index: Path, flows: Path, folder: Path, understander: Any) -> None:
        self.knowledge = KnowledgeBase(index)
        self.flows, self.folder, self.understander = flows, folder, understander
        self.meter = Meter()

    def play(self, scene: Scene, **settings: Any) -> None:
        asyncio.run(self._play(scene, settings))

    async def _play(self, scene: Scene, settings: dict[str, Any]) -> None:
        async with self.client(**settings) as http:
            await scene(http)

    @asynccontextmanager
    async def client(self, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
        values = {"knowledge": "k", "understanding": "u", "flows": "f", **settings}
        config = CustomerServiceConfig.model_validate(values)
        store = ConversationStore(f"sqlite:///{self.folder / 'talks.sqlite'}")
        desk = Desk(
            store=store,
            understander=self.understander,
            librarian=Librarian(self.knowledge, None, 5),
            dialogue=Dialogue(load_flows(self.flows), DialogueLimits()),
            back_office=SimulatedBackOffice(),
            meter=self.meter,
            max_turns=config.max_turns,
            action_s=5.0,
            today=lambda: date(2026, 3, 15),
        )
        transport = httpx.ASGITransport(create_app(desk, config), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield http
        store.close()


@pytest.fixture
def world(index: Path, examples: Path, tmp_path: Path, understander: Any) -> World:
    return World(index, examples / "flows", tmp_path, understander)


async def begin(http: httpx.AsyncClient) -> str:
    answer = await http.post("/conversations")
    assert answer.status_code == 201
    return answer.json()["conversation_id"]


async def say(http: httpx.AsyncClient, name: str, text: str) -> dict[str, Any]:
    answer = await http.post(f"/conversations/{name}/messages", json={"text": text})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_dialogue_with_a_detour(world: World) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        name = await begin(http)
        first = await say(http, name, "我要挂失")
        assert first["intent"] == "report_card_loss"
        assert first["state"] == {
            "flow": "report_card_loss",
            "slots": {},
            "awaiting": "card_tail",
            "confirming": False,
            "interrupted": [],
        }
        asked = await say(http, name, "正式挂失手续费多少？")
        assert "手续费 10 元" in asked["reply"]
        assert "我们继续办理银行卡挂失" in asked["reply"]
        assert asked["citations"][0]["document_id"] == "bank-card-loss"
        assert asked["citations"][0]["quote"] in asked["reply"]
        filled = await say(http, name, "尾号6789")
        assert filled["slots"] == [{"name": "card_tail", "value": "6789"}]
        assert filled["state"]["confirming"] is True
        done = await say(http, name, "确认")
        assert f"受理编号 {name[:8].upper()}-1-" in done["reply"]
        assert "演示后台" in done["reply"]
        assert done["state"]["flow"] is None
        assert done["handoff"] is False

    world.play(scene)
    assert world.meter.seen == [
        ("report_card_loss", "flow"),
        ("ask_knowledge", "answered"),
        ("inform", "flow"),
        ("affirm", "flow"),
    ]


def test_follow_up_questions_are_made_whole(world: World) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        name = await begin(http)
        await say(http, name, "去日本用云杉移动的国际漫游流量一天多少钱？")
        reply = await say(http, name, "那欧洲呢？")
        assert reply["citations"][0]["document_id"] == "mobile-roaming-international"

    world.play(scene)


def test_nothing_found_is_said_and_leads_to_a_person(world: World) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        name = await begin(http)
        reply = await say(http, name, "珠穆朗玛峰有多高？")
        assert "没有找到" in reply["reply"]
        assert (reply["citations"], reply["outcome"]) == ([], "not_found")
        handed = await say(http, name, "是的")
        assert handed["handoff"] is True

    world.play(scene)


def test_hand_off_and_back(world: World) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        name = await begin(http)
        early = await http.post(f"/conversations/{name}/agent", json={"text": "您好"})
        assert early.status_code == 409
        await say(http, name, "我要挂失")
        assert (await say(http, name, "转人工"))["handoff"] is True
        assert "已转给人工客服" in (await say(http, name, "在吗"))["reply"]
        assert (await http.get("/conversations")).json() == {"waiting": [name]}
        talk = (await http.get(f"/conversations/{name}")).json()
        assert talk["handoff"] is True
        assert "转接原因：客户要求转人工\n正在办理：银行卡挂失" in talk["summary"]
        await http.post(f"/conversations/{name}/agent", json={"text": "您好，我是 8 号坐席。"})
        released = await http.post(f"/conversations/{name}/agent", json={"text": "已处理。", "release": True})
        assert released.json() == {"handoff": False}
        assert (await http.get("/conversations")).json() == {"waiting": []}
        reply = await say(http, name, "尾号6789")  # the flow is where it was
        assert "确认办理吗" in reply["reply"]
        talk = (await http.get(f"/conversations/{name}")).json()
        assert [t["speaker"] for t in talk["turns"]] == [
            *["user", "assistant"] * 3,
            "agent",
            "agent",
            "user",
            "assistant",
        ]

    world.play(scene)


def test_a_restart_keeps_the_conversation(world: World) -> None:
    names: list[str] = []

    async def before(http: httpx.AsyncClient) -> None:
        names.append(await begin(http))
        await say(http, names[0], "给13812345678充值")

    async def after(http: httpx.AsyncClient) -> None:
        reply = await say(http, names[0], "50元")
        assert "为号码 13812345678 充值 50 元，确认吗" in reply["reply"]
        talk = (await http.get(f"/conversations/{names[0]}")).json()
        assert [t["text"] for t in talk["turns"] if t["speaker"] == "user"] == ["给13812345678充值", "50元"]
        assert talk["turns"][0]["slots"] == {"phone_number": "13812345678"}

    world.play(before)
    world.play(after)


def test_events(world: World) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        name = await begin(http)
        await say(http, name, "我要挂失")
        headers = {"Accept": "text/event-stream"}
        body = {"text": "正式挂失手续费多少？"}
        answer = await http.post(f"/conversations/{name}/messages", json=body, headers=headers)
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [block.split("\n") for block in answer.text.strip().split("\n\n")]
        names = [event[0].removeprefix("event: ") for event in events]
        bodies = [json.loads(event[1].removeprefix("data: ")) for event in events]
        assert names == ["delta"] * (len(names) - 1) + ["message"]
        assert "\n".join(body["text"] for body in bodies[:-1]) == bodies[-1]["reply"]
        assert bodies[-1]["citations"]

    world.play(scene)


def test_feedback(world: World) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        name = await begin(http)
        reply = await say(http, name, "你好")
        kept = await http.post(
            f"/conversations/{name}/feedback", json={"rating": 5, "comment": "好", "position": reply["position"]}
        )
        assert (kept.status_code, kept.json()) == (201, {"kept": True})
        beyond = await http.post(f"/conversations/{name}/feedback", json={"rating": 1, "position": 9})
        assert (beyond.status_code, "position is 9" in beyond.json()["error"]["message"]) == (400, True)

    world.play(scene)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "param", "message"),
    [
        ("POST", "/conversations/{id}/messages", {"text": ""}, 400, "text", "must not be empty"),
        ("POST", "/conversations/{id}/messages", {"text": " \n"}, 400, "text", "must not be empty"),
        ("POST", "/conversations/{id}/messages", {"text": "a\x00b"}, 400, "text", "NUL"),
        ("POST", "/conversations/{id}/messages", {"text": "字" * 501}, 400, "text", "has 501 characters"),
        ("POST", "/conversations/{id}/messages", {"text": 5}, 400, "text", "string"),
        ("POST", "/conversations/{id}/messages", {}, 400, "text", "missing"),
        ("POST", "/conversations/{id}/messages", {"text": "好", "lang": "zh"}, 400, "lang", "not permitted"),
        ("POST", "/conversations/{id}/feedback", {"rating": 6}, 400, "rating", "less than or equal to 5"),
        ("POST", "/conversations/nobody/messages", {"text": "好"}, 404, "conversation_id", "no conversation 'nobody'"),
        ("POST", "/conversations/nobody/feedback", {"rating": 5}, 404, "conversation_id", "no conversation"),
        ("POST", "/conversations/nobody/agent", {"text": "好"}, 404, "conversation_id", "no conversation"),
        ("GET", "/conversations/nobody", None, 404, "conversation_id", "no conversation"),
        ("GET", "/nowhere", None, 404, None, "no such route"),
        ("DELETE", "/conversations/{id}", None, 405, None, "not allowed"),
    ],
)
def test_refusals_name_the_field(
    world: World, method: str, path: str, body: Any, status: int, param: str | None, message: str
) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        name = await begin(http)
        answer = await http.request(method, path.replace("{id}", name), json=body)
        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (status, param)
        assert message in error["message"]
        assert (await http.get(f"/conversations/{name}")).json()["turns"] == []  # nothing is kept of a refused one

    world.play(scene)


def test_half_a_character_is_refused(world: World) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        name = await begin(http)
        headers = {"Content-Type": "application/json"}
        for route, body, field in (
            ("messages", rb'{"text": "\ud800"}', "text"),
            ("agent", rb'{"text": "\ud800"}', "text"),
            ("feedback", rb'{"rating": 5, "comment": "\u0000"}', "comment"),
        ):
            answer = await http.post(f"/conversations/{name}/{route}", content=body, headers=headers)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)

    world.play(scene)


def test_a_full_conversation_asks_for_a_new_one(world: World) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        name = await begin(http)
        await say(http, name, "你好")
        answer = await http.post(f"/conversations/{name}/messages", json={"text": "你好"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conversation_full")

    world.play(scene, max_turns=3)


def test_messages_that_arrive_together_are_answered_one_after_the_other(world: World) -> None:
    async def scene(http: httpx.AsyncClient) -> None:
        name = await begin(http)
        await asyncio.gather(*(say(http, name, f"你好{i}") for i in range(12)))
        talk = (await http.get(f"/conversations/{name}")).json()
        assert [t["speaker"] for t in talk["turns"]] == ["user", "assistant"] * 12
        assert {t["text"] for t in talk["turns"] if t["speaker"] == "user"} == {f"你好{i}" for i in range(12)}

    world.play(scene)


def test_replicas_that_answer_the_same_conversation_lose_nothing(world: World) -> None:
    async def both() -> None:
        async with world.client() as first, world.client() as second:
            name = await begin(first)
            await asyncio.gather(*(say(http, name, f"你好{i}") for i, http in enumerate([first, second] * 3)))
            talk = (await first.get(f"/conversations/{name}")).json()
            assert {t["text"] for t in talk["turns"] if t["speaker"] == "user"} == {f"你好{i}" for i in range(6)}

    asyncio.run(both())


def test_keys(world: World, tmp_path: Path) -> None:
    key, hashed = new_key()
    (tmp_path / "keys").write_text(f"me {hashed}\n")

    async def scene(http: httpx.AsyncClient) -> None:
        assert (await http.post("/conversations")).status_code == 401
        answer = await http.post("/conversations", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 201

    world.play(scene, keys_file=str(tmp_path / "keys"))
