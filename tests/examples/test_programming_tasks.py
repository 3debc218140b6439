"""The example tasks: well formed, varied, and solved by the application."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from actors.sandbox import Sandbox
from serve_apps.code_generation.catalogue import FOLDER
from serve_apps.code_generation.config import CodeGenerationConfig
from serve_apps.code_generation.examples import parse_example
from serve_apps.code_generation.requirement import read_requirement
from serve_apps.code_generation.signature import parse_signature
from serve_apps.code_generation.solver import Solver
from serve_apps.code_generation.verification import run_examples
from serve_apps.code_generation.words import is_chinese


@pytest.fixture(scope="module")
def tasks(examples: Path) -> list[dict[str, Any]]:
    lines = (examples / "programming_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_the_tasks_are_whole(tasks: list[dict[str, Any]]) -> None:
    assert len(tasks) >= 36 and len({task["id"] for task in tasks}) == len(tasks)
    for task in tasks:
        assert (
            set(task) == {"id", "language", "task", "signature", "examples", "tests"} and task["language"] == "python"
        )
        name = parse_signature(task["signature"]).name
        every = [parse_example(**case) for case in (*task["examples"], *task["tests"])]
        assert all(example.function == name for example in every), task["id"]
        assert len(task["examples"]) >= 2 and len(task["tests"]) >= 2


def test_the_hidden_tests_are_no_examples(tasks: list[dict[str, Any]]) -> None:
    for task in tasks:
        assert not {case["call"] for case in task["examples"]} & {case["call"] for case in task["tests"]}, task["id"]


def test_half_of_them_are_chinese(tasks: list[dict[str, Any]]) -> None:
    chinese = sum(is_chinese(task["task"]) for task in tasks)
    assert abs(2 * chinese - len(tasks)) <= 2


def test_no_template_knows_a_task(tasks: list[dict[str, Any]]) -> None:
    sources = "\n".join(file.read_text(encoding="utf-8") for file in FOLDER.glob("*.py"))
    for task in tasks:
        assert task["id"] not in sources and task["task"] not in sources
        assert f"def {parse_signature(task['signature']).name}(" not in sources, task["id"]


@pytest.mark.slow
def test_the_application_solves_them(tasks: list[dict[str, Any]]) -> None:
    """At least 85 in 100 pass their hidden tests, and what is returned as passed holds its own examples."""
    sandbox = Sandbox()
    solver = Solver(CodeGenerationConfig(), sandbox)
    failed = []
    for task in tasks:
        given = [parse_example(**case) for case in task["examples"]]
        solution = asyncio.run(solver.solve(read_requirement(task["task"], parse_signature(task["signature"]), given)))
        hidden = [parse_example(**case) for case in task["tests"]]
        if not solution.code or not asyncio.run(run_examples(solution.code, hidden, sandbox)).passed:
            failed.append(task["id"])
    assert len(failed) <= 0.15 * len(tasks), failed
