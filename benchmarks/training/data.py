"""Tokens per second of the data path alone, over what training consumes on the same cores.

    python -m benchmarks training.data FILE.jsonl ...

Learning a tokenizer, encoding, and serving packed batches are each timed in CPU seconds of this process with one
thread, then some steps of training with the same batches: a busy machine does not change the ratios much.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, publish

_BATCH = {"sequences": 16, "length": 256}
_SERVED_STEPS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="documents: parquet or jsonl with `text`")
    parser.add_argument("--vocabulary", type=int, default=8192, help="tokens of the tokenizer [8192]")
    parser.add_argument("--characters", type=int, default=1_000_000, help="that it is learnt from [1,000,000]")
    parser.add_argument("--size", default="tiny", help="preset of the network that consumes [tiny]")
    parser.add_argument("--steps", type=int, default=5, help="of training [5]")
    add_write_option(parser)
    arguments = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "DS_ACCELERATOR": "cpu"}
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(arguments, Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    columns = ["what", "tokens", "CPU seconds", "tokens per CPU second", "over training"]
    command = f"python -m benchmarks training.data --size {arguments.size}"
    note = f"One thread; peak resident memory {peak:,.0f} MB. {describe_measurement(command)}"
    publish("training.data", f"{markdown_table(columns, rows)}\n\n{note}", arguments.write)


def measure(arguments: argparse.Namespace, folder: Path) -> list[list[Cell]]:
    """The rows of the table."""
    from danlu.progress import Progress
    from pipelines.training.batches import open_samples, share
    from pipelines.training.encoding import EncodingPlan, encode_files
    from pipelines.training.text_sample import TextSample
    from pipelines.training.token_store import TokenStore
    from pipelines.training.tokenizer import train_tokenizer

    began = time.process_time()
    sample = TextSample(arguments.files, "text", 0, arguments.characters)
    tokenizer = train_tokenizer(sample, arguments.vocabulary)
    learning = time.process_time() - began
    tokenizer.save_pretrained(folder / "tokenizer")

    began = time.process_time()
    plan = EncodingPlan("text", str(folder / "tokenizer"), _BATCH["length"], 0.01)
    with Progress().stage("tokens", unit="documents") as stage:
        encode_files(arguments.files, plan, folder / "tokens", len(tokenizer), stage)
    encoding = time.process_time() - began
    store = TokenStore(folder / "tokens" / "train")

    began = time.process_time()
    samples = open_samples(store, "text", _BATCH["sequences"], _BATCH["length"], seed=0)
    for step in range(_SERVED_STEPS):
        for _ in share(samples.step(step), 0, 1, _BATCH["sequences"]):
            pass
    serving = time.process_time() - began

    per_step = _BATCH["sequences"] * _BATCH["length"]
    training = train(arguments, samples, folder, len(tokenizer))
    consumed = arguments.steps * per_step / training
    rows: list[list[Cell]] = [
        [f"a tokenizer from {sample.description()}", None, f"{learning:.1f}", None, None],
        _row("encoding", store.token_count, encoding, consumed),
        _row("packed batches", _SERVED_STEPS * per_step, serving, consumed),
        _row(f"training, {arguments.size}", arguments.steps * per_step, training, None),
    ]
    both = 1 / (encoding / store.token_count + serving / (_SERVED_STEPS * per_step))
    rows.insert(3, ["encoding and batches together", None, None, f"{both:,.0f}", f"{both / consumed:.1f}x"])
    return rows


def train(arguments: argparse.Namespace, samples: Any, folder: Path, vocabulary: int) -> float:
    """CPU seconds of some steps, after one that does not count."""
    import torch
    import torch.distributed as dist

    from danlu.config import validate
    from pipelines.training.config import TrainConfig
    from pipelines.training.plan import TrainingPlan
    from pipelines.training.worker import make_executor

    torch.set_num_threads(1)
    os.environ |= {"LOCAL_RANK": "0", "RANK": "0", "WORLD_SIZE": "1"}
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=0, world_size=1)
    values = {"input": "unused", "output": str(folder), "size": arguments.size, "batch": _BATCH, "device": "cpu"}
    config = validate(TrainConfig, values).resolved()
    executor = make_executor(TrainingPlan(config, "text", str(folder), None, vocabulary, "cpu", began=0.0))
    began = 0.0
    for step in range(arguments.steps + 1):
        if step == 1:
            began = time.process_time()
        executor.forward_backward(samples.step(step))
        executor.update()
    seconds = time.process_time() - began
    dist.destroy_process_group()
    return seconds


def _row(what: str, tokens: int, seconds: float, consumed: float | None) -> list[Cell]:
    speed = tokens / seconds
    over = None if consumed is None else f"{speed / consumed:.1f}x"
    return [what, tokens, f"{seconds:.1f}", f"{speed:,.0f}", over]


if __name__ == "__main__":
    main()
