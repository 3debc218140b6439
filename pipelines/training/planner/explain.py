"""A search's result in words: the table, why its first row is best, and what a given number of days is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pipelines.training.planner.cluster import GIB, Cluster
from pipelines.training.planner.memory import usable_bytes
from pipelines.training.planner.search import Found, Plan
from pipelines.training.planner.traffic import wire_bytes_between_nodes, wire_bytes_within_nodes
from pipelines.training.planner.units import aligned, count, size
from pipelines.training.planner.workload import Choice, Workload

SHOWN = 10
_CHINCHILLA = 20  # tokens per parameter (arXiv 2203.15556)
_FAR_ZERO_3 = 256
_DAY_S = 86_400


def describe(workload: Workload, cluster: Cluster) -> list[str]:
    """What was asked, with everything derived."""
    sizes = workload.sizes
    lines = [
        f"network   {count(workload.parameters)} parameters, {sizes.layers} layers of width {sizes.hidden}, "
        f"{workload.precision}",
        f"step      {workload.sequences:,} sequences of {workload.length:,} tokens ({count(workload.step_tokens)})",
        f"cluster   {cluster.cards:,} x {cluster.card.name}, {cluster.cards_per_node} per node, "
        f"{usable_bytes(cluster) / GIB:.1f} of {cluster.card.memory_bytes / GIB:.4g} GiB usable, "
        f"{size(cluster.intra_bytes_per_s)}/s within a node, {size(cluster.inter_bytes_per_s)}/s between",
    ]
    if cluster.card.note:
        lines.append(f"          {cluster.card.note}")
    return lines


def table(plans: Sequence[Plan], tokens: float | None, days: float | None, shown: int = SHOWN) -> list[str]:
    """One line per plan, best first. `far` and `near` are what a card sends per step between and within nodes."""
    columns = _columns(plans, tokens, days)
    rows = [list(columns)]
    rows += [[cell(plan) for cell in columns.values()] for plan in plans[:shown]]
    return aligned(rows)


def _columns(plans: Sequence[Plan], tokens: float | None, days: float | None) -> dict[str, Callable[[Plan], str]]:
    columns: dict[str, Callable[[Plan], str]] = {
        "data": lambda plan: str(plan.choice.data),
        "pipeline": lambda plan: str(plan.choice.pipeline),
        "tensor": lambda plan: str(plan.choice.tensor),
    }
    if any(plan.choice.expert > 1 for plan in plans):
        columns["expert"] = lambda plan: str(plan.choice.expert)
    columns |= {
        "zero": lambda plan: str(plan.choice.zero),
        "micro": lambda plan: str(plan.choice.micro),
        "recompute": lambda plan: "yes" if plan.choice.recompute == "full" else "no",
        "GiB/card": lambda plan: f"{plan.memory.total / GIB:.1f}",
        "step s": lambda plan: f"{plan.time.total:.3g}",
        "MFU": lambda plan: f"{100 * plan.time.mfu:.1f}%",
        "bubble": lambda plan: f"{100 * plan.time.bubble_share:.0f}%",
        "waits": lambda plan: f"{100 * (plan.time.communication + plan.time.stragglers) / plan.time.total:.0f}%",
        "far": lambda plan: size(wire_bytes_between_nodes(list(plan.flows))),
        "near": lambda plan: size(wire_bytes_within_nodes(list(plan.flows))),
        # Against itself it says nothing.
        "weak": lambda plan: f"{100 * plan.efficiency:.1f}%" if plan.scales(0) else "-",
        "of": lambda plan: str(plan.reference_cards),
    }
    if tokens is not None:
        columns["days"] = lambda plan: f"{plan.days(tokens):.3g}"
    if days is not None:
        columns["tokens"] = lambda plan: count(plan.tokens_in(days))
    if (tokens is not None or days is not None) and plans[0].cluster.price_per_card_hour is not None:
        columns["cost"] = lambda plan: f"{plan.cost(_days(plan, tokens, days)):,.0f}"
    return columns


def _days(plan: Plan, tokens: float | None, days: float | None) -> float:
    return days if days is not None else plan.days(tokens or 0.0)


def reasons(found: Found) -> list[str]:
    """Why the first plan is best, and what keeps the usual alternatives behind it."""
    best = found.plans[0]
    lines = [f"Best: {name(best.choice)}. Of a step, {_shares(best)}."]
    alternatives = {
        "data parallelism with ZeRO-3 alone": lambda c: c.zero == 3 and c.pipeline == c.tensor == c.expert == 1,
        "data parallelism with ZeRO-1 alone": lambda c: c.zero == 1 and c.pipeline == c.tensor == c.expert == 1,
        "the best with tensor parallelism": lambda c: c.tensor > 1,
        "the best with a pipeline": lambda c: c.pipeline > 1,
        "the best with expert parallelism": lambda c: c.expert > 1,
    }
    for what, meant in alternatives.items():
        plan = next((plan for plan in found.plans if meant(plan.choice)), None)
        if plan is best or (plan is None and "expert" in what):
            continue
        if plan is None:
            lines.append(f"- {what}: none fits, or none is as efficient as asked.")
        else:
            slower = 100 * (plan.time.total / best.time.total - 1)
            lines.append(f"- {what} ({name(plan.choice)}) takes {slower:.0f}% longer: {_shares(plan)}.")
    lines += _cautions(best)
    return lines


def _cautions(plan: Plan) -> list[str]:
    lines = []
    if plan.choice.zero == 3 and plan.choice.data > _FAR_ZERO_3:
        lines.append(
            f"- Caution: ZeRO-3 over {plan.choice.data} cards. Runs of that size have been published both as quick as "
            "this (FSDP, 2024) and several times slower (DeepSpeed, 2021): measure a few steps first."
        )
    return lines


def name(choice: Choice) -> str:
    """A choice by its config keys, those that are not 1."""
    axes = {axis: getattr(choice, axis) for axis in ("data", "pipeline", "tensor", "expert")}
    parts = [f"{axis} {size_}" for axis, size_ in axes.items() if size_ > 1] or ["one card"]
    return f"{' x '.join(parts)}, ZeRO-{choice.zero}, micro-batch {choice.micro}" + (
        ", recomputation" if choice.recompute == "full" else ""
    )


def _shares(plan: Plan) -> str:
    time = plan.time
    parts = {
        "computes": time.compute,
        "waits for the slowest node": time.stragglers,
        "waits in the pipeline's bubble": time.bubble,
        "waits for tensor-parallel sums": time.tensor,
        "waits for experts": time.expert,
        "waits for other stages": time.pipeline,
        "waits for other replicas": time.data,
        "updates weights": time.optimizer,
    }
    said = [
        f"{100 * seconds / time.total:.0f}% {what}" for what, seconds in parts.items() if seconds > 0.005 * time.total
    ]
    return ", ".join(said)


def nothing_fits(found: Found, cluster: Cluster) -> tuple[str, str]:
    """(rule, fix) where no plan fits."""
    usable = usable_bytes(cluster) / GIB
    if found.leanest is None:
        return (
            "no layout can deal out the sequences and cut the network for so many cards",
            "change cluster.cards or batch.sequences to numbers with more divisors in common",
        )
    choice, memory = found.leanest
    return (
        f"the leanest layout ({name(choice)}) needs {memory.total / GIB:.1f} GiB per card, {usable:.1f} GiB are usable",
        "use more cards, cards with more memory, shorter sequences, or fewer sequences per step and micro-batch",
    )


def budget(workload: Workload, cluster: Cluster, days: float) -> list[str]:
    """What so many days are worth at several utilisations, and which one 20 tokens per parameter would need."""
    peak = cluster.cards * cluster.card.peak_flops(workload.precision) * days * _DAY_S
    per_token, parameters = workload.model_flops_per_token, workload.parameters
    lines = [f"{days:g} days of {cluster.cards:,} x {cluster.card.name}, at {per_token / 1e9:.4g} GFLOP per token:"]
    for share in (0.40, 0.45, 0.50):
        tokens = share * peak / per_token
        lines.append(f"- at {100 * share:.0f}% MFU {count(tokens)} tokens, {tokens / parameters:.2g} per parameter")
    wanted = _CHINCHILLA * parameters
    lines.append(
        f"- {_CHINCHILLA} tokens per parameter ({count(wanted)}; Hoffmann et al., arXiv 2203.15556) would need "
        f"{100 * wanted * per_token / peak:.0f}% MFU"
    )
    return lines


def as_data(plan: Plan, tokens: float | None, days: float | None) -> dict[str, Any]:
    """A plan for programs: bytes and seconds."""
    choice, time, memory = plan.choice, plan.time, plan.memory
    spent = None if tokens is None and days is None else _days(plan, tokens, days)
    return {
        "parallel": {axis: getattr(choice, axis) for axis in ("data", "pipeline", "tensor", "expert", "zero")},
        "micro": choice.micro,
        "recompute": choice.recompute == "full",
        "memory_bytes": {**vars(memory), "total": memory.total},
        "step_s": {**{k: v for k, v in vars(time).items() if k != "mfu"}, "total": time.total},
        "mfu": time.mfu,
        "tokens_per_s": plan.tokens_per_s,
        "traffic": [{**vars(flow), "wire_bytes": flow.wire_bytes} for flow in plan.flows],
        "bubble_share": time.bubble_share,
        "weak_scaling": {"efficiency": plan.efficiency, "reference_cards": plan.reference_cards},
        "days": spent,
        "tokens": plan.tokens_in(days) if days is not None else tokens,
        "cost": None if spent is None else plan.cost(spent),
    }
