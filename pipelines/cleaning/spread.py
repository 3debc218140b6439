"""Work units over the cluster with Ray Data: one item, one block, one call.

Items are plans (which shard, which rows), not documents: the documents lie in the run directory, so the object store
stays small and a unit can be done again anywhere. Units are cut by the data alone, never by the number of workers;
that is why the output does not depend on it.
"""

from __future__ import annotations

import logging
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from danlu.errors import DanluError

# Half a CPU for each task or actor: they start on a cluster where other small things run as well.
_CPUS = 0.5

Work = Callable[[Any], Any]


def spread(work: Work, items: Sequence[Any], workers: int | None = None) -> Iterator[Any]:
    """`work(item)` for every item, in parallel tasks; results come as they are ready, in no fixed order.

    Args:
        workers: tasks at a time; None for as many as the cluster has CPUs.

    Raises:
        DanluError: that a unit raised; other exceptions come as Ray's.
    """
    from ray.data import TaskPoolStrategy

    options = {"fn_kwargs": {"work": work}}
    yield from _run(_call_function, items, workers, TaskPoolStrategy, options)


def spread_actors(
    actor: type, arguments: Sequence[Any], items: Sequence[Any], workers: int | None, gpus: float = 0
) -> Iterator[Any]:
    """The same with `actor(*arguments)(item)` in a pool of actors, for work that holds a model."""
    import ray
    from ray.data import ActorPoolStrategy

    options: dict[str, Any] = {"fn_constructor_args": (actor, tuple(arguments)), "num_gpus": gpus or None}
    if len(ray.nodes()) == 1:
        # A lost actor starts again on another node; on the only one it would be lost to the same cause again.
        options |= {"max_restarts": 0}
    yield from _run(_ActorCall, items, workers, ActorPoolStrategy, options)


def shuffle(
    emit: Work, items: Sequence[Any], column: str, reduce: Work, places: int, workers: int | None = None
) -> Iterator[Any]:
    """Tables of all items, brought together by `column` with Ray Data's hash shuffle, then reduced block by block.

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
            num_cpus=_CPUS,
        )
        results = tables.repartition(places, keys=[column]).map_batches(
            partial(_call_reduce, reduce=reduce),
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=_CPUS,
        )
        for row in results.iter_rows():
            yield from _opened(pickle.loads(row["result"]))


def cluster_workers(workers: int | None) -> int:
    """`workers`, or the CPUs of the cluster."""
    import ray

    return workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)


def _run(
    call: Callable[..., Any], items: Sequence[Any], workers: int | None, pool: type, options: Mapping[str, Any]
) -> Iterator[Any]:
    import ray.data

    if not items:
        return
    size = min(cluster_workers(workers), len(items))
    rows = [{"item": pickle.dumps(item)} for item in items]
    with _quiet():
        plans = ray.data.from_items(rows, override_num_blocks=len(rows))
        results = plans.map_batches(call, batch_size=None, compute=pool(size=size), num_cpus=_CPUS, **options)
        for row in results.iter_rows():
            yield _opened(pickle.loads(row["result"]))


def _opened(result: Any) -> Any:
    if isinstance(result, DanluError):
        raise result
    return result


def _call_emit(batch: Any, emit: Work) -> Any:
    import pyarrow as pa

    return pa.concat_tables([emit(pickle.loads(item)) for item in batch["item"]])


def _call_reduce(table: Any, reduce: Work) -> Any:
    return {"result": [_guarded(reduce, pickle.dumps(table))]}


def _call_function(batch: dict[str, Any], work: Work) -> dict[str, list[bytes]]:
    return {"result": [_guarded(work, item) for item in batch["item"]]}


class _ActorCall:
    def __init__(self, actor: type, arguments: tuple[Any, ...]) -> None:
        self._work = actor(*arguments)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        return {"result": [_guarded(self._work, item) for item in batch["item"]]}


def _guarded(work: Work, item: bytes) -> bytes:
    """A user's error is a result: raised inside a Ray task it would come out wrapped and with a traceback."""
    try:
        return pickle.dumps(work(pickle.loads(item)))
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
            # `max_restarts` has no other way in yet.
            warnings.simplefilter("ignore", RayDeprecationWarning)
            yield
    finally:
        context.enable_progress_bars, context.print_on_execution_start = before[:2]
        logger.setLevel(before[2])
