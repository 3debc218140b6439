"""Calls of a model that end at awkward moments, on Serve's own responses without a Serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context
from functools import partial
from typing import Any, cast

import pytest
from ray.exceptions import ActorDiedError
from ray.serve.context import _get_serve_request_context, _RequestContext, _set_request_context
from ray.serve.handle import DeploymentResponse, DeploymentResponseGenerator

from actors.engines.protocol import Delta, SamplingParams
from serve_apps.gateway.generation import Ask, Question, _stream
from serve_apps.language_model import LanguageModel
from serve_apps.served_model import ModelUnavailableError, ServedModel


class Placed:
    """What Serve holds of a call that a replica has taken."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    async def get_async(self) -> None:
        await asyncio.Event().wait()

    __anext__ = get_async


@pytest.mark.parametrize("stream", [True, False])
def test_a_call_that_is_left_the_moment_it_gets_its_place_is_cancelled(
    stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Serve forgets such a call, as it has not been told of the place yet: it held it for ever, and was never read."""
    kind: Any = DeploymentResponseGenerator if stream else DeploymentResponse

    async def leave() -> Placed:
        place: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        model, placed = ServedModel("m", "model-m"), Placed()
        response = kind(place, None, _is_router_running_in_separate_loop=False)
        monkeypatch.setattr(model, "_ask", lambda *_, **__: response)

        async def ask() -> None:
            if stream:
                async for _ in model._stream("stream"):
                    pass
            else:
                await model._call("describe")

        asking = asyncio.create_task(ask())
        await asyncio.sleep(0)
        place.set_result(placed)
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()
        return placed

    assert asyncio.run(leave()).cancelled


class Spoken(Placed):
    """A call whose replica says so much, and then dies or comes to its end."""

    def __init__(self, texts: str, dies: bool) -> None:
        super().__init__()
        self._parts = [Delta(text, 1, at + 1, "length" if text == "!" else None) for at, text in enumerate(texts)]
        self._dies = dies
        self.ended = False

    async def __anext__(self) -> Delta:  # type: ignore[override]
        if self._parts:
            return self._parts.pop(0)
        self.ended = True
        raise ActorDiedError if self._dies else StopAsyncIteration


def _heard(spoken: Spoken, monkeypatch: pytest.MonkeyPatch) -> str:
    async def hear() -> str:
        place: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        place.set_result(spoken)
        model = LanguageModel("m")
        response = DeploymentResponseGenerator(cast(Any, place), cast(Any, None))
        monkeypatch.setattr(model, "_ask", lambda *_, **__: response)
        asks = Ask(partial(model.complete, "x"), partial(model.stream, "x"))
        return "".join([delta.text async for delta in _stream(Question([asks], SamplingParams()), 0)])

    return asyncio.run(hear())


def test_an_answer_is_read_to_the_end_of_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that was left after its last piece, yet before its end, had its replica keep some bytes for ever."""
    for texts in ("ab!", "!"):
        spoken = Spoken(texts, dies=False)
        assert _heard(spoken, monkeypatch) == texts
        assert spoken.ended and not spoken.cancelled


def test_an_answer_is_whole_whatever_its_replica_does_after_the_last_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = Spoken("ab!", dies=True)
    assert _heard(spoken, monkeypatch) == "ab!"
    assert spoken.ended
    with pytest.raises(ModelUnavailableError):
        _heard(Spoken("ab", dies=True), monkeypatch)


def test_calls_carry_the_name_of_their_request_and_nothing_else_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs of replicas could not be joined with the audit log; and Serve takes calls with one inner id for one call."""
    seen = []

    class Method:
        def remote(self, *_: Any) -> None:
            seen.append(_get_serve_request_context())

    def request(name: str) -> None:
        _set_request_context(request_id=name, _internal_request_id="inner", route="/v1")
        for _ in range(2):
            model._ask("complete", ("x",), None, stream=False)

    model = ServedModel("m", "model-m")
    monkeypatch.setattr(model, "_method", lambda *_: Method())
    for name in ("mine-1", "mine-2", ""):
        Context().run(request, name)
    assert [call.request_id for call in seen] == ["mine-1", "mine-1", "mine-2", "mine-2", "", ""]
    assert all(call == _RequestContext(request_id=call.request_id) for call in seen), (
        "Serve gives each its own inner id"
    )


def test_a_model_that_answers_whole_is_not_asked_whether_it_is_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only streams told that it is; the others had a question wait in its queue before them every few seconds."""
    model, looks = LanguageModel("m", wake_within_s=20), []

    async def look() -> None:
        looks.append(1)

    async def pieces(*_: Any) -> AsyncIterator[Delta]:
        yield Delta("a", 1, 1, "stop")

    monkeypatch.setattr(model, "_look", look)
    monkeypatch.setattr(ServedModel, "_pieces", pieces)

    async def ask() -> None:
        await model.complete("x", SamplingParams())
        await model.complete("x", SamplingParams())

    asyncio.run(ask())
    assert len(looks) == 1
