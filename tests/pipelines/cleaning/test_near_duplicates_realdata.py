"""Near duplicates in two files of real news, against exact similarities."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from danlu.config import load_config
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import job
from pipelines.cleaning.components import components
from pipelines.cleaning.config import CleanConfig

pytestmark = [pytest.mark.realdata, pytest.mark.usefixtures("ray_local")]
FILES = ("documents_dup_part_1_part_1", "documents_dup_part_1_part_2")


def _grams(text: str) -> set[str]:
    body = text.partition("正文：")[2] or text
    bare = "".join(character for character in body if character.isalnum())
    return {bare[start : start + 5] for start in range(max(len(bare) - 4, 1))}


def _jaccard(left: str, right: str) -> float:
    a, b = _grams(left), _grams(right)
    return len(a & b) / len(a | b)


def _surplus_groups(folder: Path, least: float) -> list[list[str]]:
    """Groups of documents that are connected by pairs with a similarity of at least `least`."""
    rows = map(json.loads, (folder / "near_duplicate_pairs.jsonl").read_text(encoding="utf-8").splitlines())
    pairs = [
        [f"{file}.txt#{line}" for file, line in (row["a"], row["b"])]
        for row in rows
        if row["jaccard5"] >= least and {row["a"][0], row["b"][0]} <= set(FILES)
    ]
    ids = sorted({identifier for pair in pairs for identifier in pair})
    place = {identifier: number for number, identifier in enumerate(ids)}
    groups = components(np.array([(place[a], place[b]) for a, b in pairs]))
    return [[ids[number] for number in group] for group in groups]


def test_surplus_copies_of_news_go_and_little_else(public_data: Path, tmp_path: Path) -> None:
    folder = public_data / "chinese_news"
    inputs = [str(folder / f"{file}.txt") for file in FILES]
    settings = [f"input=[{','.join(inputs)}]", f"output={tmp_path / 'run'}", "semantic=null", "filters=null"]
    config = load_config(CleanConfig, None, settings)
    with RunDirectory.open("clean", config, job.inputs(config)) as run:
        assert job.run(config, run, Progress(io.StringIO())).held
    dropped = [row for file in (tmp_path / "run" / "dropped").iterdir() for row in pq.read_table(file).to_pylist()]
    gone = {row["id"] for row in dropped}
    groups = _surplus_groups(folder, 0.7)
    surplus = sum(len(group) - 1 for group in groups)
    missed = sum(max(len(set(group) - gone) - 1, 0) for group in groups)
    assert surplus > 100
    assert missed <= 0.01 * surplus

    texts = {
        f"{file}.txt#{number}": line
        for file in FILES
        for number, line in enumerate((folder / f"{file}.txt").read_text(encoding="utf-8").splitlines())
    }
    alike = [_jaccard(texts[row["id"]], texts[row["survivor_id"]]) >= 0.48 for row in dropped]
    assert len(alike) > 100
    assert sum(alike) >= 0.99 * len(alike)
