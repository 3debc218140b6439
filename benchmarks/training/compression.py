"""Gradients as one bit per element against whole ones: validation loss and bytes, several seeds, a real text."""

from __future__ import annotations

import argparse
import io
import json
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_measurement
from benchmarks.tables import add_write_option, markdown_table, publish
from benchmarks.training.gloo import Case, train_cases
from danlu.progress import Progress
from pipelines.training.encoding import EncodingPlan, encode_files
from pipelines.training.metrics import METRICS_FILE, StepMetrics, read_metrics
from pipelines.training.tokenizer import train_tokenizer

VOCABULARY, LENGTH = 1024, 64
SIZES = {"layers": 2, "hidden": 96, "intermediate": 256, "heads": 4, "kv_heads": 2, "head_dim": 24, "context": 128}
KINDS = ("none", "onebit")
_CHARACTERS = 6_000_000
_SHORTEST = 20


@dataclass(frozen=True)
class Pair:
    """One seed, trained both ways: {kind: its metrics}."""

    seed: int
    rows: dict[str, list[StepMetrics]]

    def loss(self, kind: str) -> float:
        """The last validation loss."""
        loss = self.rows[kind][-1].validation_loss
        assert loss is not None  # the last step is validated
        return loss

    @property
    def gap(self) -> float:
        """How much higher the loss with bits is, as a share of the loss with whole gradients."""
        return self.loss("onebit") / self.loss("none") - 1

    @property
    def payload_ratio(self) -> float:
        """Bytes of compressed messages per byte of whole gradients, over the compressed steps."""
        steps = [row for row in self.rows["onebit"] if row.gradient_payload_bytes]
        return sum(row.gradient_payload_bytes or 0 for row in steps) / whole_bytes(steps)

    @property
    def traffic_ratio(self) -> float:
        """The same of all bytes over all steps: warm-up, renewed moments and norms included."""
        return sum(row.gradient_bytes or 0 for row in self.rows["onebit"]) / whole_bytes(self.rows["onebit"])


def main() -> None:
    """Train every seed both ways, print the table, and draw the plot where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks training.compression", description=__doc__)
    parser.add_argument("text", type=Path, help="a folder of .txt files, one document or paragraph per line")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="keep the runs here; finished ones are not done again")
    parser.add_argument("--plot", type=Path, help="draw the losses into this .svg or .png file")
    add_write_option(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()  # workers meet by a file:// address
        prepare_text(arguments.text, folder)
        pairs = [train_pair(seed, arguments.steps, arguments.workers, folder) for seed in arguments.seeds]
    command = f"python -m benchmarks training.compression {arguments.text} --steps {arguments.steps}"
    command += f" --workers {arguments.workers} --seeds {' '.join(map(str, arguments.seeds))}"
    publish("training.compression", f"{table(pairs)}\n\n{describe_measurement(command)}", arguments.write)
    if arguments.plot:
        draw(pairs, arguments.plot)


def prepare_text(text: Path, folder: Path) -> None:
    """Tokenizer and token store of the text; done once per folder."""
    if (folder / "tokens").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    documents = list(read_lines(text))
    train_tokenizer(documents, VOCABULARY).save_pretrained(folder / "tokenizer")
    file = folder / "documents.jsonl"
    rows = (json.dumps({"text": document}, ensure_ascii=False) + "\n" for document in documents)
    file.write_text("".join(rows), encoding="utf-8")
    plan = EncodingPlan("text", str(folder / "tokenizer"), LENGTH, validation_share=0.02)
    with Progress(io.StringIO()).stage("tokens") as stage:
        encode_files([str(file)], plan, folder / "unfinished", VOCABULARY, stage)
    (folder / "unfinished").rename(folder / "tokens")


def read_lines(folder: Path) -> Iterator[str]:
    """Different lines of some length, file after file, up to a number of characters."""
    seen: set[str] = set()
    left = _CHARACTERS
    for file in sorted(folder.glob("*.txt")):
        if file.name == "SOURCE.txt":
            continue
        for line in map(str.strip, file.read_text(encoding="utf-8").splitlines()):
            if len(line) < _SHORTEST or line in seen:
                continue
            if left <= 0:
                return
            left -= len(line)
            seen.add(line)
            yield line


def train_pair(seed: int, steps: int, workers: int, folder: Path) -> Pair:
    """Both ways with one seed: the same first weights, the same data in the same order."""
    place = folder / f"{workers}-workers-{steps}-steps-seed-{seed}"
    files = {kind: place / kind / METRICS_FILE for kind in KINDS}
    if not all(file.exists() and len(read_metrics(file)) == steps for file in files.values()):
        shutil.rmtree(place, ignore_errors=True)
        cases = {kind: Case("text", settings(kind, seed, steps, workers)) for kind in KINDS}
        stores = {"text": (folder / "tokens").resolve()}
        train_cases(cases, stores, (folder / "tokenizer").resolve(), VOCABULARY, place, timeout_s=12 * 3600)
    return Pair(seed, {kind: read_metrics(file) for kind, file in files.items()})


def settings(kind: str, seed: int, steps: int, workers: int) -> dict[str, Any]:
    """What `danlu train` is told. Only the gradients differ; everything else is the default or the size."""
    return {
        "sizes": SIZES,
        "steps": steps,
        "batch": {"sequences": 8, "length": LENGTH},
        "parallel": {"data": workers, "zero": 0},
        "gradient_compression": kind,
        "checkpoint_every": max(1, steps // 10),
        "seed": seed,
    }


def table(pairs: list[Pair]) -> str:
    """One line per seed, and the means."""
    columns = ["seed", "loss, whole gradients", "loss, one bit", "gap", "payload", "all traffic"]
    rows = [
        [
            str(pair.seed),
            f"{pair.loss('none'):.4f}",
            f"{pair.loss('onebit'):.4f}",
            f"{pair.gap:+.2%}",
            f"1/{1 / pair.payload_ratio:.2f}",
            f"1/{1 / pair.traffic_ratio:.2f}",
        ]
        for pair in pairs
    ]
    whole, bits = (statistics.mean(pair.loss(kind) for pair in pairs) for kind in KINDS)
    rows.append(["mean", f"{whole:.4f}", f"{bits:.4f}", f"{bits / whole - 1:+.2%}", "", ""])
    return markdown_table(columns, rows)


def draw(pairs: list[Pair], file: Path) -> None:
    """Validation losses over the steps, and over the bytes that one worker sent."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "danlu", "font.size": 9}):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        by_step, by_bytes = figure.subplots(1, 2, sharey=True)
        for kind, colour, label in (("none", "#4c72b0", "whole gradients"), ("onebit", "#c44e52", "one bit")):
            for number, pair in enumerate(pairs):
                points = curve(pair.rows[kind], whole_bytes(pair.rows["onebit"][:1]))
                losses = [loss for _, _, loss in points]
                name = label if number == 0 else None
                by_step.plot([step for step, _, _ in points], losses, color=colour, linewidth=1, label=name)
                by_bytes.plot([sent / 2**20 for _, sent, _ in points], losses, color=colour, linewidth=1)
        by_step.set(xlabel="step", ylabel="validation loss (nats per token)")
        by_bytes.set(xlabel="MiB sent by one worker")
        by_step.legend(frameon=False)
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def whole_bytes(rows: list[StepMetrics]) -> int:
    """What one worker would have sent without compression."""
    return sum(row.gradient_whole_bytes or 0 for row in rows)


def curve(rows: list[StepMetrics], per_step: int) -> list[tuple[int, int, float]]:
    """(step, bytes sent so far, validation loss) wherever it was measured; `per_step` where the bytes are not told."""
    sent, points = 0, []
    for row in rows:
        sent += per_step if row.gradient_bytes is None else row.gradient_bytes
        if row.validation_loss is not None:
            points.append((row.step, sent, row.validation_loss))
    return points


if __name__ == "__main__":
    main()
