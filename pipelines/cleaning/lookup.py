"""Find a few documents in a finished run by their ids, reading little more than the ids of the others."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.cleaning import store
from pipelines.cleaning.layout import Layout

_PREFIX, _SUFFIX = "part-", ".parquet"


def find_rows(root: str, folder: str, ids: Iterable[str], column: str = "id") -> list[dict[str, Any]]:
    """The rows of `clean` or `dropped` whose `column` is one of `ids`, each with its `shard` beside it."""
    wanted = set(ids)
    found: list[dict[str, Any]] = []
    for uri in store.part_files(root, folder) if wanted else []:
        if len(_filtered(uri, [column], column, wanted)):
            rows = _filtered(uri, None, column, wanted).to_pylist()
            found.extend({**row, "shard": shard_of(uri)} for row in rows)
        if column == "id" and len(found) == len(wanted):  # ids are unique
            break
    return found


def all_ids(root: str) -> Iterator[str]:
    """Every id of a run."""
    for folder in ("clean", "dropped"):
        for uri in store.part_files(root, folder):
            yield from store.read_table(uri, ["id"])["id"].to_pylist()


def whole_text(root: str, row: dict[str, Any]) -> tuple[str | None, bool]:
    """The text of a row that `find_rows` found in dropped/, and whether it is all of it.

    dropped/ itself keeps the beginning only; the rest lies in `_work/`, which may have been removed.
    """
    uri = Layout(root).texts(row["shard"])
    filesystem, path = fsspec.core.url_to_fs(uri)
    if not filesystem.exists(path):
        return row["text"], False
    texts = _filtered(uri, ["id", "text"], "id", {row["id"]})["text"].to_pylist()
    return (texts[0], True) if texts else (row["text"], False)


def shard_of(uri: str) -> str:
    """The name of the shard that a file of clean/ or dropped/ belongs to."""
    return posixpath.basename(uri).removeprefix(_PREFIX).removesuffix(_SUFFIX)


def _filtered(uri: str, columns: list[str] | None, column: str, wanted: set[str]) -> pa.Table:
    with fsspec.open(uri, "rb") as stream:
        filters = [(column, "in", sorted(wanted))]
        return pq.read_table(pa.PythonFile(stream, mode="r"), columns=columns, filters=filters)
