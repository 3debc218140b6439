"""danlu beside datatrove and Data-Juicer on the same Chinese news: documents per CPU-second, and what is found.

    python -m benchmarks cleaning.peers                        # filters and near duplicates
    python -m benchmarks cleaning.peers --no-filters           # near duplicates alone

CPU is user and system time of the whole process tree. `whole command` counts imports and start (of Ray too), `work`
does not. The tools take turns, so that what else the machine does hits all of them. Recall: of the surplus documents of
groups at Jaccard >= 0.7 the share that is removed; what a filter dropped is left out of the groups. Precision: removed
documents that have a known near duplicate at Jaccard >= 0.5 (peers do not name the survivor).

Peers run with the settings described in peer_datatrove.py and peer_data_juicer.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from benchmarks.cleaning.contestants import Contestant, Outcome, contestants
from benchmarks.cleaning.news import News, Pair, groups_of, surplus, surplus_left
from benchmarks.machine import describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, median_and_range, publish

GROUP_SIMILARITY, RIGHT_SIMILARITY = 0.7, 0.5
REFERENCE, WORK_REFERENCE = "danlu clean", "danlu, no Ray"


@dataclass
class Results:
    """Of one tool: documents per CPU-second of each run, and the last outcome (they are all the same)."""

    command: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    outcome: Outcome | None = None


def recall_and_precision(ids: Sequence[str], outcome: Outcome, pairs: Sequence[Pair]) -> tuple[float, float]:
    """Recall of surplus documents and precision of removals, as the module says."""
    left = set(ids) - outcome.filtered
    known = [pair for pair in pairs if pair.a in left and pair.b in left]
    groups = groups_of(known, GROUP_SIMILARITY)
    removed = left - outcome.kept
    alike = {name for pair in known if pair.jaccard >= RIGHT_SIMILARITY for name in (pair.a, pair.b)}
    recall = 1 - surplus_left(groups, removed) / surplus(groups) if groups else 1.0
    return recall, len(removed & alike) / len(removed) if removed else 1.0


def measure(
    tools: Mapping[str, Contestant], corpus: Path, documents: int, folder: Path, runs: int, filters: bool
) -> dict[str, Results]:
    """Run all tools in turn, `runs` times."""
    results = {name: Results() for name in tools}
    for run in range(runs):
        for number, (name, tool) in enumerate(tools.items()):
            place = folder / f"{run}-{number}"
            place.mkdir()
            outcome = tool(corpus, place, filters)
            results[name].outcome = outcome
            results[name].command.append(documents / outcome.cost.cpu_s)
            if outcome.work_cpu_s is not None:
                results[name].work.append(documents / outcome.work_cpu_s)
            print(f"run {run + 1}: {name}: {outcome.cost.cpu_s:.1f} CPU-seconds", flush=True)
    return results


def results_table(results: Mapping[str, Results], ids: Sequence[str], pairs: Sequence[Pair]) -> str:
    """A row for each tool: how many times as fast `danlu clean` is, and danlu's work without Ray beside its work."""
    reference = statistics.median(results[REFERENCE].command)
    work_reference = statistics.median(results[WORK_REFERENCE].work)
    rows: list[list[Cell]] = []
    for name, one in results.items():
        assert one.outcome is not None
        recall, precision = recall_and_precision(ids, one.outcome, pairs)
        work = median_and_range(one.work) if one.work else None
        ratio = f"{reference / statistics.median(one.command):.1f}x"
        work_ratio = f"{work_reference / statistics.median(one.work):.1f}x" if one.work else None
        removed = len(ids) - len(one.outcome.kept) - len(one.outcome.filtered)
        filtered = len(one.outcome.filtered)
        speeds = [median_and_range(one.command), ratio, work, work_ratio]
        rows.append([name, *speeds, recall, precision, removed, filtered])
    columns = [
        "documents per CPU-second",
        "whole command",
        "danlu clean is",
        "work",
        "danlu's is",
        "recall",
        "precision",
    ]
    return markdown_table([*columns, "duplicates removed", "filtered"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each tool [5]")
    parser.add_argument("--documents", type=int, default=9648, help="the first so many [9648: those with known pairs]")
    parser.add_argument("--no-filters", action="store_true", help="near duplicates alone")
    parser.add_argument("--only", action="append", metavar="NAME", help="only tools whose name begins so, and danlu")
    add_write_option(parser)
    arguments = parser.parse_args()
    news = News()
    documents = dict(islice(news.documents(news.files), arguments.documents))
    wanted = tuple(arguments.only or [""])
    tools = {name: tool for name, tool in contestants().items() if name.startswith((*wanted, "danlu"))}
    with tempfile.TemporaryDirectory(prefix="danlu-bench-") as temporary:
        corpus = Path(temporary, "corpus.jsonl")
        lines = (json.dumps({"id": name, "text": text}, ensure_ascii=False) + "\n" for name, text in documents.items())
        corpus.write_text("".join(lines), encoding="utf-8")
        filters = not arguments.no_filters
        results = measure(tools, corpus, len(documents), Path(temporary), arguments.runs, filters)
    table = results_table(results, list(documents), news.pairs())
    command = "python -m benchmarks cleaning.peers" + (" --no-filters" if arguments.no_filters else "")
    note = f"{len(documents):,} documents, median (least to greatest) of {arguments.runs} runs"
    section = "cleaning.peers" + (".no-filters" if arguments.no_filters else "")
    publish(section, f"{table}\n\n{note}. {describe_measurement(command)}", arguments.write)


if __name__ == "__main__":
    main()
