"""Prefix-aware routing on Serve's hook for request routers: every process that asks a model has one of these."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ray.serve.request_router import PendingRequest, ReplicaID, RequestRouter, RunningReplica

from actors.engines.protocol import GenerationRequest
from serve_apps.prefixes import PrefixIndex, block_hashes, choose

# Serve sends a request right after it was chosen for; one that is not sent by then has been cancelled.
_SENT_WITHIN_S = 1.0


class PrefixRouter(RequestRouter):
    """Sends prompts that begin alike to one replica, as long as it is not too far ahead of the idlest.

    What it knows is what it has sent itself: several gateways each learn for themselves. It is a guess, as an engine
    may have dropped what it had read; a wrong one costs the reading of a prompt.
    """

    def initialize_state(self, **kwargs: Any) -> None:
        """Serve's hook.

        Args:
            kwargs: `request_router_kwargs` of the deployment: most_ahead (requests) and remembered (blocks).
        """
        self._most_ahead: int = kwargs["most_ahead"]
        self._index: PrefixIndex[ReplicaID] = PrefixIndex(kwargs["remembered"])
        self._unsent: dict[str, tuple[ReplicaID, float]] = {}

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        super().update_replicas(replicas)
        self._index.keep(set(self.curr_replicas))

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """The replica to ask first, then two others in case it is full."""
        replicas = {replica.replica_id: replica for replica in candidate_replicas}
        if not replicas:
            return []
        cache = self.replica_queue_len_cache
        loads = {replica: cache.get(replica) or 0 for replica in replicas}
        # Of a burst, all are chosen for before the first is sent, and Serve counts what is sent.
        now = time.monotonic()
        for request_id, (replica, since) in list(self._unsent.items()):
            if now - since > _SENT_WITHIN_S:
                del self._unsent[request_id]
            elif replica in loads:
                loads[replica] += 1
        pair = random.sample(list(replicas), min(2, len(replicas)))
        hashes: list[bytes] = []
        if pending_request is not None:
            pending_request.routing_context.should_backoff = True  # else Serve asks again without a pause
            hashes = block_hashes(prompt_of(pending_request.args))
        first = choose(self._index.longest(hashes)[1], loads, self._most_ahead, pair)
        self._index.add(hashes, first)
        if pending_request is not None:
            self._unsent[pending_request.metadata.internal_request_id] = first, now
        return [[replicas[first]], [replicas[replica] for replica in pair if replica != first]]

    def on_send_request(self, replica_id: ReplicaID) -> None:
        """Serve's hook: from here on Serve counts the request."""
        super().on_send_request(replica_id)
        sent = next((request_id for request_id, (chosen, _) in self._unsent.items() if chosen == replica_id), None)
        if sent is not None:
            del self._unsent[sent]

    def on_request_routed(self, pending_request: PendingRequest, replica_id: ReplicaID, result: Any) -> None:
        """Serve's hook: the first choice may have been full."""
        self._index.add(block_hashes(prompt_of(pending_request.args)), replica_id)


def prompt_of(arguments: Sequence[Any]) -> str:
    """The text that a call of EngineReplica gives the engine to read, its adapter first; empty for other calls."""
    for argument in arguments:
        if isinstance(argument, GenerationRequest):
            return f"{argument.adapter or ''}\n{argument.prompt}"
        if isinstance(argument, list) and argument and isinstance(argument[0], Mapping):
            adapter = arguments[3] if len(arguments) > 3 and isinstance(arguments[3], str) else ""
            return f"{adapter}\n" + "\n".join(f"{turn.get('role')}: {turn.get('content')}" for turn in argument)
    return ""
