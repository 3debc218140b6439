"""The command of a job: `danlu clean`, `danlu train` and their like."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from cluster.arguments import KeyedCommand, split_arguments
from cluster.jobs import Job
from cluster.placement import require_placement
from cluster.schema import key_table
from danlu.config import JobConfig, load_config, to_yaml
from danlu.progress import Progress
from danlu.report import Report


def job_command(job: Job) -> click.Command:
    """The command that runs a job here, on a cluster, or only says what it would do."""

    @click.argument("arguments", nargs=-1, metavar="[CONFIG.yaml] [key=value ...]", shell_complete=_complete_keys(job))
    @click.option(
        "--dry-run", is_flag=True, help="Print the resolved config, for some jobs with an estimate, and stop."
    )
    @click.option("--fresh", is_flag=True, help="Remove an earlier run in `output` first.")
    @click.option("--on", "head", metavar="URL", help="Submit to a Ray cluster, e.g. http://head:8265.")
    @click.option("--ray-address", metavar="ADDRESS", help="Join this Ray (`auto` inside a cluster).")
    @click.option("--cpus", type=click.IntRange(1), help="Logical CPUs of a local Ray [default: all cores].")
    def command(
        arguments: tuple[str, ...],
        dry_run: bool,
        fresh: bool,
        head: str | None,
        ray_address: str | None,
        cpus: int | None,
    ) -> None:
        config_file, overrides = split_arguments(arguments)
        config = load_config(job.config_class(), config_file, overrides)
        if dry_run:
            _print_plan(job, config, ray_address, cpus)
        elif head is not None:
            from cluster.submit import submit_job

            require_placement(f"danlu {job.name}", uses_ray=True, head=head, ray_address=ray_address, cpus=cpus)
            submit_job(job.name, config, head, fresh=fresh)
        else:
            from cluster.runner import run_job

            report = run_job(job, config, Progress(), fresh=fresh, ray_address=ray_address, cpus=cpus)
            _conclude(report)

    return KeyedCommand(
        job.name,
        callback=command,
        params=_parameters(command),
        help=job.summary,
        keys=lambda: key_table(job.config_class()),
    )


def _print_plan(job: Job, config: JobConfig, ray_address: str | None, cpus: int | None) -> None:
    """The config as YAML, and, as comments below it, what the job reckons that it will take."""
    estimate = getattr(job.module(), "estimate", None)
    lines: list[str] = []
    if estimate is not None:
        from cluster.local_ray import ray_session

        # The CPUs of a cluster are known to those who have joined it.
        with ray_session(ray_address) if ray_address else nullcontext():
            lines = estimate(config, cpus)
    click.echo(to_yaml(config.resolved()), nl=False)
    for line in lines:
        click.echo(f"# {line}")


def _parameters(function: Any) -> list[click.Parameter]:
    parameters: list[click.Parameter] = function.__click_params__
    return list(reversed(parameters))


def _complete_keys(job: Job) -> Any:
    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        keys = [f"{key}=" for key, default, _ in key_table(job.config_class()) if default and "[]" not in key]
        files = [str(p) for p in Path().glob(f"{incomplete}*.yaml")]
        return files + [key for key in keys if key.startswith(incomplete)]

    return complete


def _conclude(report: Report) -> None:
    for check in report.checks:
        mark, colour = ("✓", "green") if check.held else ("✗", "red")
        click.secho(f"  {mark} {check.name}", fg=colour, nl=False, err=True)
        click.echo(f"  {check.detail}" if check.detail else "", err=True)
    if not report.held:
        sys.exit(1)
