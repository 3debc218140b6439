"""A gateway's side of limits: what a request may take at most, asking for it, and the answer's headers and errors."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from serve_apps.gateway.charges import Charge
from serve_apps.gateway.errors import RATE_LIMIT, ApiError
from serve_apps.gateway.keys import ApiKey
from serve_apps.gateway.ledger import LedgerService, LedgerUnavailableError
from serve_apps.gateway.limits import Limits, Refusal, Standings
from serve_apps.gateway.requests import DEFAULT_MAX_TOKENS, MAX_CHOICES
from serve_apps.request_record import RequestRecord

# Charges wait so long to go together: what was held is at least what was taken, so nothing is lost by it.
_GATHER_S = 0.1
# Where the ledger does not answer they wait for it, the oldest so many.
_AGAIN_S = 1.0
_MOST_CHARGES = 100_000
_FLUSH_S = 10.0
# Tokenizers make a token of about four bytes of UTF-8, in English (four letters) as in Chinese (a character or more).
_TOKEN_BYTES = 4
_TEMPLATE_TOKENS = 8  # what a chat template adds, about
_LONGEST_ANSWER = 1 << 31
# What each route reads into its prompt, and where it finds the longest answer, the first that is given.
_READ_FIELDS = {"chat/completions": ("messages", "tools"), "completions": ("prompt",), "embeddings": ("input",)}
_LENGTH_FIELDS = {"chat/completions": ("max_completion_tokens", "max_tokens"), "completions": ("max_tokens",)}

log = logging.getLogger("ray.serve")


class Accounts:
    """Asks the ledger for requests of keys that have limits, and tells it what every key took.

    Args:
        defaults: limits for keys that have none of their own.
    """

    def __init__(self, ledger: LedgerService, defaults: Limits) -> None:
        self._ledger = ledger
        self._defaults = defaults
        self._charges: list[Charge] = []
        self._sending: asyncio.Task[None] | None = None

    async def admit(self, record: RequestRecord, key: ApiKey, tokens: int) -> Standings:
        """Hold one request and `tokens` for it.

        Raises:
            ApiError: 429, a limit is reached; 503, the ledger does not answer.
        """
        limits = key.limits.or_else(self._defaults)
        if limits.unlimited:
            return Standings()
        grant = uuid4().hex
        try:
            answer = await self._ledger.admit(grant, key.name, limits, tokens)
        except BaseException as error:
            self._charge(Charge(key.name, 0, grant, served=False))  # the ledger may hold it all the same
            if not isinstance(error, LedgerUnavailableError):
                raise  # the client has left, it may be
            headers = {"Retry-After": str(error.retry_after_s)}
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), kind="server_error", headers=headers) from error
        if isinstance(answer, Refusal):
            raise refused(answer, key.name)
        record.grant = grant
        return answer.standings

    def close(self, record: RequestRecord, key: ApiKey) -> None:
        """A request has ended: its tokens will be charged."""
        tokens = record.prompt_tokens + record.completion_tokens
        if record.grant is None and not tokens:
            return
        self._charge(Charge(key.name, tokens, record.grant))

    def _charge(self, charge: Charge) -> None:
        self._charges.append(charge)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())

    async def flush(self) -> None:
        """Wait until everything is charged; for a while only, where the ledger does not answer."""
        if self._sending is None or self._sending.done():
            if not self._charges:
                return
            self._sending = asyncio.create_task(self._send())
        await asyncio.wait([self._sending], timeout=_FLUSH_S)
        if not self._sending.done():
            log.error("tokens of %d requests were never charged", len(self._charges))

    async def _send(self) -> None:
        await asyncio.sleep(_GATHER_S)
        while self._charges:
            charges, self._charges = self._charges, []
            try:
                await self._ledger.charge(charges)
            except Exception as error:  # whatever it is, what was taken is still to be charged
                waiting = charges + self._charges
                if len(waiting) > _MOST_CHARGES:
                    waiting.sort(key=lambda charge: not charge.tokens)  # what was taken comes first, in its order
                self._charges = waiting[:_MOST_CHARGES]
                log.error("tokens of %d requests are not charged yet: %s", len(self._charges), error)
                await asyncio.sleep(_AGAIN_S)


@dataclass(frozen=True)
class Most:
    """Tokens that a request may take at most: of its prompts, and of all."""

    prompt: int
    all: int


def most_tokens(route: str, body: Any) -> Most:
    """The most tokens that a request may take: its texts by their size, and the longest answer it allows.

    Args:
        route: the end of its path (`chat/completions`, `completions`, `embeddings`). Only what that route reads counts.
        body: as the client sent it; what is wrong in it counts as absent, the route will refuse it.
    """
    if not isinstance(body, Mapping):
        return Most(0, 0)
    fields = _READ_FIELDS.get(route, ())
    read = sum(len(text.encode("utf-8", "surrogatepass")) for name in fields for text in _texts(body.get(name)))
    prompt = -(-read // _TOKEN_BYTES) + _TEMPLATE_TOKENS
    if route not in _LENGTH_FIELDS:  # embeddings make no tokens
        return Most(prompt, prompt)
    lengths = (_count(body.get(name)) for name in _LENGTH_FIELDS[route])
    longest = next((n for n in lengths if 0 < n < _LONGEST_ANSWER), DEFAULT_MAX_TOKENS)
    answers = _count(body.get("n"))
    answers = answers if 0 < answers <= MAX_CHOICES else 1
    prompts = body.get("prompt") if route == "completions" else None
    # Each answer reads its prompt.
    return Most(prompt, answers * (prompt + longest * (len(prompts) if isinstance(prompts, list) else 1)))


def _count(value: Any) -> int:
    """A whole number, in whatever way the routes take it (`4`, `4.0`, `"4"`); 0 for anything else."""
    try:
        number = float(value) if isinstance(value, int | float | str) else 0.0
    except (ValueError, OverflowError):
        return 0
    return int(number) if number.is_integer() else 0


def refused(refusal: Refusal, name: str) -> ApiError:
    """429 in OpenAI's words."""
    headers = limit_headers(refusal.standings)
    if refusal.reason == "budget":
        message = (
            f"key {name} has a budget of {refusal.limit} tokens, of which {refusal.left} are left; "
            f"this request may take {refusal.asked}"
        )
        return _too_many(message, "insufficient_quota", "insufficient_quota", headers | {"x-should-retry": "false"})
    if refusal.reason == "too_large":
        message = f"key {name} has {refusal.limit} tokens per minute; this request may take {refusal.asked}"
        return _too_many(message, "tokens", "rate_limit_exceeded", headers | {"x-should-retry": "false"})
    assert refusal.retry_after_s is not None
    headers["Retry-After"] = str(math.ceil(refusal.retry_after_s))
    message = (
        f"key {name} has {refusal.limit} {refusal.reason} per minute; {refusal.left} are left, and this request may "
        f"take {refusal.asked}: try again in {duration(refusal.retry_after_s)}"
    )
    return _too_many(message, RATE_LIMIT, "rate_limit_exceeded", headers)


def limit_headers(standings: Standings) -> dict[str, str]:
    """`x-ratelimit-limit-requests` and so on, as OpenAI sends them."""
    headers: dict[str, str] = {}
    for what, standing in (("requests", standings.requests), ("tokens", standings.tokens)):
        if standing is not None:
            headers[f"x-ratelimit-limit-{what}"] = str(standing.limit)
            headers[f"x-ratelimit-remaining-{what}"] = str(standing.remaining)
            headers[f"x-ratelimit-reset-{what}"] = duration(standing.reset_s)
    return headers


def duration(seconds: float) -> str:
    """Seconds as OpenAI writes them: `17ms`, `1.5s`, `6m0s`; rounded up."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    tenths = math.ceil(seconds * 10)
    if tenths < 600:
        return f"{tenths / 10:g}s"
    whole = math.ceil(seconds)
    return f"{whole // 60}m{whole % 60}s"


def _too_many(message: str, kind: str, code: str, headers: dict[str, str]) -> ApiError:
    return ApiError(HTTPStatus.TOO_MANY_REQUESTS, message, kind=kind, code=code, headers=headers)


def _texts(value: Any) -> Iterator[str]:
    """Every text inside a JSON value."""
    pending = [value]
    while pending:
        here = pending.pop()
        if isinstance(here, str):
            yield here
        elif isinstance(here, Mapping):
            pending.extend(here.values())
        elif isinstance(here, list):
            pending.extend(here)
