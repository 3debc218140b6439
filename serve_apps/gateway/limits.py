"""How much a key may ask: requests and tokens per minute, and a budget of tokens. Arithmetic only, no clock, no I/O.

A minute's limit is a token bucket of that capacity, refilled evenly (as in ITU-T I.371's leaky bucket, seen from the
other side): in any t seconds a key gets at most `limit * (1 + t / 60)`. A request is admitted with the most tokens that
it may take; what it did not take is given back when it ends, less what the bucket has gained meanwhile. So the bound
holds for the tokens taken as well, whatever order requests end in, as long as none takes more than was held for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from serve_apps.gateway.charges import REMEMBERED, Charge, Entry

MINUTE_S = 60.0
# What float arithmetic may lose between a refusal's waiting time and the next try.
_ROUNDING = 1e-6

Reason = Literal["requests", "tokens", "too_large", "budget"]


@dataclass(frozen=True)
class Limits:
    """What one key may take; None is without limit. `budget` counts tokens since the key was first used."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    budget: int | None = None

    def or_else(self, defaults: Limits) -> Limits:
        """These limits, those of `defaults` where there is none."""
        mine = (self.requests_per_minute, self.tokens_per_minute, self.budget)
        others = (defaults.requests_per_minute, defaults.tokens_per_minute, defaults.budget)
        return Limits(*(other if own is None else own for own, other in zip(mine, others, strict=True)))

    @property
    def unlimited(self) -> bool:
        return self == Limits()


@dataclass(frozen=True)
class Standing:
    """A bucket as a client sees it: its capacity, what is left, and the seconds until it is full again."""

    limit: int
    remaining: int
    reset_s: float


@dataclass(frozen=True)
class Standings:
    """Both buckets of a key; None where it has no such limit."""

    requests: Standing | None = None
    tokens: Standing | None = None


@dataclass(frozen=True)
class Grant:
    """A request may go on."""

    standings: Standings


@dataclass(frozen=True)
class Refusal:
    """A request may not go on. `retry_after_s` is None where waiting does not help."""

    reason: Reason
    limit: int
    asked: int
    left: int
    retry_after_s: float | None
    standings: Standings


@dataclass
class _Bucket:
    """Counts what was taken and has not been refilled yet, so that a limit may change at any moment."""

    taken: float = 0.0
    at: float = 0.0

    def settle(self, limit: int, now: float) -> None:
        """Refill up to `now`; a clock that goes back refills nothing."""
        self.taken = max(0.0, self.taken - limit / MINUTE_S * max(0.0, now - self.at))
        self.at = max(self.at, now)

    def wait_s(self, amount: int, limit: int) -> float:
        """Seconds until `amount` fits; 0 when it does now."""
        excess = self.taken + amount - limit
        return excess * MINUTE_S / limit if excess > _ROUNDING * limit else 0.0

    def standing(self, limit: int) -> Standing:
        return Standing(limit, max(0, int(limit - self.taken + _ROUNDING * limit)), self.taken * MINUTE_S / limit)


@dataclass
class _Account:
    used: int = 0
    held: int = 0  # tokens of requests under way that the budget has been counted down by
    requests: _Bucket = field(default_factory=_Bucket)
    tokens: _Bucket = field(default_factory=_Bucket)


@dataclass(frozen=True)
class _Held:
    key: str
    tokens: int
    limits: Limits
    at: float


@dataclass(frozen=True)
class _GivenUp:
    """What was charged for a request whose end nobody has told yet, and its key's tokens per minute."""

    tokens: int
    limit: int | None


class Ledger:
    """Who has taken how much.

    Args:
        used: tokens that each key has taken before.
        lifetime_s: a request that has not ended after this time is given up: its tokens count as taken.
        told: charges that are among what was used, by what they are known by, oldest first: the tokens of a request
            that was given up, None for one that has ended.
    """

    def __init__(
        self,
        used: Mapping[str, int] | None = None,
        lifetime_s: float = 3600.0,
        told: Mapping[str, int | None] | None = None,
    ) -> None:
        self._accounts = {key: _Account(used=tokens) for key, tokens in (used or {}).items()}
        self._held: dict[str, _Held] = {}  # by grant, oldest first
        self._lifetime_s = lifetime_s
        self._lost: list[Entry] = []
        # The last charges, oldest first; None for those that are final.
        self._told = {id: None if tokens is None else _GivenUp(tokens, None) for id, tokens in (told or {}).items()}

    def used(self, key: str) -> int:
        """Tokens that a key has taken; those of requests under way are not among them."""
        return self._account(key).used

    def recount(self, key: str, used: int) -> None:
        """Tokens that a key has taken, by somebody who knows better."""
        self._account(key).used = used

    def admit(self, grant: str, key: str, limits: Limits, tokens: int, now: float) -> Grant | Refusal:
        """Hold one request and `tokens` for it, or refuse and change nothing.

        Args:
            grant: a fresh id, with which `charge` will name this request. One that is asked for again, as where the
                first answer was lost, is held once; one that was charged already is not held any more.
            tokens: the most that it may take.
            now: seconds, from one clock for all calls.
        """
        self._give_up_lost(now)
        account = self._account(key)
        if grant in self._held or grant in self._told:
            return Grant(_standings(account, limits))
        refusal = _refusal(account, limits, tokens, now)
        if refusal is not None:
            return refusal
        if limits.requests_per_minute is not None:
            account.requests.taken += 1
        if limits.tokens_per_minute is not None:
            account.tokens.taken += tokens
        account.held += tokens
        self._held[grant] = _Held(key, tokens, limits, now)
        return Grant(_standings(account, limits))

    def charge(self, charge: Charge, now: float) -> Entry | None:
        """A request has ended and took `charge.tokens`; the rest of what was held is free again.

        A grant that is not known (the ledger was started anew) still counts as used. One that was given up had no more
        held than it was charged for then: what it took beyond that is charged now, and what it did not take given back.

        Returns:
            What is to be written down; None where the request has been charged before, and nothing changes.
        """
        told = charge.grant or charge.id
        if told not in self._told:
            self._take(charge, now)
            self._remember(told, None)
            return Entry(charge.key, int(charge.served), charge.tokens, told)
        given_up = self._told[told]
        if given_up is None:
            return None
        self._told[told] = None
        more = charge.tokens - given_up.tokens
        account = self._account(charge.key)
        account.used += more
        if more > 0 and given_up.limit is not None:
            account.tokens.settle(given_up.limit, now)
            account.tokens.taken += more  # had it taken less, the bucket would have refilled by that long ago
        return Entry(charge.key, int(charge.served) - 1, more, told)

    def _take(self, charge: Charge, now: float) -> None:
        account = self._account(charge.key)
        account.used += charge.tokens
        held = self._held.pop(charge.grant, None) if charge.grant is not None else None
        if held is None:
            return
        account.held -= held.tokens
        limit = held.limits.tokens_per_minute
        if limit is not None:
            account.tokens.settle(limit, now)
            spared: float = held.tokens - charge.tokens
            if spared > 0:
                # The bucket has refilled since: giving all of it back would let the key take that part twice.
                spared = max(0.0, spared - limit / MINUTE_S * max(0.0, now - held.at))
            account.tokens.taken = max(0.0, account.tokens.taken - spared)

    def _remember(self, told: str, given_up: _GivenUp | None) -> None:
        self._told[told] = given_up
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]

    def lost(self) -> list[Entry]:
        """What was charged, since the last call, for requests that nobody told the end of."""
        lost, self._lost = self._lost, []
        return lost

    def _account(self, key: str) -> _Account:
        return self._accounts.setdefault(key, _Account())

    def _give_up_lost(self, now: float) -> None:
        """Close requests whose gateway died before it could say what they took."""
        while self._held:
            grant, held = next(iter(self._held.items()))
            if now - held.at < self._lifetime_s:
                return
            self._take(Charge(held.key, held.tokens, grant), now)
            self._remember(grant, _GivenUp(held.tokens, held.limits.tokens_per_minute))
            self._lost.append(Entry(held.key, 1, held.tokens, grant, final=False))


def _refusal(account: _Account, limits: Limits, tokens: int, now: float) -> Refusal | None:
    per_minute = limits.tokens_per_minute
    if limits.requests_per_minute is not None:
        account.requests.settle(limits.requests_per_minute, now)
    if per_minute is not None:
        account.tokens.settle(per_minute, now)
    standings = _standings(account, limits)
    if limits.budget is not None and account.used + account.held + tokens > limits.budget:
        left = max(0, limits.budget - account.used - account.held)
        return Refusal("budget", limits.budget, tokens, left, None, standings)
    if per_minute is not None and tokens > per_minute:
        return Refusal("too_large", per_minute, tokens, per_minute, None, standings)
    waits: list[tuple[float, Reason, int, int, Standing]] = []
    if standings.requests is not None:
        limit = standings.requests.limit
        waits.append((account.requests.wait_s(1, limit), "requests", limit, 1, standings.requests))
    if standings.tokens is not None:
        limit = standings.tokens.limit
        waits.append((account.tokens.wait_s(tokens, limit), "tokens", limit, tokens, standings.tokens))
    if not waits:
        return None
    wait_s, reason, limit, asked, standing = max(waits, key=lambda entry: entry[0])
    return Refusal(reason, limit, asked, standing.remaining, wait_s, standings) if wait_s > 0 else None


def _standings(account: _Account, limits: Limits) -> Standings:
    requests, tokens = limits.requests_per_minute, limits.tokens_per_minute
    return Standings(
        None if requests is None else account.requests.standing(requests),
        None if tokens is None else account.tokens.standing(tokens),
    )
