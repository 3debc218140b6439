"""The replica of a language model, without Serve around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from actors.engines.protocol import GenerationRequest, SamplingParams
from serve_apps import tracing
from serve_apps.models import EngineReplica
from serve_apps.tracing import TraceContext

ENDLESS = SamplingParams(max_tokens=150, ignore_eos=True)
TRACE = TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", 0, "")


class Replica(EngineReplica):
    """Serve awaits `__del__`; Python, which would call it once more, does not."""

    def __del__(self) -> None:  # type: ignore[override]
        pass


class Spans:
    """Tracing that keeps the names of spans."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def record(self, name: str, *_: object, **__: object) -> None:
        self.names.append(name)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    spans = Spans()
    monkeypatch.setattr(tracing, "_replica_tracing", lambda endpoint, service: spans)
    return spans


def plain(replica: EngineReplica) -> AsyncGenerator[Any, None]:
    return replica.stream(GenerationRequest("1", "ab", ENDLESS))


def chat(replica: EngineReplica) -> AsyncGenerator[Any, None]:
    return replica.stream_chat("1", [{"role": "user", "content": "ab"}], ENDLESS)


def traced_plain(replica: EngineReplica) -> AsyncGenerator[Any, None]:
    return replica.stream(GenerationRequest("1", "ab", ENDLESS), TRACE)


def traced_chat(replica: EngineReplica) -> AsyncGenerator[Any, None]:
    return replica.stream_chat("1", [{"role": "user", "content": "ab"}], ENDLESS, trace=TRACE)


@pytest.mark.parametrize("ask", [plain, chat, traced_plain, traced_chat])
def test_closing_an_answer_has_closed_the_engines_when_it_returns(
    ask: Callable[[EngineReplica], AsyncGenerator[Any, None]], tmp_path: Path, echo_engine: Any, spans: Spans
) -> None:
    """Not one turn of the loop later: until then the sequence would hold its place."""

    async def leave() -> None:
        replica = Replica.__new__(Replica)
        await replica.__init__({"name": "m", "path": str(tmp_path)}, echo_engine)  # type: ignore[misc]
        parts = ask(replica)
        await anext(parts)
        assert replica._engine.stats().running == 1
        await parts.aclose()
        assert replica._engine.stats().running == 0
        named = ["queue", "time to first token", "generation"]
        assert spans.names == (named if ask in (traced_plain, traced_chat) else [])
        await EngineReplica.__del__(replica)

    asyncio.run(leave())
