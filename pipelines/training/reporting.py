"""The report of a training run."""

from __future__ import annotations

import math
from collections import Counter

from danlu.progress import Progress
from danlu.report import Check, Lines, Report, Scalar, Section, Table
from pipelines.training.attempts import read_attempts
from pipelines.training.export import logit_difference
from pipelines.training.metrics import StepMetrics, read_metrics
from pipelines.training.mixture import Rotation
from pipelines.training.plan import TrainingPlan
from pipelines.training.token_store import TokenStore

_CURVE_POINTS = 400
_JUDGED_STEPS = 20


def build_report(plan: TrainingPlan, counts: Counter[str], progress: Progress) -> Report:
    """Figures, checks and curves of a finished training run."""
    every = read_metrics(plan.metrics)
    rows = [row for row in every if row.skipped is None] or every
    with progress.stage("check the checkpoint") as stage:
        difference, allowed = logit_difference(plan)
        stage.update(note=f"logits differ by {difference:.1e}")
    checks = [
        _steps_check(every, plan.config.total_steps),
        loss_check(rows),
        Check(
            name="the checkpoint gives the trained network's logits in plain transformers",
            held=difference <= allowed,
            detail=f"largest difference {difference:.1e}, allowed {allowed:.1e}",
        ),
    ]
    sections: list[Section] = [_loss_curve(rows), _speed_curve(rows), layout_table(plan)]
    if len(rows) < len(every):
        sections.append(_skipped(every))
    if len(read_attempts(plan.attempts)) > 1:
        sections.append(restarts_table(plan))
    if plan.config.mixture is not None:
        sections.insert(2, mixture_table(plan))
    return Report(job="train", figures=_figures(plan, rows, every, counts), checks=checks, sections=sections)


def _figures(
    plan: TrainingPlan, rows: list[StepMetrics], every: list[StepMetrics], counts: Counter[str]
) -> dict[str, Scalar]:
    """`rows` are the steps that were learnt from, of `every` step."""
    attempts, last = read_attempts(plan.attempts), every[-1]
    validation = next((row.validation_loss for row in reversed(every) if row.validation_loss is not None), None)
    first = next((row for row in rows if row.step == attempts[0].step + 1), rows[0])
    figures: dict[str, Scalar] = {
        "parameters": _parameters(plan),
        "vocabulary": plan.vocabulary,
        "train_documents": counts["train_documents"],
        "validation_documents": counts["validation_documents"],
        "steps": last.step,
        "tokens": last.tokens,
        "final_loss": _final_loss(rows),
        "validation_loss": validation,
        "validation_perplexity": None if validation is None else math.exp(min(validation, 50.0)),
        "tokens_per_s": _median_speed(rows),
        "first_step_s": attempts[0].seconds + first.tokens / (attempts[0].step + 1) / first.tokens_per_s,
        "restarts": len(attempts) - 1,
        "skipped_steps": len(read_metrics(plan.skipped)),
    }
    if plan.config.gradient_compression.is_on:
        figures |= _gradient_traffic(rows)
    if plan.config.mixture is not None:
        figures["left_out_by_mixture"] = counts["left_out_by_mixture"]
    if plan.kind == "chat":
        figures |= {
            "shortened_conversations": counts["shortened"],
            "left_out_conversations": counts["nothing_to_learn"],
        }
    return figures


def _gradient_traffic(rows: list[StepMetrics]) -> dict[str, Scalar]:
    """Bytes sent per byte of whole gradients: of the compressed messages alone, and of everything."""
    figures: dict[str, Scalar] = {}
    compressed = [row for row in rows if row.gradient_payload_bytes]
    for name, part, sent in (
        ("gradient_payload_ratio", compressed, [row.gradient_payload_bytes or 0 for row in compressed]),
        ("gradient_traffic_ratio", rows, [row.gradient_bytes or 0 for row in rows]),
    ):
        whole = sum(row.gradient_whole_bytes or 0 for row in part)
        figures[name] = sum(sent) / whole if whole else None
    return figures


def _parameters(plan: TrainingPlan) -> int:
    """What the saved checkpoint holds; tied embeddings count once."""
    from safetensors import safe_open

    total = 0
    for file in sorted(plan.result.glob("*.safetensors")):
        with safe_open(file, framework="numpy") as weights:
            total += sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    return total


def _steps_check(rows: list[StepMetrics], steps: int) -> Check:
    found = [row.step for row in rows]
    return Check(
        name="metrics hold every step once",
        held=found == list(range(1, steps + 1)),
        detail=f"{len(found)} lines for {steps} steps",
    )


def loss_check(rows: list[StepMetrics]) -> Check:
    """That the loss of a run went down; of a very short one, that it is a number."""
    first, final = rows[0].loss, _final_loss(rows)
    detail = f"{first:.3f} at step {rows[0].step}, {final:.3f} at the end"
    if len(rows) < _JUDGED_STEPS:  # one step's loss differs from the next one's by more than a few steps teach
        return Check(name="the loss is finite", held=math.isfinite(final), detail=detail)
    return Check(name="the loss went down", held=final < first, detail=detail)


def _final_loss(rows: list[StepMetrics]) -> float:
    """Mean over the last twentieth of the steps: single steps are noisy."""
    tail = rows[-max(1, len(rows) // 20) :]
    return sum(row.loss for row in tail) / len(tail)


def _median_speed(rows: list[StepMetrics]) -> float:
    speeds = sorted(row.tokens_per_s for row in rows)
    return speeds[len(speeds) // 2]


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    stride = max(1, math.ceil(len(points) / _CURVE_POINTS))
    return points[::stride] if not points or points[-1] in points[::stride] else [*points[::stride], points[-1]]


def _loss_curve(rows: list[StepMetrics]) -> Lines:
    series = {"training": _thinned([(row.step, row.loss) for row in rows])}
    validation = [(float(row.step), row.validation_loss) for row in rows if row.validation_loss is not None]
    if validation:
        series["validation"] = validation
    return Lines(title="Loss", x_label="step", y_label="cross entropy (nats per token)", series=series)


def _speed_curve(rows: list[StepMetrics]) -> Lines:
    series = {"all workers": _thinned([(row.step, row.tokens_per_s) for row in rows])}
    return Lines(title="Speed", x_label="step", y_label="tokens per second", series=series)


def _skipped(rows: list[StepMetrics]) -> Table:
    left_out: list[list[Scalar]] = [[row.step, row.skipped] for row in rows if row.skipped is not None]
    return Table(title="Steps left out", columns=["step", "why, and what was read"], rows=left_out)


def restarts_table(plan: TrainingPlan) -> Table:
    """Where the workers were started again, and what had to be done twice."""
    rows: list[list[Scalar]] = [
        [attempt.step, attempt.lost_steps, round(attempt.lost_seconds, 1), "; ".join(attempt.notes)]
        for attempt in read_attempts(plan.attempts)[1:]
    ]
    columns = ["went on from step", "steps done again", "seconds of them", "notes"]
    return Table(title="Restarts", columns=columns, rows=rows)


def mixture_table(plan: TrainingPlan) -> Table:
    """What was read of each domain or named input: its share, its tokens, and how often it was gone through."""
    config, store = plan.config, TokenStore(plan.tokens / "train")
    parts = config.mixture_parts
    sequences = config.total_steps * config.batch.sequences
    turns = Rotation(parts).counts(sequences).tolist()
    rows: list[list[Scalar]] = []
    for group, (key, part) in enumerate(zip(config.mixture or {}, parts, strict=True)):
        members = store.members(group)
        tokens = int(store.lengths[members].sum())
        # A group's epoch is its tokens, or its conversations, each of which takes one turn.
        read = turns[group] * config.batch.length if plan.kind == "text" else None
        epochs = 0.0 if not part else turns[group] / len(members) if read is None else read / tokens
        rows.append([key, part / sum(parts), turns[group], read, len(members), tokens, round(epochs, 3)])
    columns = ["of", "weight", "sequences read", "tokens read", "documents", "tokens", "epochs"]
    return Table(title="Mixture", columns=columns, rows=rows)


def layout_table(plan: TrainingPlan) -> Table:
    """How the network was spread, and what it read at a time."""
    config = plan.config
    start = plan.checkpoint or f"random weights, seed {config.seed}"
    rows: list[list[Scalar]] = [
        ["start", start],
        ["workers", config.layout.world],
        ["data x pipeline x tensor", f"{config.layout.data} x {config.layout.pipeline} x {config.layout.tensor}"],
        ["ZeRO stage", config.parallel.zero],
        ["device", plan.device],
        ["precision", config.precision],
        ["sequences per step", config.batch.sequences],
        ["sequences per worker and pass", config.micro_sequences],
        ["longest sequence (tokens)", config.batch.length],
        ["recompute", config.recompute],
        ["gradient compression", config.gradient_compression.kind],
    ]
    if config.layout.expert > 1:
        rows.append(["replicas that share the experts", config.layout.expert])
    if config.lora is not None:
        rows.append(["LoRA", f"rank {config.lora.rank}, alpha {config.lora.scaled_alpha}"])
    return Table(title="Layout", columns=["what", "value"], rows=rows)
