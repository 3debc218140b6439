"""metrics.jsonl: appended, rewound to a step, and readable after a crash."""

from __future__ import annotations

from pathlib import Path

from pipelines.training.metrics import StepMetrics, append_metrics, latest_metrics, read_metrics, rewind_metrics


def row(step: int, **more: float) -> StepMetrics:
    return StepMetrics(
        step, loss=1 / step, tokens=step * 10, tokens_per_s=5.0, learning_rate=0.1, gradient_norm=1.0, **more
    )


def test_rows_come_back(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    rows = [row(1), row(2, validation_loss=3.5), row(3, router_loss=1.0)]
    for one in rows:
        append_metrics(file, one)
    assert read_metrics(file) == rows
    assert latest_metrics(file) == rows[-1]
    assert "validation_loss" not in file.read_text().splitlines()[0]


def test_a_half_written_line_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    append_metrics(file, row(1))
    with open(file, "a") as stream:
        stream.write('{"step": 2, "lo')
    assert read_metrics(file) == [row(1)] and latest_metrics(file) == row(1)
    rewind_metrics(file, 1)
    append_metrics(file, row(2))
    assert [r.step for r in read_metrics(file)] == [1, 2]


def test_what_is_done_again_is_forgotten_first(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    for step in range(1, 8):
        append_metrics(file, row(step))
    rewind_metrics(file, 4)
    assert [r.step for r in read_metrics(file)] == [1, 2, 3, 4]
    rewind_metrics(file, 0)
    assert read_metrics(file) == [] and latest_metrics(file) is None


def test_no_file_has_no_rows(tmp_path: Path) -> None:
    assert read_metrics(tmp_path / "none") == [] and latest_metrics(tmp_path / "none") is None
    rewind_metrics(tmp_path / "new", 5)
    assert read_metrics(tmp_path / "new") == []


def test_the_tail_of_a_long_file_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text("".join('{"padding": 1}\n' for _ in range(5000)))
    append_metrics(file, row(9))
    assert latest_metrics(file) == row(9)
