"""What a checkpoint says of itself: an index by each worker, and the manifest that makes it whole.

checkpoints/
├── step-00000400/            a whole checkpoint: it got its name when everything in it was verified
│   ├── checkpoint.json       the manifest
│   ├── rank-00000.json       the index of what worker 0 wrote
│   ├── rank-00000.safetensors
│   └── ...
└── step-00000500.3f2a.part/  one that is being written, by the start of the workers that is called 3f2a
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipelines.training.checkpoints.position import Position
from pipelines.training.checkpoints.spans import Cut, Span
from pipelines.training.checkpoints.tensor_file import DamagedError, StoredTensor

MANIFEST = "checkpoint.json"
FORMAT = 1
_PREFIX, _PART, _DAMAGED = "step-", ".part", ".damaged"


@dataclass(frozen=True)
class Fragment:
    """A span as it lies in a file.

    Attributes:
        shape: of the whole tensor, before any cut.
        optimizer_step: how often the optimizer has updated it.
        arrays: its values by name (`weight`, `exp_avg`, ...), each (len(span),).
    """

    span: Span
    shape: tuple[int, ...]
    optimizer_step: float
    arrays: dict[str, StoredTensor]


@dataclass(frozen=True)
class Index:
    """What one worker wrote. `extra` belongs to that worker alone: random state, error feedback."""

    rank: int
    fragments: list[Fragment]
    extra: dict[str, StoredTensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """A whole checkpoint: where training was, who wrote it, and the checksums of the workers' indexes, by rank.

    Attributes:
        layout: how the work was spread, in words for people.
    """

    position: Position
    layout: str
    indexes: list[str]

    @property
    def workers(self) -> int:
        return len(self.indexes)


def data_file(folder: Path, rank: int) -> Path:
    """The tensors of worker `rank`."""
    return folder / f"rank-{rank:05d}.safetensors"


def index_file(folder: Path, rank: int) -> Path:
    """The index of worker `rank`."""
    return folder / f"rank-{rank:05d}.json"


def part_folder(checkpoints: Path, step: int, start: str) -> Path:
    """Where the workers of the start `start` write the checkpoint of a step."""
    return checkpoints / f"{_PREFIX}{step:08d}.{start}{_PART}"


def write_index(folder: Path, index: Index) -> None:
    """Tell that a worker's file is on the disk and verified."""
    _write_json(index_file(folder, index.rank), asdict(index))


def read_indexes(folder: Path, manifest: Manifest) -> list[Index]:
    """The indexes of all workers, checked.

    Raises:
        DamagedError: one is missing or has changed.
    """
    return [_read_index(index_file(folder, rank), checksum) for rank, checksum in enumerate(manifest.indexes)]


def written_indexes(folder: Path, workers: int) -> list[str] | None:
    """The checksums of all workers' indexes, by rank; None while one has not written its own."""
    try:
        return [_checksum(index_file(folder, rank).read_bytes()) for rank in range(workers)]
    except FileNotFoundError:
        return None


def publish(folder: Path, manifest: Manifest) -> Path:
    """Make the written checkpoint in `folder` whole, in one step that a crash can't split."""
    _write_json(folder / MANIFEST, {"format": FORMAT, **asdict(manifest)})
    whole = folder.with_name(f"{_PREFIX}{manifest.position.step:08d}")
    if whole.exists():  # a start that fell back to an older checkpoint comes past this step again
        remove(whole)
    folder.rename(whole)
    _sync_folder(whole.parent)
    return whole


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a whole checkpoint.

    Raises:
        DamagedError: it can't be read.
    """
    try:
        values = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        return Manifest(Position(**values["position"]), values["layout"], values["indexes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{folder.name}/{MANIFEST}: {error}") from error


def whole_checkpoints(checkpoints: Path) -> list[Path]:
    """The whole checkpoints, newest first."""
    if not checkpoints.is_dir():
        return []
    names = [entry for entry in checkpoints.iterdir() if entry.name.startswith(_PREFIX) and not entry.suffix]
    return sorted((entry for entry in names if (entry / MANIFEST).exists()), reverse=True)


def prune(checkpoints: Path, keep: int) -> None:
    """Remove all but the newest `keep` whole checkpoints."""
    for folder in whole_checkpoints(checkpoints)[keep:]:
        remove(folder)


def remove(folder: Path) -> None:
    """Remove a checkpoint; stopped halfway, nobody takes the rest for whole."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def set_aside(folder: Path) -> None:
    """Rename a damaged checkpoint, so that it is kept for people and counts no more."""
    aside = folder.with_name(folder.name + _DAMAGED)
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)


def remove_unfinished(checkpoints: Path) -> None:
    """Remove what earlier starts did not finish."""
    if not checkpoints.is_dir():
        return
    for entry in checkpoints.iterdir():
        unfinished = entry.suffix == _PART or (not entry.suffix and not (entry / MANIFEST).exists())
        if entry.name.startswith(_PREFIX) and unfinished:
            shutil.rmtree(entry, ignore_errors=True)


def _read_index(file: Path, checksum: str) -> Index:
    try:
        text = file.read_bytes()
    except OSError as error:
        raise DamagedError(f"{file.parent.name}/{file.name}: {error.strerror}") from error
    if _checksum(text) != checksum:
        raise DamagedError(f"{file.parent.name}/{file.name}: it has changed")
    values = json.loads(text)
    fragments = [_fragment(entry) for entry in values["fragments"]]
    extra = {name: StoredTensor(**stored) for name, stored in values["extra"].items()}
    return Index(values["rank"], fragments, extra)


def _fragment(values: dict[str, Any]) -> Fragment:
    span = values["span"]
    return Fragment(
        span=Span(span["name"], Cut(**span["cut"]), span["start"], span["stop"]),
        shape=tuple(values["shape"]),
        optimizer_step=values["optimizer_step"],
        arrays={name: StoredTensor(**stored) for name, stored in values["arrays"].items()},
    )


def _write_json(file: Path, values: dict[str, Any]) -> None:
    part = file.with_name(file.name + _PART)
    with open(part, "w", encoding="utf-8") as stream:
        json.dump(values, stream)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)
    _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, not only the files."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
