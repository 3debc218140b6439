"""A checkpoint written in one layout gives every other layout its elements."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipelines.training.checkpoints.holding import Holding
from pipelines.training.checkpoints.manifest import Fragment, part_folder, whole_checkpoints
from pipelines.training.checkpoints.position import Position
from pipelines.training.checkpoints.reader import Checkpoint, cut_view, gather
from pipelines.training.checkpoints.saver import CheckpointSaver, Place
from pipelines.training.checkpoints.spans import Cut, Span, assign
from pipelines.training.checkpoints.tensor_file import DamagedError

SHAPES = {"embed": (12, 8), "gate_up": (16, 12), "down": (12, 8), "norm": (12,), "experts": (4, 8, 12)}
# name: the axis that workers cut, and its blocks
AXES = {"embed": (0, 1), "gate_up": (0, 2), "down": (1, 1), "experts": (0, 1)}


@st.composite
def layouts(draw: st.DrawFn) -> list[list[Span]]:
    """By rank, what it holds: tensors cut into `tensor` parts, each of them then into flat pieces over `data` ranks."""
    tensor, data = draw(st.sampled_from([1, 2, 4])), draw(st.sampled_from([1, 2, 3]))
    sharded = draw(st.booleans())
    moved = draw(st.booleans())
    ranks = []
    for rank in range(tensor * data):
        held = []
        for name, shape in SHAPES.items():
            axis, groups = AXES.get(name, (0, 1))
            if moved and name == "experts":
                axis = 1
            cut = Cut(axis, rank % tensor, tensor, groups) if tensor > 1 and name in AXES else Cut()
            size = math.prod(cut.local_shape(shape))
            piece = -(-size // data)
            first, last = (rank // tensor * piece, min(size, (rank // tensor + 1) * piece)) if sharded else (0, size)
            if first < last:
                held.append(Span(name, cut, first, last))
        ranks.append(held)
    return ranks


def truth(name: str) -> torch.Tensor:
    return torch.arange(math.prod(SHAPES[name]), dtype=torch.float32).view(SHAPES[name]) + len(name) * 1000


def holding(span: Span, empty: bool = False) -> Holding:
    values = cut_view(truth(span.name), span.cut).reshape(-1)[span.start : span.stop].clone()
    arrays = {"weight": values, "exp_avg": -values}
    if empty:
        arrays = {key: torch.zeros_like(array) for key, array in arrays.items()}
    return Holding(span, SHAPES[span.name], 7.0, arrays)


def save(folder: Path, layout: list[list[Span]], step: int = 7) -> Path:
    """All workers' parts, written one after the other; the first one has to wait for the others."""
    savers = [
        CheckpointSaver(Place(folder, "abcd", rank, len(layout), "a test"), mine)
        for rank, mine in enumerate(assign(layout))
    ]
    for rank, saver in enumerate(savers):
        saver.save(Position(step, 700), map(holding, layout[rank]), {"random": torch.tensor([rank], dtype=torch.uint8)})
    assert [saver.finish_writing() for saver in savers] == [""] * len(layout)
    assert [saver.close(whole=True) for saver in savers] == [""] * len(layout)
    return whole_checkpoints(folder)[0]


@given(layouts(), layouts())
def test_any_layout_finds_its_elements_in_what_any_other_wrote(
    writers: list[list[Span]], readers: list[list[Span]]
) -> None:
    written = [Fragment(span, SHAPES[span.name], 7.0, {}) for mine in assign(writers) for span in mine]
    for span in (span for held in readers for span in held):
        fragments = [fragment for fragment in written if fragment.span.name == span.name]
        found = gather(span, SHAPES[span.name], fragments, lambda fragment: holding(fragment.span).arrays["weight"])
        assert torch.equal(found, holding(span).arrays["weight"])


def test_values_steps_and_each_workers_own_come_back_from_the_files(tmp_path: Path) -> None:
    cuts = [
        [Span(name, Cut(AXES[name][0], part, 2, AXES[name][1]), 0, 48) for name in ("embed", "down")] for part in (0, 1)
    ]
    checkpoint = Checkpoint(save(tmp_path, cuts))
    assert checkpoint.manifest.position == Position(7, 700) and checkpoint.manifest.workers == 2
    for span in (Span("embed", Cut(), 5, 96), Span("down", Cut(), 0, 96), Span("down", Cut(1, 1, 2), 3, 17)):
        target = holding(span, empty=True)
        checkpoint.fill(target)
        assert all(torch.equal(target.arrays[key], values) for key, values in holding(span).arrays.items())
        assert checkpoint.optimizer_step(span.name) == 7.0
    assert [checkpoint.extra(rank)["random"].item() for rank in range(2)] == [0, 1]


def whole_layout(workers: int = 2) -> list[list[Span]]:
    return [[Span(name, Cut(), 0, math.prod(shape)) for name, shape in SHAPES.items()]] * workers


def test_a_changed_byte_is_found_where_it_is_read(tmp_path: Path) -> None:
    folder = save(tmp_path, whole_layout())
    file = folder / "rank-00001.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    checkpoint = Checkpoint(folder)
    with pytest.raises(
        DamagedError, match=r"step-00000007/rank-00001\.safetensors: the bytes from \d+ on have changed"
    ):
        checkpoint.extra(1)  # it lies at the end of the file
    checkpoint.extra(0)


@pytest.mark.parametrize("name", ["rank-00001.json", "checkpoint.json"])
def test_a_cut_index_or_manifest_is_damage(tmp_path: Path, name: str) -> None:
    file = save(tmp_path, whole_layout()) / name
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(DamagedError, match=name):
        Checkpoint(file.parent)


def test_a_missing_file_is_damage(tmp_path: Path) -> None:
    folder = save(tmp_path, whole_layout())
    (folder / "rank-00000.safetensors").unlink()
    checkpoint = Checkpoint(folder)
    with pytest.raises(DamagedError, match="No such file"):
        for span in whole_layout()[0]:
            checkpoint.fill(holding(span, empty=True))


def test_elements_that_nobody_wrote_are_named(tmp_path: Path) -> None:
    layout = [[Span("embed", Cut(), 0, 50)], [Span("embed", Cut(), 60, 96)]]
    checkpoint = Checkpoint(save(tmp_path, layout))
    with pytest.raises(DamagedError, match="elements 0 to 96 of embed are not in the checkpoint"):
        checkpoint.fill(holding(Span("embed", Cut(), 0, 96), empty=True))


def test_a_network_of_another_shape_is_told(tmp_path: Path) -> None:
    checkpoint = Checkpoint(save(tmp_path, whole_layout()))
    other = Holding(Span("norm", Cut(), 0, 6), (6,), 0.0, {"weight": torch.zeros(6)})
    with pytest.raises(DamagedError, match=r"norm has the shape \(12,\), the network's has \(6,\)"):
        checkpoint.fill(other)


def test_the_safetensors_library_reads_the_files(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    tensors = load_file(save(tmp_path, whole_layout(1)) / "rank-00000.safetensors")
    assert torch.equal(tensors["embed/0/weight"], truth("embed").flatten())
    assert not part_folder(tmp_path, 7, "abcd").exists()
