"""Real workers agree bit by bit on steps that follow AdamW's, and send a 32nd of the bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.training.compression.signs import message_bytes
from pipelines.training.compression.wire import Traffic, ring_bytes

WARMUP, STEPS = 20, 220
SETTINGS = {
    "layout": {"data": 2},
    "warmup": WARMUP,
    "refresh_every": 40,
    "largest_norm": 0.0,
    "steps": STEPS,
    "noise": 0.5,
}


def run(folder: Path, **changes: Any) -> list[dict[str, Any]]:
    settings = SETTINGS | changes
    workers = settings["layout"].get("data", 1) * settings["layout"].get("tensor", 1)
    file = folder / "settings.json"
    file.write_text(json.dumps(settings))
    command = [sys.executable, str(Path(__file__).with_name("reduction_worker.py")), str(file)]
    processes = [
        subprocess.Popen([*command, str(rank), str(workers)], stderr=subprocess.PIPE) for rank in range(workers)
    ]
    errors = [process.communicate(timeout=200)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * workers, "\n".join(errors)[-4000:]
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(workers)]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return run(tmp_path_factory.mktemp("two"))


def adamw(workers: int, largest_norm: float = 0.0) -> list[torch.Tensor]:
    """What one process does with the mean of all replicas' gradients."""
    from pipelines.training.groups import Groups
    from pipelines.training.layout import Layout
    from tests.pipelines.training.compression.reduction_worker import gradient, make_parameters

    nobody: Any = None
    replicas = [Groups(Layout(data=workers), rank, nobody, nobody, nobody, nobody) for rank in range(workers)]
    parameters = make_parameters(replicas[0])
    optimizer = torch.optim.AdamW(parameters.values(), lr=0.01, betas=(0.9, 0.95), weight_decay=0.1)
    weights = []
    for step in range(STEPS):
        for name, parameter in parameters.items():
            own = [gradient(name, parameter, step, SETTINGS["noise"], groups) for groups in replicas]
            parameter.grad = torch.stack(own).mean(0)
        if largest_norm:
            torch.nn.utils.clip_grad_norm_(parameters.values(), largest_norm)
        optimizer.step()
        weights.append(torch.cat([parameter.detach().flatten() for parameter in parameters.values()]).clone())
    return weights


def test_replicas_are_equal_bit_by_bit(two: list[dict[str, Any]]) -> None:
    assert all(torch.equal(one, other) for one, other in zip(*(run["weights"] for run in two), strict=True))


def test_the_warm_up_is_adamw(two: list[dict[str, Any]]) -> None:
    plain = adamw(2)
    for step in range(WARMUP):
        torch.testing.assert_close(two[0]["weights"][step], plain[step], rtol=1e-5, atol=1e-6)


def test_compressed_steps_follow_adamw(two: list[dict[str, Any]]) -> None:
    plain = adamw(2)
    way = (plain[-1] - plain[WARMUP]).norm()
    assert way > 10
    assert (two[0]["weights"][-1] - plain[-1]).norm() < 0.2 * way


def test_bytes_are_counted_as_the_messages_are_long(two: list[dict[str, Any]]) -> None:
    sizes = [33 * 21 + 57, 19 * 5]  # one message list each
    chunks = [-(-size // 16) * 8 for size in sizes]
    for step, reduced in enumerate(two[0]["reduced"]):
        assert reduced.whole_bytes == ring_bytes(4 * sum(sizes), 2) == 4 * sum(sizes)
        numbers = 8  # the workers' norm, one float64
        compressed = step >= WARMUP
        if not compressed or (step - WARMUP) % 40 == 0:
            numbers += sum(4 * 2 * chunk for chunk in chunks)
        payload = sum(2 * message_bytes(chunk, 4096) for chunk in chunks) if compressed else 0
        assert reduced.sent == Traffic(payload, numbers)


def test_the_norm_is_told_without_seeing_the_gradient(tmp_path: Path) -> None:
    """The true norm is known from a run that never compresses."""
    told = [reduced.norm for reduced in run(tmp_path, steps=WARMUP + 15)[0]["reduced"]][WARMUP:]
    true = [reduced.norm for reduced in run(tmp_path, steps=WARMUP + 15, warmup=100)[0]["reduced"]][WARMUP:]
    assert told == pytest.approx(true, rel=0.15)


def test_clipping_bounds_whole_and_compressed_steps(tmp_path: Path) -> None:
    clipped = run(tmp_path, largest_norm=2.0)
    plain = adamw(2, largest_norm=2.0)
    torch.testing.assert_close(clipped[0]["weights"][WARMUP - 1], plain[WARMUP - 1], rtol=1e-5, atol=1e-6)
    assert (clipped[0]["weights"][-1] - plain[-1]).norm() < 0.2 * (plain[-1] - plain[WARMUP]).norm()


def test_copies_outside_the_data_group_stay_equal(tmp_path: Path) -> None:
    """Two replicas of two tensor parts: what is not cut is the same on all four."""
    runs = run(tmp_path, layout={"data": 2, "tensor": 2}, steps=60)
    for name in ("whole", "tied"):
        assert all(torch.equal(runs[0]["names"][name], other["names"][name]) for other in runs[1:])
    cut = [one["names"]["cut"] for one in runs]  # workers 0 and 2 hold the first part
    assert torch.equal(cut[0], cut[2]) and torch.equal(cut[1], cut[3]) and not torch.equal(cut[0], cut[1])


def test_state_goes_on_bit_by_bit(two: list[dict[str, Any]], tmp_path: Path) -> None:
    again = run(tmp_path, steps=80, renew_at=50)
    assert all(torch.equal(again[0]["weights"][step], two[0]["weights"][step]) for step in range(80))
