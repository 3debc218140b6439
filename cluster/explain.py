"""`danlu explain RUN ID`: what became of a document of a cleaning run, and why."""

from __future__ import annotations

import sys
from typing import Any

import yaml
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from danlu.errors import InputError, RunError
from danlu.lineage import read_lineage, require_run
from danlu.run_directory import CONFIG_FILE, RunDirectory
from pipelines.cleaning.explanation import Explanation, Link, choose_id, explain_dropped, explain_kept
from pipelines.cleaning.lookup import all_ids, find_rows, whole_text

SIDE_BY_SIDE_COLUMNS = 80
_MARKS = {"passed": ("✓", "green"), "dropped": ("✗", "red"), "not reached": ("·", "dim"), "switched off": ("–", "dim")}


def print_explanation(path: str, identifier: str, console: Console | None = None) -> None:
    """Say what happened to document `identifier` of the cleaning run at `path`.

    Raises:
        InputError: no cleaning run is there, or it has no such document.
        RunError: the run has not come to its end.
    """
    run = _open_run(path)
    # What goes into a file or another program is not wrapped.
    show(explain(run, identifier), console or Console(highlight=False, soft_wrap=not sys.stdout.isatty()))


def explain(run: RunDirectory, identifier: str) -> Explanation:
    """Look the document up, and those that it was compared to."""
    config = _config(run)
    found = _find(run.uri, identifier)
    if found is None:
        identifier = choose_id(identifier, all_ids(run.uri))
        found = _find(run.uri, identifier)
        assert found is not None
    folder, row = found
    if folder == "clean":
        return explain_kept(row, find_rows(run.uri, "dropped", [identifier], "survivor_id"), config)
    rows = [row]
    while rows[-1].get("via_id") is not None:
        rows.extend(find_rows(run.uri, "dropped", [rows[-1]["via_id"]]))
    survivors = find_rows(run.uri, "clean", [row["survivor_id"]]) if row["survivor_id"] is not None else []
    text, whole = whole_text(run.uri, row)
    return explain_dropped(rows, text, whole, survivors[0]["text"] if survivors else None, config)


def show(explanation: Explanation, console: Console) -> None:
    """Print it: texts side by side on a terminal that is wide enough, else one below the other."""
    console.print(Text.assemble((explanation.id, "bold"), f"  {explanation.source}"))
    console.print(Text(explanation.verdict, "green" if explanation.verdict == "kept" else "red"))
    for name, value in explanation.facts:
        console.print(Text(f"{name}: {value}"))
    console.print()
    for step in explanation.steps:
        mark, colour = _MARKS[step.result]
        console.print(Text.assemble("  ", (mark, colour), f" {step.stage:<14}{step.result}  {step.detail}".rstrip()))
    if explanation.chain:
        console.print(Text("\n" + _chain(explanation.chain)))
    if explanation.stands_for_total:
        console.print(_stands_for(explanation))
    console.print()
    console.print(_texts(explanation, console))


def _chain(links: tuple[Link, ...]) -> str:
    return links[0].id + "".join(f" → {link.survivor} ({link.stage}, {link.similarity:.2f})" for link in links)


def _stands_for(explanation: Explanation) -> Text:
    total, shown = explanation.stands_for_total, explanation.stands_for
    lines = [f"\nStands for {total:,} {'document' if total == 1 else 'documents'} that went:"]
    lines += [f"  {link.id}  {link.stage}, similarity {link.similarity:.2f}" for link in shown]
    if total > len(shown):
        lines.append(f"  ... and {total - len(shown):,} more")
    return Text("\n".join(lines))


def _texts(explanation: Explanation, console: Console) -> Table | Group:
    if len(explanation.texts) == 2 and console.is_terminal and console.width >= SIDE_BY_SIDE_COLUMNS:
        table = Table(expand=True, show_lines=False)
        for title, _ in explanation.texts:
            table.add_column(Text(title), ratio=1, overflow="fold")
        table.add_row(*(Text(text) for _, text in explanation.texts))
        return table
    parts: list[Any] = []
    for title, text in explanation.texts:
        parts += [Text(f"{title}:", "bold"), Padding(Text(text), (0, 0, 1, 0)) if console.is_terminal else Text(text)]
    return Group(*parts)


def _find(root: str, identifier: str) -> tuple[str, dict[str, Any]] | None:
    for folder in ("dropped", "clean"):
        rows = find_rows(root, folder, [identifier])
        if rows:
            return folder, rows[0]
    return None


def _open_run(path: str) -> RunDirectory:
    folder = require_run(path)
    job = read_lineage(folder).job
    if job != "clean":
        raise InputError(f"{path} is a run of `danlu {job}`", rule="only documents of a cleaning run are explained")
    run = RunDirectory(folder, job)
    if run.done("output") is None:
        raise RunError(f"the cleaning run {path} is not finished", fix="the command that began it goes on with it")
    return run


def _config(run: RunDirectory) -> dict[str, Any]:
    """The run's config as plain values: a run of another version may have other keys."""
    text = run.read_text(CONFIG_FILE)
    return yaml.safe_load(text) if text else {}
