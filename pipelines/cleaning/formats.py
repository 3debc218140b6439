"""The kinds of files that are read, by the ends of their names."""

from __future__ import annotations

from danlu.errors import NotAvailableError

# These may be packed as well.
TEXT_SUFFIXES = (".jsonl", ".csv", ".txt")
PACKED_SUFFIXES = (".gz", ".zst")
WHOLE_SUFFIXES = (".parquet", ".html", ".htm")
SUFFIXES = (
    *TEXT_SUFFIXES,
    *(suffix + packed for suffix in TEXT_SUFFIXES for packed in PACKED_SUFFIXES),
    *WHOLE_SUFFIXES,
)
WARC_SUFFIXES = (".warc", ".warc.gz")


def refuse_archives(files: list[str]) -> None:
    """Raise NotAvailableError when a WARC archive is among the files: to pass it over would lose documents silently."""
    archives = [file for file in files if file.lower().endswith(WARC_SUFFIXES)]
    if archives:
        raise NotAvailableError(
            f"input file {archives[0]}",
            rule="WARC archives are not read",
            fix="extract the pages to .html or .jsonl first, and leave the archives out of input",
        )


def suffix_of(file: str) -> str:
    """`.jsonl` for `part.JSONL.gz`; empty for a kind that is not read."""
    name = file.lower()
    plain = name.removesuffix(PACKED_SUFFIXES[0]).removesuffix(PACKED_SUFFIXES[1])
    known = TEXT_SUFFIXES if plain != name else (*TEXT_SUFFIXES, *WHOLE_SUFFIXES)
    return next((suffix for suffix in known if plain.endswith(suffix)), "")
