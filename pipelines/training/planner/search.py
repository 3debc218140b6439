"""All ways of training a workload on a cluster that fit its memory, best first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pipelines.training.planner.cluster import Cluster
from pipelines.training.planner.memory import Memory, memory_of, usable_bytes
from pipelines.training.planner.rules import refusal
from pipelines.training.planner.time import StepTime, step_time
from pipelines.training.planner.traffic import Flow, flows_of
from pipelines.training.planner.workload import Choice, Recompute, Workload

_MOST_MICRO = 64
_DAY_S = 86_400
_FEW_CARDS = 32


@dataclass(frozen=True)
class Plan:
    """One choice and what it costs.

    Attributes:
        efficiency: weak scaling: tokens per second and card, over those of the same choice with as few replicas as fill
            one node (or more, where one node's memory is too small), on `reference_cards` cards and as many sequences
            per replica.
    """

    workload: Workload
    choice: Choice
    cluster: Cluster
    memory: Memory
    time: StepTime
    flows: tuple[Flow, ...]
    efficiency: float
    reference_cards: int

    def scales(self, least: float) -> bool:
        """Whether the efficiency is known, from a smaller number of cards, and at least this."""
        return self.reference_cards < self.choice.cards and self.efficiency >= least

    @property
    def tokens_per_s(self) -> float:
        """Of all cards."""
        return self.workload.step_tokens / self.time.total

    def days(self, tokens: float) -> float:
        """To train on so many tokens, without stops."""
        return tokens / self.tokens_per_s / _DAY_S

    def tokens_in(self, days: float) -> float:
        """Trained on in so many days."""
        return self.tokens_per_s * days * _DAY_S

    def cost(self, days: float) -> float | None:
        """Of all cards for so many days."""
        price = self.cluster.price_per_card_hour
        return None if price is None else price * self.choice.cards * days * 24


@dataclass(frozen=True)
class Found:
    """What a search saw.

    Attributes:
        plans: that fit, the quickest step first; one per grid and ZeRO stage, with its best micro-batch and
            recomputation.
        tried: choices that could be trained if memory had no end.
        leanest: of those, the one that needs least memory.
    """

    plans: tuple[Plan, ...]
    tried: int
    leanest: tuple[Choice, Memory] | None


@dataclass(frozen=True)
class Limits:
    """What is fixed beforehand; None leaves it open."""

    micro: int | None = None
    recompute: Recompute | None = None
    zero: int | None = None


def search(workload: Workload, cluster: Cluster, limits: Limits | None = None) -> Found:
    """Every choice that uses all cards."""
    best: dict[tuple[int, ...], tuple[Choice, Memory, StepTime]] = {}
    leanest: tuple[Choice, Memory] | None = None
    tried = 0
    for choice in choices(workload, cluster, limits or Limits()):
        tried += 1
        memory = memory_of(workload, choice)
        if leanest is None or memory.total < leanest[1].total:
            leanest = choice, memory
        if memory.total > usable_bytes(cluster):
            continue
        time = step_time(workload, choice, cluster)
        grid = (choice.data, choice.pipeline, choice.tensor, choice.expert, choice.zero)
        known = best.get(grid)
        if known is None or _order(time, memory) < _order(known[2], known[1]):
            best[grid] = choice, memory, time
    ranked = sorted(best.values(), key=lambda entry: _order(entry[2], entry[1]))
    plans = tuple(_plan(workload, choice, cluster, memory, time) for choice, memory, time in ranked)
    return Found(plans, tried, leanest)


def search_fewer(workload: Workload, cluster: Cluster, limits: Limits, fits: Callable[[Plan], bool]) -> Plan | None:
    """The quickest plan that `fits`, on all cards or, where their number suits the batch badly, on fewer.

    Of many cards, those are taken of which as many as possible can be used.
    """
    best: Plan | None = None
    for cards in range(cluster.cards, 0, -1):
        if best is not None and (cluster.cards > _FEW_CARDS or 2 * cards <= best.choice.cards):
            break
        plan = next(filter(fits, search(workload, cluster.of(cards), limits).plans), None)
        if plan is not None and (best is None or plan.time.total < best.time.total):
            best = plan
    return best


def choices(workload: Workload, cluster: Cluster, limits: Limits) -> Iterator[Choice]:
    """What can be trained on all cards, whatever the memory. Tensor parallelism stays within a node: it talks most."""
    for tensor in _divisors(cluster.cards):
        if tensor > cluster.cards_per_node or cluster.cards_per_node % tensor:
            continue
        for pipeline in _divisors(cluster.cards // tensor):
            data = cluster.cards // (tensor * pipeline)
            for expert in _divisors(data) if workload.sizes.experts else [1]:
                grid = Choice(data=data, pipeline=pipeline, tensor=tensor, expert=expert)
                yield from _variants(workload, grid, limits)


def _variants(workload: Workload, grid: Choice, limits: Limits) -> Iterator[Choice]:
    share, rest = divmod(workload.sequences, grid.data)
    if rest:
        return
    micros = [size for size in _divisors(share) if size <= _MOST_MICRO] if limits.micro is None else [limits.micro]
    recomputes: list[Recompute] = ["none", "full"] if limits.recompute is None else [limits.recompute]
    # One replica has nothing to shard; bf16 asks for stage 1 even so.
    stages = [0, 1] if grid.data == 1 else [0, 1, 2, 3]
    for zero in stages if limits.zero is None else [limits.zero]:
        for micro in micros:
            for recompute in recomputes:
                choice = replace(grid, zero=zero, micro=micro, recompute=recompute)
                if refusal(choice, workload) is None:
                    yield choice


def _order(time: StepTime, memory: Memory) -> tuple[float, float]:
    # Steps within a hundredth of a percent are as quick: less memory is then the better plan.
    return float(f"{time.total:.4g}"), memory.total


def _plan(workload: Workload, choice: Choice, cluster: Cluster, memory: Memory, time: StepTime) -> Plan:
    reference = reference_choice(workload, choice, cluster)
    fewer = replace(workload, sequences=workload.sequences * reference.data // choice.data)
    alone = step_time(fewer, reference, cluster)
    # As many sequences per replica, so as long a step is as many tokens per card.
    efficiency = min(1.0, alone.total / time.total)
    flows = tuple(flows_of(workload, choice, cluster))
    return Plan(workload, choice, cluster, memory, time, flows, efficiency, reference.cards)


def reference_choice(workload: Workload, choice: Choice, cluster: Cluster) -> Choice:
    """The same with as few replicas as fill a node and fit (of one node or less: as fit)."""
    least = cluster.cards_per_node if choice.cards > cluster.cards_per_node else 1
    for data in _divisors(choice.data):
        fewer = replace(choice, data=data)
        if fewer.cards < least or data % choice.expert:
            continue
        part = replace(workload, sequences=workload.sequences * data // choice.data)
        if memory_of(part, fewer).total <= usable_bytes(cluster):
            return fewer
    return choice


def _divisors(number: int) -> list[int]:
    small = [size for size in range(1, int(number**0.5) + 1) if number % size == 0]
    return sorted({*small, *(number // size for size in small)})
