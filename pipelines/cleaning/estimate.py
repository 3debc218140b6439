"""What a run of `danlu clean` will take: time, memory and disk, reckoned from a sample before anything is written.

The stages that look at each document by itself are timed on the sample. What the later ones cost is in the tables
below. It does not know: how many documents are duplicates (it reckons with none), the speed of an embedder given by
name, other machines' speed, what else runs there.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from danlu.progress import duration
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.sample import Kind, take_sample
from pipelines.cleaning.stages.read import SHARD_BYTES, file_size


@dataclass(frozen=True)
class Cost:
    """CPU seconds of a stage. What is `on_driver` is done once and one after the other; the rest by all workers."""

    document_s: float = 0.0
    kilocharacter_s: float = 0.0
    on_driver: bool = False


# Measured with `python -m benchmarks.cleaning_costs` on Chinese news (40,516 documents of 0.7 thousand characters each,
# one in seven of them a near duplicate) on a busy 2-core machine. To be measured again when a stage changes.
NEAR = (Cost(document_s=2e-6, on_driver=True), Cost(kilocharacter_s=0.06e-3))
EMBED = (Cost(kilocharacter_s=0.2e-3),)
FIT_DOCUMENT_S, FIT_DOCUMENTS = 1e-3, 2000  # of the fitted embedder, for each document of its sample
SEMANTIC = (Cost(document_s=15e-6, on_driver=True), Cost(document_s=0.13e-3), Cost(kilocharacter_s=0.07e-3))
OUTPUT = (Cost(document_s=1e-6, on_driver=True), Cost(kilocharacter_s=0.03e-3))
# Ray's start and the start of its tasks for each stage, on an idle machine: wall time only.
START_S = 12.0

# Peak memory, of which the first figure is the libraries. Worker: of one process with a shard of 29 MB of text, and
# without; it holds a shard as rows and as columns, before and after. Driver: resident size of a run, to which comes
# what is exchanged between workers, up to `exchange_documents`.
WORKER_MB, WORKER_FOR_A_TEXT_BYTE = 255, 8.4
EMBED_WORKER_MB = 555
DRIVER_MB, DRIVER_WITH_EMBEDDER_MB = 300, 500
INDEX_BYTES, VECTOR_BYTES = 2900, 1600
EMBEDDER_DISK_BYTES = 12_700_000


@dataclass(frozen=True)
class Estimate:
    """documents: in the whole input. cpu_s, wall_s: seconds. The rest: bytes; worker_bytes of each worker."""

    documents: int
    cpu_s: float
    wall_s: float
    worker_bytes: float
    driver_bytes: float
    disk_bytes: float


def estimate(files: Sequence[str], config: CleanConfig, cpus: int | None = None) -> list[str]:
    """Lines for a reader.

    Args:
        cpus: logical CPUs to reckon with; None for those of the cluster, or of this machine without one.

    Raises:
        InputError: what a run would raise for the files.
    """
    began = time.monotonic()
    sizes = [file_size(file) for file in files]
    kinds = take_sample(files, sizes, config)
    sampled = sum(kind.sampled for kind in kinds)
    title = f"Estimate, from a sample of {sampled:,} documents ({duration(time.monotonic() - began)}):"
    lines = [f"files        {len(files):,}", f"bytes        {_size_text(sum(sizes))}"]
    if not sampled:
        return [title, *_indented([*lines, "no document in the sample, so there is nothing to reckon with"])]
    at_hand = cpus or _cpus()
    workers = min(config.workers or at_hand, at_hand)
    found = reckon(kinds, config, workers)
    lines += [
        f"documents    about {_rounded(found.documents):,}",
        f"CPU time     about {duration(found.cpu_s)}",
        f"wall time    about {duration(found.wall_s)} with {workers} workers (--cpus N reckons with others)",
        f"memory       about {_size_text(found.worker_bytes)} for each worker,"
        f" {_size_text(found.driver_bytes)} for the driver",
        f"disk         about {_size_text(found.disk_bytes)} in {config.output}",
    ]
    if config.embedder.model is not None and _embeds(config):
        lines.append(f"not in it    embedding with {config.embedder.model}, whose speed only a run tells")
    if config.decontaminate is not None:
        lines.append("not in it    looking for benchmark texts")
    return [title, *_indented(lines)]


def reckon(kinds: Sequence[Kind], config: CleanConfig, workers: int) -> Estimate:
    """Scale what the sample took to the whole input. Pure."""
    documents = sum(kind.documents for kind in kinds)
    scale = [(kind, kind.documents / kind.sampled) for kind in kinds if kind.sampled]
    left = sum(kind.kept * times for kind, times in scale)
    kilocharacters = sum(kind.characters * times for kind, times in scale) / 1000
    raw_bytes = sum(kind.raw_bytes * times for kind, times in scale)
    text_bytes = sum(kind.text_bytes * times for kind, times in scale)
    disk = sum(kind.disk_bytes * times for kind, times in scale) + raw_bytes

    work_s = sum(kind.cpu_s * times for kind, times in scale)
    driver_s = min(left, FIT_DOCUMENTS) * FIT_DOCUMENT_S if _fits(config) else 0.0
    for cost in _later_costs(config):
        seconds = cost.document_s * left + cost.kilocharacter_s * kilocharacters
        driver_s, work_s = (driver_s + seconds, work_s) if cost.on_driver else (driver_s, work_s + seconds)

    shard_bytes = min(config.shard_documents * text_bytes / max(documents, 1), SHARD_BYTES, text_bytes)
    worker, driver = WORKER_MB * 1e6 + WORKER_FOR_A_TEXT_BYTE * shard_bytes, DRIVER_MB * 1e6
    if _embeds(config):
        worker, driver = max(worker, EMBED_WORKER_MB * 1e6), DRIVER_WITH_EMBEDDER_MB * 1e6 + VECTOR_BYTES * left
        disk += 4 * config.embedder.dimensions * left + (EMBEDDER_DISK_BYTES if _fits(config) else 0)
    return Estimate(
        documents=documents,
        cpu_s=driver_s + work_s,
        wall_s=START_S + driver_s + work_s / workers,
        worker_bytes=worker,
        driver_bytes=driver + INDEX_BYTES * left,
        disk_bytes=disk,
    )


def _later_costs(config: CleanConfig) -> list[Cost]:
    costs = [*OUTPUT]
    costs += NEAR if config.near is not None else ()
    costs += EMBED if _fits(config) else ()
    costs += SEMANTIC if config.semantic is not None else ()
    return costs


def _embeds(config: CleanConfig) -> bool:
    return config.needs_vectors


def _fits(config: CleanConfig) -> bool:
    """Whether the run fits an embedder of its own."""
    return _embeds(config) and config.embedder.model is None


def _cpus() -> int:
    """CPUs of the cluster that this process has joined, else of this machine, as a local Ray would count them."""
    if "ray" in sys.modules:
        import ray

        if ray.is_initialized():
            return max(int(ray.cluster_resources().get("CPU", 1)), 1)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(usable, 2)


def _rounded(number: int) -> int:
    """Two digits that count: 40,657 is about 41,000."""
    return round(number, 2 - len(str(number))) if number >= 1000 else number


def _size_text(size: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB"


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
