"""An engine over a model that is advanced step by step, elsewhere: asyncio on one side, its host on the other."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from actors.engines.admission import check_length, check_sampling
from actors.engines.protocol import (
    Delta,
    EngineDownError,
    EngineStats,
    GenerationRequest,
    Message,
    SamplingParams,
    TokenLogprob,
    Tool,
)
from actors.engines.tokenizer import ModelTokenizer
from actors.engines.worker import Abort, Broken, Command, Deliver, Event, Progress, Submit
from danlu.errors import InputError, RunError

_NOT_STARTED = "it has not been started"
_STOP_WITHIN_S = 25.0  # below Serve's limit of 30 s for a question after health


class Host(Protocol):
    """Runs a Worker somewhere else than on the event loop: WorkerThread, WorkerProcess."""

    @property
    def progress(self) -> Progress: ...

    @property
    def step_within_s(self) -> float | None:
        """A step that takes longer never ends; None where prompts are read in one step, of any length."""
        ...

    async def start(self, name: str, deliver: Deliver, broken: Broken) -> None:
        """Load the model. `deliver` and `broken` are called on this event loop from then on."""
        ...

    def submit(self, command: Command) -> None:
        """Hand over a command; it is obeyed between two steps."""
        ...

    async def stop(self) -> None:
        """End all requests as aborted and free the model."""
        ...


class StepEngine:
    """The Engine protocol over any StepModel. The event loop never waits for the model.

    Args:
        name: what the engine is called in logs and reports.
        host: runs the model.
        tokenizer: the model's tokenizer and chat template.
        context_length: tokens that prompt and answer may have together.
        adapters: names of the adapters that requests may ask for; the model is an AdapterStepModel then.
    """

    offered: frozenset[str] = frozenset()  # see admission.check_sampling

    def __init__(
        self,
        name: str,
        host: Host,
        tokenizer: ModelTokenizer,
        context_length: int,
        adapters: Collection[str] = (),
    ) -> None:
        self.name = name
        self._adapters = frozenset(adapters)
        self.context_length = context_length
        self.tokenizer = tokenizer
        self._host = host
        self._starting: asyncio.Task[None] | None = None
        self._down = _NOT_STARTED  # why no request can be served; empty while all is well
        # Tickets name requests inside the engine: a caller may use an id again while the last events of
        # its earlier request are still on their way.
        self._tickets = itertools.count()
        self._open: dict[str, int] = {}
        self._aborted: set[int] = set()
        self._mailboxes: dict[int, asyncio.Queue[Event]] = {}
        self._working: set[int] = set()  # submitted, and not heard the end of
        self._heard_at = 0.0

    async def start(self) -> None:
        """Load the model; returns when the first request can be served. Calls after the first wait for the same."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        await self._host.start(self.name, self._deliver, self._break)
        if self._down == _NOT_STARTED:
            self._down = ""

    def render_chat(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        """The prompt that the model's chat template makes of a conversation."""
        return self.tokenizer.render_chat(messages, tools)

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        """Stream the answer; see `Engine.generate`."""
        check_sampling(request.sampling, self.offered)
        if request.id in self._open:
            raise InputError(f"request id {request.id!r}", rule="a request with this id is under way")
        ticket = self._open[request.id] = next(self._tickets)
        mailbox = self._mailboxes[ticket] = asyncio.Queue()
        try:
            prompt_ids = await self._admit(request)
            if ticket in self._aborted:
                yield Delta("", len(prompt_ids), 0, "abort")
                return
            if not self._working:
                self._heard_at = time.monotonic()
            self._working.add(ticket)
            self._host.submit(Submit(ticket, prompt_ids, _seeded(request.sampling), request.adapter))
            async for delta in _read(mailbox):
                yield delta
        finally:
            del self._open[request.id], self._mailboxes[ticket]  # _working keeps it: the model is to tell of its end
            self._aborted.discard(ticket)
            self._host.submit(Abort(ticket))  # of no effect when the answer is complete

    async def _admit(self, request: GenerationRequest) -> list[int]:
        """The token ids of the prompt, once all is checked and ready."""
        prompt_ids = await self.tokenizer.encode_beside(request.prompt, self.context_length)
        check_length(request, len(prompt_ids), self.context_length)
        if request.sampling.grammar:
            await self._prepare(request.sampling.grammar)
        self._check_up()
        if request.adapter is not None and request.adapter not in self._adapters:
            known = ", ".join(sorted(self._adapters)) or "none"
            raise InputError(f"adapter {request.adapter!r}", rule=f"engine {self.name} has loaded: {known}")
        return prompt_ids

    async def _prepare(self, grammar: str) -> None:
        """Make a grammar ready beside the model's thread. Raises InputError when it is none."""
        raise NotImplementedError  # only engines that offer grammars get here

    async def abort(self, request_id: str) -> None:
        """End a request now; its stream ends with finish_reason `abort`."""
        if request_id in self._open:
            ticket = self._open[request_id]
            self._aborted.add(ticket)  # should it not have reached the model yet
            self._host.submit(Abort(ticket))

    def stats(self) -> EngineStats:
        """Counts as of the last step."""
        progress = self._host.progress
        running = min(progress.running, len(self._open))
        waiting = len(self._open) - running
        return EngineStats(running, waiting, progress.prompt_tokens, progress.completion_tokens, progress.kv_cache_use)

    async def health(self) -> None:
        """Raise EngineDownError when the engine can't serve: it has broken, or its model answers no more."""
        self._check_up()
        # A worker with requests is heard of once a second, as far as its steps allow.
        silent_s, most_s = time.monotonic() - self._heard_at, self._host.step_within_s
        if self._working and most_s is not None and silent_s > most_s:
            self._break(RunError("the model hangs", rule=f"nothing was heard of it for {silent_s:.0f} s"))
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_WITHIN_S):
                    await self._host.stop()
            self._check_up()

    async def shutdown(self) -> None:
        """End all requests as aborted and free the model."""
        if self._starting is None:
            return
        if self._down in ("", _NOT_STARTED):
            self._down = "it has been shut down"
        self._starting.cancel()  # of no effect once it is done
        await asyncio.wait([self._starting])
        await self._host.stop()

    def _check_up(self) -> None:
        if self._down:
            raise self._error()

    def _deliver(self, events: list[tuple[int, Event]]) -> None:
        self._heard_at = time.monotonic()
        for ticket, event in events:
            if isinstance(event, RunError) or event.finish_reason is not None:
                self._working.discard(ticket)
            if ticket in self._mailboxes:
                self._mailboxes[ticket].put_nowait(event)

    def _break(self, error: BaseException) -> None:
        if self._down in ("", _NOT_STARTED):
            self._down = f"it broke ({type(error).__name__}: {error})"
        for mailbox in self._mailboxes.values():
            mailbox.put_nowait(self._error())

    def _error(self) -> EngineDownError:
        return EngineDownError(f"engine {self.name} can't serve", rule=self._down, fix="start it anew")


async def _read(mailbox: asyncio.Queue[Event]) -> AsyncIterator[Delta]:
    """All deltas up to the last one. What has piled up goes out as one: a slow reader gets fewer, larger pieces."""
    finished = False
    last: Delta | None = None
    while not finished:
        text = ""
        logprobs: tuple[TokenLogprob, ...] = ()
        while True:
            event = await mailbox.get()
            if isinstance(event, RunError):
                if last is not None and (text or logprobs):
                    yield replace(last, text=text, logprobs=logprobs)
                raise event
            last = event
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
