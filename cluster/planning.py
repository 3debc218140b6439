"""`danlu plan`: the training planner's answer on the terminal."""

from __future__ import annotations

import json
from dataclasses import replace

import click

from danlu.errors import ResourceError
from pipelines.training.planner.config import PlanConfig
from pipelines.training.planner.explain import SHOWN, as_data, budget, describe, nothing_fits, reasons, table
from pipelines.training.planner.search import Found, search


def print_plan(config: PlanConfig, *, as_json: bool = False) -> None:
    """Print the layouts that fit, best first, and why the first is best.

    Raises:
        ResourceError: none fits, or none is as efficient as asked.
    """
    found = find_plans(config)
    if as_json:
        rows = [as_data(plan, config.tokens, config.days) for plan in found.plans]
        click.echo(json.dumps(rows, indent=2))
        return
    for line in answer(config, found):
        click.echo(line)


def find_plans(config: PlanConfig) -> Found:
    """The plans that fit and are as efficient as asked.

    Raises:
        ResourceError: there are none.
    """
    cluster = config.cluster.cluster()
    found = search(config.workload(), cluster, config.limits())
    what = f"{cluster.cards} x {cluster.card.name}"
    if not found.plans:
        rule, fix = nothing_fits(found, cluster)
        raise ResourceError(what, rule=rule, fix=fix)
    if not config.min_efficiency:
        return found
    efficient = tuple(plan for plan in found.plans if plan.scales(config.min_efficiency))
    if not efficient:
        most = max((plan.efficiency for plan in found.plans if plan.scales(0)), default=0.0)
        rule = f"no layout's weak-scaling efficiency is {config.min_efficiency:g} or more; the most is {most:.3f}"
        raise ResourceError(what, rule=rule, fix="lower min_efficiency, or raise batch.sequences")
    return replace(found, plans=efficient)


def answer(config: PlanConfig, found: Found) -> list[str]:
    """All lines of the answer."""
    workload, cluster = config.workload(), config.cluster.cluster()
    shown = min(SHOWN, len(found.plans))
    lines = [*describe(workload, cluster), ""]
    lines.append(f"{len(found.plans)} layouts fit, of {found.tried:,} choices; the quickest {shown}:")
    lines += [*table(found.plans, config.tokens, config.days), ""]
    lines += reasons(found)
    if config.days is not None:
        lines += ["", *budget(workload, cluster, config.days)]
    return lines
