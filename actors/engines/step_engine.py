"""An engine on a thread of its own: asyncio on one side, a StepModel on the other."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import threading
from collections.abc import AsyncIterator, Collection, Sequence
from concurrent.futures import Future
from dataclasses import replace

from actors.engines.admission import check_length, check_sampling
from actors.engines.protocol import Delta, EngineStats, GenerationRequest, Message, SamplingParams, TokenLogprob, Tool
from actors.engines.step_model import StepModel
from actors.engines.tokenizer import ModelTokenizer
from actors.engines.worker import Abort, Event, Stop, Submit, Worker
from danlu.errors import InputError, RunError

_NOT_STARTED = "it has not been started"


class StepEngine:
    """The Engine protocol over any StepModel. The event loop never waits for the model.

    Args:
        name: what the engine is called in logs and reports.
        model: not loaded yet; `start` loads it.
        tokenizer: the model's tokenizer and chat template.
        context_length: tokens that prompt and answer may have together.
        adapters: names of the adapters that requests may ask for; `model` is an AdapterStepModel then.
    """

    offered: frozenset[str] = frozenset()  # see admission.check_sampling

    def __init__(
        self,
        name: str,
        model: StepModel,
        tokenizer: ModelTokenizer,
        context_length: int,
        adapters: Collection[str] = (),
    ) -> None:
        self.name = name
        self._adapters = frozenset(adapters)
        self.context_length = context_length
        self.tokenizer = tokenizer
        self._worker = Worker(model, tokenizer.decode, self._send, tokenizer.token_bytes)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._down = _NOT_STARTED  # why no request can be served; empty while all is well
        # Tickets name requests inside the engine: a caller may use an id again while the last events of
        # its earlier request are still on their way.
        self._tickets = itertools.count()
        self._open: dict[str, int] = {}
        self._mailboxes: dict[int, asyncio.Queue[Event]] = {}

    async def start(self) -> None:
        """Load the model; returns when the first request can be served."""
        if self._loop is not None:
            return
        self._loop = asyncio.get_running_loop()
        self._worker.finished.add_done_callback(self._on_finished)
        threading.Thread(target=self._worker.run, name=f"engine-{self.name}", daemon=True).start()
        await asyncio.wrap_future(self._worker.loaded)
        self._down = ""

    def render_chat(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        """The prompt that the model's chat template makes of a conversation."""
        return self.tokenizer.render_chat(messages, tools)

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        """Stream the answer; see `Engine.generate`."""
        check_sampling(request.sampling, self.offered)
        prompt_ids = await self.tokenizer.encode_beside(request.prompt)
        check_length(request, len(prompt_ids), self.context_length)
        if request.sampling.grammar:
            await self._prepare(request.sampling.grammar)
        self._check_up()
        if request.adapter is not None and request.adapter not in self._adapters:
            known = ", ".join(sorted(self._adapters)) or "none"
            raise InputError(f"adapter {request.adapter!r}", rule=f"engine {self.name} has loaded: {known}")
        if request.id in self._open:
            raise InputError(f"request id {request.id!r}", rule="a request with this id is under way")
        ticket = self._open[request.id] = next(self._tickets)
        mailbox = self._mailboxes[ticket] = asyncio.Queue()
        self._worker.submit(Submit(ticket, prompt_ids, _seeded(request.sampling), request.adapter))
        try:
            async for delta in _read(mailbox):
                yield delta
        finally:
            del self._open[request.id], self._mailboxes[ticket]
            self._worker.submit(Abort(ticket))  # of no effect when the answer is complete

    async def _prepare(self, grammar: str) -> None:
        """Make a grammar ready beside the model's thread. Raises InputError when it is none."""
        raise NotImplementedError  # only engines that offer grammars get here

    async def abort(self, request_id: str) -> None:
        """End a request now; its stream ends with finish_reason `abort`."""
        if request_id in self._open:
            self._worker.submit(Abort(self._open[request_id]))

    def stats(self) -> EngineStats:
        """Counts as of the last step."""
        running = min(self._worker.running, len(self._open))
        waiting = len(self._open) - running
        worker = self._worker
        return EngineStats(running, waiting, worker.prompt_tokens, worker.completion_tokens, worker.kv_cache_use)

    async def health(self) -> None:
        """Raise RunError when the engine can't serve."""
        self._check_up()

    async def shutdown(self) -> None:
        """End all requests as aborted and free the model."""
        if self._loop is None:
            return
        self._down = self._down or "it has been shut down"
        self._worker.submit(Stop())
        await asyncio.wrap_future(self._worker.finished)

    def _check_up(self) -> None:
        if self._down:
            raise RunError(f"engine {self.name} can't serve", rule=self._down, fix="start it anew")

    def _send(self, events: list[tuple[int, Event]]) -> None:
        """From the worker's thread: have the events of one step put into their mailboxes."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._deliver, events)

    def _deliver(self, events: list[tuple[int, Event]]) -> None:
        for ticket, event in events:
            if ticket in self._mailboxes:
                self._mailboxes[ticket].put_nowait(event)

    def _on_finished(self, finished: Future[BaseException | None]) -> None:
        """From the worker's thread, as it ends: tell those who wait when it broke."""
        error = finished.result()
        if error is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._break, error)

    def _break(self, error: BaseException) -> None:
        self._down = f"it broke ({type(error).__name__}: {error})"
        for mailbox in self._mailboxes.values():
            mailbox.put_nowait(RunError(f"engine {self.name} can't serve", rule=self._down, fix="start it anew"))


async def _read(mailbox: asyncio.Queue[Event]) -> AsyncIterator[Delta]:
    """All deltas up to the last one. What has piled up goes out as one: a slow reader gets fewer, larger pieces."""
    finished = False
    while not finished:
        text = ""
        logprobs: tuple[TokenLogprob, ...] = ()
        while True:
            event = await mailbox.get()
            if isinstance(event, RunError):
                raise event
            text += event.text
            logprobs += event.logprobs
            finished = event.finish_reason is not None
            if finished or mailbox.empty():
                break
        yield replace(event, text=text, logprobs=logprobs)


def _seeded(sampling: SamplingParams) -> SamplingParams:
    """The same with a seed: drawn when none was given, never negative (libraries take unsigned numbers)."""
    seed = secrets.randbits(31) if sampling.seed is None else sampling.seed % 2**31
    return replace(sampling, seed=seed)
