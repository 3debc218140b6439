"""The GPU engine: TensorRT-LLM's LLM API in this process.

Written against the documented signatures of the 1.2 line, and not run on hardware yet: the package can't be
installed or imported without its CUDA image. A test binds every call to those signatures, and
`scripts/check_tensorrt_llm.py` compares them with an installed package. Where the package does not import in danlu's
own environment, `trtllm_serve.py` runs its server as a child process.

Does not guarantee: anything about later versions; calls use keywords only, so a renamed one fails at once.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from actors.engines.admission import check_length, check_sampling
from actors.engines.bundling import bundled
from actors.engines.model_files import context_length, read_config, vocabulary_size
from actors.engines.protocol import (
    Delta,
    EngineDownError,
    EngineStats,
    FinishReason,
    GenerationRequest,
    Message,
    SamplingParams,
    Tool,
)
from actors.engines.settings import TensorRtSettings
from actors.engines.tokenizer import ModelTokenizer
from actors.engines.trial_import import import_problem
from danlu.config import validate
from danlu.errors import DanluError, InputError, NotAvailableError, RunError

FINISH_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length", "cancelled": "abort", "timeout": "abort"}
_REQUEST_ERROR = "RequestError"  # of tensorrt_llm.executor: a request failed, and the others go on
_INSTALL = (
    "on Linux with a CUDA GPU and Python 3.12: pip install 'danlu[tensorrt]' "
    "(NVIDIA's image for TensorRT-LLM has it); or name trtllm-serve of an environment of its own with "
    "options: {executable: PATH}; or serve with engine=transformers"
)


class TensorRtLlmEngine:
    """Serves a Hugging Face folder, unquantized or as exported by ModelOpt.

    Args:
        path: the folder.
        name: what the engine is called; the folder's name unless given.
        settings: fields of TensorRtSettings.

    Raises:
        NotAvailableError: TensorRT-LLM does not import here.
        InputError: the folder is no model.
        ConfigError: a setting is wrong.
    """

    def __init__(self, path: str | Path, name: str = "", **settings: Any) -> None:
        self._check_installed()
        self._folder = Path(path)
        self.name = name or self._folder.name
        config = read_config(self._folder)
        self.context_length = context_length(config)
        self.tokenizer = ModelTokenizer(self._folder, vocabulary_size(config))
        self._settings = validate(TensorRtSettings, settings)
        self._llm: Any = None
        self._down = ""  # why it can't serve any more, once it broke
        self._open: dict[str, Any] = {}  # request id -> TensorRT-LLM's RequestOutput
        self._prompt_tokens = 0
        self._completion_tokens = 0

    def _check_installed(self) -> None:
        if reason := import_problem("tensorrt_llm"):
            raise NotAvailableError("engine tensorrt_llm", rule=reason, fix=_INSTALL)

    async def start(self) -> None:
        """Load the model onto the GPUs."""
        if self._llm is None:
            self._llm = await asyncio.to_thread(self._load)

    def render_chat(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        """The prompt that the model's chat template makes of a conversation."""
        return self.tokenizer.render_chat(messages, tools)

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        """Stream the answer; see `Engine.generate`."""
        check_sampling(request.sampling)
        prompt_ids = await self.tokenizer.encode_beside(request.prompt, self.context_length)
        check_length(request, len(prompt_ids), self.context_length)
        await self.health()
        if request.id in self._open:
            raise InputError(f"request id {request.id!r}", rule="a request with this id is under way")
        parameters = _sampling_params(request.sampling)
        try:
            output = self._llm.generate_async(inputs=prompt_ids, sampling_params=parameters, streaming=True)
        except Exception as error:  # the library may raise anything
            raise self._failure(error) from error
        self._open[request.id] = output
        self._prompt_tokens += len(prompt_ids)
        finished, tokens = False, 0
        try:
            async for delta in bundled(_deltas(output, len(prompt_ids))):
                finished, tokens = delta.finish_reason is not None, delta.completion_tokens
                yield delta
        except Exception as error:
            raise self._failure(error) from error
        finally:
            del self._open[request.id]
            self._completion_tokens += tokens
            if not finished:  # the request would hold its KV cache until max_tokens
                output.abort()

    async def abort(self, request_id: str) -> None:
        """End a request now; its stream ends with finish_reason `abort`."""
        if request_id in self._open:
            self._open[request_id].abort()

    def stats(self) -> EngineStats:
        """Counts of this adapter; TensorRT-LLM does its own queueing, so all open requests count as running."""
        return EngineStats(self._running(), 0, self._prompt_tokens, self._completion_tokens)

    async def health(self) -> None:
        """Raise RunError when the engine can't serve: EngineDownError once TensorRT-LLM broke."""
        if self._llm is None:
            raise RunError(f"engine {self.name} can't serve", rule="it has not been started", fix="start it anew")
        if self._down:
            raise EngineDownError(f"engine {self.name} can't serve", rule=self._down, fix="start it anew")

    async def shutdown(self) -> None:
        """End all requests as aborted and free the GPUs."""
        for output in list(self._open.values()):
            output.abort()
        llm, self._llm = self._llm, None
        if llm is not None:
            await asyncio.to_thread(llm.shutdown)

    def _running(self) -> int:
        return len(self._open)

    def _failure(self, error: Exception) -> DanluError:
        """What TensorRT-LLM raised, in our terms. What it does not raise for one request leaves no engine to serve."""
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0] or 'no reason given'}"
        if isinstance(error, ValueError):
            return InputError("the request", rule=f"TensorRT-LLM refuses it ({reason})")
        if type(error).__name__ == _REQUEST_ERROR:
            return RunError(f"engine {self.name} lost a request", rule=reason, fix="ask again")
        self._down = f"it broke ({reason})"
        return EngineDownError(f"engine {self.name} can't serve", rule=self._down, fix="start it anew")

    def _load(self) -> Any:
        try:
            library = importlib.import_module("tensorrt_llm")
            api = importlib.import_module("tensorrt_llm.llmapi")
        except ImportError as error:
            raise NotAvailableError("engine tensorrt_llm", rule=f"it does not import: {error}", fix=_INSTALL) from None
        cache = api.KvCacheConfig(enable_block_reuse=True, free_gpu_memory_fraction=self._settings.kv_cache_share)
        return library.LLM(
            model=str(self._folder),
            tensor_parallel_size=self._settings.tensor_parallel,
            pipeline_parallel_size=self._settings.pipeline_parallel,
            max_batch_size=self._settings.sequences,
            max_seq_len=self.context_length,
            enable_chunked_prefill=True,
            kv_cache_config=cache,
        )


def _sampling_params(sampling: SamplingParams) -> Any:
    library = importlib.import_module("tensorrt_llm")
    values: dict[str, Any] = {"max_tokens": sampling.max_tokens, "ignore_eos": sampling.ignore_eos}
    if sampling.stop:
        values["stop"] = list(sampling.stop)
    if sampling.temperature == 0:
        values["top_k"] = 1
    else:
        values |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
        values |= {"top_k": sampling.top_k} if sampling.top_k else {}
    if sampling.seed is not None:
        values["seed"] = sampling.seed % 2**31
    return library.SamplingParams(**values)


async def _deltas(output: Any, prompt_tokens: int) -> AsyncIterator[Delta]:
    """TensorRT-LLM's running output as deltas, one per step; the last one carries the finish reason."""
    tokens = 0
    async for step in output:
        completion = step.outputs[0]
        tokens = len(completion.token_ids)
        reason = FINISH_REASONS.get(completion.finish_reason or "")
        if step.finished or step.aborted():
            reason = reason or "abort"
        yield Delta(completion.text_diff, prompt_tokens, tokens, reason)
        if reason is not None:
            return
    yield Delta("", prompt_tokens, tokens, "abort")
