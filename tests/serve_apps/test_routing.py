"""Prefix-aware routing over three replicas that say who they are."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import httpx
import pytest
from ray import cloudpickle, serve
from ray.serve.request_router import PendingRequest, ReplicaID

from actors.engines.protocol import Delta, GenerationRequest, SamplingParams
from serve_apps.config import ModelSettings
from serve_apps.gateway.app import build
from serve_apps.language_model import app_name
from serve_apps.models import EngineFactory, application
from serve_apps.routing import ModelRouter, prompt_of

MOST_AHEAD = 3
PLACES = 4  # requests that the small model takes at once
TALES = ["很久很久以前，山里有一座庙，" * 20, "从前有个人种了一棵树，" * 20, "海边的渔夫每天出海打鱼，" * 20]


def signing_engine(echo: type) -> EngineFactory:
    """The echo engine, which answers with its process id after as many seconds as the prompt's last line says.

    Its log gets a file `SECONDS-ID` for each answer that it was asked for.
    """

    class Signing(echo):  # type: ignore[misc,valid-type]
        async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
            seconds = request.prompt.rpartition("\n")[2]
            (self._log / f"{seconds}-{request.id}").touch()
            await asyncio.sleep(float(seconds))
            yield Delta(str(os.getpid()), 1, 1, "stop")

    return Signing


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def url(ray_local: None, port: int, log: Path, echo_engine: type) -> Iterator[str]:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    model = ModelSettings.model_validate(
        {"name": "three", "path": str(log), "cpus": 0.1}
        | {"replicas": {"min": 3, "max": 3}, "routing": {"by": "prefix", "most_ahead": MOST_AHEAD}}
    )
    small = ModelSettings.model_validate(
        {"name": "small", "path": model.path, "cpus": 0.1, "max_queued": 200}
        | {"replicas": {"target_ongoing": PLACES / 2}}
    )
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    for served in (model, small):
        serve.run(application(served, signing_engine(echo_engine)), name=app_name(str(served.name)), route_prefix=None)
    serve.run(build({"models": ["three", "small"]}), name="gateway", route_prefix="/v1")
    yield f"http://127.0.0.1:{port}/v1"
    serve.shutdown()


def ask(url: str, prompts: list[str], seconds: float = 0.0, *, together: bool) -> list[str]:
    """Which replica answered each prompt."""

    async def asked() -> list[str]:
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            bodies = [{"model": "three", "prompt": f"{prompt}\n{seconds}"} for prompt in prompts]
            calls = (http.post("/completions", json=body) for body in bodies)
            answers = await asyncio.gather(*calls) if together else [await call for call in calls]
        return [answer.json()["choices"][0]["text"] for answer in answers]

    return asyncio.run(asked())


def test_prompts_that_begin_alike_go_to_one_replica(url: str) -> None:
    for tale in TALES:
        assert len(set(ask(url, [f"{tale}{number}" for number in range(8)], together=False))) == 1
    served = Counter(ask(url, [f"第{number}个不同的问题，" * 30 for number in range(24)], together=False))
    assert len(served) == 3, "prompts that nobody has read are spread"


def test_a_burst_goes_to_one_replica_up_to_the_limit(url: str) -> None:
    (home,) = set(ask(url, [TALES[0]], together=False))
    time.sleep(0.2)  # the router hears of an answer's end a little later than the client
    few = Counter(ask(url, [f"{TALES[0]}{number}" for number in range(MOST_AHEAD)], 0.5, together=True))
    assert few == {home: MOST_AHEAD}
    many = Counter(ask(url, [f"{TALES[0]}{number}" for number in range(12)], 0.5, together=True))
    assert len(many) == 3, "the others help where one is too far ahead"
    assert max(many.values()) - min(many.values()) <= MOST_AHEAD + 2


def test_a_queue_is_worked_off(url: str) -> None:
    async def burst() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            body = {"model": "small", "prompt": "a\n0.05"}
            answers = await asyncio.gather(*(http.post("/completions", json=body) for _ in range(40 * PLACES)))
            assert {answer.status_code for answer in answers} == {200}

    asyncio.run(burst())


def test_who_leaves_the_queue_takes_no_place(url: str, log: Path) -> None:
    async def leave() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            longest = {"model": "small", "prompt": "a\n1.5"}
            at_work = [asyncio.create_task(http.post("/completions", json=longest)) for _ in range(PLACES)]
            await asyncio.sleep(0.5)
            for _ in range(5 * PLACES):
                with pytest.raises(httpx.ReadTimeout):
                    await http.post("/completions", json=longest, timeout=httpx.Timeout(60, read=0.02))
            answer = await http.post("/completions", json={"model": "small", "prompt": "a\n0.01"})
            assert answer.status_code == 200
            assert {(await task).status_code for task in at_work} == {200}

    asyncio.run(leave())
    assert len(list(log.glob("1.5-*"))) == PLACES, "nobody who left was served"


def test_choices_of_one_request_wait_for_room(url: str) -> None:
    body = {"model": "small", "prompt": "a\n0.05", "n": 4 * PLACES}
    answer = httpx.post(f"{url}/completions", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["choices"]) == 4 * PLACES


def test_chat_is_routed_by_its_beginning(url: str) -> None:
    messages = [{"role": "system", "content": TALES[1]}, {"role": "user", "content": "0.0"}]
    answers = [
        httpx.post(f"{url}/chat/completions", json={"model": "three", "messages": messages}, timeout=60).json()
        for _ in range(6)
    ]
    assert len({answer["choices"][0]["message"]["content"] for answer in answers}) == 1


def test_adapters_do_not_share_what_was_read() -> None:
    sampling, messages = SamplingParams(), [{"role": "user", "content": "a"}]
    assert prompt_of([GenerationRequest("1", "a")]) != prompt_of([GenerationRequest("2", "a", adapter="b")])
    assert prompt_of(["1", messages, sampling, None]) != prompt_of(["1", messages, sampling, "b"])
    assert prompt_of([]) == prompt_of(["describe"]) == ""


class Deployment(NamedTuple):
    """What Serve's routers read of a deployment's id."""

    name: str = "engine"
    app_name: str = "model-m"


class Quiet:
    """A replica that is idle, as Serve's routers see one."""

    max_ongoing_requests = PLACES

    def __init__(self, name: str) -> None:
        self.replica_id = ReplicaID(name, deployment_id=Deployment())  # type: ignore[arg-type]
        self.asked = asyncio.Event()

    async def get_queue_len(self, *, deadline_s: float) -> int:
        self.asked.set()
        return 0


def constants() -> dict[str, Any]:
    """Those that the router reads.

    Serve pickles its class by value; where that comes back into this process, the class's methods are replaced by those
    of the pickle, which read a copy of their module's names.
    """
    return ModelRouter.update_replicas.__globals__


def router_over(*replicas: Quiet) -> ModelRouter:
    source: Any = SimpleNamespace(value="REPLICA")
    deployment: Any = Deployment()
    router = ModelRouter(deployment, source, use_replica_queue_len_cache=True)
    router.initialize_state()
    router.update_replicas(list(replicas))  # type: ignore[arg-type]
    return router


async def router_with(replica: Quiet, sent: int) -> ModelRouter:
    """A router that has heard of its replica, and has sent it so many requests since."""
    router = router_over(replica)
    await asyncio.wait_for(replica.asked.wait(), 10)
    await asyncio.sleep(0.05)
    for _ in range(sent):
        router.on_send_request(replica.replica_id)
    return router


def pending(name: str) -> PendingRequest:
    metadata: Any = SimpleNamespace(request_id=name, internal_request_id=name, multiplexed_model_id="")
    return PendingRequest([], {}, metadata)


def test_an_answer_that_ends_wakes_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve's own routers slept up to half a second, two requests at a time, while replicas had nothing to do."""
    monkeypatch.setitem(constants(), "_LOOK_AGAIN_S", 3600.0)
    monkeypatch.setitem(constants(), "_HURRY_S", 3600.0)

    async def session() -> None:
        replica = Quiet("a")
        router = await router_with(replica, sent=PLACES)
        waiting = [asyncio.ensure_future(router._choose_replica_for_request(pending(str(n)))) for n in range(3)]
        await asyncio.sleep(0.2)
        assert not any(asked.done() for asked in waiting)
        for served in waiting:
            router.on_request_completed(replica.replica_id, "")
            router.decrement_queue_len_cache(replica.replica_id)
            assert await asyncio.wait_for(served, 10) is replica
            router.on_send_request(replica.replica_id)

    asyncio.run(session())


def test_a_routing_task_without_a_request_is_in_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """As old as minus infinity, it had full replicas asked every ten milliseconds."""
    monkeypatch.setitem(constants(), "_LOOK_AGAIN_S", 3600.0)

    async def session() -> None:
        replica = Quiet("a")
        router = await router_with(replica, sent=PLACES)
        task = asyncio.create_task(router.choose_replicas([]))
        await asyncio.sleep(0.2)
        assert not task.done()
        task.cancel()

    asyncio.run(session())


@pytest.mark.parametrize(("own", "looks"), [(PLACES - 1, True), (PLACES, False)])
def test_only_where_others_have_requests_are_full_replicas_asked_in_a_hurry(
    monkeypatch: pytest.MonkeyPatch, own: int, looks: bool
) -> None:
    """Of the ends of its own requests a process hears; asking a hundred times a second cost what answers need."""
    monkeypatch.setitem(constants(), "_LOOK_AGAIN_S", 3600.0)
    monkeypatch.setitem(constants(), "_HURRY_S", 1e-6)

    async def session() -> None:
        replica = Quiet("a")
        router = await router_with(replica, sent=own)
        router.on_new_queue_len_info(replica.replica_id, PLACES)
        request = pending("1")
        request.created_at -= 1.0
        waiting = asyncio.ensure_future(router.choose_replicas([], request))
        await asyncio.wait([waiting], timeout=10 if looks else 0.2)
        assert waiting.done() == looks
        waiting.cancel()

    asyncio.run(session())


def test_a_replica_that_others_had_filled_is_asked_again() -> None:
    """It was left out for ten seconds, idle, while the other one had room."""

    async def session() -> None:
        replicas = [Quiet("a"), Quiet("b")]
        router = router_over(*replicas)
        await asyncio.wait_for(replicas[0].asked.wait(), 10)
        replicas[0].asked.clear()
        await asyncio.sleep(0.05)
        router.on_new_queue_len_info(replicas[0].replica_id, PLACES)
        assert await router._choose_replica_for_request(pending("1")) is replicas[1]
        await asyncio.wait_for(replicas[0].asked.wait(), 10)

    asyncio.run(session())


def test_what_is_sent_leaves_the_place_of_who_was_chosen_for_before() -> None:
    async def session() -> None:
        replica = Quiet("a")
        router = router_over(replica)
        first, second = pending("1"), pending("2")
        for request in (first, second):
            await router.choose_replicas([], request)
        second.future.set_result(replica)
        router.on_send_request(replica.replica_id)
        router.on_request_routed(second, replica.replica_id, None)
        assert router._loads() == {replica.replica_id: 2}, "one sent, one to be sent"
        first.future.cancel()
        assert router._loads() == {replica.replica_id: 1}, "who has left takes no place"

    asyncio.run(session())


def test_what_is_sent_elsewhere_leaves_the_replica_that_was_chosen() -> None:
    async def session() -> None:
        replicas = [Quiet("a"), Quiet("b")]
        router = router_over(*replicas)
        await router.choose_replicas([], request := pending("1"))
        (_, chosen, _) = router._unsent["1"]
        (other,) = (replica for replica in replicas if replica.replica_id != chosen)
        request.future.set_result(other)
        router.on_send_request(other.replica_id)
        assert router._loads() == {chosen: 0, other.replica_id: 1}

    asyncio.run(session())


def test_who_is_cancelled_as_its_turn_comes_hands_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(constants(), "_LOOK_AGAIN_S", 3600.0)
    monkeypatch.setitem(constants(), "_HURRY_S", 3600.0)

    async def session() -> None:
        replica = Quiet("a")
        router = await router_with(replica, sent=PLACES)
        waiting = [asyncio.ensure_future(router.choose_replicas([], pending(str(n)))) for n in range(2)]
        await asyncio.sleep(0)
        router.on_request_completed(replica.replica_id, "")
        router.decrement_queue_len_cache(replica.replica_id)
        waiting[0].cancel()
        assert await asyncio.wait_for(waiting[1], 10) == [[replica], []]

    asyncio.run(session())


def test_one_at_a_time_looks_whether_others_have_left_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that has waited longest, and it keeps its place in the line."""
    monkeypatch.setitem(constants(), "_LOOK_AGAIN_S", 0.01)

    async def session() -> None:
        replica = Quiet("a")
        router = await router_with(replica, sent=PLACES)
        requests = [pending(str(n)) for n in range(3)]
        waiting = [asyncio.ensure_future(router.choose_replicas([], request)) for request in requests]
        for served in waiting:
            assert await asyncio.wait_for(served, 10) == [[replica], []]
            assert not router._unsent, "a look keeps no place"
            assert [task.done() for task in waiting].count(True) == waiting.index(served) + 1

    asyncio.run(session())


def test_a_place_is_left_to_others_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that hears of its own ends at once kept a full replica for itself."""
    monkeypatch.setitem(constants(), "_LOOK_AGAIN_S", 3600.0)
    monkeypatch.setitem(constants(), "_HURRY_S", 3600.0)
    monkeypatch.setitem(constants(), "_LEFT_S", 0.5)

    async def session() -> None:
        replica = Quiet("a")
        replica.max_ongoing_requests = 2 * PLACES
        router = await router_with(replica, sent=2 * PLACES - 1)
        router.on_new_queue_len_info(replica.replica_id, 2 * PLACES)
        waiting = asyncio.ensure_future(router.choose_replicas([], pending("1")))
        await asyncio.sleep(0)
        router.on_request_completed(replica.replica_id, "")
        router.decrement_queue_len_cache(replica.replica_id)
        for _ in range(9):
            await asyncio.sleep(0)
        assert not waiting.done()
        assert await asyncio.wait_for(waiting, 10) == [[replica], []]

    asyncio.run(session())
