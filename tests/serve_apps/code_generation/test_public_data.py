"""Public programming tasks that nothing here was chosen on: a floor below what was measured."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from actors.sandbox import Sandbox
from serve_apps.code_generation.config import CodeGenerationConfig
from serve_apps.code_generation.solver import Solver

pytestmark = [pytest.mark.slow, pytest.mark.realdata, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    file = Path(__file__).resolve().parents[3] / "benchmarks" / "code_generation.py"
    spec = importlib.util.spec_from_file_location("benchmark_code_generation", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "every", "floor"), [("mbpp-validation", 3, 0.2), ("humaneval", 6, 0.05)])
def test_public_tasks(benchmark: ModuleType, public_data: Path, name: str, every: int, floor: float) -> None:
    problems = benchmark.read_problems(name, public_data)[::every]
    figures = benchmark.summary(list(benchmark.solve_all(problems, Solver(CodeGenerationConfig(), Sandbox()))))
    assert figures["solved"] >= floor, figures
    assert figures["right"] >= 0.5, figures
