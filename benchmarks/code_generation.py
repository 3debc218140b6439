"""How many public programming tasks the code-generation application solves without a language model.

    python benchmarks/code_generation.py mbpp-validation      # tasks 511-600: nothing was chosen on them
    python benchmarks/code_generation.py mbpp-train           # tasks 601-974: evidence weights were fitted here
    python benchmarks/code_generation.py humaneval
    python benchmarks/code_generation.py examples             # examples/programming_tasks.jsonl

The application sees the text and the visible examples (of MBPP the first assertion, of HumanEval those in the prompt).
What it returns is scored on all tests. `solved` is the share of all tasks; `right` that of the code it returned.
The public sets lie in the folder DANLU_DATA.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import gzip
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.sandbox import Call, Limits, Sandbox
from danlu.errors import InputError
from serve_apps.code_generation.config import CodeGenerationConfig
from serve_apps.code_generation.examples import Example, parse_example
from serve_apps.code_generation.requirement import read_requirement
from serve_apps.code_generation.signature import parse_signature
from serve_apps.code_generation.solver import Solver

REPOSITORY = Path(__file__).resolve().parent.parent
_SCORING = Limits(seconds=10.0, memory_mib=1024)


@dataclass(frozen=True)
class Problem:
    """One task; `scoring` is code that defines `score()`, which raises unless the solution before it is right."""

    id: str
    text: str
    signature: str | None
    examples: tuple[Example, ...]
    scoring: str


@dataclass(frozen=True)
class Scored:
    """What became of one task; `right` is None where the application returned no code."""

    problem: Problem
    right: bool | None
    method: str
    seconds: float


def read_problems(name: str, data: Path) -> list[Problem]:
    """The tasks of a set.

    Raises:
        InputError: the set's file is not there.
    """
    readers: dict[str, Callable[[], Iterable[Problem]]] = {
        "mbpp-train": lambda: _mbpp(data, 601, 974),
        "mbpp-validation": lambda: _mbpp(data, 511, 600),
        "humaneval": lambda: _humaneval(data),
        "examples": _own,
    }
    try:
        return list(readers[name]())
    except FileNotFoundError as error:
        raise InputError(f"{name}: {error.filename} does not exist", fix="set DANLU_DATA") from None


def solve_all(problems: Sequence[Problem], solver: Solver) -> Iterator[Scored]:
    """Solve and score one task after the other."""
    for problem in problems:
        began = time.perf_counter()
        signature = None if problem.signature is None else parse_signature(problem.signature)
        solution = asyncio.run(solver.solve(read_requirement(problem.text, signature, problem.examples)))
        seconds = time.perf_counter() - began
        if not solution.code:
            yield Scored(problem, None, "", seconds)
            continue
        program = f"{solution.code}\n{problem.scoring}"
        right = solver.sandbox.run_calls(program, "score", [Call()], _SCORING).ok
        yield Scored(problem, right, solution.attempts[-1].method if solution.attempts else "template", seconds)


def summary(scored: Sequence[Scored]) -> dict[str, float]:
    """The figures of a run: shares of all tasks, and of the code returned."""
    returned = [one for one in scored if one.right is not None]
    right = sum(bool(one.right) for one in returned)
    return {
        "tasks": len(scored),
        "solved": right / max(len(scored), 1),
        "right": right / max(len(returned), 1),
        "no_code": (len(scored) - len(returned)) / max(len(scored), 1),
        "median_s": statistics.median(one.seconds for one in scored) if scored else 0.0,
    }


def _mbpp(data: Path, first: int, last: int) -> Iterator[Problem]:
    """MBPP; a task whose first assertion is no call with literal arguments has no visible example."""
    for row in _json_lines((data / "mbpp" / "mbpp_train_validation.jsonl").read_text(encoding="utf-8")):
        if first <= row["task_id"] <= last:
            tests = "\n".join(f"    {test}" for test in row["test_list"])
            scoring = f"{row['test_setup_code']}\ndef score():\n{tests}\n    return True\n"
            yield Problem(str(row["task_id"]), row["text"], None, tuple(_assertion(row["test_list"][0])), scoring)


def _assertion(text: str) -> Iterator[Example]:
    statement = ast.parse(text).body[0]
    if isinstance(statement, ast.Assert) and isinstance(statement.test, ast.Compare):
        try:
            yield parse_example(ast.unparse(statement.test.left), ast.unparse(statement.test.comparators[0]))
        except ValueError:
            return


def _humaneval(data: Path) -> Iterator[Problem]:
    """HumanEval; the prompt is the text, its doctests are the examples."""
    text = gzip.decompress((data / "humaneval" / "HumanEval.jsonl.gz").read_bytes()).decode()
    for row in _json_lines(text):
        scoring = f"{row['test']}\ndef score():\n    check({row['entry_point']})\n    return True\n"
        yield Problem(row["task_id"], row["prompt"], None, (), scoring)


def _own() -> Iterator[Problem]:
    file = REPOSITORY / "examples" / "programming_tasks.jsonl"
    for row in _json_lines(file.read_text(encoding="utf-8")):
        tests = "\n".join(f"    assert {test['call']} == {test['expected']}" for test in row["tests"])
        examples = tuple(parse_example(**example) for example in row["examples"])
        yield Problem(row["id"], row["task"], row["signature"], examples, f"def score():\n{tests}\n    return True\n")


def _json_lines(text: str) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in text.splitlines() if line.strip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=["mbpp-train", "mbpp-validation", "humaneval", "examples"])
    parser.add_argument("--limit", type=int, default=None, help="only the first so many tasks")
    arguments = parser.parse_args()
    data = Path(os.environ.get("DANLU_DATA", REPOSITORY.parent / "shared" / "data"))
    solver = Solver(CodeGenerationConfig(), Sandbox())
    scored = []
    for one in solve_all(read_problems(arguments.set, data)[: arguments.limit], solver):
        scored.append(one)
        verdict = {None: "no code", True: "right", False: "wrong"}[one.right]
        print(f"{one.problem.id:24} {verdict:8} {one.method:12} {one.seconds:5.1f} s", flush=True)
    print(json.dumps({"set": arguments.set, "sandbox": solver.sandbox.level, **summary(scored)}))


if __name__ == "__main__":
    main()
