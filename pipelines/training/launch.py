"""Starting the workers through Ray Train, watching them, and ending them in an orderly way."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

from danlu.errors import DanluError, RunError
from danlu.progress import Progress
from pipelines.training.attempts import Attempt, read_attempts
from pipelines.training.metrics import latest_metrics, read_metrics
from pipelines.training.places import PlaceWatch
from pipelines.training.plan import Device, Outcome, TrainingPlan
from pipelines.training.shortage import out_of_memory, read_shortage
from pipelines.training.worker import train_worker

if TYPE_CHECKING:
    from ray.train.torch import TorchTrainer

_RESTARTS = 3
_LOOK_EVERY_S = 0.2
_STOP_WITHIN_S = 60.0


def train(plan: TrainingPlan, progress: Progress) -> None:
    """Run the workers to their end, restarting them up to three times when one dies.

    Raises:
        RunError: a number was not finite, or the workers failed too often.
        KeyboardInterrupt: Ctrl-C; the workers have saved their position.
    """
    plan.stop_request.parent.mkdir(parents=True, exist_ok=True)
    plan.stop_request.unlink(missing_ok=True)
    plan.shortage.unlink(missing_ok=True)
    # Ray Train's controller looks after its workers every 2 s, which would be lost at each start and end.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
    fit = _Fit(plan)
    fit.start()
    try:
        _watch_start(fit, plan, progress)
        _watch_steps(fit, plan, progress)
    except KeyboardInterrupt:
        progress.say("stopping: the workers save their position (Ctrl-C again to stop without)")
        # The request stays: workers that outlive this process stop at their next step.
        plan.stop_request.touch()
        fit.ended.wait(_STOP_WITHIN_S)
        raise
    _judge(fit, plan)


class _Fit(threading.Thread):
    """`TorchTrainer.fit` beside the main thread: on the main thread it would turn Ctrl-C into exit code 0."""

    def __init__(self, plan: TrainingPlan) -> None:
        super().__init__(name="ray-train", daemon=True)
        self._plan = plan
        self.outcome: Any = None  # an Outcome, once there is one
        self.error: Exception | None = None
        # Not `join`: interrupted by Ctrl-C, it takes a running thread for an ended one in Python 3.11 and 3.12.
        self.ended = threading.Event()

    def run(self) -> None:
        try:
            result: Any = _trainer(self._plan).fit()  # Ray's types still know the first version's result
            self.outcome = result.return_value
        except Exception as error:  # whatever it is, the main thread raises it again
            self.error = error
        finally:
            self.ended.set()


def _trainer(plan: TrainingPlan) -> TorchTrainer:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    loop: Any = train_worker  # typed as returning nothing, while Ray Train hands on what it returns
    variables = worker_environment(plan.device)
    # Ray's types know the first version's settings alone.
    environment: dict[str, Any] = {"worker_runtime_env": {"env_vars": variables}} if variables else {}
    return TorchTrainer(
        loop,
        train_loop_config={"plan": plan},
        torch_config=TorchConfig(backend="nccl" if plan.device == "cuda" else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=plan.config.layout.world, use_gpu=plan.device == "cuda", resources_per_worker=_per_worker(plan)
        ),
        run_config=RunConfig(
            # Ray Train starts the workers again; where they go on is for our own checkpoints to say.
            storage_path=str(plan.launcher.parent),
            name=plan.launcher.name,
            failure_config=FailureConfig(max_failures=_RESTARTS),
            **environment,
        ),
    )


def _per_worker(plan: TrainingPlan) -> dict[str, float]:
    return {"CPU": 1.0, "GPU": 1.0} if plan.device == "cuda" else {"CPU": 1.0}


def worker_environment(device: Device) -> dict[str, str]:
    """What must be set before torch is imported; what the user has set stays as it is.

    On cuda the allocator keeps segments that grow, so that memory freed by one step's shapes serves the next one's:
    with ZeRO and conversations of different lengths, fixed segments leave gaps.
    """
    names = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")  # torch reads the older one too
    if device == "cpu" or any(name in os.environ for name in names):
        return {}
    return {names[0]: "expandable_segments:True"}


def _watch_start(fit: _Fit, plan: TrainingPlan, progress: Progress) -> None:
    before = len(read_attempts(plan.attempts))
    with progress.stage(f"start {plan.config.layout.world} workers") as stage:
        while not fit.ended.is_set() and len(read_attempts(plan.attempts)) == before:
            fit.ended.wait(_LOOK_EVERY_S)
            stage.update()


def _watch_steps(fit: _Fit, plan: TrainingPlan, progress: Progress) -> None:
    import ray

    attempts = read_attempts(plan.attempts)
    base = attempts[-1].step if attempts else 0
    if base:
        _say(progress, f"continues from step {base}", attempts[-1])
    steps = plan.config.total_steps
    places = PlaceWatch(plan.config.layout.world, _per_worker(plan), ray.cluster_resources)
    told = base
    with progress.stage("train", steps - base, "steps") as stage:
        while not fit.ended.is_set():
            fit.ended.wait(_LOOK_EVERY_S)
            row = latest_metrics(plan.metrics)
            if row is not None and row.step > base:
                speed = f"{row.tokens_per_s:,.0f} tokens/s"
                stage.update(row.step - base, note=f"step {row.step}/{steps}, loss {row.loss:.3f}, {speed}")
            told = _say_skipped(progress, plan, told)
            restarted = read_attempts(plan.attempts)[len(attempts) :]
            for attempt in restarted:
                _say(progress, f"a worker was lost; all continue from step {attempt.step}", attempt)
            attempts += restarted
            if changed := places.look():
                progress.say(f"train: {changed}")


def _say_skipped(progress: Progress, plan: TrainingPlan, told: int) -> int:
    """Tell of steps after `told` that were left out; returns the last one told of."""
    for row in read_metrics(plan.skipped):
        if row.step > told:
            progress.say(f"train: step {row.step} is left out: {row.skipped}")
            told = row.step
    return told


def _say(progress: Progress, what: str, attempt: Attempt) -> None:
    progress.say(f"train: {'; '.join([what, *attempt.told])}")


def _judge(fit: _Fit, plan: TrainingPlan) -> None:
    if fit.error is not None:
        raise _explained(fit.error, plan) from fit.error
    assert fit.outcome is not None  # every worker returns one
    if fit.outcome.reason == "interrupted":
        raise RunError(f"training was asked to stop after step {fit.outcome.step}", fix="the same command continues")
    if fit.outcome.reason == "not_saved":
        raise RunError(
            f"training stopped after step {fit.outcome.step}",
            rule=f"{fit.outcome.detail}; the checkpoint before it is kept",
            fix=f"make room in {plan.checkpoints}, then the same command continues",
        )
    if fit.outcome.reason == "damaged":
        rule, fix = fit.outcome.detail, f"bring back the files in {plan.checkpoints}, or begin anew with --fresh"
        raise RunError("no checkpoint of this run can be read", rule=rule, fix=fix)
    if fit.outcome.reason == "out_of_memory":
        raise _shortage_of(plan) or RunError("training ran out of memory")
    if fit.outcome.reason in ("not_finite", "spike"):
        raise _stopped_by_loss(fit.outcome, plan)


def _stopped_by_loss(outcome: Outcome, plan: TrainingPlan) -> RunError:
    """One bad batch can be left out; a network that has gone astray needs gentler steps."""
    gentler = "choose another output with a lower optimizer.learning_rate or a longer optimizer.warmup_steps"
    once = plan.config.on_spike == "stop" or (plan.config.on_spike == "ignore" and outcome.reason == "not_finite")
    leave_out = "the same command with on_spike=skip goes on from the last checkpoint and leaves such steps out; or "
    return RunError(
        f"training stopped at step {outcome.step}",
        rule=f"{outcome.detail}; the learning rate peaks at {plan.config.optimizer.learning_rate:g}",
        fix=f"{leave_out}{gentler}" if once and "norm" not in outcome.detail else gentler,
    )


def _shortage_of(plan: TrainingPlan) -> RunError | None:
    """What a worker kept of the end of its memory."""
    if not plan.shortage.exists():
        return None
    facts = json.loads(plan.shortage.read_text(encoding="utf-8"))
    shortage = read_shortage(facts["message"], facts["free_host_bytes"])
    assert shortage is not None  # the worker has read it too
    return out_of_memory(shortage, f"worker {facts['worker']}", plan.config, plan.device, plan.vocabulary)


def _explained(error: Exception, plan: TrainingPlan) -> Exception:
    """The first worker's error in one message."""
    if (known := _shortage_of(plan)) is not None:
        return known
    failures = getattr(error, "worker_failures", {})
    for rank, failure in sorted(failures.items()):
        cause = getattr(failure, "cause", None) or failure
        if isinstance(cause, DanluError):
            return cause
        if (shortage := read_shortage(str(failure))) is not None:
            return out_of_memory(shortage, f"the machine of worker {rank}", plan.config, plan.device, plan.vocabulary)
        lines = [line for line in str(failure).splitlines() if line.strip()] or [type(failure).__name__]
        return RunError(
            f"training failed on worker {rank} of {plan.config.layout.world}, after {_RESTARTS} restarts",
            rule=lines[-1].strip(),
            fix="the same command continues from the last checkpoint once the cause is mended",
        )
    return error


def remove_checkpoints(plan: TrainingPlan) -> None:
    """Free what only a resumed run would need."""
    import shutil

    for folder in (plan.checkpoints, plan.launcher):
        shutil.rmtree(folder, ignore_errors=True)
