"""How many replicas a model should have, from its load. Arithmetic, and its place on Serve's policy hook.

Serve's controller runs this where danlu need not be installed, so nothing of danlu's is imported here.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.serve.config import AutoscalingContext

KV_USE = "kv_use"
FIRST_TOKEN_S = "first_token_s"
# A replica is given up only where those that stay keep this share of their target free.
SLACK = 0.1
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Targets:
    """What autoscaling aims at; None leaves a signal out.

    Attributes:
        ongoing: requests per replica, those that wait included.
        kv_use: share of its KV cache that a replica uses.
        first_token_s: seconds until the first token.
    """

    ongoing: float
    kv_use: float | None = None
    first_token_s: float | None = None


@dataclass(frozen=True)
class Load:
    """What is measured, over a window of time.

    Attributes:
        running: replicas that take requests.
        target: replicas that there are to be; more than `running` while some start.
        ongoing: requests of the model, those that wait for a replica included.
        kv_use: sum of the replicas' used shares of their KV caches.
        first_token_s: mean over the replicas; None when unknown, or measured with another number of replicas.
    """

    running: int
    target: int
    ongoing: float
    kv_use: float = 0.0
    first_token_s: float | None = None


@dataclass(frozen=True)
class Limit:
    """What late first tokens have taught: so many requests are what a replica can take.

    It is forgotten once the model's load is half of what it was then, so that a load that stays is never tried again
    with fewer replicas.
    """

    per_replica: float
    ongoing: float


def wanted_replicas(load: Load, targets: Targets, limit: Limit | None = None) -> tuple[int, Limit | None]:
    """Replicas that the load asks for (Serve keeps them within min and max), and the limit to give the next time.

    Each signal asks for a number of replicas, the largest wins: requests / target, summed KV use / target, and requests
    / limit where first tokens were late. More are wanted at once, fewer only with SLACK to spare. No time is in this:
    Serve waits `up_after_s` and `down_after_s` before it follows.
    """
    limit = learned(load, targets, limit)
    per_replica = targets.ongoing if limit is None else min(targets.ongoing, limit.per_replica)
    need = load.ongoing / per_replica
    if targets.kv_use is not None:
        need = max(need, load.kv_use / targets.kv_use)
    if _whole(need) >= load.target:
        return _whole(need), limit
    return min(load.target, _whole(need / (1 - SLACK))), limit


def _whole(need: float) -> int:
    """Whole replicas; one for the least load, none only without any."""
    return max(math.ceil(need - _ROUNDING), int(need > 0))


def learned(load: Load, targets: Targets, limit: Limit | None) -> Limit | None:
    """The limit after this measurement: lower when first tokens are late, higher when more requests than that are fine.

    It is never below one request: a request that is alone on a replica gains nothing from another replica. One
    measurement lowers the load of a replica to half at most.
    """
    if limit is not None and load.ongoing < limit.ongoing / 2:
        limit = None
    if targets.first_token_s is None or load.first_token_s is None or not load.running:
        return limit
    held = load.ongoing / load.running
    if load.first_token_s > targets.first_token_s:
        lower = max(1.0, held * max(0.5, targets.first_token_s / load.first_token_s))
        known = targets.ongoing if limit is None else limit.per_replica
        return Limit(lower, load.ongoing) if lower < known else limit
    if limit is not None and held > limit.per_replica:
        return Limit(held, limit.ongoing)
    return limit


class FirstTokens:
    """Seconds until the first token, of the requests of one replica in the last `window_s`.

    Requests that still wait count with the time that they have waited: a replica that is stuck sends no first tokens.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._tickets = itertools.count()
        self._waiting: dict[int, float] = {}
        self._seen: deque[tuple[float, float]] = deque()

    def asked(self, now: float) -> int:
        """A request has come; returns its ticket."""
        ticket = next(self._tickets)
        self._waiting[ticket] = now
        return ticket

    def begun(self, ticket: int, now: float) -> None:
        """A token of it has left; only the first one counts."""
        asked = self._waiting.pop(ticket, None)
        if asked is not None:
            self._seen.append((now, now - asked))
            self._forget(now)  # here too: where the number of replicas is fixed, nobody asks for the typical time

    def ended(self, ticket: int) -> None:
        """It has ended, with or without a token."""
        self._waiting.pop(ticket, None)

    def typical_s(self, now: float) -> float | None:
        """The 90th percentile; None when there was no request."""
        self._forget(now)
        seconds = sorted([seconds for _, seconds in self._seen] + [now - asked for asked in self._waiting.values()])
        return seconds[math.ceil(0.9 * len(seconds)) - 1] if seconds else None

    def _forget(self, now: float) -> None:
        while self._seen and self._seen[0][0] < now - self._window_s:
            self._seen.popleft()


class ReplicaPolicy:
    """`wanted_replicas` as Serve's controller calls it, about ten times a second.

    Args:
        window_s: first tokens are looked at once the number of replicas has stood for so long.
    """

    def __init__(
        self, ongoing: float, window_s: float, kv_use: float | None = None, first_token_s: float | None = None
    ) -> None:
        self._targets = Targets(ongoing, kv_use, first_token_s)
        self._window_s = window_s

    def __call__(self, ctx: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        now = ctx.current_time or 0.0
        state = dict(ctx.policy_state)
        running, target = ctx.current_num_replicas, ctx.target_num_replicas
        if running != target or state.get("replicas") != running:
            state |= {"replicas": running, "since": now}
        measured: Mapping[str, Mapping[Any, float]] = {}
        if self._targets.kv_use is not None or self._targets.first_token_s is not None:
            measured = ctx.aggregated_metrics or {}
        first = list(measured.get(FIRST_TOKEN_S, {}).values()) if now - state["since"] >= self._window_s else []
        load = Load(
            running=running,
            target=target,
            ongoing=ctx.total_num_requests,
            kv_use=sum(measured.get(KV_USE, {}).values()),
            first_token_s=sum(first) / len(first) if first else None,
        )
        wanted, state["limit"] = wanted_replicas(load, self._targets, state.get("limit"))
        return wanted, state
