"""`--on URL`: the same job on a Ray cluster, with danlu's own code sent along."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import click

from danlu.config import JobConfig, to_yaml
from danlu.errors import ResourceError, RunError

PACKAGES = ("danlu", "actors", "pipelines", "serve_apps", "cluster", "dashboards", "examples")
_ROOT = Path(__file__).resolve().parent.parent


def submit_job(job: str, config: JobConfig, head: str, *, fresh: bool = False) -> None:
    """Send `job` to the cluster whose dashboard answers at `head`, follow its log, and wait for its end.

    Paths in the config are the cluster's. Ctrl-C stops the job on the cluster; the same command continues it.

    Raises:
        ResourceError: nothing answers at `head`.
        RunError: the job failed there.
    """
    from ray.job_submission import JobSubmissionClient

    try:
        client = JobSubmissionClient(head)
        with tempfile.TemporaryDirectory(prefix="danlu-job-") as folder:
            stage_code(Path(folder), config)
            fresh_flag = " --fresh" if fresh else ""
            submission = client.submit_job(
                entrypoint=f"python -m cluster.command {job} job.yaml --ray-address auto{fresh_flag}",
                runtime_env={"working_dir": folder},
                metadata={"danlu_job": job, "output": config.output},
            )
    except (ConnectionError, RuntimeError) as error:
        raise ResourceError(
            f"--on is {head!r}",
            rule=f"no Ray job server takes the job there ({str(error).splitlines()[0]})",
            fix="give the address of the cluster's dashboard, such as http://head:8265, and see that it runs",
        ) from None
    click.echo(f"{job}: submitted as {submission}", err=True)
    try:
        asyncio.run(_follow(client, submission))
    except KeyboardInterrupt:
        client.stop_job(submission)
        raise
    status = client.get_job_status(submission)
    if not status.is_terminal() or status.value != "SUCCEEDED":
        raise RunError(f"{job} on {head}", rule=f"the job ended as {status.value}", fix="read its log above")


def stage_code(folder: Path, config: JobConfig) -> None:
    """Lay danlu's packages and the config (`job.yaml`) into `folder`, as the job's working directory."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    for package in PACKAGES:
        shutil.copytree(_ROOT / package, folder / package, ignore=ignore)
    (folder / "job.yaml").write_text(to_yaml(config), encoding="utf-8")


async def _follow(client: object, submission: str) -> None:
    async for text in client.tail_job_logs(submission):  # type: ignore[attr-defined]
        click.echo(text, nl=False)
