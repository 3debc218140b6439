"""Rows of many tables brought together by a column: the hash shuffle of Ray Data, over the cluster and its disks."""

from __future__ import annotations

import logging
import pickle
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from danlu.errors import DanluError
from pipelines.cleaning.spread import CPUS, Work, cluster_workers, opened


def shuffle(
    emit: Work, items: Sequence[Any], column: str, reduce: Work, places: int, workers: int | None = None
) -> Iterator[Any]:
    """Tables of all items, brought together by `column`, then reduced block by block.

    Args:
        emit: item -> pyarrow table.
        reduce: a table with all rows of some values of `column` -> list of results.
        places: blocks after the shuffle.
    """
    import ray.data
    from ray.data import TaskPoolStrategy

    if not items:
        return
    size = min(cluster_workers(workers), len(items))
    rows = [{"item": pickle.dumps(item)} for item in items]
    with _quiet():
        plans = ray.data.from_items(rows, override_num_blocks=len(rows))
        tables = plans.map_batches(
            partial(_call_emit, emit=emit),
            batch_size=None,
            compute=TaskPoolStrategy(size=size),
            num_cpus=CPUS,
        )
        results = tables.repartition(places, keys=[column]).map_batches(
            partial(_call_reduce, reduce=reduce),
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=CPUS,
        )
        for row in results.iter_rows():
            yield from opened(pickle.loads(row["result"]))


def _call_emit(batch: Any, emit: Work) -> Any:
    import pyarrow as pa

    return pa.concat_tables([emit(pickle.loads(item)) for item in batch["item"]])


def _call_reduce(table: Any, reduce: Work) -> Any:
    return {"result": [_guarded(reduce, table)]}


def _guarded(reduce: Work, table: Any) -> bytes:
    try:
        return pickle.dumps(reduce(table))
    except DanluError as error:
        return pickle.dumps(error)


@contextmanager
def _quiet() -> Iterator[None]:
    """Ray Data's own progress bars and lines stay off the screen; ours say what is going on."""
    from ray.data import DataContext
    from ray.util.annotations import RayDeprecationWarning

    context = DataContext.get_current()
    logger = logging.getLogger("ray.data")
    before = (context.enable_progress_bars, context.print_on_execution_start, logger.level)
    context.enable_progress_bars = context.print_on_execution_start = False
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RayDeprecationWarning)
            yield
    finally:
        context.enable_progress_bars, context.print_on_execution_start = before[:2]
        logger.setLevel(before[2])
