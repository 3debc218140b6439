"""Clients that leave, as an ASGI server tells the app of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from actors.engines.protocol import Completion, Delta, SamplingParams
from serve_apps.gateway.app import GatewayConfig, create_app


class Model:
    """Endless answers; notes which have begun and which are over."""

    name, version = "m", "stable"

    def __init__(self) -> None:
        self.begun = self.over = 0

    async def stream(self, prompt: str, sampling: SamplingParams) -> AsyncGenerator[Delta, None]:
        self.begun += 1
        try:
            for count in range(1, 1_000_000):
                yield Delta("x", 1, count)
                await asyncio.sleep(0)
        finally:
            self.over += 1

    async def complete(self, prompt: str, sampling: SamplingParams) -> Completion:
        raise NotImplementedError


class Meter:
    def __init__(self) -> None:
        self.counted: list[tuple[int, int]] = []

    def first_token(self, model: str, seconds: float) -> None:
        pass

    def tokens(self, model: str, prompt: int, completion: int) -> None:
        self.counted.append((prompt, completion))


class Connection:
    """What a server hands to the app: the client reads `reads` messages and is gone."""

    def __init__(self, body: dict[str, Any], spec: str, reads: int) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": spec},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/completions",
            "raw_path": b"/completions",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"content-type", b"application/json")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        self._body: bytes | None = json.dumps(body).encode()
        self._reads = reads
        self._left = asyncio.Event()
        self._say_left()

    async def receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await asyncio.sleep(0)
        if not self._reads:
            if self.scope["asgi"]["spec_version"] >= "2.4":
                raise OSError("the client has left")
            return
        self._reads -= 1
        self._say_left()

    def _say_left(self) -> None:
        if not self._reads:
            self._left.set()


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
@pytest.mark.parametrize("choices", [1, 2])
@pytest.mark.parametrize("reads", [0, 1, 3])
def test_an_answer_is_over_in_the_model_when_its_client_has_left(spec: str, choices: int, reads: int) -> None:
    """Also where no event was ever asked for: a generator that never ran has nothing to close."""
    model, meter = Model(), Meter()
    app = create_app(GatewayConfig(models=["m"]))
    app.state.served = replace(app.state.served, models={"m": model}, meter=meter)

    async def leave() -> None:
        client = Connection({"model": "m", "prompt": "a", "stream": True, "n": choices}, spec, reads)
        with suppress(ClientDisconnect):  # an error of the server's own from ASGI 2.4 on
            await app(client.scope, client.receive, client.send)
        assert (model.begun, model.over) == (choices, choices)
        assert len(meter.counted) == 1 and meter.counted[0][0] == 1

    asyncio.run(leave())
