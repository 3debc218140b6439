"""The kinds of files that are read, by the ends of their names."""

from __future__ import annotations

# All but parquet, which packs its columns itself, may be packed as well.
PAGE_SUFFIXES = (".html", ".htm")
PACKABLE_SUFFIXES = (".jsonl", ".csv", ".txt", *PAGE_SUFFIXES, ".warc")
PACKED_SUFFIXES = (".gz", ".zst")
SUFFIXES = (
    *PACKABLE_SUFFIXES,
    *(suffix + packed for suffix in PACKABLE_SUFFIXES for packed in PACKED_SUFFIXES),
    ".parquet",
)


def suffix_of(file: str) -> str:
    """`.jsonl` for `part.JSONL.gz`; empty for a kind that is not read."""
    name = file.lower()
    plain = name.removesuffix(packing_of(file))
    known = PACKABLE_SUFFIXES if plain != name else (*PACKABLE_SUFFIXES, ".parquet")
    return next((suffix for suffix in known if plain.endswith(suffix)), "")


def packing_of(file: str) -> str:
    """`.gz` or `.zst` for a packed file, else empty."""
    return next((packed for packed in PACKED_SUFFIXES if file.lower().endswith(packed)), "")
