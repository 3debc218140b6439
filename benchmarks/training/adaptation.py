"""Domain adaptation: perplexity on a target domain and on the old one, before and after adapters or full fine-tuning.

    python -m benchmarks training.adaptation --base NEWS.txt ... --target NOVEL.txt ...

A small network is trained on the base text, then adapted to the target text, both given as text files. Perplexity is
that of held-out documents, which no run has seen. One process, no Ray: the trainer's own loop.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, publish
from benchmarks.training.gloo import Case, train_cases
from danlu.progress import Progress
from pipelines.training.encoding import EncodingPlan, encode_files
from pipelines.training.plan import TrainingPlan
from pipelines.training.text_sample import TextSample
from pipelines.training.tokenizer import train_tokenizer

_SHAPE = {"layers": 4, "hidden": 128, "intermediate": 384, "heads": 4, "kv_heads": 2, "head_dim": 32, "context": 256}
_BATCH = {"sequences": 8, "length": 128}
_CHARACTERS = 1000  # of a document that is cut from a text
_HELD_OUT = 64  # sequences


def documents(files: Sequence[str], characters: int) -> Iterator[str]:
    """Pieces of about 1,000 characters, cut between lines, until there are `characters`."""
    taken, piece = 0, ""
    for file in files:
        for line in Path(file).read_text(encoding="utf-8").splitlines(keepends=True):
            piece += line
            if len(piece) >= _CHARACTERS:
                yield piece
                taken, piece = taken + len(piece), ""
            if taken >= characters:
                return


def perplexity(checkpoint: Path, store: Path) -> float:
    """Of the held-out documents in a token store."""
    import torch
    from transformers import AutoModelForCausalLM

    from benchmarks.training.one_process import plain_losses
    from pipelines.training.batches import validation_samples
    from pipelines.training.token_store import TokenStore

    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    samples = validation_samples(TokenStore(store / "validation"), "text", _BATCH["length"], _HELD_OUT)
    with torch.no_grad():
        return math.exp(plain_losses(model, samples)[0].item())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", nargs="+", required=True, help="text files of the domain to begin with")
    parser.add_argument("--target", nargs="+", required=True, help="text files of the domain to adapt to")
    parser.add_argument("--characters", type=int, default=2_000_000, help="of each domain, at most [2,000,000]")
    parser.add_argument("--steps", type=int, default=300, help="of the first training [300]; adaptation takes a third")
    add_write_option(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        rows = _rows(Path(temporary), arguments)
    columns = ["network", "trained parameters", "perplexity, target", "perplexity, base"]
    command = "python -m benchmarks training.adaptation"
    note = f"{arguments.steps} steps, then {arguments.steps // 3}. {describe_measurement(command)}"
    publish("training.adaptation", f"{markdown_table(columns, rows)}\n\n{note}", arguments.write)


def _rows(folder: Path, arguments: argparse.Namespace) -> list[list[Cell]]:
    files = {}
    for name in ("base", "target"):
        files[name] = str(folder / f"{name}.jsonl")
        texts = documents(getattr(arguments, name), arguments.characters)
        Path(files[name]).write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    tokenizer = train_tokenizer(TextSample(list(files.values()), "text", 0, 1_000_000), 4096)
    tokenizer.save_pretrained(folder / "tokenizer")
    stores = {}
    for name, file in files.items():
        stores[name] = folder / f"tokens-{name}"
        with Progress().stage(f"tokens of {name}", unit="documents") as stage:
            encoding = EncodingPlan("text", str(folder / "tokenizer"), _BATCH["length"], 0.05)
            encode_files([file], encoding, stores[name], len(tokenizer), stage)

    def train(name: str, store: str, change: dict[str, Any], checkpoint: Path | None = None) -> TrainingPlan:
        settings: dict[str, Any] = {"batch": _BATCH, "checkpoint_every": 10_000, "validation_share": 0.0} | change
        case = Case("text", settings, None if checkpoint is None else str(checkpoint))
        tokens = {"text": stores[store]}
        return train_cases({name: case}, tokens, folder / "tokenizer", len(tokenizer), folder / name, timeout_s=3600)[
            name
        ]

    first = train("first", "base", {"sizes": _SHAPE, "steps": arguments.steps})
    short: dict[str, Any] = {"from": str(first.result), "steps": arguments.steps // 3}
    rate = {"learning_rate": 2e-3}
    rank = 8
    adapted = train("adapters", "target", short | {"lora": {"rank": rank}, "optimizer": rate}, first.result)
    full = train("full", "target", short | {"optimizer": {"learning_rate": 1e-3}}, first.result)
    rows: list[list[Cell]] = []
    for name, plan in (("before", first), (f"LoRA, rank {rank}", adapted), ("all weights", full)):
        trained = _parameters(plan.adapter if plan is adapted else plan.result)
        found = [f"{perplexity(plan.result, stores[store]):.1f}" for store in ("target", "base")]
        rows.append([name, trained, *found])
        print(rows[-1], flush=True)
    return rows


def _parameters(folder: Path) -> int:
    from safetensors import safe_open

    with safe_open(next(folder.glob("*.safetensors")), framework="numpy") as weights:
        return sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118


if __name__ == "__main__":
    main()
