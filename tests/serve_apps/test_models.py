"""A served model as applications meet it: LanguageModel on one side, the deployment `engine` on the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ray import serve
from ray.serve.context import _set_request_context

from actors.engines.protocol import Completion, Delta, GenerationRequest, SamplingParams
from danlu.errors import InputError, NotAvailableError, RunError
from serve_apps.config import ModelSettings
from serve_apps.language_model import LanguageModel, app_name
from serve_apps.models import application
from serve_apps.served_model import ModelBusyError

SHORT = SamplingParams(max_tokens=20)
ENDLESS = SamplingParams(max_tokens=150, ignore_eos=True)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("echo")


@pytest.fixture(scope="module", autouse=True)
def models(ray_local: None, port: int, log: Path, echo_engine: type) -> Iterator[None]:
    """`echo` answers at once; `slow` takes 20 ms a token, two at a time; `lazy` starts when it is first asked."""

    class NamingEngine(echo_engine):  # type: ignore[misc, valid-type]
        """Answers with what Serve calls the request, as it stands in the replica's logs."""

        async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
            name = serve.context._get_serve_request_context().request_id
            async for delta in super().generate(replace(request, prompt=name)):
                yield delta

    common = {"path": str(log), "cpus": 0.1}
    settings = [
        common | {"name": "echo"},
        common | {"name": "slow", "options": {"delay_s": 0.02}, "max_queued": 1, "replicas": {"target_ongoing": 1.0}},
        common | {"name": "lazy", "replicas": {"min": 0, "max": 1}},
    ]
    made = [ModelSettings.model_validate(values) for values in settings]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    naming = ModelSettings.model_validate(common | {"name": "naming"})
    serve.run_many(
        [serve.RunTarget(application(model, echo_engine), app_name(model.name), None) for model in made]
        + [serve.RunTarget(application(naming, NamingEngine), app_name("naming"), None)]
    )
    yield
    serve.shutdown()
    assert (log / "shutdown").exists(), "engines are shut down with their replicas"


def test_chat_and_complete() -> None:
    async def ask() -> tuple[Completion, Completion, str, list[Delta]]:
        model, messages = LanguageModel("echo"), [{"role": "user", "content": "你好"}]
        stream = [delta async for delta in model.stream_chat(messages, SHORT)]
        return await model.chat(messages, SHORT), await model.complete("a\nbc", SHORT), await model.describe(), stream

    chat, completion, description, stream = asyncio.run(ask())
    assert chat == Completion("你好", 2, 2, "stop")
    assert completion == Completion("bc", 4, 2, "stop")
    assert description == "EchoEngine (made by its caller), context of 200 tokens"
    assert stream == [Delta("你", 2, 1), Delta("好", 2, 2, "stop")]


def test_a_replica_knows_its_request_by_the_name_that_the_client_got() -> None:
    async def ask() -> list[str]:
        _set_request_context(request_id="mine-7", _internal_request_id="inner")
        model = LanguageModel("naming")
        stream = [delta.text async for delta in model.stream("x", SHORT)]
        answers = await asyncio.gather(*(model.complete("x", SHORT) for _ in range(3)))
        return ["".join(stream), *(answer.text for answer in answers)]

    assert asyncio.run(ask()) == ["mine-7"] * 4


def test_render_chat() -> None:
    messages = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
    assert asyncio.run(LanguageModel("echo").render_chat(messages)) == "a\nb"


@pytest.mark.parametrize(
    ("prompt", "error", "message"), [("x" * 300, InputError, "300 tokens"), ("ab☠c", RunError, "the engine broke")]
)
def test_errors_keep_their_kind(prompt: str, error: type[Exception], message: str) -> None:
    async def streamed() -> list[Delta]:
        return [delta async for delta in LanguageModel("echo").stream(prompt, SHORT)]

    with pytest.raises(error, match=message):
        asyncio.run(LanguageModel("echo").complete(prompt, SHORT))
    with pytest.raises(error, match=message):
        asyncio.run(streamed())


def test_unknown_model() -> None:
    with pytest.raises(NotAvailableError, match="model 'other' is not served"):
        asyncio.run(LanguageModel("other").complete("x", SHORT))


def test_closing_the_stream_stops_the_engine(log: Path) -> None:
    before = set(log.glob("closed-*"))

    async def read_one() -> None:
        stream = LanguageModel("slow").stream("x", ENDLESS)
        await anext(stream)
        await stream.aclose()

    asyncio.run(read_one())
    wait_for_closed(log, before)


def test_cancelling_the_caller_stops_the_engine(log: Path) -> None:
    before = set(log.glob("closed-*"))

    async def cancelled() -> None:
        await asyncio.wait_for(LanguageModel("slow").complete("x", ENDLESS), timeout=0.5)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    wait_for_closed(log, before)


def wait_for_closed(log: Path, before: set[Path]) -> None:
    deadline = time.monotonic() + 1.0  # the whole answer takes 3 s
    while set(log.glob("closed-*")) == before:
        assert time.monotonic() < deadline, "the engine still generates"
        time.sleep(0.01)


def test_a_full_queue_refuses() -> None:
    async def many() -> list[Completion | BaseException]:
        model = LanguageModel("slow")
        brief = SamplingParams(max_tokens=40, ignore_eos=True)
        return await asyncio.gather(*(model.complete("x", brief) for _ in range(8)), return_exceptions=True)

    answers = asyncio.run(many())
    refused = [answer for answer in answers if isinstance(answer, ModelBusyError)]
    served = [answer for answer in answers if isinstance(answer, Completion)]
    assert refused and served and len(refused) + len(served) == 8
    assert "model 'slow' is busy" in str(refused[0])


def test_a_model_scaled_to_zero_wakes() -> None:
    assert serve.status().applications["model-lazy"].deployments["engine"].replica_states == {}
    assert asyncio.run(LanguageModel("lazy").complete("x", SHORT)).text == "x"


def test_those_who_wake_a_model_wait_for_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request asked first whether the model is awake, and so stood in its queue twice."""
    model = LanguageModel("echo", wake_within_s=20)
    looks = []
    look = model._look

    async def counted() -> None:
        looks.append(1)
        await look()

    monkeypatch.setattr(model, "_look", counted)

    async def many() -> list[Completion]:
        return await asyncio.gather(*(model.complete("x", SHORT) for _ in range(30)))

    assert {answer.text for answer in asyncio.run(many())} == {"x"}
    assert len(looks) == 1
