"""The distribution: dependencies that are explained, and files that belong in it."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;~ ]", requirement)[0] for requirement in requirements}


def test_every_dependency_has_its_line() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text()
    wanted = names(PROJECT["dependencies"]) | names([*chain(*PROJECT["optional-dependencies"].values())])
    assert not [name for name in sorted(wanted) if name not in text]


def test_every_dependency_is_pinned_for_the_setup() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    assert not [name for name in sorted(names(PROJECT["dependencies"])) if name.lower() not in pinned]
    assert "+cpu" not in (ROOT / "constraints.txt").read_text(), "a local build's name exists on one machine only"


def test_the_starter_domains_go_into_the_wheel() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    patterns = data["actors.domain_classifier"]
    folder = ROOT / "actors" / "domain_classifier"
    packed = {file for pattern in patterns for file in folder.glob(pattern)}
    assert packed == set((folder / "starter").iterdir()) and len(packed) == 28


def test_tensorrt_is_an_extra_and_torch_is_exact() -> None:
    assert "torch==2.13.0" in PROJECT["dependencies"]
    assert "tensorrt-llm" in names(PROJECT["optional-dependencies"]["tensorrt"])
    assert "tensorrt-llm" not in names(PROJECT["dependencies"])
