"""What owns a model: it takes requests in, steps the batch, and hands text out in bundles."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, cast

from actors.engines.bundling import bundle_s
from actors.engines.protocol import Delta, FinishReason, SamplingParams, TokenLogprob
from actors.engines.step_model import AdapterStepModel, NewTokens, Score, StepModel
from actors.engines.text_stream import Decode, TextStream
from danlu.errors import RunError

_LOOK_AT_CACHE_EVERY_S = 1.0

Event = Delta | RunError
Send = Callable[[list[tuple[int, Event]]], None]
Deliver = Send  # on the event loop
Broken = Callable[[BaseException], None]  # a host's word that its worker ended by an error
TokenBytes = Callable[[int], bytes]


@dataclass(frozen=True)
class Submit:
    """Take a request in."""

    request_id: int
    prompt_ids: Sequence[int]
    sampling: SamplingParams
    adapter: str | None = None


@dataclass(frozen=True)
class Abort:
    """End a request now."""

    request_id: int


@dataclass(frozen=True)
class Stop:
    """End the worker; requests still under way end as aborted."""


Command = Submit | Abort | Stop


class Commands(Protocol):
    """Where a worker takes its commands from; a `queue.SimpleQueue` is one."""

    def get(self, block: bool = True) -> Command:
        """The next command. Raises queue.Empty when there is none and `block` is false."""
        ...


@dataclass(frozen=True)
class Progress:
    """Counts as of a worker's last step; see EngineStats."""

    running: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    kv_cache_use: float | None = None


@dataclass
class Answer:
    """A request under way."""

    text: TextStream
    prompt_tokens: int
    completion_tokens: int = 0
    pending: str = ""  # visible text that waits for its bundle
    logprobs: tuple[TokenLogprob, ...] = ()  # of tokens that no delta has told of yet
    sent_at: float = float("-inf")

    def is_due(self, now: float, pause_s: float) -> bool:
        return bool(self.pending) and now - self.sent_at >= pause_s

    def delta(self, now: float, finish_reason: FinishReason | None = None) -> Delta:
        """What is pending, as a delta."""
        text, self.pending, self.sent_at = self.pending, "", now
        logprobs, self.logprobs = self.logprobs, ()
        return Delta(text, self.prompt_tokens, self.completion_tokens, finish_reason, logprobs)


class Worker:
    """Serves one StepModel from the thread that calls `run`.

    Args:
        model: loaded, stepped and closed by `run`, never touched from elsewhere.
        decode: token ids to text.
        send: gets the events of one step, [(request id, event)], called from this thread; none of them once a second
            while steps bring none, for who passes `progress` on.
        token_bytes: what a token stands for.
        commands: obeyed between two steps.
    """

    def __init__(
        self, model: StepModel, decode: Decode, send: Send, token_bytes: TokenBytes, commands: Commands
    ) -> None:
        self.loaded: Future[None] = Future()
        self.finished: Future[BaseException | None] = Future()  # what broke the model, or None
        self._running = 0
        self._prompt_tokens = 0
        self._completion_tokens = 0
        self._kv_cache_use: float | None = None
        self._cache_seen_at = float("-inf")
        self._model = model
        self._decode = decode
        self._send = send
        self._token_bytes = token_bytes
        self._commands = commands
        self._answers: dict[int, Answer] = {}
        self._outbox: list[tuple[int, Event]] = []
        self._to_tell = False  # of counts, should no event go out: a long prompt brings none for many steps

    def progress(self) -> Progress:
        """How far it has come, from any thread."""
        return Progress(self._running, self._prompt_tokens, self._completion_tokens, self._kv_cache_use)

    def run(self) -> None:
        """Load the model and serve until Stop. Errors end up in `loaded` and `finished`, never in the thread."""
        failure = _outcome(self._model.load)
        if failure is not None:
            self.loaded.set_exception(failure)
            self.finished.set_result(None)
            return
        self.loaded.set_result(None)
        failure = _outcome(self._serve)
        closing = _outcome(self._model.close)
        self.finished.set_result(failure or closing)

    def _serve(self) -> None:
        while self._take_commands():
            if self._answers:
                self._advance()
            else:  # the last one was aborted
                self._running, self._kv_cache_use = 0, self._model.kv_cache_use()
            self._flush()
        for request_id in list(self._answers):
            self._end(request_id, "abort")
        self._flush()

    def _take_commands(self) -> bool:
        """Obey what has arrived, waiting for something while there is nothing to step; False on Stop."""
        wait = not self._answers
        while True:
            try:
                command = self._commands.get(block=wait)
            except queue.Empty:
                return True
            wait = False
            if isinstance(command, Stop):
                return False
            if isinstance(command, Submit):
                self._admit(command)
            elif command.request_id in self._answers:
                self._model.cancel(command.request_id)
                self._end(command.request_id, "abort")

    def _admit(self, request: Submit) -> None:
        if request.adapter is None:
            self._model.add(request.request_id, request.prompt_ids, request.sampling)
        else:  # StepEngine lets no other request through
            model = cast(AdapterStepModel, self._model)
            model.add(request.request_id, request.prompt_ids, request.sampling, request.adapter)
        stream = TextStream(self._decode, request.sampling.stop)
        self._answers[request.request_id] = Answer(stream, len(request.prompt_ids))
        self._prompt_tokens += len(request.prompt_ids)

    def _advance(self) -> None:
        for new in self._model.step():
            self._receive(new)
        self._running = self._model.running() if self._answers else 0
        now = time.monotonic()
        if not self._answers or now - self._cache_seen_at >= _LOOK_AT_CACHE_EVERY_S:
            self._kv_cache_use, self._cache_seen_at, self._to_tell = self._model.kv_cache_use(), now, True
        pause_s = bundle_s(len(self._answers))
        for request_id, answer in self._answers.items():
            if answer.is_due(now, pause_s):
                self._outbox.append((request_id, answer.delta(now)))

    def _receive(self, new: NewTokens) -> None:
        answer = self._answers[new.request_id]
        if new.error:
            del self._answers[new.request_id]
            self._outbox.append((new.request_id, RunError("the engine gave the request up", rule=new.error)))
            return
        closed = new.finish_reason == "stop"
        shown = new.token_ids[:-1] if closed else new.token_ids
        read = 0
        # One by one: a step may have guessed tokens beyond a stop string, which are no part of the answer.
        while read < len(shown) and not answer.text.stopped:
            answer.pending += answer.text.push(shown[read : read + 1])
            read += 1
        made = read if answer.text.stopped else len(new.token_ids)
        answer.completion_tokens += made
        self._completion_tokens += made
        if new.scores:
            answer.logprobs += self._logprobs(shown[:read], new.scores)
        if answer.text.stopped and new.finish_reason is None:
            self._model.cancel(new.request_id)
        if answer.text.stopped:
            self._end(new.request_id, "stop")
        elif new.finish_reason is not None:
            self._end(new.request_id, new.finish_reason)

    def _logprobs(self, token_ids: Sequence[int], scores: Sequence[Score]) -> tuple[TokenLogprob, ...]:
        name = self._token_bytes
        return tuple(
            TokenLogprob(name(token), score.logprob, tuple((name(other), logprob) for other, logprob in score.top))
            for token, score in zip(token_ids, scores, strict=False)  # an end token has a score and is not shown
        )

    def _end(self, request_id: int, reason: FinishReason) -> None:
        answer = self._answers.pop(request_id)
        answer.pending += answer.text.finish()
        # A stop string may only be complete in the text that was held back.
        reason = "stop" if answer.text.stopped else reason
        self._outbox.append((request_id, answer.delta(time.monotonic(), reason)))

    def _flush(self) -> None:
        if self._outbox or self._to_tell:
            events, self._outbox, self._to_tell = self._outbox, [], False
            self._send(events)


def _outcome(work: Callable[[], None]) -> BaseException | None:
    """What `work` raised: an error in a thread would be seen by nobody."""
    try:
        work()
    except BaseException as error:
        return error
    return None
