"""What is known of the request that is being answered, wherever in the process the code runs that learns it.

The gateway opens a record for each request; calls to models note in it what they see and heed its deadline. It travels
in a context variable, so it reaches tasks and generators that a request starts, and no signature has to carry it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

NO_MODEL = "none"
NO_KEY = "none"


@dataclass
class RequestRecord:
    """One request under way. Times are those of time.perf_counter, in seconds.

    Args:
        deadline: when the answer is no longer wanted; None for never.
        keep_text: whether `question` and `answer` are kept.
        trace: the trace that calls to models belong to (serve_apps.tracing.TraceContext); None without tracing.
    """

    id: str
    deadline: float | None = None
    keep_text: bool = False
    trace: Any = None
    began: float = field(default_factory=time.perf_counter)
    began_at: float = field(default_factory=time.time)  # seconds since 1970
    key: str = NO_KEY
    model: str = NO_MODEL
    route: str = "none"
    status: int = 0
    grant: str | None = None
    prompt_estimate: int = 0  # tokens, before the model has read it
    prompt_tokens: int = 0
    completion_tokens: int = 0
    retries: int = 0
    first_token: float | None = None
    last_token: float | None = None
    first_tokens: int = 0  # tokens that came in the first piece
    finish_reasons: list[str] = field(default_factory=list)
    error: str = ""
    question: Any = None
    answer: list[str] = field(default_factory=list)

    def left_s(self) -> float | None:
        """Seconds until the deadline, 0 once it is over; None without one."""
        return None if self.deadline is None else max(0.0, self.deadline - time.perf_counter())

    def inter_token_s(self) -> float | None:
        """Mean seconds between tokens; None where they came in one piece."""
        later = self.completion_tokens - self.first_tokens
        if self.first_token is None or self.last_token is None or later < 1 or self.last_token == self.first_token:
            return None
        return (self.last_token - self.first_token) / later

    def count(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Tokens that the request took in all, as far as the caller knows: the largest numbers are true."""
        self.prompt_tokens = max(self.prompt_tokens, prompt_tokens)
        self.completion_tokens = max(self.completion_tokens, completion_tokens)

    def begin_answer(self, prompt_tokens: int) -> None:
        """The first piece of an answer, or a whole one, has come from an engine; a request may have several."""
        self.prompt_tokens += prompt_tokens

    def take_back(self, prompt_tokens: int, completion_tokens: int) -> None:
        """An answer broke off, nothing of it was given out, and it is asked for anew."""
        self.prompt_tokens -= prompt_tokens
        self.completion_tokens -= completion_tokens

    def piece(self, text: str, new_tokens: int, finish_reason: str | None) -> None:
        """A piece of an answer, or a whole one, has come from an engine."""
        now = time.perf_counter()
        if self.first_token is None:
            self.first_token, self.first_tokens = now, new_tokens
        self.last_token = now
        self.completion_tokens += max(0, new_tokens)
        if finish_reason is not None:
            self.finish_reasons.append(finish_reason)
        if self.keep_text:
            self.answer.append(text)


_CURRENT: ContextVar[RequestRecord | None] = ContextVar("request_record", default=None)


def current_record() -> RequestRecord | None:
    """The record of the request that is being answered; None outside of one."""
    return _CURRENT.get()


@contextmanager
def recording(record: RequestRecord) -> Iterator[RequestRecord]:
    """Make `record` the current one for what runs inside the block."""
    token = _CURRENT.set(record)
    try:
        yield record
    finally:
        _CURRENT.reset(token)
