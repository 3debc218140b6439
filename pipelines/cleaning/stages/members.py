"""The documents of a pack, fetched from their shards."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.cleaning import store
from pipelines.cleaning.layout import Layout
from pipelines.cleaning.numbers import rows_of
from pipelines.cleaning.packs import Pack
from pipelines.cleaning.survivors import Standing

_COLUMNS = ["id", "quality", "length", "text"]


@dataclass(frozen=True)
class Members:
    """By document number."""

    standing: dict[int, Standing]
    texts: dict[int, str]


def read_members(pack: Pack, layout: Layout) -> Members:
    """The standing and the text of every document in the pack's groups."""
    members = Members({}, {})
    for shard, numbers in pack.places.items():
        rows = store.read_table(layout.texts(shard), _COLUMNS).take(rows_of(numbers)).to_pylist()
        for number, row in zip(numbers.tolist(), rows, strict=True):
            members.standing[number] = Standing(row["quality"], row["length"], row["id"])
            members.texts[number] = row["text"]
    return members
