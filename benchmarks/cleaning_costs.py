"""CPU seconds of each stage of `danlu clean`, apart for the driver and for the units of work.

    python -m benchmarks.cleaning_costs INPUT...

Everything runs in this process, one unit after the other and without Ray, so that CPU time is all there is to count and
a busy machine does no harm. From its figures comes the table of `pipelines/cleaning/estimate.py`.
"""

from __future__ import annotations

import io
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from danlu.config import load_config
from danlu.progress import Progress, Stage
from danlu.run_directory import RunDirectory
from pipelines.cleaning import exchange, job
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.stages import judge, near, output, read, semantic, vectors

SPREADING = (read, judge, exchange, near, vectors, semantic, output)


class Costs(Progress):
    """Progress that notes the CPU seconds of the units of work, by class, and of the rest, by stage."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.work: dict[str, float] = defaultdict(float)
        self.driver: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, total: float | None = None, unit: str = "") -> Iterator[Stage]:
        began, worked = time.process_time(), sum(self.work.values())
        with super().stage(name, total, unit) as stage:
            yield stage
        self.driver[name] = time.process_time() - began - (sum(self.work.values()) - worked)

    def spread(self, work: Callable[[Any], Any], items: Sequence[Any], *_: Any) -> Iterator[Any]:
        name = type(getattr(work, "reduce", work)).__name__
        for item in items:
            began = time.process_time()
            result = work(item)
            self.work[name] += time.process_time() - began
            yield result

    def spread_actors(self, actor: type, arguments: Sequence[Any], items: Sequence[Any], *_: Any) -> Iterator[Any]:
        yield from self.spread(actor(*arguments), items)


def main(inputs: Sequence[str]) -> None:
    costs = Costs()
    for module in SPREADING:
        module.spread = costs.spread  # type: ignore[attr-defined]
    vectors.spread_actors = costs.spread_actors
    vectors.cluster_workers = lambda workers: 1
    vectors._gpus_for_each = lambda config, actors: 0.0
    with tempfile.TemporaryDirectory() as folder:
        config = load_config(CleanConfig, None, [f"input=[{','.join(inputs)}]", f"output={folder}/run"])
        began = time.process_time()
        with RunDirectory.open("clean", config, job.inputs(config)) as run:
            report = job.run(config, run, costs)
        total = time.process_time() - began
    print({key: value for key, value in report.figures.items() if "documents" in key})
    for name, seconds in costs.work.items():
        print(f"{name:28} {seconds:8.2f} s")
    costs.driver["all else"] = total - sum(costs.work.values()) - sum(costs.driver.values())
    for name, seconds in costs.driver.items():
        print(f"driver: {name:20} {seconds:8.2f} s")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
