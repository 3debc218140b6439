"""The folder rule: which package may import which. docs/architecture.md explains it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "danlu": set(),
    "actors": {"danlu"},
    "pipelines": {"danlu", "actors"},
    "serve_apps": {"danlu", "actors"},
    "dashboards": {"danlu"},
    "cluster": {"danlu", "actors", "pipelines", "serve_apps", "dashboards", "examples"},
}
PACKAGES = {*MAY_IMPORT, "examples"}


def imported_packages(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return {name.split(".")[0] for name in names} & PACKAGES


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_packages_import_only_what_they_may(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package}
    wrong = {
        str(file.relative_to(ROOT)): sorted(found - allowed)
        for file in (ROOT / package).rglob("*.py")
        if (found := imported_packages(file)) - allowed
    }
    assert not wrong


def test_nothing_uses_rays_private_modules() -> None:
    texts = {file: file.read_text(encoding="utf-8") for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    assert not [str(file) for file, text in texts.items() if "ray._private" in text]
