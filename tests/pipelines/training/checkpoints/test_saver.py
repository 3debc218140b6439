from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch

from pipelines.training.checkpoints import saver as saver_module
from pipelines.training.checkpoints.holding import Holding
from pipelines.training.checkpoints.manifest import (
    data_file,
    index_file,
    part_folder,
    remove_unfinished,
    set_aside,
    whole_checkpoints,
)
from pipelines.training.checkpoints.position import Position
from pipelines.training.checkpoints.reader import Checkpoint
from pipelines.training.checkpoints.saver import CheckpointSaver, Place
from pipelines.training.checkpoints.spans import WHOLE, Span

SPANS = [[Span("weight", WHOLE, 0, 500)], [Span("weight", WHOLE, 500, 1000)]]


def held(rank: int, values: torch.Tensor) -> list[Holding]:
    span = SPANS[rank][0]
    return [Holding(span, (1000,), 1.0, {"weight": values[span.start : span.stop]})]


def savers(folder: Path, start: str = "aa") -> list[CheckpointSaver]:
    return [CheckpointSaver(Place(folder, start, rank, 2, "a test"), SPANS[rank]) for rank in range(2)]


def read(folder: Path) -> torch.Tensor:
    target = Holding(Span("weight", WHOLE, 0, 1000), (1000,), 0.0, {"weight": torch.empty(1000)})
    Checkpoint(folder).fill(target)
    return target.arrays["weight"]


def save_all(folder: Path, steps: list[int], start: str = "aa") -> None:
    both = savers(folder, start)
    for step in steps:
        for rank, saver in enumerate(both):
            saver.save(Position(step), held(rank, torch.full((1000,), float(step))), {})
    assert [saver.close(whole=True) for saver in both] == ["", ""]


def test_training_goes_on_while_its_former_state_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    original = saver_module.write_tensors
    monkeypatch.setattr(saver_module, "write_tensors", lambda *a: (go.wait(60), original(*a))[1])
    both, values = savers(tmp_path), torch.zeros(1000)
    for rank, saver in enumerate(both):
        saver.save(Position(5), held(rank, values), {})
    values += 1  # the next step
    assert whole_checkpoints(tmp_path) == [] and all(not saver.failure for saver in both)
    go.set()
    assert [saver.close(whole=True) for saver in both] == ["", ""]
    assert read(whole_checkpoints(tmp_path)[0]).abs().sum() == 0


def test_a_checkpoint_is_whole_only_when_all_parts_are(tmp_path: Path) -> None:
    first, second = savers(tmp_path)
    first.save(Position(5), held(0, torch.zeros(1000)), {})
    assert first.finish_writing() == ""
    assert index_file(part_folder(tmp_path, 5, "aa"), 0).exists() and whole_checkpoints(tmp_path) == []
    second.save(Position(5), held(1, torch.zeros(1000)), {})
    assert [second.close(whole=True), first.close(whole=True)] == ["", ""]
    assert [folder.name for folder in whole_checkpoints(tmp_path)] == ["step-00000005"]


def test_older_ones_go_only_when_two_newer_ones_are_whole(tmp_path: Path) -> None:
    save_all(tmp_path, [1, 2, 3])
    assert [folder.name for folder in whole_checkpoints(tmp_path)] == ["step-00000003", "step-00000002"]
    assert read(whole_checkpoints(tmp_path)[0]).unique().tolist() == [3.0]


def test_what_an_earlier_start_left_half_written_is_never_taken_for_a_part(tmp_path: Path) -> None:
    _, second = savers(tmp_path, "aa")
    second.save(Position(5), held(1, torch.full((1000,), 9.0)), {})
    assert second.close(whole=True) == ""  # its index is there, the first worker was killed
    first, other = savers(tmp_path, "bb")
    first.save(Position(5), held(0, torch.zeros(1000)), {})
    assert first.finish_writing() == "" and whole_checkpoints(tmp_path) == []
    other.save(Position(5), held(1, torch.zeros(1000)), {})
    assert [other.close(whole=True), first.close(whole=True)] == ["", ""]
    assert read(whole_checkpoints(tmp_path)[0]).abs().sum() == 0
    remove_unfinished(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["step-00000005"]


def test_a_full_disk_leaves_the_older_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_all(tmp_path, [1])
    both = savers(tmp_path, "bb")

    original = saver_module.write_tensors

    def full(file: Path, tensors: dict[str, torch.Tensor]) -> object:
        if file.name == "rank-00001.safetensors":
            raise OSError(28, "No space left on device", str(file))
        return original(file, tensors)

    monkeypatch.setattr(saver_module, "write_tensors", full)
    for rank, saver in enumerate(both):
        saver.save(Position(2), held(rank, torch.ones(1000)), {})
        saver.finish_writing()
    assert "worker 1 could not write a checkpoint ([Errno 28] No space left on device" in both[1].failure
    for rank, saver in enumerate(both):
        saver.save(Position(3), held(rank, torch.ones(1000)), {})
    # The first worker, who waits for the second one's part, is told that it will not come.
    assert both[0].failure == ""
    both[0].give_up()
    assert both[0].finish_writing() == "" == both[0].close(whole=False)
    assert both[1].failure == both[1].close(whole=False)
    assert [folder.name for folder in whole_checkpoints(tmp_path)] == ["step-00000001"]


def test_bytes_that_change_on_the_way_to_the_disk_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_all(tmp_path, [1])
    original = saver_module.write_tensors

    def flip(file: Path, tensors: dict[str, torch.Tensor]) -> object:
        stored = original(file, tensors)
        content = bytearray(file.read_bytes())
        content[-3] ^= 4
        file.write_bytes(content)
        return stored

    monkeypatch.setattr(saver_module, "write_tensors", flip)
    first, second = savers(tmp_path)
    for rank, saver in enumerate((first, second)):
        saver.save(Position(2), held(rank, torch.ones(1000)), {})
    assert "the bytes from" in first.finish_writing() and "the bytes from" in second.finish_writing()
    first.close(whole=False)
    second.close(whole=False)
    assert [folder.name for folder in whole_checkpoints(tmp_path)] == ["step-00000001"]


def test_a_step_that_is_done_again_takes_the_place_of_the_earlier_one(tmp_path: Path) -> None:
    save_all(tmp_path, [1, 2])
    data_file(whole_checkpoints(tmp_path)[0], 0).unlink()
    save_all(tmp_path, [2], start="bb")
    assert read(whole_checkpoints(tmp_path)[0]).unique().tolist() == [2.0]


def test_a_damaged_one_set_aside_counts_no_more(tmp_path: Path) -> None:
    save_all(tmp_path, [1, 2])
    set_aside(whole_checkpoints(tmp_path)[0])
    assert [folder.name for folder in whole_checkpoints(tmp_path)] == ["step-00000001"]
    remove_unfinished(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["step-00000001", "step-00000002.damaged"]
