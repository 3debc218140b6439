"""One of several gloo workers in a network of their own: what they send as counted, and as the kernel sees it.

Run as `python wire_worker.py FOLDER RANK WORKERS`; worker 0 writes `bytes.json` into FOLDER.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import torch
import torch.distributed as dist

from pipelines.training.compression.feedback import compress
from pipelines.training.compression.signs import decode
from pipelines.training.compression.wire import Wire

ELEMENTS, BLOCK, TIMES = 2**20, 4096, 4


def main(folder: Path, rank: int, workers: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=workers)
    assert dist.group.WORLD is not None
    wire = Wire(dist.group.WORLD)
    chunk = ELEMENTS // workers
    error, sum_error = torch.zeros(workers, chunk), torch.zeros(1, chunk)

    def signs() -> None:
        received = wire.exchange(compress(torch.randn(workers, chunk), error, BLOCK))
        wire.collect(compress(decode(received, chunk, BLOCK).mean(0, keepdim=True), sum_error, BLOCK))

    found = {"signs": measure(signs, wire), "whole": measure(lambda: wire.mean(torch.randn(ELEMENTS)), wire)}
    if rank == 0:
        (folder / "bytes.json").write_text(json.dumps(found))
    dist.destroy_process_group()


def measure(send: Callable[[], object], wire: Wire) -> tuple[int, int]:
    """(counted by this worker, seen by the kernel over all workers), of some calls of `send`."""
    send()  # connects
    dist.barrier()
    counted, seen = wire.traffic.total, sent_by_all()
    dist.barrier()
    for _ in range(TIMES):
        send()
    dist.barrier()
    return wire.traffic.total - counted, sent_by_all() - seen


def sent_by_all() -> int:
    return psutil.net_io_counters(pernic=True)["lo"].bytes_sent


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
