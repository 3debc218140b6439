"""What each Ray Train worker runs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.training.attempts import Attempt, append_attempt
from pipelines.training.plan import Outcome, TrainingPlan
from pipelines.training.shortage import read_shortage
from pipelines.training.spikes import WINDOW

if TYPE_CHECKING:
    from pipelines.training.checkpoints import Position
    from pipelines.training.checkpoints.session import CheckpointSession
    from pipelines.training.executor import Executor
    from pipelines.training.loop import TrainingLoop

_VALIDATION_BATCHES = 20


def train_worker(settings: dict[str, Any]) -> Outcome:
    """Train this worker's part of `settings["plan"]`, from the latest checkpoint on, and export the result."""
    plan: TrainingPlan = settings["plan"]
    _prepare_process(plan)
    if _any_worker_sees(plan, plan.stop_request):
        return Outcome("interrupted", 0)
    if _any_worker_sees(plan, plan.shortage):
        return Outcome("out_of_memory", 0)
    try:
        return _train(plan)
    except Exception as error:
        _note_shortage(plan, error)
        raise


def _train(plan: TrainingPlan) -> Outcome:
    from pipelines.training.export import export_checkpoint
    from pipelines.training.metrics import rewind_metrics
    from pipelines.training.watching import close_sinks, open_sinks

    loop = make_loop(plan, lambda position: session.save(position))
    session = open_session(plan, loop.executor)
    loop.failed = lambda: session.failed
    resumed = session.resume()
    if resumed.position is None:
        return Outcome("damaged", 0, "; ".join(resumed.notes))
    _note_attempt(plan, resumed.position.step, resumed.notes, loop.rank)
    if loop.rank == 0:
        rewind_metrics(plan.metrics, resumed.position.step)
        rewind_metrics(plan.skipped, resumed.position.step)
        loop.sinks = open_sinks(plan, resumed.position.step)
    _recall(loop)
    outcome = loop.run(resumed.position)
    close_sinks(loop.sinks)
    if outcome.reason == "finished":
        export_checkpoint(loop.executor, plan, loop.samples.step(0)[-1].inputs)
    failure = session.close()
    loop.executor.engine.destroy()
    # A finished run needs no checkpoint any more.
    return Outcome("not_saved", outcome.step, failure) if failure and outcome.reason != "finished" else outcome


def _prepare_process(plan: TrainingPlan) -> None:
    """Before torch and DeepSpeed are imported: which accelerator, how many threads."""
    # Otherwise DeepSpeed takes a GPU wherever it sees one.
    os.environ["DS_ACCELERATOR"] = plan.device
    import torch
    from ray.train import get_context

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(max(1, cores // get_context().get_local_world_size()))


def _note_shortage(plan: TrainingPlan, error: Exception) -> None:
    """Keep what is known of an error about memory for the others and for the driver."""
    import psutil
    import torch.distributed as dist

    message = f"{type(error).__name__}: {error}"
    if read_shortage(message) is not None:
        facts = {"worker": dist.get_rank(), "message": message, "free_host_bytes": psutil.virtual_memory().available}
        plan.shortage.write_text(json.dumps(facts), encoding="utf-8")


def _any_worker_sees(plan: TrainingPlan, file: Path) -> bool:
    """Whether a file exists: all must agree, or one worker would wait for the others."""
    import torch

    from pipelines.training.losses import sum_over_workers

    seen = torch.tensor([float(file.exists())], device=plan.device)
    return sum_over_workers(seen).item() > 0


def make_executor(plan: TrainingPlan) -> Executor:
    """This worker's part of the network, ready to train; the process group is up."""
    import torch

    from pipelines.training.expert_parallel import spread_experts
    from pipelines.training.groups import make_groups
    from pipelines.training.network import make_network
    from pipelines.training.shards import mark_whole
    from pipelines.training.tensor_parallel import share_layers

    config = plan.config
    groups = make_groups(config.layout)
    model = make_network(config, plan.checkpoint, plan.vocabulary)
    mark_whole(model)
    share_layers(model, groups)
    spread_experts(model, groups)
    # Dropout draws from here on: other masks for each replica, the same for the parts of one.
    torch.manual_seed(config.seed + 1 + groups.at.data)
    if config.layout.pipeline > 1:
        from pipelines.training.pipelined import PipelinedExecutor

        return PipelinedExecutor(config, model, groups, plan.device)
    from pipelines.training.replicated import ReplicatedExecutor

    return ReplicatedExecutor(config, model, groups, plan.device)


def make_loop(plan: TrainingPlan, save: Callable[[Position], None]) -> TrainingLoop:
    """This worker's loop; the process group is up."""
    from pipelines.training.batches import open_samples, validation_samples
    from pipelines.training.loop import TrainingLoop
    from pipelines.training.token_store import TokenStore

    config, store = plan.config, TokenStore(plan.tokens / "train")
    sequences, length = config.batch.sequences, config.batch.length
    parts = config.mixture_parts
    executor = make_executor(plan)
    at_most = _VALIDATION_BATCHES * sequences
    return TrainingLoop(
        plan=plan,
        executor=executor,
        samples=open_samples(store, plan.kind, sequences, length, config.seed, parts),
        validation=validation_samples(TokenStore(plan.tokens / "validation"), plan.kind, length, at_most, parts),
        save=save,
        origin=store.origin,
    )


def open_session(plan: TrainingPlan, executor: Executor) -> CheckpointSession:
    """This worker's checkpoints, before its first step."""
    from pipelines.training.checkpoints.engine_state import EngineState
    from pipelines.training.checkpoints.extras import Extra, RandomState
    from pipelines.training.checkpoints.session import CheckpointSession, gather_objects

    config = plan.config
    extras: dict[str, Extra] = {"random": RandomState()}
    if executor.reduction is not None:
        extras["gradient_compression"] = executor.reduction
    return CheckpointSession(
        folder=plan.checkpoints,
        rank=executor.groups.rank,
        layout=f"{config.layout}, parallel.zero={config.parallel.zero}",
        state=EngineState(executor.engine.optimizer, executor.parameters()),
        extras=extras,
        gather=gather_objects,
    )


def _recall(loop: TrainingLoop) -> None:
    """After a restart, spikes are told by the same losses as without it. Worker 0 reads them for all."""
    from pipelines.training.checkpoints.session import gather_objects
    from pipelines.training.metrics import read_metrics

    rows = read_metrics(loop.plan.metrics) if loop.rank == 0 else []
    taken = [row.loss for row in rows if row.skipped is None]
    skipped = next((n for n, row in enumerate(reversed(rows)) if row.skipped is None), len(rows))
    losses, count = gather_objects((taken[-WINDOW:], skipped))[0]
    loop.watch.recall(losses, count)


def _note_attempt(plan: TrainingPlan, step: int, notes: list[str], rank: int) -> None:
    """Tell the driver who starts where: the process ids of all workers, and the step they continue from."""
    from pipelines.training.checkpoints.session import gather_objects
    from pipelines.training.metrics import read_metrics, time_of_steps

    processes = gather_objects(os.getpid())
    if rank == 0:
        lost_steps, lost_seconds = time_of_steps(read_metrics(plan.metrics), after=step)
        seconds = time.time() - plan.began
        append_attempt(plan.attempts, Attempt(step, seconds, processes, lost_steps, lost_seconds, notes))
