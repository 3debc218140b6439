"""A small engine for tests of serving: everything around it (Serve, HTTP, metrics) is the real thing."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from ray import cloudpickle

from actors.engines.admission import check_length
from actors.engines.protocol import Delta, EngineStats, GenerationRequest, Message, Tool
from danlu.errors import RunError
from serve_apps.config import ModelSettings

# Replicas can't import test files, so what is defined here travels by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class EchoEngine:
    """Answers with the last line it was given; a character is a token.

    Args:
        model: its path is a folder that gets a file for each generation that has ended, named by how it ended;
            `options.delay_s` is the seconds that a token takes.
    """

    name = "echo"
    context_length = 200

    def __init__(self, model: ModelSettings) -> None:
        self._log = Path(model.path)
        self._delay_s = model.options.get("delay_s", 0.0)
        self._running = 0

    async def start(self) -> None:
        await asyncio.sleep(0)

    def render_chat(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        return "\n".join(message["content"] for message in messages)

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        text = request.prompt.rpartition("\n")[2]
        self._refuse(request, text)
        self._running += 1
        ended = "closed"
        try:
            prompt, count = len(request.prompt), 0
            answer = text * 100 if request.sampling.ignore_eos else text
            whole, reason = _cut(answer, request.sampling.stop, request.sampling.max_tokens)
            for count, character in enumerate(whole[:-1], start=1):
                await asyncio.sleep(self._delay_s)
                yield Delta(character, prompt, count)
                if character == "☠":
                    raise RunError("the engine broke", rule="asked to")
            yield Delta(whole[-1:], prompt, count + len(whole[-1:]), reason)
            ended = "finished"
        finally:
            self._running -= 1
            (self._log / f"{ended}-{request.id}").touch()

    def _refuse(self, request: GenerationRequest, text: str) -> None:
        if text == "exit":
            os._exit(1)
        if text == "bug":
            raise ZeroDivisionError("a bug in the engine")
        check_length(request, len(request.prompt), self.context_length)

    async def abort(self, request_id: str) -> None:
        raise NotImplementedError

    def stats(self) -> EngineStats:
        return EngineStats(self._running, 0, 0, 0)

    async def health(self) -> None:
        pass

    async def shutdown(self) -> None:
        (self._log / "shutdown").touch()


def _cut(text: str, stops: Sequence[str], most: int) -> tuple[str, str]:
    """The text up to the first stop string or the length limit, and why it ends there."""
    ends = [text.find(stop) for stop in stops if stop in text]
    text = text[: min(ends)] if ends else text
    return (text[:most], "length") if len(text) > most else (text, "stop")


@pytest.fixture(scope="session")
def echo_engine() -> type[EchoEngine]:
    return EchoEngine


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def port() -> int:
    """A free TCP port on the loopback address."""
    return free_port()
