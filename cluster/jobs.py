"""The jobs that `danlu JOB` knows, and the shape of the modules behind them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from danlu.config import JobConfig
from danlu.progress import Progress
from danlu.report import Report
from danlu.run_directory import RunDirectory


class JobModule(Protocol):
    """`<package>.job`: what a pipeline offers to the runner.

    A module may also have `estimate(config, cpus) -> list[str]`: lines that a dry run prints below the config.
    """

    def inputs(self, config: Any) -> list[str]:
        """The files that the job reads (hashed into the lineage)."""
        ...

    def resources(self, config: Any) -> dict[str, float]:
        """What Ray must offer (`{"CPU": 2}`); empty when the job runs without Ray."""
        ...

    def run(self, config: Any, run: RunDirectory, progress: Progress) -> Report:
        """Do the work, continuing what a stopped run left."""
        ...


@dataclass(frozen=True)
class Job:
    """A job's name, the package that does it, its config class, and what it is for."""

    name: str
    package: str
    config_name: str
    summary: str

    def config_class(self) -> type[JobConfig]:
        return cast(type[JobConfig], getattr(import_module(f"{self.package}.config"), self.config_name))

    def module(self) -> JobModule:
        return cast(JobModule, import_module(f"{self.package}.job"))


JOBS: dict[str, Job] = {
    job.name: job
    for job in (
        Job("clean", "pipelines.cleaning", "CleanConfig", "Raw text to a clean corpus: filters, duplicates, domains."),
        Job("train", "pipelines.training", "TrainConfig", "A tokenizer and a language model from clean text or chats."),
        Job("compress", "pipelines.compression", "CompressConfig", "A checkpoint made small and fast for an engine."),
        Job("understand", "pipelines.understanding", "UnderstandConfig", "An intent and slot model from utterances."),
        Job("index", "pipelines.knowledge", "IndexConfig", "Documents to a searchable knowledge base."),
        Job("evaluate", "pipelines.evaluation", "EvaluateConfig", "Questions asked of a served model, and scored."),
        Job("dashboards", "dashboards", "DashboardsConfig", "Grafana dashboards and alert rules, built and checked."),
    )
}
