"""Natural near duplicates of news: how many of the surplus ones go, and how alike a dropped one is to its survivor.

    python -m benchmarks cleaning.near_duplicates

Truth is `near_duplicate_pairs.jsonl`: exact Jaccard similarities of character 5-grams. Documents connected by pairs at
0.7 and more are a group, of which all but one are surplus. A removal is right when its exact similarity to its
survivor is at least 0.5. Filters are off, since a filtered document is no removed duplicate; `--semantic` leaves the
semantic stage on, whose removals are told apart.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cleaning.news import COMPARED_FILES, News, exact_jaccard, groups_of, surplus, surplus_left
from benchmarks.cleaning.runs import Dropped, clean, read_dropped
from benchmarks.machine import describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, publish

GROUP_SIMILARITY, RIGHT_SIMILARITY = 0.7, 0.5
TARGET = 0.99


@dataclass(frozen=True)
class Removals:
    """What a stage removed: how many, how many of them right, and the wrong ones with their exact similarity."""

    stage: str
    removed: int
    right: int
    wrong: tuple[tuple[Dropped, float], ...]


def score_removals(dropped: Sequence[Dropped], texts: Mapping[str, str], least: float) -> list[Removals]:
    """Removals by stage, each compared to its survivor exactly."""
    scored: list[Removals] = []
    for stage in dict.fromkeys(row.stage for row in dropped if row.survivor is not None):
        rows = [row for row in dropped if row.stage == stage and row.survivor is not None]
        values = [exact_jaccard(texts[row.id], texts[str(row.survivor)]) for row in rows]
        wrong = tuple((row, value) for row, value in zip(rows, values, strict=True) if value < least)
        scored.append(Removals(stage, len(rows), len(rows) - len(wrong), wrong))
    return scored


def results_table(groups: Sequence[Sequence[str]], gone: set[str], by_stage: Sequence[Removals]) -> str:
    """What was found of the surplus, and how much of what the exact and near stages removed is right; then by stage."""
    total = surplus(groups)
    found = total - surplus_left(groups, gone)
    duplicates = [one for one in by_stage if one.stage in ("exact", "near")]
    removed, right = sum(one.removed for one in duplicates), sum(one.right for one in duplicates)
    rows: list[list[Cell]] = [
        [f"surplus at Jaccard >= {GROUP_SIMILARITY}: removed", total, found, _share(found, total), TARGET],
        [f"exact + near removals: Jaccard >= {RIGHT_SIMILARITY}", removed, right, _share(right, removed), TARGET],
        *[[f"removals of stage `{one.stage}`", one.removed, one.right, _share(one.right, one.removed), None]
          for one in by_stage],
    ]  # fmt: skip
    return markdown_table(["", "documents", "right", "share", "target"], rows)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=len(COMPARED_FILES), help="how many of the files [5]")
    parser.add_argument("--semantic", action="store_true", help="with the semantic stage")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a config key of danlu clean")
    parser.add_argument("--show", type=int, default=0, help="print so many wrong removals and left surplus documents")
    add_write_option(parser)
    arguments = parser.parse_args()
    news, names = News(), COMPARED_FILES[: arguments.files]
    texts = dict(news.documents(names))
    with tempfile.TemporaryDirectory(prefix="danlu-bench-") as folder:
        settings = ["filters=null", *([] if arguments.semantic else ["semantic=null"]), *arguments.set]
        cost = clean([news.path(name) for name in names], Path(folder, "run"), settings)
        dropped = read_dropped(Path(folder, "run"))
    groups = groups_of(news.pairs(names), GROUP_SIMILARITY)
    gone = {row.id for row in dropped}
    by_stage = score_removals(dropped, texts, RIGHT_SIMILARITY)
    table = results_table(groups, gone, by_stage)
    command = "python -m benchmarks cleaning.near_duplicates" + (" --semantic" if arguments.semantic else "")
    command += "".join(f" --set {one}" for one in arguments.set)
    note = f"{len(texts):,} documents, {cost.cpu_s:.0f} CPU-seconds"
    publish("cleaning.near_duplicates", f"{table}\n\n{note}. {describe_measurement(command)}", arguments.write)
    _show(by_stage, groups, gone, texts, arguments.show)


def _show(
    by_stage: Sequence[Removals], groups: Sequence[Sequence[str]], gone: set[str], texts: Mapping[str, str], count: int
) -> None:
    wrong = [(row, value) for one in by_stage for row, value in one.wrong]
    for row, value in wrong[:count]:
        print(f"\n{row.stage} {value:.2f} {row.id} -> {row.survivor}")
        print(f"  {texts[row.id][:150]}\n  {texts[str(row.survivor)][:150]}")
    for group in [g for g in groups if len(set(g) - gone) > 1][:count]:
        print("\nleft:", *(f"\n  {identifier} {texts[identifier][:150]}" for identifier in sorted(set(group) - gone)))


if __name__ == "__main__":
    main()
