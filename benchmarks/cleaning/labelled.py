"""Injected copies of unrelated documents: precision and recall over all, and recall by kind of copy.

    python -m benchmarks cleaning.labelled --seed 1            # thresholds were tuned on seed 0
    python -m benchmarks cleaning.labelled --seed 0 --set near.certain=0.65

Filters are off: whether a document is fit is another question than whether it is a duplicate.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.cleaning.labelled_corpus import ORIGINAL, Document, build_corpus, read_originals, write_corpus
from benchmarks.cleaning.news import exact_jaccard
from benchmarks.cleaning.runs import clean, read_dropped
from benchmarks.cleaning.scores import Score, score
from benchmarks.machine import describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, publish

TUNING_SEED, REPORT_SEED = 0, 1
PRECISION_TARGET, RECALL_TARGET = 0.995, 0.97


def score_table(documents: Sequence[Document], found: Score, stages: Mapping[str, str]) -> str:
    """Precision and recall, then each kind with its similarity to the original, and which stage got it."""
    rows: list[list[Cell]] = [
        ["precision of removals", found.removed, found.precision, PRECISION_TARGET, None, ""],
        ["recall of copies", found.surplus, found.recall, RECALL_TARGET, None, ""],
    ]
    similarity = similarity_by_kind(documents)
    for kind, recall in found.recall_by_kind().items():
        by = [stages[one.id] for one in documents if one.kind == kind and one.id in stages]
        names = ", ".join(f"{stage} {by.count(stage)}" for stage in dict.fromkeys(sorted(by)))
        rows.append([f"`{kind}`", found.documents_by_kind[kind], recall, None, similarity[kind], names])
    columns = ["", "documents", "share", "target", "median Jaccard to the original", "removed by"]
    return markdown_table(columns, rows)


def similarity_by_kind(documents: Sequence[Document]) -> dict[str, float]:
    """Median exact 5-gram Jaccard similarity of the copies of each kind to their originals."""
    texts = {one.id: one.text for one in documents}
    values: dict[str, list[float]] = {}
    for one in documents:
        if one.kind != ORIGINAL:
            values.setdefault(one.kind, []).append(exact_jaccard(one.text, texts[one.origin]))
    return {kind: statistics.median(found) for kind, found in values.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=REPORT_SEED, help="of documents and copies [1]")
    parser.add_argument("--originals", type=int, default=None, help="most originals [all of the seed's half]")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a config key of danlu clean")
    parser.add_argument("--show", type=int, default=0, help="print so many wrong removals and missed copies")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave corpus, truth and run there")
    add_write_option(parser)
    arguments = parser.parse_args()
    documents = build_corpus(read_originals(arguments.seed, arguments.originals), arguments.seed)
    with tempfile.TemporaryDirectory(prefix="danlu-bench-") as temporary:
        folder = arguments.keep or Path(temporary)
        corpus = write_corpus(documents, folder)
        cost = clean([corpus], folder / "run", ["filters=null", *arguments.set])
        dropped = read_dropped(folder / "run")
    survivors = {row.id: row.survivor for row in dropped if row.survivor is not None}
    found = score(documents, survivors)
    table = score_table(documents, found, {row.id: row.stage for row in dropped})
    command = f"python -m benchmarks cleaning.labelled --seed {arguments.seed}"
    command += "".join(f" --set {one}" for one in arguments.set)
    originals = sum(one.kind == ORIGINAL for one in documents)
    note = f"{originals:,} originals and {found.surplus:,} copies, {cost.cpu_s:.0f} CPU-seconds"
    publish("cleaning.labelled", f"{table}\n\n{note}. {describe_measurement(command)}", arguments.write)
    _show(documents, found, {row.id: row.stage for row in dropped}, arguments.show)


def _show(documents: Sequence[Document], found: Score, stages: Mapping[str, str], count: int) -> None:
    by_id = {one.id: one for one in documents}
    for removed, survivor in list(found.wrong.items())[:count]:
        print(f"\nwrong, {stages[removed]}: {by_id[removed].kind} {removed} -> {by_id[survivor].kind} {survivor}")
        print(f"  {by_id[removed].text[:150]!r}\n  {by_id[survivor].text[:150]!r}")
    for missed, kind in list(found.missed.items())[:count]:
        one = by_id[missed]
        value = exact_jaccard(one.text, by_id[one.origin].text)
        print(f"\nmissed {kind} {missed} of {one.origin}, Jaccard {value:.2f}\n  {one.text[:150]!r}")


if __name__ == "__main__":
    main()
