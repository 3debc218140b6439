"""Writing checkpoints beside training: a copy in memory at the step, the rest in a thread."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import torch

from pipelines.training.checkpoints.holding import Holding, Snapshot
from pipelines.training.checkpoints.manifest import (
    Fragment,
    Index,
    Manifest,
    data_file,
    part_folder,
    prune,
    publish,
    write_index,
    written_indexes,
)
from pipelines.training.checkpoints.position import Position
from pipelines.training.checkpoints.spans import Span
from pipelines.training.checkpoints.tensor_file import DamagedError, verify_tensors, write_tensors

KEPT = 2
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Place:
    """Who writes where.

    Attributes:
        folder: of all checkpoints; every worker sees it.
        start: the name of this start of the workers; a worker that outlived an earlier start disturbs nothing.
        layout: how the work is spread, in words.
    """

    folder: Path
    start: str
    rank: int
    workers: int
    layout: str


class CheckpointSaver:
    """One worker's part of every checkpoint.

    Workers agree through files alone, so that training's own communication is left in peace: each tells by its index
    that its file is on the disk and verified, and the first worker makes the checkpoint whole when all have told.

    Args:
        spans: what this worker writes (`spans.assign`).
    """

    def __init__(self, place: Place, spans: Sequence[Span]) -> None:
        self._place = place
        self._spans = spans
        self._snapshot = Snapshot()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._written: Future[None] | None = None
        self._published: Future[None] | None = None
        self._given_up = Event()
        self._failure = ""

    def save(self, position: Position, held: Iterable[Holding], extra: Mapping[str, torch.Tensor]) -> None:
        """Copy the state and return; it is written beside training. Waits while the former one is being written.

        After a failure nothing is written any more: `failure` says why.
        """
        if self._wait(self._written):
            return
        self._snapshot.take(self._spans, held, extra)
        self._written = self._thread.submit(self._write, position)
        if self._place.rank == 0:
            self._published = self._thread.submit(self._publish, position)

    @property
    def failure(self) -> str:
        """Why this worker can't write, or nothing. Does not wait."""
        for future in (self._written, self._published):
            if future is not None and future.done():
                self._wait(future)
        return self._failure

    def give_up(self) -> None:
        """No longer wait for the parts of others: one of them can't write. Does not wait."""
        self._given_up.set()

    def finish_writing(self) -> str:
        """Wait until this worker's part is written; returns why it could not be, or nothing."""
        return self._wait(self._written)

    def close(self, whole: bool) -> str:
        """End: wait for the last checkpoint to become `whole`, or leave it when some worker could not write its part.

        Returns:
            Why it could not be made whole, or nothing.
        """
        if not whole:
            self.give_up()
        self._wait(self._published)
        self._thread.shutdown()
        return self._failure

    def _wait(self, future: Future[None] | None) -> str:
        try:
            if future is not None:
                future.result()
        except (OSError, DamagedError) as error:
            self._failure = self._failure or f"worker {self._place.rank} could not write a checkpoint ({error})"
        return self._failure

    def _write(self, position: Position) -> None:
        place, snapshot = self._place, self._snapshot
        folder = part_folder(place.folder, position.step, place.start)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {_label(h.span, key): values for h in snapshot.holdings for key, values in h.arrays.items()}
        file = data_file(folder, place.rank)
        stored = write_tensors(file, tensors | {f"extra/{name}": value for name, value in snapshot.extra.items()})
        verify_tensors(file, stored.values())
        fragments = [
            Fragment(h.span, h.shape, h.optimizer_step, {key: stored[_label(h.span, key)] for key in h.arrays})
            for h in snapshot.holdings
        ]
        extra = {name: stored[f"extra/{name}"] for name in snapshot.extra}
        write_index(folder, Index(place.rank, fragments, extra))

    def _publish(self, position: Position) -> None:
        place = self._place
        folder = part_folder(place.folder, position.step, place.start)
        while (indexes := written_indexes(folder, place.workers)) is None:
            if self._given_up.is_set() or self._failure:
                return
            time.sleep(_LOOK_EVERY_S)
        publish(folder, Manifest(position, place.layout, indexes))
        prune(place.folder, KEPT)


def _label(span: Span, key: str) -> str:
    cut = f"/{span.cut.part}of{span.cut.parts}" if span.cut.parts > 1 else ""
    return f"{span.name}{cut}/{span.start}/{key}"
