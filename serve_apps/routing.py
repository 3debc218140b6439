"""Which replica gets a request, on Serve's hook for request routers: every process that asks a model has its own."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ray.serve.config import RequestRouterConfig
from ray.serve.request_router import PendingRequest, ReplicaID, RequestRouter, RunningReplica

from actors.engines.protocol import GenerationRequest
from serve_apps.prefixes import PrefixIndex, block_hashes, choose, with_room
from serve_apps.sharing import Sharing
from serve_apps.waiting_line import WaitingLine

# Serve sends a request right after it was chosen for; one that is not sent by then has been cancelled.
_SENT_WITHIN_S = 1.0
# Where all are full, one that waits asks replicas so often whether another process's requests have ended; this often
# at first, twice as often once it has waited for so long, and so on to the last: else the process that has filled the
# replicas, which hears of each end at once, keeps them.
_LOOK_AGAIN_S = 0.1
_HURRY_S = 0.1
_LEAST_PAUSE_S = 0.01
# Replicas that are asked at once then.
_LOOKED_AT = 8
# A place that is left to other processes is left for about so long: they look for it as often as above.
_LEFT_S = 0.015
# Serve's own pause after a replica has turned out to be full. Nothing wakes a request from it.
_PAUSE_S = 0.005


def router_config(most_ahead: int | None = None, remembered: int = 0) -> RequestRouterConfig:
    """The deployment's choice of this router.

    Args:
        most_ahead: requests that a replica that has read a prompt's beginning may have more than the idlest one;
            None: the less loaded of two at random, whatever they have read.
        remembered: blocks of prompts that a process remembers.
    """
    config: Any = RequestRouterConfig  # its annotations are those of Serve's own defaults
    kwargs = {} if most_ahead is None else {"most_ahead": most_ahead, "remembered": remembered}
    return config(
        request_router_class="serve_apps.routing.ModelRouter",
        request_router_kwargs=kwargs,
        initial_backoff_s=_PAUSE_S,
        max_backoff_s=_PAUSE_S,
    )


class ModelRouter(RequestRouter):
    """Sends a request as soon as a replica has room, and prompts that begin alike to one replica where asked to.

    Serve's own routers wait up to half a second when all replicas are full, two requests at a time: a burst then
    leaves replicas idle while requests queue, and the queue never gets shorter. This one is woken by what ends.

    What it knows of prompts is what it has sent itself: several gateways each learn for themselves. It is a guess, as
    an engine may have dropped what it had read; a wrong one costs the reading of a prompt.
    """

    def initialize_state(self, **kwargs: Any) -> None:
        """Serve's hook.

        Args:
            kwargs: see router_config.
        """
        self._most_ahead: int = kwargs.get("most_ahead", 0)
        self._index: PrefixIndex[ReplicaID] | None = PrefixIndex(kwargs["remembered"]) if kwargs else None
        self._unsent: dict[str, tuple[PendingRequest, ReplicaID, float]] = {}  # the replica chosen, and when
        self._ongoing: Counter[ReplicaID] = Counter()
        self._line = WaitingLine()
        self._sharing: Sharing[ReplicaID] = Sharing()
        self._look: asyncio.TimerHandle | None = None

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        super().update_replicas(replicas)
        if self._index is not None:
            self._index.keep(set(self.curr_replicas))
        for gone in set(self._ongoing) - set(self.curr_replicas):
            del self._ongoing[gone]
            self._sharing.forget(gone)
        self._wake()

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """The replica to ask first, then another in case it is full. Waits for room, though not for long."""
        if pending_request is not None:
            pending_request.routing_context.should_backoff = True  # else Serve asks again without a pause
            self._unsent.pop(pending_request.metadata.internal_request_id, None)  # the one chosen before was full
        roomy, blind = await self._room(pending_request)
        if not roomy:
            return []
        pair = random.sample(list(roomy), min(2, len(roomy)))
        hashes: list[bytes] = []
        if pending_request is not None and self._index is not None:
            hashes = block_hashes(prompt_of(pending_request.args))
        having = self._index.longest(hashes)[1] if self._index is not None else ()
        first = choose(having, roomy, self._most_ahead, pair)
        if self._index is not None and not blind:
            self._index.add(hashes, first)
        if pending_request is not None and not blind:  # else one that waits on would keep others from a place
            self._unsent[pending_request.metadata.internal_request_id] = pending_request, first, time.monotonic()
        replicas, limits = self.curr_replicas, self._limits()
        # Full by hearsay: Serve asks them beside, for what other processes had there may have ended long ago.
        doubted = [
            replica
            for replica in replicas
            if replica != first and (blind or replica not in roomy) and self._ongoing[replica] < limits[replica]
        ]
        asked = [first, *random.sample(doubted, min(_LOOKED_AT - 1 if blind else 1, len(doubted)))]
        return [[replicas[one] for one in asked], [replicas[replica] for replica in pair if replica != first]]

    async def _room(self, request: PendingRequest | None) -> tuple[dict[ReplicaID, int], bool]:
        """Requests under way of the replicas with room, once it is this request's turn; or of all, if it is to look.

        Serve then asks those itself, and the answer is True.
        """
        since = float("inf") if request is None else request.created_at
        while True:
            turn = self._line.join(since)
            self._wake()
            took = False
            try:
                placed = await turn.called
                loads = self._loads()
                roomy = self._roomy(loads)
                if took := placed and bool(roomy):
                    return roomy, False
                if not placed:
                    return loads, True
            finally:
                self._line.leave(turn)
                if not took:
                    self._wake()  # its place is another one's

    def on_send_request(self, replica_id: ReplicaID) -> None:
        """Serve's hook: from here on Serve counts the request."""
        super().on_send_request(replica_id)
        self._ongoing[replica_id] += 1
        # Serve does not say which request it is, yet has given that one this replica, perhaps not the one chosen.
        for request_id, (request, _, _) in self._unsent.items():
            if given(request) == replica_id:
                del self._unsent[request_id]
                return

    def on_request_routed(self, pending_request: PendingRequest, replica_id: ReplicaID, result: Any) -> None:
        """Serve's hook: the first choice may have been full."""
        self._unsent.pop(pending_request.metadata.internal_request_id, None)
        if self._index is not None:
            self._index.add(block_hashes(prompt_of(pending_request.args)), replica_id)

    def on_new_queue_len_info(self, replica_id: ReplicaID, num_ongoing_requests: int) -> None:
        """Serve's hook: what a replica says when it takes a request or turns it away."""
        super().on_new_queue_len_info(replica_id, num_ongoing_requests)
        self._sharing.heard(replica_id, num_ongoing_requests - self._ongoing[replica_id])
        self._wake()

    def on_request_completed(self, replica_id: ReplicaID, internal_request_id: str) -> None:
        """Serve's hook: also for requests that a full replica has turned away."""
        super().on_request_completed(replica_id, internal_request_id)
        if self._ongoing[replica_id] > 0:
            self._ongoing[replica_id] -= 1

    def decrement_queue_len_cache(self, replica_id: ReplicaID) -> None:
        """Serve calls this when an answer has ended; only then does its count show the room."""
        super().decrement_queue_len_cache(replica_id)
        if self._line:
            own, pause = self._ongoing[replica_id], _LEFT_S * random.uniform(0.7, 1.3)
            others = (self.replica_queue_len_cache.get(replica_id) or 0) - own
            if self._sharing.leaves(replica_id, own, others, time.monotonic() + pause):
                asyncio.get_running_loop().call_later(pause + 0.001, self._wake)
        self._wake()

    def _loads(self) -> dict[ReplicaID, int]:
        """Requests under way of each replica: as Serve last heard, at least what this process has sent; the unsent."""
        heard = self.replica_queue_len_cache
        loads = {replica: max(heard.get(replica) or 0, self._ongoing[replica]) for replica in self.curr_replicas}
        # Of a burst, all are chosen for before the first is sent, and Serve counts what is sent.
        now = time.monotonic()
        for request_id, (request, replica, since) in list(self._unsent.items()):
            if request.future.cancelled() or now - since > _SENT_WITHIN_S:
                del self._unsent[request_id]
            elif replica in loads:
                loads[replica] += 1
        return loads

    def _roomy(self, loads: Mapping[ReplicaID, int]) -> dict[ReplicaID, int]:
        now = time.monotonic()
        roomy = with_room(loads, self._limits())
        return {replica: load for replica, load in roomy.items() if not self._sharing.left(replica, now)}

    def _limits(self) -> dict[ReplicaID, int]:
        return {replica_id: replica.max_ongoing_requests for replica_id, replica in self.curr_replicas.items()}

    def _wake(self) -> None:
        """Let as many of those who wait go as there are places, and the next look for one in a while."""
        if not self._line:
            return
        limits = self._limits()
        self._line.call(sum(limits[replica] - load for replica, load in self._roomy(self._loads()).items()))
        if self._line and self._look is None:
            pause = _LOOK_AGAIN_S
            if any(self._ongoing[replica] < limit for replica, limit in limits.items()):
                waited_s = max(0.0, time.time() - self._line.oldest)  # a turn of no request is as old as none
                pause = max(pause / (1 + waited_s / _HURRY_S), _LEAST_PAUSE_S)
            # Else all are full of this process's own requests, and of their ends it hears.
            self._look = asyncio.get_running_loop().call_later(pause * random.uniform(0.7, 1.3), self._look_again)

    def _look_again(self) -> None:
        """Another process's requests may have ended, of which this one hears nothing: one that waits asks for all."""
        self._look = None
        self._wake()
        self._line.call_without_place()
        self._wake()


def given(request: PendingRequest) -> ReplicaID | None:
    """The replica that Serve has found for a request."""
    future = request.future
    return future.result().replica_id if future.done() and not future.cancelled() else None


def prompt_of(arguments: Sequence[Any]) -> str:
    """The text that a call of EngineReplica gives the engine to read, its adapter first; empty for other calls."""
    for argument in arguments:
        if isinstance(argument, GenerationRequest):
            return f"{argument.adapter or ''}\n{argument.prompt}"
        if isinstance(argument, list) and argument and isinstance(argument[0], Mapping):
            adapter = arguments[3] if len(arguments) > 3 and isinstance(arguments[3], str) else ""
            return f"{adapter}\n" + "\n".join(f"{turn.get('role')}: {turn.get('content')}" for turn in argument)
    return ""
