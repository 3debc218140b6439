"""The clustering of the semantic stage alone: CPU-seconds for 5,000 to 80,000 vectors at a fixed cell size.

    python -m benchmarks cleaning.semantic [--vectors 5000 20000 80000 --runs 5]

Synthetic vectors in topics, with planted near pairs. The stage's own functions do the work: principal components, cells
and the pairs within each. Recall is the share of planted pairs that are found. It is harder here than on texts: the
topics are independent of each other, so that few principal components hold little of the vectors.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.machine import describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, median_and_range, publish
from pipelines.cleaning.cells import plan_cells
from pipelines.cleaning.config import SemanticConfig
from pipelines.cleaning.stages.semantic import SAMPLE_DOCUMENTS, pairs_in_cell, principal_components

DIMENSIONS = 384
# Two vectors of one topic have a cosine of about 0.5; the stage asks for 0.65.
_TOPIC_COSINE = math.sqrt(0.5)
PAIR_COSINE = 0.77
_TOPIC_VECTORS = 100
_PAIR_SHARE = 0.1


@dataclass(frozen=True)
class Clustered:
    """cpu_s: of this process. cells: how many. pairs: all that were found. recall: of the planted ones."""

    cpu_s: float
    cells: int
    pairs: int
    recall: float


def synthetic_vectors(count: int, seed: int, pair_cosine: float = PAIR_COSINE) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around topics of about 100, (count, DIMENSIONS) float16, and the planted (n_pairs, 2) places."""
    rng = np.random.default_rng(seed)
    topics = _unit(rng.standard_normal((max(count // _TOPIC_VECTORS, 1), DIMENSIONS), dtype=np.float32))
    vectors = _mix(topics[rng.integers(0, len(topics), count)], _TOPIC_COSINE, rng)
    places = rng.permutation(count)[: 2 * int(count * _PAIR_SHARE / 2)].reshape(-1, 2)
    vectors[places[:, 1]] = _mix(vectors[places[:, 0]], pair_cosine, rng)
    return vectors.astype(np.float16), np.sort(places, axis=1)


def cluster(vectors: np.ndarray, planted: np.ndarray, config: SemanticConfig, seed: int) -> Clustered:
    """What the stage does with its vectors, in this process."""
    began = time.process_time()
    vectors = vectors.astype(np.float32)
    directions = principal_components(vectors[:SAMPLE_DOCUMENTS], config.dimensions)
    reduced = vectors @ directions.T
    cells = plan_cells(reduced[:SAMPLE_DOCUMENTS], len(vectors), config.cell_documents, seed)
    parts = []
    for cell in _members(cells.assign(reduced)):
        parts.append(cell[pairs_in_cell(vectors[cell], directions, config, seed)])
    found = np.unique(np.sort(np.concatenate(parts), axis=1), axis=0)
    cpu_s = time.process_time() - began
    return Clustered(cpu_s, len(cells), len(found), share_found(planted, found, len(vectors)))


def _members(assigned: np.ndarray) -> list[np.ndarray]:
    """The places of the vectors of each cell, by the cells of each vector."""
    cells = assigned.ravel(order="F")
    places = np.tile(np.arange(len(assigned)), assigned.shape[1])
    order = np.argsort(cells, kind="stable")
    starts = np.flatnonzero(np.diff(cells[order])) + 1
    return [np.unique(part) for part in np.split(places[order], starts)]


def share_found(planted: np.ndarray, found: np.ndarray, count: int) -> float:
    """Share of (n, 2) planted pairs that are among the found ones; the smaller place comes first in both."""
    if not len(planted):
        return 1.0
    return float(np.isin(planted @ np.array([count, 1]), found @ np.array([count, 1])).mean())


def results_table(results: dict[int, list[Clustered]]) -> str:
    """A row for each number of vectors; the last column is the cost of a vector, compared to the smallest number."""
    each = {count: statistics.median(one.cpu_s for one in runs) / count for count, runs in results.items()}
    rows: list[list[Cell]] = [
        [f"{count:,} vectors", median_and_range([one.cpu_s for one in runs]), runs[0].cells, runs[0].pairs,
         min(one.recall for one in runs), 1000 * each[count], f"{each[count] / each[min(each)]:.2f}x"]
        for count, runs in results.items()
    ]  # fmt: skip
    columns = ["", "CPU-seconds", "cells", "pairs found", "recall of planted pairs", "CPU-ms a vector", "growth"]
    return markdown_table(columns, rows)


def _mix(vectors: np.ndarray, cosine: float, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors whose cosine to `vectors` is about `cosine`."""
    noise = _unit(rng.standard_normal(vectors.shape, dtype=np.float32))
    return _unit(cosine * vectors + math.sqrt(1 - cosine**2) * noise)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, nargs="+", default=[5000, 20_000, 80_000], help="[5000 20000 80000]")
    parser.add_argument("--runs", type=int, default=5, help="of each number, with different seeds [5]")
    parser.add_argument("--cell-documents", type=int, default=SemanticConfig().cell_documents, help="size of a cell")
    parser.add_argument("--pair-cosine", type=float, default=PAIR_COSINE, help="of the planted pairs [0.77]")
    add_write_option(parser)
    options = parser.parse_args()
    config = SemanticConfig(cell_documents=options.cell_documents)
    results: dict[int, list[Clustered]] = {count: [] for count in options.vectors}
    for seed in range(options.runs):
        for count in options.vectors:
            results[count].append(cluster(*synthetic_vectors(count, seed, options.pair_cosine), config, seed))
            print(f"run {seed + 1}: {count:,} vectors: {results[count][-1].cpu_s:.1f} CPU-seconds", flush=True)
    command = "python -m benchmarks cleaning.semantic --vectors " + " ".join(map(str, options.vectors))
    command += f" --pair-cosine {options.pair_cosine}"
    note = f"cells of at most {config.cell_documents:,}, median (least to greatest) of {options.runs} runs"
    publish("cleaning.semantic", f"{results_table(results)}\n\n{note}. {describe_measurement(command)}", options.write)


if __name__ == "__main__":
    main()
