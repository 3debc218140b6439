"""The tools that `cleaning.peers` compares: how each is run, and what it kept. One worker each."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.cleaning.runs import clean, read_dropped
from benchmarks.environments import ensure_environment
from benchmarks.machine import REPOSITORY
from benchmarks.processes import Cost, measure_command

DATATROVE = ("datatrove-0.10.1", ("datatrove[io,processing]==0.10.1", "spacy==3.8.*", "jieba==0.42.1"))
# Ray, scipy and aiohttp are imported by Data-Juicer, but not among its requirements.
DATA_JUICER = ("data-juicer-1.6.1", ("py-data-juicer==1.6.1", "ray==2.60.0", "scipy", "aiohttp"))
# Mending and exact duplicates have no counterpart in the peers' pipelines, and meaning is another task.
_DANLU = ("normalise=null", "exact=null", "semantic=null", "workers=1")


@dataclass(frozen=True)
class Outcome:
    """What one run cost and did. work_cpu_s: without imports and start, where the tool can tell."""

    cost: Cost
    work_cpu_s: float | None
    kept: frozenset[str]
    filtered: frozenset[str]


# (corpus as jsonl, empty folder, with filters) -> outcome
Contestant = Callable[[Path, Path, bool], Outcome]


def contestants() -> dict[str, Contestant]:
    """All of them by name; makes their environments."""
    datatrove = partial(_peer, ensure_environment(*DATATROVE), "peer_datatrove.py")
    data_juicer = partial(_peer, ensure_environment(*DATA_JUICER), "peer_data_juicer.py")
    return {
        "danlu clean": danlu,
        "danlu, no Ray": danlu_serial,
        "datatrove 0.10.1, Chinese words (jieba)": partial(datatrove, ()),
        "datatrove 0.10.1, characters": partial(datatrove, ("--characters",)),
        "Data-Juicer 1.6.1, characters": partial(data_juicer, ()),
    }


def danlu(corpus: Path, folder: Path, filters: bool) -> Outcome:
    """The command, the start of Ray included."""
    cost = clean([corpus], folder / "run", _settings(filters))
    return Outcome(cost, None, *_kept_and_filtered(folder / "run"))


def danlu_serial(corpus: Path, folder: Path, filters: bool) -> Outcome:
    """The same stages in one process."""
    outcome = folder / "outcome.json"
    settings = [f"input={corpus}", f"output={folder / 'run'}", *_settings(filters)]
    command = [sys.executable, "-m", "benchmarks.cleaning.danlu_serial", str(outcome), *settings]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    cost = measure_command(command, environment, folder=str(REPOSITORY), log=str(folder / "log.txt"))
    work = json.loads(outcome.read_text(encoding="utf-8"))["work_cpu_s"]
    return Outcome(cost, work, *_kept_and_filtered(folder / "run"))


def _peer(
    python: Path, script: str, options: tuple[str, ...], corpus: Path, folder: Path, filters: bool
) -> Outcome:  # fmt: skip
    outcome = folder / "outcome.json"
    command = [str(python), str(Path(__file__).parent / script), str(corpus), str(outcome), *options]
    command += ["--filters"] if filters else []
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    cost = measure_command(command, environment, folder=str(folder), log=str(folder / "log.txt"))
    told = json.loads(outcome.read_text(encoding="utf-8"))
    return Outcome(cost, told["work_cpu_s"], frozenset(told["kept"]), frozenset(told["filtered"]))


def _settings(filters: bool) -> list[str]:
    return [*_DANLU, *([] if filters else ["filters=null"])]


def _kept_and_filtered(output: Path) -> tuple[frozenset[str], frozenset[str]]:
    kept = [i for file in (output / "clean").glob("*.parquet") for i in pq.read_table(file)["id"].to_pylist()]
    filtered = [row.id for row in read_dropped(output) if row.stage == "filters"]
    return frozenset(kept), frozenset(filtered)
