"""`--on URL`: the same job on a Ray cluster, with danlu's own code sent along."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import click

from cluster.jobs import JOBS
from danlu.config import JobConfig, to_yaml
from danlu.errors import ConfigError, ResourceError, RunError

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

PACKAGES = ("danlu", "actors", "pipelines", "serve_apps", "cluster", "dashboards", "examples")
_ROOT = Path(__file__).resolve().parent.parent
# What Ray's client raises when the head does not answer, or not as it should (requests' errors are OSErrors).
_LOST = (RuntimeError, OSError, aiohttp.ClientError)


def submit_job(job: str, config: JobConfig, head: str, *, fresh: bool = False) -> None:
    """Send `job` to the cluster whose dashboard answers at `head`, follow its log, and wait for its end.

    Paths in the config are the cluster's. Ctrl-C stops the job on the cluster; the same command continues it.

    Raises:
        ConfigError: `head` is no HTTP address.
        ResourceError: nothing answers at `head`.
        RunError: the job failed there, or the head was lost while it ran.
    """
    client, submission = _submit(job, config, head, fresh)
    click.echo(f"{job}: submitted as {submission}", err=True)
    try:
        asyncio.run(_follow(client, submission))
        status = client.get_job_status(submission).value
    except KeyboardInterrupt:
        with contextlib.suppress(*_LOST):
            client.stop_job(submission)
        raise
    except _LOST as error:
        raise RunError(
            f"{job} on {head}",
            rule=f"the head was lost while the job ran ({_first_line(error)}); the job may go on there",
            fix=f"`ray job status {submission} --address {head}` asks, once the head is back",
        ) from None
    if status != "SUCCEEDED":
        raise RunError(f"{job} on {head}", rule=f"the job ended as {status}", fix="read its log above")


def _submit(job: str, config: JobConfig, head: str, fresh: bool) -> tuple[JobSubmissionClient, str]:
    if not re.match(r"https?://[^/]", head):
        rule, fix = "it must start with http:// or https://", "give the dashboard's address, such as http://head:8265"
        raise ConfigError(f"--on is {head!r}", rule=rule, fix=fix)
    from ray.job_submission import JobSubmissionClient

    try:
        client = JobSubmissionClient(head)
        with tempfile.TemporaryDirectory(prefix="danlu-job-") as folder:
            stage_code(Path(folder), config)
            submission = client.submit_job(
                entrypoint=_entrypoint(job, config, fresh),
                runtime_env={"working_dir": folder},
                metadata={"danlu_job": job, "output": config.output},
            )
    except _LOST as error:
        raise ResourceError(
            f"--on is {head!r}",
            rule=f"no Ray job server takes the job there ({_first_line(error)})",
            fix="give the address of the cluster's dashboard, such as http://head:8265, and see that it runs",
        ) from None
    return client, submission


def _entrypoint(job: str, config: JobConfig, fresh: bool) -> str:
    """The same command there; it joins the cluster's Ray where the job needs one."""
    words = ["python", "-m", "cluster.command", job, "job.yaml"]
    words += ["--ray-address", "auto"] if JOBS[job].module().resources(config) else []
    return " ".join([*words, "--fresh"] if fresh else words)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def stage_code(folder: Path, config: JobConfig) -> None:
    """Lay danlu's packages and the config (`job.yaml`) into `folder`, as the job's working directory."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    for package in PACKAGES:
        shutil.copytree(_ROOT / package, folder / package, ignore=ignore)
    (folder / "job.yaml").write_text(to_yaml(config), encoding="utf-8")


async def _follow(client: JobSubmissionClient, submission: str) -> None:
    async for text in client.tail_job_logs(submission):
        click.echo(text, nl=False)
