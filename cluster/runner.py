"""Running one job: config, run directory, Ray, report, in this order."""

from __future__ import annotations

import time
from contextlib import nullcontext

from cluster.jobs import Job
from cluster.local_ray import prepare_environment, ray_session
from cluster.placement import require_placement
from danlu.config import JobConfig
from danlu.lineage import code_version
from danlu.progress import Progress, duration
from danlu.report import Report
from danlu.resources import require_resources
from danlu.run_directory import RunDirectory


def run_job(
    job: Job,
    config: JobConfig,
    progress: Progress,
    *,
    fresh: bool = False,
    ray_address: str | None = None,
    cpus: int | None = None,
) -> Report:
    """Run `job`, or continue it, or return the report of a run that is finished.

    Args:
        fresh: remove an earlier run in `config.output` first.
        ray_address: a cluster to join; a local Ray is started otherwise, when the job needs one.
        cpus: logical CPUs of the local Ray.

    Raises:
        DanluError: whatever the user can mend; nothing is lost, the same command continues.
    """
    if ray_address is None:
        prepare_environment()
    module = job.module()
    wanted = module.resources(config)
    require_placement(f"danlu {job.name}", uses_ray=bool(wanted), ray_address=ray_address, cpus=cpus)
    with RunDirectory.open(job.name, config, module.inputs(config), fresh=fresh, deferred=True) as run:
        say_changes(run, progress)
        finished = run.finished()
        if finished is not None:
            progress.say(f"{job.name}: finished earlier, see {run.child('report.html')}")
            if run.changes:
                progress.say(
                    f"{job.name}: other settings were not used: {run.changes}; --fresh makes it anew with them"
                )
            return finished
        began = time.monotonic()
        with ray_session(ray_address, cpus) if wanted else nullcontext():
            if wanted:
                _require(job.name, wanted)
            run.go_on()  # not before: a command that the cluster is too small for leaves the run as it is
            report = module.run(config, run, progress)
        report = report.model_copy(update={"seconds": time.monotonic() - began})
        run.finish(report)
        progress.say(f"{job.name}: {duration(report.seconds)}, report in {run.child('report.html')}")
        return report


def say_changes(run: RunDirectory, progress: Progress) -> None:
    """Say what is other than when the run was stopped: settings, or danlu, whose steps may have been made otherwise."""
    if run.changes and run.finished() is None:
        progress.say(f"the run goes on with other settings: {run.changes}")
    if run.began_with is not None:
        progress.say(f"warning: danlu {run.began_with} began this run, not {code_version()}; --fresh starts anew")


def _require(name: str, wanted: dict[str, float]) -> None:
    import ray

    fix = "use fewer workers, or a larger cluster (--ray-address, --on); --cpus N sets what a local Ray counts"
    require_resources(wanted, ray.cluster_resources(), f"danlu {name}", fix)
