"""Every call to TensorRT-LLM, bound against the documented signatures of its LLM API (1.2). No GPU needed."""

from __future__ import annotations

import asyncio
import importlib.machinery
import inspect
import sys
import threading
import types
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from actors.engines.protocol import Engine, EngineDownError, GenerationRequest, SamplingParams
from actors.engines.tensorrt_llm import TensorRtLlmEngine
from actors.engines.tensorrt_signatures import COMPLETION_FIELDS, READ, SIGNATURES, USED
from actors.engines.trtllm_serve import completion_body
from danlu.errors import InputError, NotAvailableError, RunError

Calls = list[tuple[str, dict[str, Any]]]


class StandIn:
    """The module tensorrt_llm as far as its signatures go; streams a fixed answer."""

    def __init__(self) -> None:
        self.calls: Calls = []
        self.pieces = ["云", "杉", "银行"]
        self.finish_reason: str | None = "length"
        self.token_s = 0.001
        self.error: Exception | None = None  # in place of the next token, or of the next request
        self.raises_at_once = False
        self.read: set[tuple[str, str]] = set()

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Bind a call as Python would; a name that is not documented raises TypeError."""
        kinds = inspect.Parameter
        parameters = [kinds(p, kinds.POSITIONAL_OR_KEYWORD, default=None) for p in SIGNATURES[name]]
        bound = dict(inspect.Signature(parameters).bind(*args, **kwargs).arguments)
        assert not args, f"{name} is to be called with keywords only"
        self.calls.append((name, bound))
        return bound

    def install(self, patch: pytest.MonkeyPatch) -> None:
        package, api = types.ModuleType("tensorrt_llm"), types.ModuleType("tensorrt_llm.llmapi")
        package.__spec__ = importlib.machinery.ModuleSpec("tensorrt_llm", None)
        package.LLM = lambda *args, **kwargs: FakeLlm(self, args, kwargs)  # type: ignore[attr-defined]
        package.SamplingParams = lambda *a, **k: self.call("SamplingParams", a, k)  # type: ignore[attr-defined]
        api.KvCacheConfig = lambda *a, **k: self.call("KvCacheConfig", a, k)  # type: ignore[attr-defined]
        patch.setitem(sys.modules, "tensorrt_llm", package)
        patch.setitem(sys.modules, "tensorrt_llm.llmapi", api)

    def arguments(self, name: str) -> dict[str, Any]:
        return next(arguments for called, arguments in self.calls if called == name)


class Answer:
    """Has what READ says of a class and nothing else, and notes what is read of it."""

    def __init__(self, library: StandIn, class_: str, **values: Any) -> None:
        assert set(values) == READ[class_]
        self.library, self.class_, self.values = library, class_, values

    def __getattr__(self, name: str) -> Any:
        if name not in READ[self.class_]:
            raise AttributeError(name)
        self.library.read.add((self.class_, name))
        return self.values[name]


class FakeLlm:
    def __init__(self, library: StandIn, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.library = library
        library.call("LLM", args, kwargs)

    def generate_async(self, *args: Any, **kwargs: Any) -> FakeOutput:
        self.library.call("LLM.generate_async", args, kwargs)
        if self.library.error is not None and self.library.raises_at_once:
            raise self.library.error
        return FakeOutput(self.library)

    def shutdown(self, *args: Any, **kwargs: Any) -> None:
        self.library.call("LLM.shutdown", args, kwargs)


class FakeOutput(Answer):
    """A RequestOutput: async iterable, and yields itself after each token."""

    def __init__(self, library: StandIn) -> None:
        self.completion = Answer(library, "CompletionOutput", text_diff="", token_ids=[], finish_reason=None)
        super().__init__(library, "RequestOutput", outputs=[self.completion], finished=False)
        self.stopped = False

    async def __aiter__(self) -> AsyncIterator[FakeOutput]:
        said = self.completion.values
        for index, piece in enumerate(self.library.pieces):
            await asyncio.sleep(self.library.token_s)
            if self.library.error is not None:
                raise self.library.error
            finished = self.values["finished"] = index == len(self.library.pieces) - 1
            said["text_diff"] = "" if self.stopped else piece
            said["token_ids"] = [*said["token_ids"], index]
            said["finish_reason"] = self.library.finish_reason if finished else None
            yield self
            if self.stopped:
                return

    def abort(self, *args: Any, **kwargs: Any) -> None:
        self.library.call("RequestOutput.abort", args, kwargs)
        self.stopped = True

    def aborted(self, *args: Any, **kwargs: Any) -> bool:
        self.library.call("RequestOutput.aborted", args, kwargs)
        return self.stopped


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    stand_in.install(monkeypatch)
    return stand_in


def request(**sampling: Any) -> GenerationRequest:
    return GenerationRequest("a", "云杉", SamplingParams(**{"max_tokens": 7, **sampling}))


def test_the_model_is_loaded_with_documented_arguments(library: StandIn, checkpoint: Path, ask: Any) -> None:
    ask(TensorRtLlmEngine(checkpoint, tensor_parallel=2, pipeline_parallel=4, sequences=64, kv_cache_share=0.5))
    arguments = library.arguments("LLM")
    assert arguments["model"] == str(checkpoint)
    assert (arguments["tensor_parallel_size"], arguments["pipeline_parallel_size"]) == (2, 4)
    assert (arguments["max_batch_size"], arguments["max_seq_len"]) == (64, 256)
    assert arguments["kv_cache_config"] == {"enable_block_reuse": True, "free_gpu_memory_fraction": 0.5}
    assert library.calls[-1] == ("LLM.shutdown", {})


def test_an_answer_streams_as_deltas(library: StandIn, checkpoint: Path, ask: Callable[..., Any]) -> None:
    engine = TensorRtLlmEngine(checkpoint)
    deltas = ask(engine, request())[0]
    assert "".join(delta.text for delta in deltas) == "云杉银行"
    assert (deltas[-1].completion_tokens, deltas[-1].finish_reason) == (3, "length")
    asked = library.arguments("LLM.generate_async")
    assert asked["inputs"] == engine.tokenizer.encode("云杉")
    assert asked["streaming"] is True
    assert "RequestOutput.abort" not in [name for name, _ in library.calls]


def test_deltas_are_bundled_after_the_first(library: StandIn, checkpoint: Path, ask: Callable[..., Any]) -> None:
    library.pieces, library.token_s = ["x"] * 100, 0.0005
    deltas = ask(TensorRtLlmEngine(checkpoint), request())[0]
    assert deltas[0].completion_tokens == 1
    assert len(deltas) < 60
    assert "".join(delta.text for delta in deltas) == "x" * 100


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ({"temperature": 0.0}, {"top_k": 1}),
        ({"temperature": 0.7, "top_p": 0.9}, {"temperature": 0.7, "top_p": 0.9}),
        ({"top_k": 5, "seed": -1}, {"temperature": 1.0, "top_p": 1.0, "top_k": 5, "seed": 2**31 - 1}),
        ({"stop": ("。", "\n")}, {"temperature": 1.0, "top_p": 1.0, "stop": ["。", "\n"]}),
    ],
)
def test_sampling_is_said_in_their_terms(
    library: StandIn, checkpoint: Path, ask: Callable[..., Any], sampling: dict[str, Any], expected: dict[str, Any]
) -> None:
    ask(TensorRtLlmEngine(checkpoint), request(**sampling))
    assert library.arguments("SamplingParams") == {"max_tokens": 7, "ignore_eos": False, **expected}


def test_a_reader_that_leaves_aborts_the_request(library: StandIn, checkpoint: Path) -> None:
    async def session() -> None:
        engine = TensorRtLlmEngine(checkpoint)
        await engine.start()
        stream = engine.generate(request())
        await anext(stream)
        await stream.aclose()
        assert engine.stats().running == 0

    asyncio.run(session())
    assert "RequestOutput.abort" in [name for name, _ in library.calls]


def test_an_abort_ends_the_stream(library: StandIn, checkpoint: Path) -> None:
    library.pieces, library.token_s = ["x"] * 100, 0.01

    async def session() -> list[Any]:
        engine = TensorRtLlmEngine(checkpoint)
        await engine.start()
        stream = engine.generate(request())
        deltas = [await anext(stream)]
        await engine.abort("a")
        await engine.abort("nobody")
        return deltas + [delta async for delta in stream]

    deltas = asyncio.run(session())
    assert deltas[-1].finish_reason == "abort"
    assert deltas[-1].completion_tokens < 100


def test_prompts_are_checked(library: StandIn, checkpoint: Path, ask: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="context of 256"):
        ask(TensorRtLlmEngine(checkpoint), request(max_tokens=256))


def test_long_prompts_are_tokenized_beside_the_event_loop(
    library: StandIn, checkpoint: Path, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, threads = TensorRtLlmEngine(checkpoint), dict[str, bool]()

    def encode(prompt: str) -> list[int]:
        threads[prompt] = threading.current_thread() is threading.main_thread()
        return [1]

    monkeypatch.setattr(engine.tokenizer, "encode", encode)
    long = "云" * 5000
    ask(engine, GenerationRequest("a", long, SamplingParams(7)), GenerationRequest("b", "云", SamplingParams(7)))
    assert threads == {long[: 8 * 256]: False, long: False, "云": True}


class RequestError(RuntimeError):
    """Named as TensorRT-LLM names it."""


@pytest.mark.parametrize(
    ("error", "kind", "reason", "serves"),
    [
        (RequestError("no room\nmore"), RunError, "lost a request: RequestError: no room\n", True),
        (ValueError("beam"), InputError, r"TensorRT-LLM refuses it \(ValueError: beam\)", True),
        (RuntimeError("CUDA error"), EngineDownError, r"it broke \(RuntimeError: CUDA error\)", False),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_what_the_library_raises_is_told_in_our_terms(
    error: Exception,
    kind: type[Exception],
    reason: str,
    serves: bool,
    at_once: bool,
    library: StandIn,
    checkpoint: Path,
) -> None:
    async def session() -> None:
        engine = TensorRtLlmEngine(checkpoint)
        await engine.start()
        library.error, library.raises_at_once = error, at_once
        with pytest.raises(kind, match=reason) as raised:
            await anext(engine.generate(request()))
        assert type(raised.value) is kind
        library.error = None
        if serves:
            await engine.health()
            assert [delta async for delta in engine.generate(request())][-1].finish_reason == "length"
        else:
            for again in (engine.health(), anext(engine.generate(request()))):
                with pytest.raises(EngineDownError, match="CUDA error"):
                    await again
        assert engine.stats().running == 0

    asyncio.run(session())


def test_it_serves_only_after_the_start(library: StandIn, checkpoint: Path) -> None:
    engine: Engine = TensorRtLlmEngine(checkpoint)
    with pytest.raises(RunError, match="not been started"):
        asyncio.run(engine.health())


def test_the_table_refuses_what_is_not_documented(library: StandIn) -> None:
    with pytest.raises(TypeError, match="max_new_tokens"):
        library.call("SamplingParams", (), {"max_new_tokens": 3})


def test_what_the_engine_passes_is_in_the_table(library: StandIn, checkpoint: Path, ask: Callable[..., Any]) -> None:
    """USED, by which the check on a GPU image tells what is broken, is what calls pass."""
    for sampling in ({"temperature": 0.5, "top_k": 3, "seed": 1, "stop": ("x",)}, {"temperature": 0.0}):
        ask(TensorRtLlmEngine(checkpoint), request(**sampling))
    for name, used in USED.items():
        assert set().union(*(set(arguments) for called, arguments in library.calls if called == name)) == used
        assert used <= set(SIGNATURES[name])
    body = completion_body("m", SamplingParams(7, top_k=3, seed=1, stop=("x",)), [1])
    assert set(body) == COMPLETION_FIELDS
    assert library.read == {(class_, name) for class_, names in READ.items() for name in names}


@pytest.mark.skipif(find_spec("tensorrt_llm") is not None, reason="tensorrt_llm is installed")
def test_without_the_package_it_says_what_to_install(checkpoint: Path) -> None:
    with pytest.raises(NotAvailableError, match=r"tensorrt_llm is not installed[\s\S]*danlu\[tensorrt\]") as refusal:
        TensorRtLlmEngine(checkpoint)
    assert "options: {executable: PATH}" in str(refusal.value)
