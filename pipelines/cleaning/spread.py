"""Work units over the cluster as Ray tasks: one item, one task.

Items are plans (which shard, which rows), not documents: the documents lie in the run directory, so the object store
stays small and a unit can be done again anywhere. Units are cut by the data alone, never by the number of workers;
that is why the output does not depend on it.

Ray Data is left to what needs a shuffle (`shuffle.py`): for a map over some dozen files its executor, its actors and
its imports in every process cost more than the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from danlu.errors import DanluError

# Half a CPU for each task or actor: they start on a cluster where other small things run as well.
CPUS = 0.5

Work = Callable[[Any], Any]


def spread(work: Work, items: Sequence[Any], workers: int | None = None) -> Iterator[Any]:
    """`work(item)` for every item, in parallel tasks; results come as they are ready, in no fixed order.

    A task that is lost with its node is done again, by default up to three times.

    Args:
        workers: tasks at a time; None for as many as the cluster has CPUs.

    Raises:
        DanluError: that a unit raised; other exceptions come as Ray's.
    """
    import ray

    if not items:
        return
    task = ray.remote(num_cpus=CPUS)(_guarded)
    shared = ray.put(work)
    slots = range(min(cluster_workers(workers), len(items)))
    yield from _in_turn(lambda slot, item: task.remote(shared, item), slots, items)


def spread_actors(
    actor: type, arguments: Sequence[Any], items: Sequence[Any], workers: int | None, gpus: float = 0
) -> Iterator[Any]:
    """The same with `actor(*arguments)(item)` in a pool of actors, for work that holds a model."""
    import ray

    if not items:
        return
    options: dict[str, Any] = {"num_cpus": CPUS, "num_gpus": gpus}
    if len(ray.nodes()) > 1:
        # A lost actor starts again on another node; on the only one it would be lost to the same cause again.
        options |= {"max_restarts": -1, "max_task_retries": -1}
    remote = ray.remote(**options)(_Holder)
    pool: list[Any] = [remote.remote(actor, tuple(arguments)) for _ in range(min(cluster_workers(workers), len(items)))]
    try:
        yield from _in_turn(lambda holder, item: holder.work.remote(item), pool, items)
    finally:
        for holder in pool:
            ray.kill(holder)


def cluster_workers(workers: int | None) -> int:
    """`workers`, or the CPUs of the cluster."""
    import ray

    return workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)


def opened(result: Any) -> Any:
    """A result, or the user's error that came in its place."""
    if isinstance(result, DanluError):
        raise result
    return result


def _in_turn(submit: Callable[[Any, Any], Any], slots: Sequence[Any], items: Sequence[Any]) -> Iterator[Any]:
    """Results of all items, of which each slot has one at a time. What is not waited for any more is called off."""
    import ray

    left = iter(items)
    running = {submit(slot, item): slot for slot, item in zip(slots, left, strict=False)}
    try:
        while running:
            (ready,), _ = ray.wait(list(running), num_returns=1)
            slot = running.pop(ready)
            for item in left:
                running[submit(slot, item)] = slot
                break
            yield opened(ray.get(ready))
    finally:
        for reference in running:
            ray.cancel(reference)


def _guarded(work: Work, item: Any) -> Any:
    """A user's error is a result: raised inside a Ray task it would come out wrapped and with a traceback."""
    try:
        return work(item)
    except DanluError as error:
        return error


class _Holder:
    def __init__(self, actor: type, arguments: tuple[Any, ...]) -> None:
        self._work = actor(*arguments)

    def work(self, item: Any) -> Any:
        return _guarded(self._work, item)
