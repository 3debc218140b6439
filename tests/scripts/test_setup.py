"""`make setup` and `make clean`, in a copy of the repository's top, with stand-ins for the Pythons."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A Python of version {version} as far as the scripts look; its environments have pip when {pip} is 0.
PYTHON = """#!/bin/sh
case "$*" in
    --version) echo "Python {version}" ;;
    "-m pip"*) exit {own_pip} ;;
    *"print(*sys.version_info"*) echo "{version}" | tr . " " ;;
    *"print("*) echo "python{version}-venv" ;;
    "-c"*) exit 0 ;;
    "-m venv --clear .venv")
        rm -rf .venv && mkdir -p .venv/bin
        sed 's/^    "-m pip".*/    "-m pip"*) exit {pip} ;;/' "$0" > .venv/bin/python
        chmod +x .venv/bin/python ;;
    *) exit 9 ;;
esac
"""


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    return tmp_path


def python(top: Path, version: str, *, pip: bool = True, own_pip: bool = True, place: str | None = None) -> str:
    file = top / (place or f"python-{version}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(PYTHON.format(version=version, pip=int(not pip), own_pip=int(not own_pip)))
    file.chmod(0o755)
    return str(file)


def make(top: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    return subprocess.run(["make", *arguments], cwd=top, capture_output=True, text=True, timeout=60, env=environment)


def test_setup_is_done_once(top: Path) -> None:
    first = make(top, "setup", f"PYTHON={python(top, '3.12')}")
    assert first.returncode == 0 and "Making .venv with Python 3.12" in first.stdout, first.stderr
    (top / ".venv" / "kept").touch()
    assert "Making" not in make(top, "setup").stdout and (top / ".venv" / "kept").exists()


def test_another_python_makes_the_environment_anew(top: Path) -> None:
    old, new = python(top, "3.11"), python(top, "3.12")
    make(top, "setup", f"PYTHON={old}")
    (top / ".venv" / "of-the-old").touch()
    assert "Making" not in make(top, "setup", f"PYTHON={old}").stdout
    assert "Making .venv with Python 3.12" in make(top, "setup", f"PYTHON={new}").stdout
    assert not (top / ".venv" / "of-the-old").exists() and (top / ".venv" / ".ready").exists()


def test_an_environment_is_kept_when_only_the_dependencies_change(top: Path) -> None:
    make(top, "setup", f"PYTHON={python(top, '3.12')}")
    (top / ".venv" / "kept").touch()
    (top / ".venv" / ".ready").unlink()
    again = make(top, "setup")
    assert again.returncode == 0 and "[2/3]" in again.stdout and (top / ".venv" / "kept").exists()


def test_an_environment_without_pip_is_said_and_mended_later(top: Path) -> None:
    refused = make(top, "setup", f"PYTHON={python(top, '3.11', pip=False)}")
    assert refused.returncode and "apt-get install python3.11-venv (or python3-venv)" in refused.stderr
    assert (top / ".venv" / "bin" / "python").exists() and not (top / ".venv" / ".ready").exists()
    mended = make(top, "setup", f"PYTHON={python(top, '3.11')}")
    assert mended.returncode == 0 and (top / ".venv" / ".ready").exists(), mended.stderr


def test_a_python_that_does_not_fit_is_said(top: Path) -> None:
    refused = make(top, "setup", "PYTHON=/bin/false")
    assert refused.returncode and "needs Python 3.11 or 3.12, and /bin/false is none" in refused.stderr
    assert not (top / ".venv").exists()


def test_clean_keeps_the_runs(top: Path) -> None:
    for name in ("runs/model", ".venv/bin", "build"):
        (top / name).mkdir(parents=True)
    assert make(top, "clean").returncode == 0
    assert (top / "runs" / "model").exists() and not (top / ".venv").exists() and not (top / "build").exists()
