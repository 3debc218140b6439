"""The gateway's app over engines in this process: everything but Serve's handles is the real thing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from actors.engines.protocol import Completion, Delta, GenerationRequest, Message, SamplingParams, Tool
from serve_apps.gateway.app import GatewayConfig, create_app


class LocalModel:
    """What LanguageModel offers, of an engine in this process."""

    version = "stable"

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.name: str = engine.name
        self._count = 0

    async def chat(
        self, messages: Sequence[Message], sampling: SamplingParams, tools: Sequence[Tool] = ()
    ) -> Completion:
        return await self.complete(self._engine.render_chat(messages, tools), sampling)

    async def stream_chat(
        self, messages: Sequence[Message], sampling: SamplingParams, tools: Sequence[Tool] = ()
    ) -> AsyncGenerator[Delta, None]:
        async for delta in self.stream(self._engine.render_chat(messages, tools), sampling):
            yield delta

    async def complete(self, prompt: str, sampling: SamplingParams) -> Completion:
        parts = [part async for part in self.stream(prompt, sampling)]
        last = parts[-1]
        assert last.finish_reason is not None
        logprobs = tuple(logprob for part in parts for logprob in part.logprobs)
        text = "".join(part.text for part in parts)
        return Completion(text, last.prompt_tokens, last.completion_tokens, last.finish_reason, logprobs)

    async def stream(self, prompt: str, sampling: SamplingParams) -> AsyncGenerator[Delta, None]:
        self._count += 1
        async for delta in self._engine.generate(GenerationRequest(str(self._count), prompt, sampling)):
            yield delta


@pytest.fixture(scope="module")
def gateway() -> Iterator[Callable[..., TestClient]]:
    """gateway(name=engine, ...): a client of a gateway before these engines, which are started in its event loop."""
    with ExitStack() as stack:

        def run(**engines: Any) -> TestClient:
            app = create_app(GatewayConfig(models=list(engines)))
            models = {name: LocalModel(engine) for name, engine in engines.items()}
            app.state.served = replace(app.state.served, models=models)
            client = TestClient(app, base_url="http://gateway", raise_server_exceptions=False)
            stack.enter_context(client)
            assert client.portal is not None
            for engine in engines.values():
                client.portal.call(engine.start)
                stack.callback(client.portal.call, engine.shutdown)
            return client

        yield run


@pytest.fixture(scope="session")
def local_model() -> type[LocalModel]:
    return LocalModel
