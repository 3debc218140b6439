"""Milliseconds of a request that does no work: the gateway in Serve beside the same application under bare uvicorn.

    python -m benchmarks serving.noop [--runs 5]

The request is `GET /v1/models`, which no model sees, by one client that keeps its connection. Both sides run the same
application with the same middleware, in turns on one machine; the servers stay up between the turns.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.machine import describe_measurement
from benchmarks.serving.models import ensure_model
from benchmarks.serving.server import bare_gateway, danlu_serve
from benchmarks.tables import Cell, add_write_option, markdown_table, median_and_range, publish

_WARM_UP = 100


def median_ms(url: str, requests: int) -> float:
    """Median time of one request after another over one connection."""
    parts = urlsplit(f"{url}/models")
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    times = []
    for number in range(_WARM_UP + requests):
        began = time.perf_counter()
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{url} answers {answer.status}")
        if number >= _WARM_UP:
            times.append(time.perf_counter() - began)
    connection.close()
    return 1e3 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="turns of each [5]")
    parser.add_argument("--requests", type=int, default=500, help="requests a turn [500]")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="environment of `danlu serve`")
    add_write_option(parser)
    options = parser.parse_args()
    model = {"name": "m", "path": str(ensure_model("tiny")), "engine": "transformers"}
    environment = dict(one.split("=", 1) for one in options.set)
    served: list[float] = []
    bare: list[float] = []
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch,
        danlu_serve(Path(scratch, "served"), {"models": [model]}, environment) as (url, _),
        bare_gateway(Path(scratch, "bare"), {"models": ["m"]}) as other,
    ):
        for _ in range(options.runs):
            served.append(median_ms(url, options.requests))
            bare.append(median_ms(other, options.requests))
            print(f"{served[-1]:.2f} and {bare[-1]:.2f} ms", file=sys.stderr)
    ratio = statistics.median(served) / statistics.median(bare)
    rows: list[list[Cell]] = [
        ["danlu serve", median_and_range(served), f"{ratio:.2f}"],
        ["uvicorn alone", median_and_range(bare), "1"],
    ]
    table = markdown_table(["`GET /v1/models`", "ms, median of medians (range)", "ratio"], rows)
    command = f"python -m benchmarks serving.noop --runs {options.runs}" + "".join(f" --set {s}" for s in options.set)
    note = f"{options.runs} turns of {options.requests} requests. {describe_measurement(command)}"
    publish("serving.noop", f"{table}\n\n{note}", options.write)


if __name__ == "__main__":
    main()
