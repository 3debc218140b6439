"""The GPU engine where TensorRT-LLM lives in an environment of its own: a `trtllm-serve` child process over HTTP.

TensorRT-LLM pins versions of torch, transformers and numpy that danlu's environment can't have, so its server runs as
a child and is asked by its OpenAI-compatible `/v1/completions`, with token ids for prompts. Written against the
documented command line and requests of the 1.2 line; tested with a stand-in for the executable, not with the real one:
no GPU with the package was at hand.

Does not guarantee: token counts between the first and the last delta where the server leaves `usage` out of its chunks.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx

from actors.engines.admission import check_length, check_sampling
from actors.engines.bundling import bundled
from actors.engines.child_server import ChildServer
from actors.engines.protocol import Delta, EngineDownError, FinishReason, GenerationRequest, SamplingParams
from actors.engines.tensorrt_llm import FINISH_REASONS, TensorRtLlmEngine
from danlu.errors import InputError, NotAvailableError, RunError

EXECUTABLE = "trtllm-serve"

StepT = TypeVar("StepT")


def find_executable(named: str | None = None) -> str:
    """The path of trtllm-serve: as named, else on PATH; empty when there is none."""
    return shutil.which(named or EXECUTABLE) or ""


class TrtllmServeEngine(TensorRtLlmEngine):
    """Serves a Hugging Face folder by a child process.

    Args:
        path: the folder.
        name: what the engine is called; the folder's name unless given.
        settings: fields of TensorRtSettings.

    Raises:
        NotAvailableError: there is no executable.
        InputError: the folder is no model.
        ConfigError: a setting is wrong.
    """

    def __init__(self, path: str | Path, name: str = "", **settings: Any) -> None:
        super().__init__(path, name, **settings)
        self._executable = find_executable(self._settings.executable)
        if not self._executable:
            raise NotAvailableError(
                f"executable is {self._settings.executable or EXECUTABLE!r}",
                rule="there is no such program, or it may not be run",
                fix="give the path of trtllm-serve in TensorRT-LLM's environment",
            )
        self._server = ChildServer(
            f"trtllm-serve for {self.name}",
            self._command,
            start_timeout_s=self._settings.start_timeout_s,
            restarts=self._settings.restarts,
        )
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(10.0, read=None, pool=None),
            limits=httpx.Limits(max_connections=None),
            trust_env=False,  # else HTTP_PROXY would send prompts for this machine to another one
        )
        self._ended: dict[str, asyncio.Event] = {}  # by request id; set by `abort`

    def _check_installed(self) -> None:
        """Nothing has to be importable here; the executable is looked for once the settings are read."""

    async def start(self) -> None:
        """Start the server; returns when it is healthy.

        Raises:
            RunError: it ended or was not ready in time, with the end of what it said.
        """
        await self._server.start()

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        """Stream the answer; see `Engine.generate`. When the reader leaves, the connection closes, which aborts it."""
        check_sampling(request.sampling)
        prompt_ids = await self.tokenizer.encode_beside(request.prompt, self.context_length)
        check_length(request, len(prompt_ids), self.context_length)
        self._check_up()
        if request.id in self._ended:
            raise InputError(f"request id {request.id!r}", rule="a request with this id is under way")
        ended = self._ended[request.id] = asyncio.Event()
        self._prompt_tokens += len(prompt_ids)
        tokens = 0
        try:
            async with aclosing(self._answer(request.sampling, prompt_ids, ended)) as deltas:
                async for delta in bundled(deltas):
                    tokens = delta.completion_tokens
                    yield delta
        finally:
            del self._ended[request.id]
            self._completion_tokens += tokens

    async def abort(self, request_id: str) -> None:
        """End a request now; its stream ends with finish_reason `abort`."""
        if request_id in self._ended:
            self._ended[request_id].set()

    async def health(self) -> None:
        """Raise EngineDownError when the server was given up; while it is started again, only requests fail."""
        if self._server.given_up or not self._server.url:
            self._check_up()

    async def shutdown(self) -> None:
        """End all requests as aborted, and the server."""
        for ended in self._ended.values():
            ended.set()
        await self._server.stop()
        await self._client.aclose()

    def _running(self) -> int:
        return len(self._ended)

    def _command(self, port: int) -> list[str]:
        settings = self._settings
        options = {
            "host": "127.0.0.1",
            "port": port,
            "backend": "pytorch",
            "tp_size": settings.tensor_parallel,
            "pp_size": settings.pipeline_parallel,
            "max_batch_size": settings.sequences,
            "max_seq_len": self.context_length,
            "kv_cache_free_gpu_memory_fraction": settings.kv_cache_share,
        }
        flags = [part for key, value in options.items() for part in (f"--{key}", str(value))]
        return [self._executable, str(self._folder), *flags]

    def _check_up(self) -> None:
        if self._server.problem:
            kind = EngineDownError if self._server.given_up else RunError
            raise kind(f"engine {self.name} can't serve", rule=self._server.problem, fix="see the log of the replica")

    async def _answer(
        self, sampling: SamplingParams, prompt_ids: Sequence[int], ended: asyncio.Event
    ) -> AsyncGenerator[Delta, None]:
        body = completion_body(str(self._folder), sampling, prompt_ids)
        asked = self._client.build_request("POST", f"{self._server.url}/v1/completions", json=body)
        stop = asyncio.ensure_future(ended.wait())
        try:
            # A server that is busy answers late; it hears of the end by the connection.
            response = await _before(stop, self._client.send(asked, stream=True))
            if response is None:
                yield Delta("", len(prompt_ids), 0, "abort")
                return
            async with aclosing(response):
                if response.status_code != 200:
                    raise _refusal(self.name, response.status_code, await response.aread())
                async with aclosing(_deltas(_until(response.aiter_lines(), stop), len(prompt_ids))) as deltas:
                    async for delta in deltas:
                        yield delta
        except httpx.HTTPError as error:
            reason = self._server.problem or f"the connection to trtllm-serve broke ({type(error).__name__})"
            raise RunError(f"engine {self.name} lost a request", rule=reason, fix="ask again") from None
        finally:
            stop.cancel()


def completion_body(model: str, sampling: SamplingParams, prompt_ids: Sequence[int]) -> dict[str, Any]:
    """The request to `/v1/completions` (unknown fields are refused by the server)."""
    body: dict[str, Any] = {
        "model": model,
        "prompt": list(prompt_ids),
        "max_tokens": sampling.max_tokens,
        "ignore_eos": sampling.ignore_eos,
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    }
    if sampling.temperature == 0:
        body["top_k"] = 1
    else:
        body |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
        body |= {"top_k": sampling.top_k} if sampling.top_k else {}
    body |= {"stop": list(sampling.stop)} if sampling.stop else {}
    body |= {"seed": sampling.seed % 2**31} if sampling.seed is not None else {}
    return body


async def _until(lines: AsyncIterator[str], stop: asyncio.Future[Any]) -> AsyncIterator[str]:
    """The lines that come before `stop` is done."""
    while (line := await _before(stop, anext(lines, None))) is not None:
        yield line


async def _before(stop: asyncio.Future[Any], step: Awaitable[StepT]) -> StepT | None:
    """What `step` gives, or None when `stop` is done first."""
    doing = asyncio.ensure_future(step)
    try:
        await asyncio.wait({doing, stop}, return_when=asyncio.FIRST_COMPLETED)
        return await doing if doing.done() else None
    finally:
        if not doing.done():
            doing.cancel()
            with suppress(asyncio.CancelledError):  # the connection may only close once nobody reads it
                await doing


async def _deltas(lines: AsyncIterator[str], prompt_tokens: int) -> AsyncGenerator[Delta, None]:
    """Server-sent events as deltas; the last one carries the finish reason, `abort` when the server named none."""
    tokens, reason = 0, None
    async for line in lines:
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or data == "[DONE]":
            continue
        chunk = json.loads(data)
        if "choices" not in chunk:
            raise RunError("trtllm-serve gave the request up", rule=str(chunk.get("message", chunk)))
        usage, choices = chunk.get("usage"), chunk["choices"]
        tokens = usage["completion_tokens"] if usage else tokens + len(choices)
        for choice in choices:
            reason = choice.get("finish_reason") or reason
            yield Delta(choice.get("text") or "", prompt_tokens, tokens)
    final: FinishReason = FINISH_REASONS.get(reason or "", "abort")
    yield Delta("", prompt_tokens, tokens, final)


def _refusal(name: str, status: int, body: bytes) -> RunError | InputError:
    try:
        message = str(json.loads(body).get("message") or body.decode(errors="replace"))
    except (ValueError, AttributeError):
        message = body.decode(errors="replace")
    said = f"trtllm-serve answered {status}: {message[:500]}"
    return InputError("the request", rule=said) if status in (400, 422) else RunError(f"engine {name}", rule=said)
