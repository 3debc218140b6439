"""The CPU engine: openvino-genai's continuous batching over our own conversion of Hugging Face checkpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors.engines.admission import PENALTIES
from actors.engines.model_files import context_length, end_tokens, read_config, vocabulary_size
from actors.engines.openvino_folder import openvino_folder
from actors.engines.openvino_grammar import GrammarCompiler
from actors.engines.openvino_kv_cache import BLOCK_TOKENS, kv_blocks
from actors.engines.protocol import SamplingParams
from actors.engines.settings import OpenVinoSettings
from actors.engines.signal_stack import kept_signal_stack
from actors.engines.step_engine import StepEngine
from actors.engines.step_model import NewTokens, Score
from actors.engines.tokenizer import ModelTokenizer
from actors.engines.worker_process import WorkerProcess
from danlu.config import validate
from danlu.errors import InputError, ResourceError, RunError

_MOST_MIN_P = 1 - 1e-6  # openvino-genai takes no 1, which keeps the likeliest token alone as this does
_KEPT_SHAPES = 64
_COMPILE_S = 60.0  # those of the gateway take 5 s at most, where no other is before them
_LOOKUP_TOKENS = 3  # that must stand elsewhere already before what follows there is guessed


class OpenVinoEngine(StepEngine):
    """Serves a Hugging Face folder (converted once, then cached) or a folder that holds openvino_model.xml.

    Args:
        path: the folder.
        name: what the engine is called; the folder's name unless given.
        settings: fields of OpenVinoSettings.

    Raises:
        NotAvailableError: the architecture can't be converted.
        InputError: the folder is no model.
        ConfigError: a setting is wrong, or the KV cache would not hold one sequence.
    """

    # top_logprobs is missing: openvino-genai gives the log probability of the token that was drawn, and no other.
    offered = frozenset({"grammar", "logprobs", "min_p"}) | PENALTIES

    def __init__(self, path: str | Path, name: str = "", **settings: Any) -> None:
        folder = Path(path)
        config = read_config(folder)
        model = OpenVinoModel(folder, config, validate(OpenVinoSettings, settings))
        tokenizer = ModelTokenizer(folder, vocabulary_size(config))
        self._process = WorkerProcess(model, tokenizer.folder)
        self._compiling = asyncio.Lock()  # held until a grammar is done with, also when nobody waits for it any more
        super().__init__(name or Path(path).name, self._process, tokenizer, model.context_length)

    async def _prepare(self, grammar: str) -> None:
        self._check_up()
        try:
            # Not wait_for: before Python 3.12 it forgets that its caller was cancelled where it is done at that moment.
            async with asyncio.timeout(_COMPILE_S):
                await self._compiling.acquire()
        except TimeoutError:
            rule = "those before it are still being compiled"
            raise ResourceError("the grammar has to wait", rule=rule, fix="try again shortly") from None
        compiled = asyncio.create_task(self._process.prepare(grammar))
        compiled.add_done_callback(self._end_compiling)
        try:
            async with asyncio.timeout(_COMPILE_S):
                await asyncio.shield(compiled)
        except TimeoutError:
            raise InputError("the grammar", rule=f"it was not compiled within {_COMPILE_S:g} s") from None
        except RunError:
            self._check_up()  # the process has ended: the engine is down, and says why
            raise

    def _end_compiling(self, compiled: asyncio.Task[None]) -> None:
        self._compiling.release()
        if not compiled.cancelled():
            compiled.exception()  # who asked may have gone


class OpenVinoModel:
    """A GrammarStepModel over ContinuousBatchingPipeline. Until it is loaded it can be pickled."""

    def __init__(self, folder: Path, config: dict[str, Any], settings: OpenVinoSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._blocks = kv_blocks(config, settings)
        self.context_length = min(context_length(config), self._blocks * BLOCK_TOKENS)
        self._end_tokens = end_tokens(folder, config)
        self._vocabulary = vocabulary_size(config)
        self._grammars: GrammarCompiler | None = None
        self._with_logprobs: set[int] = set()
        self._pipeline: Any = None
        self._status: Any = None  # openvino_genai.GenerationStatus, once that is imported
        self._handles: dict[int, Any] = {}
        # openvino-genai's own limit on sequences does not hold with chunked prompts, so requests wait here.
        self._waiting: dict[int, tuple[Sequence[int], SamplingParams]] = {}
        self._refused: list[NewTokens] = []

    def load(self) -> None:
        """Convert the model where that has not been done, and compile it for this processor."""
        import openvino_genai

        self._status = openvino_genai.GenerationStatus
        folder = openvino_folder(self._folder, self._settings.weights)
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.num_kv_blocks = self._blocks
        scheduler.enable_prefix_caching = self._settings.prefix_cache
        scheduler.max_num_batched_tokens = self._settings.step_tokens
        # Pinned threads would put all replicas of one machine onto the same cores.
        properties: dict[str, Any] = {"ENABLE_CPU_PINNING": False, "INFERENCE_NUM_THREADS": self._settings.threads}
        # Every batch has a shape of its own; 5,000 compiled ones, as OpenVINO keeps, take hundreds of MiB and no less
        # time than a few.
        properties["CPU_RUNTIME_CACHE_CAPACITY"] = _KEPT_SHAPES
        if self._settings.precision == "fp32":
            properties |= {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
        if self._settings.prompt_lookup:
            properties["prompt_lookup"] = True
        with kept_signal_stack():
            tokenizer = openvino_genai.Tokenizer(str(folder))
            self._pipeline = openvino_genai.ContinuousBatchingPipeline(
                str(folder), tokenizer, scheduler, "CPU", **properties
            )
        self._grammars = GrammarCompiler(tokenizer, self._vocabulary)

    def prepare_grammar(self, grammar: str) -> None:
        """Compile a grammar, from any thread. Raises InputError when it is none."""
        if self._grammars is not None:
            self._grammars.prepare(grammar)

    def add(self, request_id: int, prompt_ids: Sequence[int], sampling: SamplingParams) -> None:
        """Take a request in, or let it wait while the batch is full."""
        self._waiting[request_id] = (prompt_ids, sampling)
        self._fill()

    def cancel(self, request_id: int) -> None:
        """Free the sequence."""
        self._waiting.pop(request_id, None)
        handle = self._handles.pop(request_id, None)
        self._with_logprobs.discard(request_id)
        self._refused = [new for new in self._refused if new.request_id != request_id]
        if handle is None:
            return
        handle.cancel()
        self._fill()
        if not self._handles:  # the pipeline drops what is cancelled as it steps, and nobody else would step it
            self._pipeline.step()

    def step(self) -> list[NewTokens]:
        """One forward pass over everything that is scheduled."""
        self._pipeline.step()
        news = [new for request_id in list(self._handles) if (new := self._read(request_id)) is not None]
        self._fill()
        refused, self._refused = self._refused, []
        return news + refused

    def running(self) -> int:
        """Sequences in the batch."""
        return len(self._handles)

    def kv_cache_use(self) -> float | None:
        """The share of the KV cache's blocks that the last step held."""
        return self._pipeline.get_metrics().cache_usage / 100 if self._handles else 0.0

    def close(self) -> None:
        """Free the model and its cache."""
        self._waiting.clear()
        try:
            for request_id in list(self._handles):
                self.cancel(request_id)
        finally:
            self._pipeline = None

    def _fill(self) -> None:
        """Let waiting requests into the batch, oldest first."""
        import numpy as np
        import openvino

        while self._waiting and len(self._handles) < self._settings.sequences:
            request_id = next(iter(self._waiting))
            prompt_ids, sampling = self._waiting.pop(request_id)
            ids = openvino.Tensor(np.asarray([prompt_ids], dtype=np.int64))
            config = generation_config(sampling, self._end_tokens)
            if self._settings.prompt_lookup:
                config.num_assistant_tokens, config.max_ngram_size = self._settings.prompt_lookup, _LOOKUP_TOKENS
            try:
                self._handles[request_id] = self._pipeline.add_request(request_id, ids, config)
            except RuntimeError as error:
                self._refused.append(NewTokens(request_id, [], error=str(error).splitlines()[0]))
                continue
            if sampling.logprobs is not None:
                self._with_logprobs.add(request_id)

    def _read(self, request_id: int) -> NewTokens | None:
        # Runs for every token, and each call into the library costs microseconds: no more of them than needed.
        handle = self._handles[request_id]
        status = handle.get_status()
        scored = request_id in self._with_logprobs
        if status == self._status.RUNNING:
            if not handle.can_read():
                return None
            output = _read_once(handle)
            return NewTokens(request_id, output.generated_ids, scores=_scores(output) if scored else ())
        del self._handles[request_id]
        self._with_logprobs.discard(request_id)
        ids, reason = [], ""
        scores: list[Score] = []
        while handle.can_read():
            output = _read_once(handle)
            ids += output.generated_ids
            reason = output.finish_reason.name
            scores += _scores(output) if scored else []
        if status == self._status.IGNORED:
            return NewTokens(request_id, ids, error="the KV cache has no room for it (raise kv_cache_gib)")
        return NewTokens(request_id, ids, "length" if reason == "LENGTH" else "stop", scores=scores)


def _scores(output: Any) -> list[Score]:
    return [Score(logprob) for logprob in output.generated_log_probs]


def _read_once(handle: Any) -> Any:
    """The oldest unread GenerationOutput of a request, which has a single sequence."""
    (output,) = handle.read().values()
    return output


def generation_config(sampling: SamplingParams, end: set[int]) -> Any:
    """Sampling parameters in openvino-genai's terms."""
    from openvino_genai import GenerationConfig, StructuredOutputConfig

    config = GenerationConfig()
    config.max_new_tokens = sampling.max_tokens
    config.ignore_eos = sampling.ignore_eos
    config.stop_token_ids = end
    config.repetition_penalty = sampling.repetition_penalty
    config.presence_penalty = sampling.presence_penalty
    config.frequency_penalty = sampling.frequency_penalty
    if sampling.logprobs is not None:
        config.logprobs = 1
    if sampling.grammar:
        config.structured_output_config = StructuredOutputConfig(grammar=sampling.grammar)
    config.do_sample = sampling.temperature > 0
    if config.do_sample:
        config.temperature = sampling.temperature
        config.top_p = sampling.top_p
        config.rng_seed = sampling.seed
        config.min_p = min(sampling.min_p, _MOST_MIN_P)
        if sampling.top_k:
            config.top_k = sampling.top_k
    return config
