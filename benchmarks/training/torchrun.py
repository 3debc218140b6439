"""Tokens per second of `danlu train` on Ray Train over those of a bare torchrun script of the same network and mode.

    python -m benchmarks training.torchrun [--runs 5]

Both share the cores out to as many workers, and take turns. The script (`torchrun_script.py`) is plain DDP, or
DeepSpeed for ZeRO; its tokens lie ready and it writes nothing, while danlu packs sequences from its token store and
writes metrics. Start and first steps of both are left out. Ray's own processes take their share of the cores from the
workers.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from actors.networks.build import build_config
from actors.networks.sizes import Sizes
from benchmarks.machine import REPOSITORY, describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, median_and_range, publish
from benchmarks.training.trainings import training

_SHAPE = {
    "layers": 6,
    "hidden": 384,
    "intermediate": 1024,
    "heads": 6,
    "kv_heads": 2,
    "head_dim": 64,
    "context": 256,
}
_SEQUENCES, _LENGTH = 8, 128
_WARM_UP, _STEPS = 5, 20
# Workers, ZeRO stage, what the script is.
_MODES = ((2, 0, "DDP"), (2, 1, "DeepSpeed ZeRO-1"))


def ours(folder: Path, workers: int, zero: int) -> tuple[float, int]:
    """Tokens per second of `danlu train`, by the clock between two steps; and its vocabulary."""
    settings = {
        "sizes": _SHAPE,
        "batch": {"sequences": _SEQUENCES, "length": _LENGTH},
        "parallel": {"data": workers, "zero": zero},
        "checkpoint_every": 10 * _STEPS,
    }
    with training(folder, **settings) as run:
        times, tokens = [], []
        for wanted in (_WARM_UP, _STEPS):
            times.append(run.wait_until(lambda wanted=wanted: (row := run.step()) is not None and row.step >= wanted))
            row = run.step()
            assert row is not None
            tokens.append(row.tokens)
        facts = json.loads((run.output / "_state" / "tokenizer.json").read_text(encoding="utf-8"))
        return (tokens[1] - tokens[0]) / (times[1] - times[0]), int(facts["vocabulary"])


def bare(folder: Path, workers: int, zero: int, vocabulary: int) -> float:
    """Tokens per second of the script under torchrun."""
    folder.mkdir(parents=True)
    case = {
        "network": build_config("dense", Sizes(**_SHAPE), vocabulary).to_diff_dict(),
        "sequences": _SEQUENCES,
        "length": _LENGTH,
        "steps": _STEPS,
        "warm_up": _WARM_UP,
        "zero": zero,
    }
    file = folder / "case.json"
    file.write_text(json.dumps(case, default=str), encoding="utf-8")
    script = str(Path(__file__).with_name("torchrun_script.py"))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(workers)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, *launcher, script, str(file)]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    if said.returncode:
        raise RuntimeError(said.stderr[-2000:])
    return float(json.loads(said.stdout.strip().splitlines()[-1])["tokens_per_s"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each [5]")
    add_write_option(parser)
    options = parser.parse_args()
    rows: list[list[Cell]] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        for workers, zero, peer in _MODES:
            mode = f"data {workers}, zero {zero}"
            speeds, others = [], []
            for number in range(options.runs):
                place = Path(scratch, f"{workers}-{zero}-{number}")
                speed, vocabulary = ours(place / "ours", workers, zero)
                speeds.append(speed)
                others.append(bare(place / "bare", workers, zero, vocabulary))
                print(f"{mode}: {speeds[-1]:.0f} and {others[-1]:.0f} tokens/s", file=sys.stderr)
            ratio = statistics.median(speeds) / statistics.median(others)
            cells = [median_and_range(speeds), median_and_range(others)]
            rows.append([mode, peer, *cells, f"{ratio:.3f}"])
    columns = ["mode", "the script is", "danlu, tokens/s", "torchrun, tokens/s", "ratio of medians"]
    command = f"python -m benchmarks training.torchrun --runs {options.runs}"
    table = markdown_table(columns, rows)
    note = f"Medians of {options.runs} (ranges), {_STEPS - _WARM_UP} steps each. {describe_measurement(command)}"
    publish("training.torchrun", f"{table}\n\n{note}", options.write)


if __name__ == "__main__":
    main()
