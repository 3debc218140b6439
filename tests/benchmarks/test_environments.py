from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.environments import ensure_environment


def test_an_environment_is_made_once_and_anew_for_other_requirements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: installed.append(command[-1:]))
    monkeypatch.setattr("venv.create", lambda place, with_pip: place.mkdir(parents=True))
    python = ensure_environment("peer-1", ["peer==1"], tmp_path)
    assert ensure_environment("peer-1", ["peer==1"], tmp_path) == python == tmp_path / "peer-1" / "bin" / "python"
    assert installed == [["peer==1"]]
    ensure_environment("peer-1", ["peer==2"], tmp_path)
    assert installed == [["peer==1"], ["peer==2"]]


def test_a_failed_installation_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], check: bool) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr("venv.create", lambda place, with_pip: place.mkdir(parents=True))
    monkeypatch.setattr(subprocess, "run", fail)
    for _ in range(2):
        with pytest.raises(subprocess.CalledProcessError):
            ensure_environment("peer-1", ["peer==1"], tmp_path)
