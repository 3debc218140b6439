"""`danlu clean` without Ray, in one process: what the work itself costs.

    python -m benchmarks.cleaning.danlu_serial OUTCOME.json key=value ...

OUTCOME.json: work_cpu_s, CPU time after the imports.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from danlu.config import load_config
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import exchange, job
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.spread import Work
from pipelines.cleaning.stages import judge, output, read, semantic, vectors, verification


def run_serially(settings: Sequence[str]) -> float:
    """Run the job with every work unit done here, one after the other; returns its CPU seconds."""

    def spread(work: Work, items: Sequence[Any], workers: int | None = None) -> Iterator[Any]:
        yield from map(work, items)

    def spread_actors(actor: type, arguments: Sequence[Any], items: Sequence[Any], *rest: object) -> Iterator[Any]:
        yield from map(actor(*arguments), items)

    for module in (read, judge, exchange, vectors, semantic, verification, output):
        module.spread = spread  # type: ignore[attr-defined]
    vectors.spread_actors = spread_actors  # type: ignore[assignment]
    vectors.cluster_workers = lambda workers: 1
    vectors._gpus_for_each = lambda config, actors: 0.0
    config = load_config(CleanConfig, None, list(settings))
    began = time.process_time()
    with RunDirectory.open("clean", config, job.inputs(config)) as run:
        job.run(config, run, Progress(io.StringIO()))
    return time.process_time() - began


if __name__ == "__main__":
    cpu_s = run_serially(sys.argv[2:])
    Path(sys.argv[1]).write_text(json.dumps({"work_cpu_s": cpu_s}), encoding="utf-8")
