from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.__main__ import find_benchmarks

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def test_modules_with_a_main_are_benchmarks_and_helpers_are_not(tmp_path: Path) -> None:
    (tmp_path / "cleaning").mkdir()
    (tmp_path / "cleaning" / "peers.py").write_text('"""Beside the peers.\n\nMore."""\ndef main(): ...\n')
    (tmp_path / "cleaning" / "helper.py").write_text('"""Helps."""\ndef help(): ...\n')
    (tmp_path / "__main__.py").write_text("def main(): ...\n")
    assert find_benchmarks(tmp_path) == {"cleaning.peers": "Beside the peers."}


def test_every_benchmark_explains_itself() -> None:
    found = find_benchmarks(REPOSITORY / "benchmarks")
    assert {"code_generation", "cleaning.peers", "cleaning.labelled"} <= found.keys()
    assert all(found.values())


def test_an_unknown_name_lists_the_known_ones_and_fails() -> None:
    command = [sys.executable, "-m", "benchmarks", "cleaning.nothing"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1
    assert "cleaning.nothing" in done.stderr
    assert "python -m benchmarks cleaning.peers" in done.stdout
