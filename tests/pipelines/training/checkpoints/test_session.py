"""One worker's session, around a network of its own with torch's optimizer."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from pipelines.training.checkpoints.engine_state import EngineState
from pipelines.training.checkpoints.extras import Extra, RandomState
from pipelines.training.checkpoints.manifest import whole_checkpoints
from pipelines.training.checkpoints.position import Position
from pipelines.training.checkpoints.session import CheckpointSession
from pipelines.training.shards import Shard


class Memory:
    """An extra of a worker, such as the errors that compression has still to make good."""

    def __init__(self) -> None:
        self.value = torch.zeros(3)

    def state(self) -> dict[str, torch.Tensor]:
        return {"value": self.value}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        self.value = state["value"]


class Worker:
    """A start of training: a fresh network, and the session that may find its earlier state."""

    def __init__(self, folder: Path, layout: str = "one worker", extras: dict[str, Extra] | None = None) -> None:
        torch.manual_seed(0)
        self.network = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 1))
        self.network[1].bias.requires_grad_(False)
        self.memory = Memory()
        self.optimizer = torch.optim.AdamW(p for p in self.network.parameters() if p.requires_grad)
        state = EngineState(self.optimizer, [(Shard(n), p) for n, p in self.network.named_parameters()])
        self.extras: dict[str, Extra] = extras or {"memory": self.memory, "random": RandomState()}
        self.session = CheckpointSession(folder, 0, layout, state, self.extras, gather=lambda value: [value])
        self.resumed = self.session.resume()
        self.step = self.resumed.position.step if self.resumed.position else -1

    def train(self, steps: int) -> list[float]:
        losses = []
        for _ in range(steps):
            loss = self.network(torch.rand(8, 6)).square().mean()
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.memory.value += 1
            self.step += 1
            self.session.save(Position(self.step, self.step * 8))
            losses.append(loss.item())
        return losses


def test_a_new_start_goes_on_where_the_former_was(tmp_path: Path) -> None:
    expected = Worker(tmp_path / "undisturbed").train(8)
    first = Worker(tmp_path / "run")
    assert first.resumed.position == Position() and first.resumed.notes == []
    begun = first.train(5)
    assert first.session.close() == ""
    second = Worker(tmp_path / "run")
    assert second.resumed.position == Position(5, 40) and second.resumed.notes == []
    assert second.memory.value.tolist() == [5.0] * 3
    assert begun + second.train(3) == expected


def test_another_layout_is_said_and_keeps_the_fresh_state_of_its_worker(tmp_path: Path) -> None:
    first = Worker(tmp_path)
    first.train(5)
    first.session.close()
    second = Worker(tmp_path, layout="one big worker")
    assert second.resumed.notes == [
        "the checkpoint of one worker goes on with one big worker",
        "memory begins anew, since its state fits the former layout only",
    ]
    assert second.memory.value.tolist() == [0.0] * 3
    assert torch.equal(second.network[0].weight, first.network[0].weight)


def damage(folder: Path) -> None:
    file = folder / "rank-00000.safetensors"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    first = Worker(tmp_path)
    losses = first.train(5)
    first.session.close()
    damage(whole_checkpoints(tmp_path)[0])
    second = Worker(tmp_path)
    assert second.resumed.position == Position(4, 32)
    (note,) = second.resumed.notes
    assert note.startswith("the checkpoint step-00000005 is damaged (step-00000005/rank-00000.safetensors: the bytes")
    assert second.train(1) == losses[4:]
    second.session.close()
    assert {folder.name for folder in tmp_path.iterdir()} == {"step-00000004", "step-00000005", "step-00000005.damaged"}


def test_when_all_are_damaged_nothing_is_begun_anew(tmp_path: Path) -> None:
    first = Worker(tmp_path)
    first.train(3)
    first.session.close()
    for folder in whole_checkpoints(tmp_path):
        damage(folder)
    for _ in range(2):  # the next try finds them all again
        resumed = Worker(tmp_path).resumed
        assert resumed.position is None and len(resumed.notes) == 2


def test_a_write_that_fails_is_known_at_the_next_step_and_said_at_the_end(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "run")
    worker.train(2)
    while [folder.name for folder in whole_checkpoints(tmp_path / "run")] != ["step-00000002", "step-00000001"]:
        assert not worker.session.failed
        time.sleep(0.01)
    (tmp_path / "run").rename(tmp_path / "away")
    (tmp_path / "run").write_text("in the way")
    worker.train(2)
    assert worker.session.failed
    assert "worker 0 could not write a checkpoint ([Errno 20] Not a directory" in worker.session.close()
    (tmp_path / "run").unlink()
    (tmp_path / "away").rename(tmp_path / "run")
    assert Worker(tmp_path / "run").resumed.position == Position(2, 16)


def test_an_extra_that_is_new_starts_fresh(tmp_path: Path) -> None:
    first = Worker(tmp_path, extras={"random": RandomState()})
    first.train(2)
    first.session.close()
    assert Worker(tmp_path).memory.value.tolist() == [0.0] * 3
