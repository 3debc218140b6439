"""Index the benchmarks that are to be kept out of the corpus, once; every worker loads the index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from danlu.errors import InputError
from danlu.progress import Progress, Stage
from danlu.run_directory import RunDirectory
from pipelines.cleaning import store
from pipelines.cleaning.benchmark_files import Passage, benchmark_files, read_passages
from pipelines.cleaning.config import DecontaminateConfig
from pipelines.cleaning.decontamination import (
    LETTERS_FOR_A_CHARACTER,
    Finder,
    GramIndex,
    Held,
    index_keys,
    is_latin,
    weight,
)
from pipelines.cleaning.keys import comparison_key
from pipelines.cleaning.layout import Layout

_SCRIPTS = {"han": 1, "latin": LETTERS_FOR_A_CHARACTER}
_SHOWN_CHARACTERS = 24


@dataclass(frozen=True)
class Benchmark:
    """Finders for the passages of each script, and what to call each passage."""

    finders: tuple[tuple[Finder, Sequence[str]], ...]

    def find(self, key: str) -> str | None:
        """What a document with this key holds of the benchmarks, in words; None when nothing."""
        found: list[tuple[Held, Finder, str]] = []
        for finder, names in self.finders:
            held = finder.find(key)
            if held is not None:
                found.append((held, finder, names[held.passage]))
        if not found:
            return None
        held, finder, name = max(found, key=lambda item: item[0].share)
        return f"{held.share:.0%} of the {finder.index.size}-grams of {name}"


def index_benchmark(config: DecontaminateConfig, run: RunDirectory, progress: Progress) -> dict[str, int]:
    """Write the index to the run directory.

    Returns:
        passages: different ones in the index. short_passages: left out because they are phrases.
        template_passages: in the index, but nothing in them is their own (`TEMPLATE_PASSAGES`): they can't be found.

    Raises:
        InputError: a file can't be read, or no passage is long enough.
    """
    done = run.done("benchmark")
    if done is not None:
        return done
    files = benchmark_files(config.against)
    with progress.stage("benchmark", len(files), "files") as stage:
        passages, short = _different_passages(files, config, stage)
    if not passages:
        raise InputError(
            f"decontaminate.against is {config.against!r}",
            rule=f"none of its {short:,} texts has decontaminate.min_characters {config.min_characters}",
            fix="name other fields in decontaminate.text_fields, or lower min_characters and grams",
        )
    lost = 0
    for script, factor in _SCRIPTS.items():
        of_script = {key: p for key, p in passages.items() if is_latin(key, config.grams) == (script == "latin")}
        index = index_keys(list(of_script), factor * config.grams)
        _write(of_script, index, script, Layout(run.uri))
        lost += int((index.totals == 0).sum())
    facts = {"passages": len(passages), "short_passages": short, "template_passages": lost}
    run.mark_done("benchmark", **facts)
    return facts


def load_benchmark(layout: Layout, overlap: float) -> Benchmark:
    """The index that `index_benchmark` wrote."""
    finders = []
    for script in _SCRIPTS:
        facts = store.read_facts(layout.benchmark_passages(script)) or {}
        passages = store.read_table(layout.benchmark_passages(script))
        grams = store.read_table(layout.benchmark_grams(script))
        if len(passages):
            columns = grams["gram"].to_numpy(), grams["passage"].to_numpy(), passages["grams"].to_numpy()
            finders.append((Finder(GramIndex(facts["size"], *columns), overlap), passages["name"].to_pylist()))
    return Benchmark(tuple(finders))


def _different_passages(
    files: Sequence[str], config: DecontaminateConfig, stage: Stage
) -> tuple[dict[str, Passage], int]:
    """The first passage with each key, and how many keys are too short."""
    passages: dict[str, Passage] = {}
    short: set[str] = set()
    for file in files:
        for passage in read_passages(file, config.text_fields):
            key = comparison_key(passage.text)
            if weight(key) < config.min_characters:
                short.add(key)
            else:
                passages.setdefault(key, passage)
        stage.advance(note=f"{len(passages):,} texts")
    return passages, len(short)


def _write(passages: dict[str, Passage], index: GramIndex, script: str, layout: Layout) -> None:
    grams = [pa.array(index.grams, pa.uint64()), pa.array(index.passages, pa.int32())]
    store.write_table(layout.benchmark_grams(script), pa.table(grams, names=["gram", "passage"]))
    names = pa.array(map(_name, passages.values()), pa.string())
    totals = pa.array(index.totals, pa.int32())
    store.write_table(
        layout.benchmark_passages(script), pa.table([names, totals], names=["name", "grams"]), size=index.size
    )


def _name(passage: Passage) -> str:
    """`questions.jsonl#12 question (光合作用的产物是什么…)`."""
    words = " ".join(passage.text.split())
    shown = words if len(words) <= _SHOWN_CHARACTERS else words[:_SHOWN_CHARACTERS] + "…"
    return f"{passage.file}#{passage.row} {passage.field} ({shown})"
