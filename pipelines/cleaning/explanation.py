"""What there is to say about one document of a cleaning run. Pure."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from danlu.errors import DanluError, InputError
from pipelines.cleaning.outcome import STAGES

STANDS_FOR_SHOWN = 20
_NEAREST = 5
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """A stage and what it did with the document: `passed`, `dropped`, `not reached` or `switched off`."""

    stage: str
    result: str
    detail: str = ""


@dataclass(frozen=True)
class Link:
    """Document `id` was dropped by `stage` in favour of `survivor`, which it is like to this degree (0 to 1)."""

    id: str
    stage: str
    survivor: str
    similarity: float


@dataclass(frozen=True)
class Explanation:
    """All that is shown.

    facts: (name, value). chain: from the document to the one that was kept. texts: (whose, text), one or two.
    stands_for: the first of the documents that were dropped in favour of this one, of `stands_for_total`.
    """

    id: str
    source: str
    verdict: str
    steps: tuple[Step, ...]
    facts: tuple[tuple[str, str], ...]
    chain: tuple[Link, ...]
    texts: tuple[tuple[str, str], ...]
    stands_for: tuple[Link, ...] = ()
    stands_for_total: int = 0


def explain_kept(row: Row, duplicates: Sequence[Row], config: Mapping[str, Any]) -> Explanation:
    """A document of clean/.

    Args:
        duplicates: the rows of dropped/ whose survivor it is.
        config: the run's config as plain values.
    """
    facts = [("quality", f"{row['quality']:.2f}")]
    if row["domain"] is not None:
        facts.append(("domain", f"{row['domain']} (score {row['domain_score']:.2f})"))
    links = sorted((_link(other) for other in duplicates), key=lambda link: (-link.similarity, link.id))
    return Explanation(
        id=row["id"],
        source=row["source"],
        verdict="kept",
        steps=_steps(config, None, ""),
        facts=tuple(facts),
        chain=(),
        texts=((f"{row['id']} (kept)", printable(row["text"])),),
        stands_for=tuple(links[:STANDS_FOR_SHOWN]),
        stands_for_total=len(links),
    )


def explain_dropped(
    rows: Sequence[Row], text: str | None, whole: bool, survivor_text: str | None, config: Mapping[str, Any]
) -> Explanation:
    """A document of dropped/.

    Args:
        rows: its row, and after it those of the dropped documents that led on to the survivor.
        text: of the document, None when it could not be read. whole: whether that is all of it.
        survivor_text: of the document that was kept in its place, None when there is none.
    """
    row = rows[0]
    chain = tuple(_link(one) for one in rows) if row["survivor_id"] is not None else ()
    beginning = "" if whole else ", the beginning; the rest went with _work/"
    texts = [(f"{row['id']} (dropped{beginning})", printable(text or "(no text could be read)"))]
    if chain:
        missing = "(dropped by a later stage)"
        texts.append((f"{row['survivor_id']} (kept in its place)", printable(survivor_text or missing)))
    detail = row["detail"] or ""
    if chain:
        detail = f"{row['reason']} of {chain[0].survivor}, similarity {chain[0].similarity:.2f}"
    return Explanation(
        id=row["id"],
        source=row["source"],
        verdict=f"dropped by {row['stage']}: {row['reason']}",
        steps=_steps(config, row["stage"], detail),
        facts=(),
        chain=chain,
        texts=tuple(texts),
    )


def choose_id(wanted: str, ids: Iterable[str]) -> str:
    """The one id that begins with `wanted`, which is none of them.

    Raises:
        InputError: several begin so, or none does; the nearest ones are named.
    """
    known = sorted(ids)
    begin = [one for one in known if one.startswith(wanted)]
    if len(begin) == 1:
        return begin[0]
    if begin:
        raise _unclear(wanted, f"{len(begin):,} documents have an id that begins so", begin[:_NEAREST])
    inside = [one for one in known if wanted in one][:_NEAREST]
    raise _unclear(
        wanted, "no document of this run has it", inside or difflib.get_close_matches(wanted, known, _NEAREST)
    )


def printable(text: str) -> str:
    """Without what would steer a terminal: control characters but line ends and tabs become U+FFFD."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") else "\ufffd" for c in text)


def _unclear(wanted: str, rule: str, nearest: Sequence[str]) -> DanluError:
    fix = f"the nearest are {', '.join(nearest)}" if nearest else "clean/ and dropped/ list the ids"
    return InputError(f"id {wanted!r}", rule=rule, fix=fix)


def _link(row: Row) -> Link:
    """The first step from a row; `similarity` of a row is the least on its whole way."""
    similarity = 1.0 if row["stage"] == "exact" else float(row["similarity"])
    return Link(row["id"], row["stage"], row.get("via_id") or row["survivor_id"], similarity)


def _steps(config: Mapping[str, Any], dropped_by: str | None, detail: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    reached = True
    for stage in STAGES:
        if stage == dropped_by:
            steps.append(Step(stage, "dropped", detail))
            reached = False
        elif stage != "read" and config.get(stage) is None:
            # A stage that this version of the config does not know is none that could be switched on.
            steps.extend([Step(stage, "switched off")] if stage in config else [])
        else:
            steps.append(Step(stage, "passed" if reached else "not reached"))
    return tuple(steps)
