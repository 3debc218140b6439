"""A noisy Chinese corpus with known truth: `python -m examples.raw_documents --output DIR --documents N --seed S`.

With the defaults (3,000 documents, seed 7) the folder holds, in ten domains:

    keep           1,710   half of them under noise: mark-up, page boilerplate, mojibake, traditional characters, ...
    exact            240   copies that differ at most in white space, width, script, mark-up or encoding
    near             360   truncated, mistyped, padded, framed, one sentence missing
    paraphrase       150   other words, other order of sentences
    rubbish          540   short 90, symbols 75, repetition 75, advertisement 120, garbled 90, language 90

The files are jsonl, jsonl.gz, csv, parquet, txt (a document for each line; one file in GB18030) and html (a document
for each file). A document's id is the field `id`, `<file name>#<line from 0>` in a txt file, the name of an html file.

`truth.jsonl` has a row for each document: id, expected (keep | drop), and where they apply reason, survivor_of (the
original's id), domain, noise, and text (what the kept document says under its noise). Of an original and its
duplicates exactly one should be left: a cleaner may well prefer another one than the original.

The same arguments give the same bytes (with the same version of pyarrow).
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random

import click

from danlu.errors import ConfigError, DanluError
from examples.raw import files
from examples.raw.corpus import RawDocument, build_corpus

GB18030_FILE, LINES_FILE, PAGES = "archive-gb18030.txt", "notes.txt", "pages"
_TABLES = {
    "articles.jsonl": (files.write_jsonl, 30),
    "crawl/part-0.jsonl.gz": (files.write_jsonl, 12),
    "crawl/part-1.jsonl.gz": (files.write_jsonl, 12),
    "export.csv": (files.write_csv, 13),
    "warehouse.parquet": (files.write_parquet, 15),
}
_WEIGHTS = {name: weight for name, (_, weight) in _TABLES.items()} | {GB18030_FILE: 8, LINES_FILE: 6, PAGES: 8}
_PAGE_NOISES = ("none", "traditional")
_PAGE_REASONS = ("", "exact", "near", "paraphrase")


def generate(folder: Path, documents: int = 3000, seed: int = 7) -> Path:
    """Write the raw files into `folder` (emptied first when it holds an earlier corpus) and the truth beside it.

    Returns:
        The path of truth.jsonl, in the parent of `folder`.

    Raises:
        ConfigError: `folder` holds other files, or `documents` is outside what the sentence banks can give.
    """
    if documents < 100:
        raise ConfigError(f"documents is {documents}", rule="it must be at least 100, so that every kind occurs")
    corpus = build_corpus(documents, seed)
    _make_empty(folder)
    identifiers = _write(folder, corpus, Random(f"{seed}:files"))
    rows = [_truth(document, place, identifiers) for place, document in enumerate(corpus)]
    rows.sort(key=lambda row: row["id"])
    truth = folder.parent / "truth.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    truth.write_text("".join(lines), encoding="utf-8", newline="\n")
    return truth


def _make_empty(folder: Path) -> None:
    """Make the folder, or clear it of an earlier corpus; anything else in it is left alone and refused."""
    ours = {Path(name).parts[0] for name in _WEIGHTS}
    present = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    foreign = sorted(set(present) - ours)
    if foreign:
        raise ConfigError(f"the folder {folder} holds {foreign[0]}", rule="raw documents need a folder of their own")
    if present:
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)


def _write(folder: Path, corpus: Sequence[RawDocument], rng: Random) -> list[str]:
    """Spread the documents over the files; the id of each, in the order of the corpus."""
    places = list(range(len(corpus)))
    rng.shuffle(places)
    shelves: dict[str, list[int]] = defaultdict(list)
    for place in places:
        shelves[_choose_file(corpus[place], rng)].append(place)
    identifiers = [f"raw-{number:05d}" for number in _numbers(places)]
    for name, (write, _) in _TABLES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        write(path, [(identifiers[place], corpus[place].text) for place in shelves[name]])
    for name, encoding in ((GB18030_FILE, "gb18030"), (LINES_FILE, "utf-8")):
        files.write_lines(folder / name, [corpus[place].text for place in shelves[name]], encoding)
        for line, place in enumerate(shelves[name]):
            identifiers[place] = f"{name}#{line}"
    (folder / PAGES).mkdir()
    for number, place in enumerate(shelves[PAGES]):
        identifiers[place] = f"page-{number:04d}.html"
        files.write_page(folder / PAGES / identifiers[place], corpus[place].text, number)
    return identifiers


def _numbers(places: Sequence[int]) -> list[int]:
    """The inverse of a permutation: where each place came to stand."""
    numbers = [0] * len(places)
    for number, place in enumerate(places):
        numbers[place] = number
    return numbers


def _choose_file(document: RawDocument, rng: Random) -> str:
    allowed = [name for name in _WEIGHTS if _fits(document, name)]
    return rng.choices(allowed, weights=[_WEIGHTS[name] for name in allowed])[0]


def _fits(document: RawDocument, name: str) -> bool:
    """A page holds ordinary texts only, a txt file what is one line and survives its encoding."""
    if name == PAGES:
        return document.noise in _PAGE_NOISES and document.reason in _PAGE_REASONS
    if name in (GB18030_FILE, LINES_FILE):
        one_line = document.text.strip() == document.text and len(document.text.splitlines()) == 1
        return one_line and "\ufffd" not in document.text and document.noise != "mojibake"
    return True


def _truth(document: RawDocument, place: int, identifiers: Sequence[str]) -> dict[str, str]:
    row = {"id": identifiers[place], "expected": "drop" if document.reason else "keep"}
    if document.reason:
        row["reason"] = document.reason
    if document.original is not None and document.reason:
        row["survivor_of"] = identifiers[document.original]
    if document.domain:
        row |= {"domain": document.domain, "noise": document.noise}
    if document.clean:
        row["text"] = document.clean
    return row


@click.command(help=__doc__)
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="folder of the raw files"
)
@click.option("--documents", default=3000, show_default=True, help="how many raw documents")
@click.option("--seed", default=7, show_default=True, help="another seed, another corpus")
def main(output: Path, documents: int, seed: int) -> None:
    try:
        truth = generate(output, documents, seed)
    except DanluError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{documents} raw documents in {output}, the truth in {truth}")


if __name__ == "__main__":
    main()
