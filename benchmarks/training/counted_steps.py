"""One of several gloo workers: trains a few steps of each case and counts the bytes that one step holds and sends.

Run as `python -m benchmarks.training.counted_steps CASES RANK WORKERS`; worker 0 prints one JSON line per case.
Memory is that of tensors: those held when a step begins, and every allocation and release of torch's CPU allocator from
then on. Traffic is the tensors given to torch.distributed.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

_MARK = "danlu step "
_STEPS = 3  # the first makes the optimizer's states, the second lets DeepSpeed trace, the third is like all others


def main(cases_file: Path, rank: int, workers: int) -> None:
    os.environ |= {"DS_ACCELERATOR": "cpu", "LOCAL_RANK": str(rank), "RANK": str(rank), "WORLD_SIZE": str(workers)}
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    meeting = cases_file.with_suffix(f".{workers}.meeting")
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=workers)
    for number, case in enumerate(json.loads(cases_file.read_text())):
        figures = count_case(cases_file.parent / f"case-{workers}-{number}", case, rank, workers)
        everyone: list[Any] = [None] * workers
        dist.all_gather_object(everyone, figures)
        if rank == 0:
            print(json.dumps(max(everyone, key=lambda other: other["peak_bytes"])), flush=True)
    dist.destroy_process_group()


def count_case(folder: Path, case: dict[str, Any], rank: int, workers: int) -> dict[str, Any]:
    """{static_bytes, peak_bytes, sent: {collective: bytes}} of one worker and one step, the third."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from danlu.config import validate
    from pipelines.training.checkpoints import Position
    from pipelines.training.config import TrainConfig
    from pipelines.training.plan import TrainingPlan
    from pipelines.training.worker import make_loop

    settings = case["config"] | {"input": "unused", "output": str(folder), "steps": _STEPS}
    config = validate(TrainConfig, settings).resolved()
    if rank == 0:
        _write_tokens(folder, config.batch.sequences * config.batch.length * _STEPS + 1, case["vocabulary"])
    torch.distributed.barrier()
    plan = TrainingPlan(config, "text", str(folder), None, case["vocabulary"], "cpu", began=0.0)
    traffic: Counter[str] = Counter()
    gc.collect()
    others = _held_bytes()  # DeepSpeed never lets go of some of the earlier cases' tensors
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled, _Sent(traffic):
        loop = make_loop(plan, save=lambda *_: None)
        marked = _Marked(loop.samples, traffic)
        loop.samples = marked
        loop.run(Position())
        _mark(_STEPS)
    results = profiled.profiler
    assert results is not None and results.kineto_results is not None
    static = marked.held_bytes - others
    peak = static + _rise_of_step(results.kineto_results.events(), _STEPS - 1)
    with suppress(AttributeError):
        loop.executor.engine.destroy()
    del loop
    gc.collect()
    return {"case": case["name"], "static_bytes": static, "peak_bytes": peak, "sent": dict(traffic)}


def _write_tokens(folder: Path, tokens: int, vocabulary: int) -> None:
    import numpy as np

    from pipelines.training.token_store import EncodedBatch, write_store

    values = np.random.default_rng(0).integers(0, vocabulary, tokens)
    for split, part in (("train", values), ("validation", values[:0])):
        with write_store(folder / "tokens" / split, vocabulary, masked=False) as writer:
            if len(part):
                writer.append(EncodedBatch(part, np.array([len(part)])))
    (folder / "_state").mkdir(exist_ok=True)


def _mark(step: int) -> None:
    import torch

    gc.collect()  # what only awaits Python's collector is no need of the step
    with torch.profiler.record_function(f"{_MARK}{step}"):
        pass


class _Marked:
    """Samples that note the start of each step in the profile, and count the traffic of the last one alone.

    Attributes:
        held_bytes: of all tensors when the latest step began.
    """

    def __init__(self, samples: Any, traffic: Counter[str]) -> None:
        self._samples = samples
        self._traffic = traffic
        self.held_bytes = 0

    def step(self, step: int) -> Any:
        _mark(step)
        self._traffic.clear()
        self.held_bytes = _held_bytes()
        return self._samples.step(step)


def _held_bytes() -> int:
    """Of all tensors that Python knows, each storage once.

    The profile can't tell this: what gloo's threads release goes unseen there.
    """
    import torch

    tensors = [one for one in gc.get_objects() if issubclass(type(one), torch.Tensor)]
    storages = [tensor.untyped_storage() for tensor in tensors]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _rise_of_step(events: Iterable[Any], step: int) -> int:
    """Most bytes that are held between the marks of `step` and of the next, beyond those at its start."""
    marks: dict[str, int] = {}
    changes: list[tuple[int, int]] = []
    for event in events:
        if event.name() == "[memory]":
            changes.append((event.start_ns(), event.nbytes()))
        elif event.name().startswith(_MARK):
            marks[event.name()] = event.start_ns()
    begin, end = marks[f"{_MARK}{step}"], marks[f"{_MARK}{step + 1}"]
    held = most = 0
    for at, change in sorted(changes):
        if begin <= at < end:
            held += change
            most = max(most, held)
    return most


def _Sent(traffic: Counter[str]) -> Any:
    """A mode in which every collective that torch dispatches adds its payload to `traffic`."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Sent(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            if func.namespace in ("c10d", "_c10d_functional") and _members(args) > 1:
                tensors = list(_tensors(args, torch.is_tensor))
                name = func._schema.name.partition("::")[2].strip("_")
                # The whole: what is reduced or gathered, which is the larger of input and output.
                traffic[name] += max((tensor.nbytes for tensor in tensors), default=0)
            return func(*args, **(kwargs or {}))

    return Sent()


def _members(arguments: tuple[Any, ...]) -> int:
    """Of the group that a collective is among; alone, a worker sends nothing."""
    import torch
    from torch.distributed import ProcessGroup

    for argument in arguments:
        if isinstance(argument, torch.ScriptObject) and "ProcessGroup" in str(argument._type()):
            return int(ProcessGroup.unbox(argument).size())
    return int(torch.distributed.get_world_size())


def _tensors(value: Any, is_tensor: Callable[[Any], bool]) -> Iterable[Any]:
    if is_tensor(value):
        yield value
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _tensors(inner, is_tensor)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
