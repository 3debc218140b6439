"""Packages that import, refuse to, end their process or hang: each tried for real."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.engines import trial_import
from actors.engines.trial_import import import_problem


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], str]:
    """package(code): the name of an installed package that runs `code` when it is imported."""
    monkeypatch.syspath_prepend(tmp_path / "packages")
    trial_import._trial.cache_clear()

    def write(code: str) -> str:
        folder = tmp_path / "packages" / "danlu_tried"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(code, encoding="utf-8")
        return folder.name

    return write


def test_a_package_that_imports_has_no_problem_and_is_not_imported_here(package: Callable[[str], str]) -> None:
    name = package("print('hello')")
    assert import_problem(name) == ""
    assert name not in sys.modules


def test_a_package_that_is_not_there_is_named() -> None:
    assert import_problem("danlu_nowhere") == "the package danlu_nowhere is not installed"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise ImportError('libcuda.so.1 is missing')", "ImportError: libcuda.so.1 is missing"),
        ("raise RuntimeError('版本 不对')", "RuntimeError: 版本 不对"),
        ("raise RuntimeError('x' * 1000)", "RuntimeError: " + "x" * 286),
        ("import danlu_nowhere", "ModuleNotFoundError: No module named 'danlu_nowhere'"),
        ("import sys; sys.exit(3)", "its process ended with code 3"),
        ("import sys; sys.exit('no licence')", "no licence"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "its process ended with code -11"),
        ("import os; os.write(2, b'\\xff broken'); os._exit(1)", "� broken"),
    ],
)
def test_a_package_that_does_not_import_is_told_with_its_last_words(
    code: str, reason: str, package: Callable[[str], str]
) -> None:
    name = package(code)
    assert import_problem(name) == f"the package {name} does not import: {reason}"


@pytest.mark.parametrize("code", ["import sys; sys.exit()", "import os; os._exit(0)"])
def test_a_package_that_ends_its_process_in_order_does_not_import_either(
    code: str, package: Callable[[str], str]
) -> None:
    name = package(code)
    assert import_problem(name) == f"the package {name} does not import: its process ended with code 0"


def test_a_package_that_hangs_is_given_up(package: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_import, "_WITHIN_S", 0.5)
    name = package("import time; time.sleep(60)")
    assert import_problem(name) == f"the package {name} did not import within 0.5 s"


def test_a_package_is_tried_once(package: Callable[[str], str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    name = package(f"open({str(log)!r}, 'a').write('tried ')\nraise ImportError('broken')")
    assert import_problem(name) == import_problem(name)
    assert log.read_text() == "tried "


def test_a_package_that_is_imported_already_is_not_tried(
    package: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = package("import os; os._exit(1)")
    monkeypatch.setitem(sys.modules, name, os)
    assert import_problem(name) == ""


def test_a_package_does_not_read_what_is_typed(package: Callable[[str], str]) -> None:
    """It would take the input of the command that tries it."""
    name = package("assert input()")
    kept, (reading, writing) = os.dup(0), os.pipe()
    os.write(writing, b"typed\n")
    os.close(writing)
    os.dup2(reading, 0)
    try:
        assert import_problem(name).endswith("EOFError: EOF when reading a line")
        assert os.read(0, 100) == b"typed\n"
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(reading)


def test_the_trial_finds_what_this_process_finds(
    package: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file in the working directory that happens to have a module's name is no part of this process's path."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "colorsys.py").write_text("raise ImportError('a file of the user')")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    name = package("import colorsys")
    assert import_problem(name) == ""


def test_the_working_directory_counts_where_this_process_looks_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "danlu_beside.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert import_problem("danlu_beside") == ""
