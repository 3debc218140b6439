from __future__ import annotations

from pathlib import Path

from pipelines.training.attempts import Attempt, append_attempt, read_attempts


def test_attempts_are_read_as_written_and_half_lines_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "state" / "attempts.jsonl"
    attempts = [Attempt(0, 3.5, [1, 2]), Attempt(400, 60.0, [3, 4], 37, 12.2, ["a note"])]
    for attempt in attempts:
        append_attempt(file, attempt)
    with open(file, "a") as stream:
        stream.write('{"step": 5')
    assert read_attempts(file) == attempts


def test_people_are_told_what_was_lost() -> None:
    assert Attempt(400, 60.0, [], 37, 12.2).told == ["lost 37 steps (12 s) since the checkpoint at step 400"]
    assert Attempt(0, 60.0, [], 1, 0.2).told == ["lost 1 step (0 s), all there were: no checkpoint was whole yet"]
    assert Attempt(400, 60.0, [], notes=["another layout"]).told == ["another layout"]
