"""What a desk does when an action is under way: it is done once, and what came of it is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from actors.conversations import ConversationStore, Turn
from serve_apps.customer_service.back_office import reference_of
from serve_apps.customer_service.decisions import ActionResult, DialogueLimits
from serve_apps.customer_service.desk import Desk
from serve_apps.customer_service.dialogue import Dialogue
from serve_apps.customer_service.flow_files import load_flows
from serve_apps.customer_service.looking_up import Librarian
from serve_apps.customer_service.state import DialogueState, Handoff, PendingAction
from serve_apps.customer_service.walking import Act
from serve_apps.gateway.errors import ApiError


class Office:
    """A back office that acts when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []  # (reference, amount)
        self.began, self.go_on = asyncio.Event(), asyncio.Event()
        self.error: Exception | None = None

    async def perform(self, act: Act, reference: str) -> ActionResult:
        self.asked.append((reference, act.slots["amount"]))
        self.began.set()
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return ActionResult("done", {"reference": reference})

    async def close(self) -> None:
        pass


class Store(ConversationStore):
    """A store in which somebody else may be faster, once."""

    before_append: Callable[[], Any] | None = None

    def append(self, *args: Any, **kwargs: Any) -> int:
        faster, self.before_append = self.before_append, None
        if faster is not None:
            faster()
        return super().append(*args, **kwargs)


class Silent:
    def replied(self, intent: str, outcome: str, seconds: float) -> None:
        pass


class World:
    """One back office, and as many desks over one database as are asked for."""

    def __init__(self, flows: Path, database: Path, understander: Any) -> None:
        self.office, self.understander = Office(), understander
        self.dialogue = Dialogue(load_flows(flows), DialogueLimits())
        self.store = Store(f"sqlite:///{database}")

    def desk(self, action_s: float = 30.0) -> Desk:
        nothing: Any = None  # these dialogues look nothing up
        return Desk(
            store=self.store,
            understander=self.understander,
            librarian=Librarian(nothing, None, 5),
            dialogue=self.dialogue,
            back_office=self.office,
            meter=Silent(),
            max_turns=50,
            action_s=action_s,
            today=lambda: date(2026, 3, 15),
        )

    def texts(self, name: str) -> list[str]:
        return [turn.text for turn in self.store.read(name).turns]

    def state(self, name: str) -> DialogueState:
        return DialogueState.model_validate(self.store.read(name).state)


Scene = Callable[[World], Coroutine[Any, Any, None]]


@pytest.fixture
def play(examples: Path, tmp_path: Path, understander: Any) -> Callable[[Scene], None]:
    async def run(scene: Scene) -> None:
        world = World(examples / "flows", tmp_path / "talks.sqlite", understander)
        await asyncio.wait_for(scene(world), 30)
        world.store.close()

    return lambda scene: asyncio.run(run(scene))


async def to_the_question(desk: Desk) -> str:
    """A conversation in which the customer is asked whether to top up 50 yuan."""
    name = await desk.begin()
    reply = await desk.receive(name, "给13812345678充值50元")
    assert "充值 50 元，确认吗" in reply.parts[-1]
    return name


def test_what_is_done_is_kept_when_the_client_is_gone(play: Callable[[Scene], None]) -> None:
    async def scene(world: World) -> None:
        desk = world.desk()
        name = await to_the_question(desk)
        request = asyncio.create_task(desk.receive(name, "是的"))
        await world.office.began.wait()
        assert world.texts(name)[-1] == "是的"  # it is written down that an action is under way
        request.cancel()
        await asyncio.sleep(0)
        after = asyncio.create_task(desk.receive(name, "你好"))  # waits for its turn
        world.office.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await request
        await after
        ((reference, amount),) = world.office.asked
        assert amount == "50"
        said = world.texts(name)
        assert said[2] == "是的" and f"受理编号 {reference}" in said[3] and said[4] == "你好"
        assert world.state(name).pending is None

    play(scene)


def test_other_replicas_leave_a_conversation_alone_while_an_action_is_under_way(play: Callable[[Scene], None]) -> None:
    async def scene(world: World) -> None:
        one, other = world.desk(), world.desk()
        name = await to_the_question(one)
        request = asyncio.create_task(one.receive(name, "是的"))
        await world.office.began.wait()
        with pytest.raises(ApiError, match="under way") as refusal:
            await other.receive(name, "金额错了，改成90元")
        assert (refusal.value.status, refusal.value.code) == (409, "action_under_way")
        world.office.go_on.set()
        assert "受理编号" in (await request).parts[0]
        assert [amount for _, amount in world.office.asked] == ["50"]

    play(scene)


def test_a_yes_counts_for_the_question_that_it_was_said_to(play: Callable[[Scene], None]) -> None:
    async def scene(world: World) -> None:
        one, other = world.desk(), world.desk()
        name = await to_the_question(one)
        loop = asyncio.get_running_loop()

        def change() -> None:
            asyncio.run_coroutine_threadsafe(other.receive(name, "金额错了，改成90元"), loop).result(10)

        world.store.before_append = change
        with pytest.raises(ApiError, match="has changed") as refusal:
            await one.receive(name, "是的")
        assert (refusal.value.status, refusal.value.code) == (409, "conversation_changed")
        assert world.office.asked == []
        assert "充值 90 元，确认吗" in world.texts(name)[-1]
        world.office.go_on.set()
        await one.receive(name, "是的")
        assert [amount for _, amount in world.office.asked] == ["90"]

    play(scene)


def test_what_is_done_is_told_even_if_the_conversation_has_gone_on(play: Callable[[Scene], None]) -> None:
    async def scene(world: World) -> None:
        desk = world.desk()
        name = await to_the_question(desk)
        request = asyncio.create_task(desk.receive(name, "是的"))
        await world.office.began.wait()
        handed = DialogueState(handoff=Handoff(reason="找不到结果", summary="…"))
        world.store.append(world.store.read(name), [Turn("agent", "我来核实。")], handed.model_dump(), handoff=True)
        world.office.go_on.set()
        reply = await request
        assert len(world.office.asked) == 1 and "受理编号" in reply.parts[0]
        assert world.texts(name)[-2:] == ["我来核实。", "\n".join(reply.parts)]
        assert reply.position == len(world.texts(name)) - 1
        assert world.state(name) == handed and world.store.read(name).handoff

    play(scene)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), None], ids=["error", "too slow"])
def test_an_action_without_an_answer_goes_to_a_person(play: Callable[[Scene], None], error: Exception | None) -> None:
    async def scene(world: World) -> None:
        desk = world.desk(action_s=0.2)
        name = await to_the_question(desk)
        if error is not None:
            world.office.error = error
            world.office.go_on.set()
        reply = await desk.receive(name, "是的")
        assert "请不要重复提交" in reply.parts[0]
        handoff = world.state(name).handoff
        assert handoff is not None and "话费充值已提交给后台" in handoff.reason
        assert handoff.summary.endswith("客户最近说：“给13812345678充值50元”“是的”")

    play(scene)


@pytest.mark.parametrize("flow", ["top_up", "gone"])
def test_an_action_whose_process_has_ended_goes_to_a_person(play: Callable[[Scene], None], flow: str) -> None:
    async def scene(world: World) -> None:
        desk = world.desk()
        name = await to_the_question(desk)
        pending = PendingAction(flow=flow, reference="R-1", since=time.time() - 61)
        state = world.state(name).model_copy(update={"pending": pending})
        world.store.append(world.store.read(name), [Turn("user", "是的")], state.model_dump(), handoff=False)
        reply = await desk.receive(name, "好了吗")
        assert "请不要重复提交" in reply.parts[0] and reply.outcome == "handoff"
        assert world.office.asked == []
        left = world.state(name)
        assert left.pending is None and left.actions == 1
        assert [frame.flow for frame in left.stack] == ([] if flow == "top_up" else ["top_up"])

    play(scene)


def test_references_differ_with_all_that_makes_another_action() -> None:
    def act(step: str = "3", **slots: str) -> Act:
        return Act("top_up", step, "top_up", {"amount": "50", **slots}, {})

    one = reference_of("0123456789abcdef", 0, act())
    assert one == reference_of("0123456789abcdef", 0, act()) and one.startswith("01234567-1-")
    others = [("0123456789abcdef", 1, act()), ("0123456789abcdef", 0, act("4")), ("0123456788abcdef", 0, act())]
    others += [("0123456789abcdef", 0, act(amount="9000"))]
    assert len({one, *(reference_of(*other) for other in others)}) == 5
