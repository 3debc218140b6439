"""Calls of a model that end at awkward moments, on Serve's own responses without a Serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from ray.serve.handle import DeploymentResponse, DeploymentResponseGenerator

from actors.engines.protocol import Delta, SamplingParams
from serve_apps.language_model import LanguageModel
from serve_apps.served_model import ServedModel


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
