"""The whole of `danlu clean` on Chinese news with its own embedder: cost, and how it grows from N to 4 N documents.

    python -m benchmarks cleaning.pipeline [--documents 8000 --runs 5]

All stages but `domain`, default settings. CPU is user and system time of the whole process tree, Ray's included. Memory
is the peak of resident bytes, looked at every 0.1 s: of the driver (the command's own process) and of the largest
worker.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from benchmarks.cleaning.news import News
from benchmarks.cleaning.runs import clean
from benchmarks.machine import describe_measurement
from benchmarks.processes import Cost
from benchmarks.tables import Cell, add_write_option, markdown_table, median_and_range, publish

GROWTH = 4
_MIB = 1 << 20


def costs_table(costs: Mapping[int, Sequence[Cost]]) -> str:
    """A row for each number of documents, and one for the ratio of the largest to the smallest."""
    rows: list[list[Cell]] = []
    for documents, runs in costs.items():
        speed = median_and_range([documents / cost.cpu_s for cost in runs])
        rows.append([f"{documents:,} documents", speed, *(round(value, 1) for value in _medians(runs))])
    small, large = min(costs), max(costs)
    ratios = [b / a for a, b in zip(_medians(costs[small]), _medians(costs[large]), strict=True)]
    rows.append([f"ratio for {large / small:.3g} x documents", None, *(f"{ratio:.2f}x" for ratio in ratios)])
    columns = ["", "documents per CPU-second", "CPU-seconds", "seconds", "driver peak MiB", "worker peak MiB"]
    return markdown_table(columns, rows)


def _medians(runs: Sequence[Cost]) -> list[float]:
    """CPU-seconds, seconds, driver MiB, worker MiB."""
    return [
        statistics.median(cost.cpu_s for cost in runs),
        statistics.median(cost.seconds for cost in runs),
        statistics.median(cost.driver_peak_bytes for cost in runs) / _MIB,
        statistics.median(cost.worker_peak_bytes for cost in runs) / _MIB,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=8000, help="N; 4 N are run as well [8000]")
    parser.add_argument("--runs", type=int, default=5, help="of each size [5]")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a config key of danlu clean")
    add_write_option(parser)
    arguments = parser.parse_args()
    news = News()
    documents = list(islice(news.documents(news.files), GROWTH * arguments.documents))
    sizes = (arguments.documents, len(documents))
    costs: dict[int, list[Cost]] = {size: [] for size in sizes}
    with tempfile.TemporaryDirectory(prefix="danlu-bench-") as temporary:
        for run in range(arguments.runs):
            for size in sizes:
                corpus = Path(temporary, f"{size}.jsonl")
                rows = [json.dumps({"id": i, "text": text}, ensure_ascii=False) + "\n" for i, text in documents[:size]]
                corpus.write_text("".join(rows), encoding="utf-8")
                costs[size].append(clean([corpus], Path(temporary, f"{run}-{size}"), arguments.set))
                print(f"run {run + 1}: {size:,} documents: {costs[size][-1].cpu_s:.1f} CPU-seconds", flush=True)
    command = f"python -m benchmarks cleaning.pipeline --documents {arguments.documents}"
    command += "".join(f" --set {one}" for one in arguments.set)
    note = f"median (least to greatest) of {arguments.runs} runs. {describe_measurement(command)}"
    publish("cleaning.pipeline", f"{costs_table(costs)}\n\n{note}", arguments.write)


if __name__ == "__main__":
    main()
