"""metrics.jsonl: one line per step, no step twice, also after a restart."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

METRICS_FILE = "metrics.jsonl"
_TAIL_BYTES = 4096


@dataclass(frozen=True)
class StepMetrics:
    """What is known of one step.

    Attributes:
        step: optimizer steps done, this one included.
        loss: mean cross entropy of the step's targets, in nats.
        tokens: tokens read since the start of training, padding left out.
        tokens_per_s: of this step, over all workers.
        gradient_norm: before clipping.
        router_loss: load-balancing loss (moe only; experts per token at perfect balance, more otherwise).
        validation_loss: where it was measured.
        gradient_bytes: what the first worker sent to agree on gradients (where compression is on).
        gradient_payload_bytes: of these, the compressed messages; 0 at a step with whole gradients.
        gradient_whole_bytes: what it would have sent without compression.
        skipped: why the step's gradients were not learnt from, and which documents they came from.
    """

    step: int
    loss: float
    tokens: int
    tokens_per_s: float
    learning_rate: float
    gradient_norm: float | None = None
    router_loss: float | None = None
    validation_loss: float | None = None
    gradient_bytes: int | None = None
    gradient_payload_bytes: int | None = None
    gradient_whole_bytes: int | None = None
    skipped: str | None = None


def append_metrics(file: Path, row: StepMetrics) -> None:
    """Add one step."""
    with open(file, "a", encoding="utf-8") as stream:
        stream.write(_line(row))


def sync_metrics(file: Path) -> None:
    """Put the lines on the disk: a checkpoint that survives its machine must find the steps before it."""
    if file.exists():
        with open(file, "rb") as stream:
            os.fsync(stream.fileno())


def read_metrics(file: Path) -> list[StepMetrics]:
    """All whole lines; what a killed process left half written is passed over."""
    if not file.exists():
        return []
    return [row for line in file.read_text(encoding="utf-8").splitlines() if (row := _parse(line)) is not None]


def rewind_metrics(file: Path, step: int) -> None:
    """Forget everything after `step`: it is about to be done again."""
    kept = [row for row in read_metrics(file) if row.step <= step]
    part = file.with_suffix(".part")
    part.write_text("".join(map(_line, kept)), encoding="utf-8")
    part.replace(file)


def time_of_steps(rows: list[StepMetrics], after: int) -> tuple[int, float]:
    """How many steps come after the step `after`, and how many seconds they took (validation left out)."""
    seconds, tokens = 0.0, 0
    for row in rows:
        if row.step > after and row.tokens_per_s:
            seconds += (row.tokens - tokens) / row.tokens_per_s
        tokens = row.tokens
    return sum(row.step > after for row in rows), seconds


def latest_metrics(file: Path) -> StepMetrics | None:
    """The last whole line, without reading the rest."""
    try:
        with open(file, "rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _TAIL_BYTES))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return None
    return next((row for line in reversed(lines) if (row := _parse(line)) is not None), None)


def _line(row: StepMetrics) -> str:
    values = {key: _plain(value) for key, value in asdict(row).items() if value is not None}
    return json.dumps(values) + "\n"


def _plain(value: Any) -> Any:
    """JSON has no word for what is no number."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _parse(line: str) -> StepMetrics | None:
    try:
        values: dict[str, Any] = json.loads(line)
        for key in values.keys() - {"skipped"}:
            if isinstance(values[key], str):
                values[key] = float(values[key])
        return StepMetrics(**values)
    except (json.JSONDecodeError, TypeError, ValueError, AttributeError):
        return None
