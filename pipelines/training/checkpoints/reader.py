"""Reading a checkpoint into any layout: which stored fragments a span needs, and where their elements go."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from pipelines.training.checkpoints.holding import Holding
from pipelines.training.checkpoints.manifest import Fragment, data_file, read_indexes, read_manifest
from pipelines.training.checkpoints.spans import WHOLE, Cut, Span, missing
from pipelines.training.checkpoints.tensor_file import DamagedError, read_tensor

Read = Callable[[Fragment], torch.Tensor]


class Checkpoint:
    """A whole checkpoint, open for reading.

    Raises:
        DamagedError: its manifest or an index can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        self._indexes = read_indexes(folder, self.manifest)
        self._stored: dict[str, list[tuple[int, Fragment]]] = defaultdict(list)
        for index in self._indexes:
            for fragment in index.fragments:
                self._stored[fragment.span.name].append((index.rank, fragment))

    def fill(self, holding: Holding) -> None:
        """Read the values of a holding's elements into its arrays.

        Raises:
            DamagedError: elements are missing or their bytes have changed.
        """
        stored = self._stored.get(holding.span.name, [])
        where = {fragment.span: rank for rank, fragment in stored}
        fragments = [fragment for _, fragment in stored]
        for key, target in holding.arrays.items():

            def read(fragment: Fragment, key: str = key) -> torch.Tensor:
                if key not in fragment.arrays:
                    raise DamagedError(f"{self.folder.name} has no {key} of {fragment.span.name}")
                return read_tensor(data_file(self.folder, where[fragment.span]), fragment.arrays[key])

            target.copy_(gather(holding.span, holding.shape, fragments, read))

    def optimizer_step(self, name: str) -> float:
        """How often the optimizer has updated a tensor."""
        return max((fragment.optimizer_step for _, fragment in self._stored.get(name, [])), default=0.0)

    def extra(self, rank: int) -> dict[str, torch.Tensor]:
        """What worker `rank` kept for itself.

        Raises:
            DamagedError: its bytes have changed.
        """
        file = data_file(self.folder, rank)
        return {name: read_tensor(file, stored) for name, stored in self._indexes[rank].extra.items()}


def gather(target: Span, shape: Sequence[int], fragments: Sequence[Fragment], read: Read) -> torch.Tensor:
    """The elements `target` (len(target),) of a tensor of `shape`, from fragments that were cut in any way.

    Raises:
        DamagedError: the fragments do not cover them, or are parts of a tensor of another shape.
    """
    for fragment in fragments:
        if tuple(fragment.shape) != tuple(shape):
            raise DamagedError(f"{target.name} has the shape {fragment.shape}, the network's has {tuple(shape)}")
    same = [fragment for fragment in fragments if fragment.span.cut == target.cut]
    if missing(target, [fragment.span for fragment in same]) is None:
        return _join(target, same, read)
    whole = _assemble(target, shape, fragments, read)
    return cut_view(whole, target.cut).reshape(-1)[target.start : target.stop]


def cut_view(tensor: torch.Tensor, cut: Cut) -> torch.Tensor:
    """The part `cut` of a contiguous tensor, as a view (before axis, groups, elements of the part and all behind)."""
    if cut.parts == 1:
        return tensor.view(1, 1, -1)
    before = math.prod(tensor.shape[: cut.axis])
    return tensor.view(before, cut.groups, cut.parts, -1)[:, :, cut.part]


def _join(target: Span, fragments: Sequence[Fragment], read: Read) -> torch.Tensor:
    """Elements out of fragments of the same cut."""
    parts = []
    reached = target.start
    for fragment in sorted(fragments, key=lambda fragment: fragment.span.start):
        start, stop = max(reached, fragment.span.start), min(target.stop, fragment.span.stop)
        if start < stop:
            parts.append(read(fragment)[start - fragment.span.start : stop - fragment.span.start])
            reached = stop
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _assemble(target: Span, shape: Sequence[int], fragments: Sequence[Fragment], read: Read) -> torch.Tensor:
    """The whole tensor, as far as the part that is wanted reaches: one tensor at a time, so memory for one suffices."""
    cuts = _cover(target, shape, [fragment.span for fragment in fragments])
    whole: torch.Tensor | None = None
    for cut in cuts:
        size = math.prod(cut.local_shape(shape))
        of_cut = [fragment for fragment in fragments if fragment.span.cut == cut]
        part = _join(Span(target.name, cut, 0, size), of_cut, read)
        if cut == WHOLE:
            return part.view(*shape)
        whole = torch.empty(*shape, dtype=part.dtype) if whole is None else whole
        view = cut_view(whole, cut)
        view.copy_(part.view(view.shape))
    assert whole is not None  # there is at least one cut in a cover
    return whole


def _cover(target: Span, shape: Sequence[int], stored: Iterable[Span]) -> list[Cut]:
    """Stored cuts that are there from end to end and together hold all that the part `target.cut` has."""
    by_cut: dict[Cut, list[Span]] = defaultdict(list)
    for span in stored:
        by_cut[span.cut].append(span)
    complete = [c for c, spans in by_cut.items() if not missing(_all_of(target.name, c, shape), spans)]
    if WHOLE in complete:
        return [WHOLE]
    for axis, parts, groups in sorted({(cut.axis, cut.parts, cut.groups) for cut in complete}):
        kin = [Cut(axis, part, parts, groups) for part in range(parts)]
        needed = [cut for cut in kin if cut.meets(target.cut)]
        if set(needed) <= set(complete):
            return needed
    raise DamagedError(f"elements {target.start} to {target.stop} of {target.name} are not in the checkpoint")


def _all_of(name: str, cut: Cut, shape: Sequence[int]) -> Span:
    return Span(name, cut, 0, math.prod(cut.local_shape(shape)))
