"""The one ledger of a cluster: every gateway asks it before a request and tells it afterwards.

It is a Serve application of one replica, so limits hold over all gateways together, and it ends after them: requests
that end while a gateway drains are charged as well. What they took is written to a file; where the ledger itself dies,
Serve starts it anew, budgets go on from the file (at most what one write holds is forgotten, and nothing counts twice),
and the minute's buckets begin full again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

from pydantic import Field
from ray import serve

from danlu.config import Settings, validate
from danlu.errors import InputError, RunError
from serve_apps.gateway.charges import Charge, Entry, shortened
from serve_apps.gateway.limits import Grant, Ledger, Limits, Refusal
from serve_apps.gateway.usage import UsageFile

_ANSWER_WITHIN_S = 5.0
_PAUSE_S = 0.2
_LOST_S = 60.0
APPLICATION = _DEPLOYMENT = "ledger"

log = logging.getLogger("ray.serve")


class LedgerUnavailableError(RunError):
    """Limits can't be checked now; requests with limits are refused meanwhile."""

    retry_after_s = 1


class LedgerService(Protocol):
    """A ledger, here or elsewhere."""

    async def admit(self, grant: str, key: str, limits: Limits, tokens: int) -> Grant | Refusal: ...

    async def charge(self, charges: Sequence[Charge]) -> None: ...


class LocalLedger:
    """Keeps the ledger, and its file beside the event loop.

    Args:
        usage_file: see UsageFile; None forgets at the end.
        lifetime_s: see Ledger.
    """

    def __init__(self, usage_file: str | None, lifetime_s: float) -> None:
        self._file = None if usage_file is None else UsageFile(usage_file)
        used, told = {}, {}
        if self._file is not None:
            self._file.prepare()
            used = {name: usage.tokens for name, usage in self._file.read().items()}
            told = self._file.told()
        self._ledger = Ledger(used, lifetime_s, told)
        self._unwritten: list[Entry] = []
        self._writing: asyncio.Task[None] | None = None

    async def admit(self, grant: str, key: str, limits: Limits, tokens: int) -> Grant | Refusal:
        """See Ledger.admit."""
        answer = self._ledger.admit(grant, key, limits, tokens, time.monotonic())
        self._note(self._ledger.lost())
        return answer

    async def charge(self, charges: Sequence[Charge]) -> None:
        """See Ledger.charge. Returns before it is on disk."""
        entries = [self._ledger.charge(charge, time.monotonic()) for charge in charges]
        self._note([entry for entry in entries if entry is not None])

    def _note(self, entries: Sequence[Entry]) -> None:
        """Have entries written."""
        if self._file is None or not entries:
            return
        self._unwritten += entries
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Wait until everything is written, or can't be."""
        if self._writing is None:
            return
        await self._writing
        if self._unwritten:  # the last write failed
            await self._write()

    async def _write(self) -> None:
        """Write until nothing is left; what comes meanwhile goes with the next round."""
        while self._unwritten and self._file is not None:
            batch, self._unwritten = self._unwritten, []
            try:
                written = await asyncio.to_thread(self._file.add, batch)
            except InputError as error:
                log.error("the use of keys is kept in memory only: %s", error)
                self._unwritten = shortened(batch + self._unwritten)
                return
            # The ledger that this one takes the place of may have written since this one read the file.
            for entry in self._unwritten:
                if entry.key in written:
                    written[entry.key] += entry.tokens
            for key, tokens in written.items():
                self._ledger.recount(key, tokens)


class LedgerReplica(LocalLedger):
    """The ledger as a deployment."""

    async def __del__(self) -> None:
        """Serve's own hook, before the replica ends."""
        if hasattr(self, "_writing"):  # else the constructor failed
            await self.close()


class RemoteLedger:
    """The ledger over Serve's handle. It is looked for at the first question, as it may start later."""

    @cached_property
    def _handle(self) -> Any:
        return serve.get_deployment_handle(_DEPLOYMENT, APPLICATION)

    async def admit(self, grant: str, key: str, limits: Limits, tokens: int) -> Grant | Refusal:
        """See Ledger.admit.

        Raises:
            LedgerUnavailableError: it does not answer.
        """
        return await self._ask("admit", grant, key, limits, tokens)

    async def charge(self, charges: Sequence[Charge]) -> None:
        """See Ledger.charge; raises as `admit` does."""
        await self._ask("charge", list(charges))

    async def _ask(self, method: str, *arguments: object) -> Any:
        from ray.exceptions import RayActorError
        from ray.serve.exceptions import RayServeException

        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                while True:
                    try:
                        return await getattr(self._handle, method).remote(*arguments)
                    except RayActorError:  # Serve starts another at once
                        await asyncio.sleep(_PAUSE_S)
        except (TimeoutError, RayServeException) as error:
            raise _unavailable() from error


def lost_after_s(timeout_s: float) -> float:
    """Seconds after which a request is given up: one that has not ended by then never will, its gateway has died."""
    return timeout_s + _LOST_S


class LedgerConfig(Settings):
    """What the ledger is built from."""

    usage_file: str | None = Field(default=None, description="where the tokens that keys took are kept")
    lifetime_s: float = Field(gt=0, description="seconds after which a request is given up whose end nobody tells")


def build(config: dict[str, Any]) -> serve.Application:
    """Serve's entry point (`serve_apps.gateway.ledger:build`): on the cluster's head node, where the file is."""
    settings = validate(LedgerConfig, config)
    deployment = serve.deployment(
        name=_DEPLOYMENT,
        num_replicas=1,
        max_ongoing_requests=10_000,
        health_check_period_s=2.0,
        graceful_shutdown_timeout_s=10.0,
        ray_actor_options={"num_cpus": 0, "resources": {"node:__internal_head__": 0.001}},
    )(LedgerReplica)
    return deployment.bind(settings.usage_file, settings.lifetime_s)


def _unavailable() -> LedgerUnavailableError:
    return LedgerUnavailableError("limits can't be checked", rule="the ledger of keys does not answer")
