"""One worker's checkpoints from its start to its end: resume, save, close. All workers call each in the same order."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.training.checkpoints.engine_state import EngineState
from pipelines.training.checkpoints.extras import Extra, collect, hand_out
from pipelines.training.checkpoints.manifest import remove_unfinished, set_aside, whole_checkpoints
from pipelines.training.checkpoints.position import Position
from pipelines.training.checkpoints.reader import Checkpoint
from pipelines.training.checkpoints.saver import CheckpointSaver, Place
from pipelines.training.checkpoints.spans import assign
from pipelines.training.checkpoints.tensor_file import DamagedError

# By rank, what every worker gave: how workers tell each other something.
Gather = Callable[[Any], list[Any]]


@dataclass(frozen=True)
class Resumed:
    """Where training goes on.

    Attributes:
        position: None where there are checkpoints, but none can be read.
        notes: what people should know of it.
    """

    position: Position | None
    notes: list[str] = field(default_factory=list)


class CheckpointSession:
    """Saves to and resumes from a folder that all workers see.

    Args:
        layout: how the work is spread, in words.
        gather: exchanges objects between all workers (`gather_objects`).
    """

    def __init__(
        self, folder: Path, rank: int, layout: str, state: EngineState, extras: Mapping[str, Extra], gather: Gather
    ) -> None:
        self._folder, self._rank, self._layout = folder, rank, layout
        self._state, self._extras, self._gather = state, extras, gather
        if rank == 0:
            remove_unfinished(folder)
        start = gather(secrets.token_hex(4) if rank == 0 else "")[0]
        held = gather([holding.span for holding in state.holdings()])
        self._workers = len(held)
        place = Place(folder, start, rank, self._workers, layout)
        self._saver = CheckpointSaver(place, assign(held)[rank])

    def resume(self) -> Resumed:
        """Load the newest whole checkpoint whose bytes are those that were written; the start where there is none."""
        damaged: list[Path] = []
        notes: list[str] = []
        for folder in self._gather(whole_checkpoints(self._folder) if self._rank == 0 else None)[0]:
            checkpoint, error = self._load(folder)
            errors = list(filter(None, self._gather(error)))
            if checkpoint is not None and not errors:
                self._state.refresh()
                self._set_aside(damaged)
                return Resumed(checkpoint.manifest.position, notes + self._told_of(checkpoint))
            damaged.append(folder)
            notes.append(f"the checkpoint {folder.name} is damaged ({errors[0]}); the one before it is taken")
        return Resumed(None, notes) if damaged else Resumed(Position())

    def save(self, position: Position) -> None:
        """Keep the state of this moment; it is written beside training."""
        self._saver.save(position, self._state.holdings(), collect(self._extras))

    @property
    def failed(self) -> bool:
        """Whether this worker could not write. Does not wait, and is for this worker alone to know until `close`."""
        return bool(self._saver.failure)

    def close(self) -> str:
        """Wait until the last checkpoint is whole; returns why one could not be written, or nothing."""
        # Known failures first: the first worker may be waiting in its thread for a part that will never come.
        if any(self._gather(self._saver.failure)):
            self._saver.give_up()
        failure = next(filter(None, self._gather(self._saver.finish_writing())), "")
        own = self._saver.close(whole=not failure)
        return next(filter(None, self._gather(failure or own)), "")

    def _load(self, folder: Path) -> tuple[Checkpoint | None, str]:
        """Read what this worker needs; a damaged one leaves values behind that the next one overwrites."""
        try:
            checkpoint = Checkpoint(folder)
            for holding in self._state.holdings():
                checkpoint.fill(holding)
            self._state.set_steps(checkpoint.optimizer_step)
            if self._same_layout(checkpoint):
                hand_out(self._extras, checkpoint.extra(self._rank))
        except DamagedError as error:
            return None, str(error)
        return checkpoint, ""

    def _same_layout(self, checkpoint: Checkpoint) -> bool:
        return (checkpoint.manifest.layout, checkpoint.manifest.workers) == (self._layout, self._workers)

    def _told_of(self, checkpoint: Checkpoint) -> list[str]:
        if self._same_layout(checkpoint):
            return []
        notes = [f"the checkpoint of {checkpoint.manifest.layout} goes on with {self._layout}"]
        fresh = sorted(name for name in self._extras if name != "random")
        return notes + [f"{name} begins anew, since its state fits the former layout only" for name in fresh]

    def _set_aside(self, damaged: list[Path]) -> None:
        # Only now: while none could be read, the next try shall find them all again.
        if self._rank == 0:
            for folder in damaged:
                set_aside(folder)


def gather_objects(value: Any) -> list[Any]:
    """What every worker gave, by rank."""
    import torch.distributed as dist

    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, value)
    return found
