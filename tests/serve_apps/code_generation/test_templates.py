"""Every template gives what it says, and stays a general algorithm that can be put under other names."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from actors.sandbox import Call, Sandbox, equal
from serve_apps.code_generation.binding import Binding
from serve_apps.code_generation.catalogue import FOLDER, catalogue
from serve_apps.code_generation.examples import parse_call
from serve_apps.code_generation.instantiate import from_template
from serve_apps.code_generation.signature import Parameter, Signature
from serve_apps.code_generation.words import is_chinese

LINES = Path(__file__).with_name("template_examples.txt").read_text(encoding="utf-8").splitlines()
EXAMPLES = [line for line in LINES if line and not line.startswith("#")]
BY_NAME = {template.name: template for template in catalogue()}


def read(line: str) -> tuple[str, Call, object]:
    comparison = ast.parse(line, mode="eval").body
    assert isinstance(comparison, ast.Compare)
    name, call = parse_call(ast.unparse(comparison.left))
    return name, call, ast.literal_eval(comparison.comparators[0])


@pytest.mark.parametrize("line", EXAMPLES)
def test_template_gives_what_it_says(line: str) -> None:
    name, call, expected = read(line)
    module = importlib.import_module(f"serve_apps.code_generation.templates.{BY_NAME[name].category}")
    assert equal(getattr(module, name)(*call.args, **call.kwargs), expected)


def test_every_template_has_an_example() -> None:
    assert set(BY_NAME) == {read(line)[0] for line in EXAMPLES}


def test_names_are_unique_over_all_files() -> None:
    assert len(BY_NAME) == len(catalogue()) >= 60


@pytest.mark.parametrize("template", catalogue(), ids=lambda template: template.name)
def test_template_can_be_found_in_both_languages(template) -> None:
    assert template.english.isascii() and template.english.endswith(".")
    assert is_chinese(template.chinese)
    assert template.signature.parameters and all(p.type for p in template.signature.parameters)
    assert template.signature.returns


def test_instances_under_other_names_still_give_what_they_say() -> None:
    """Each template is renamed to one function `wanted(p0, p1, ...)` and run alone in the sandbox."""
    sandbox = Sandbox()
    programs, calls, expected = [], [], []
    for place, line in enumerate(EXAMPLES):
        name, call, value = read(line)
        template = BY_NAME[name]
        count = len(call.args)
        signature = Signature(name=f"wanted{place}", parameters=tuple(Parameter(name=f"p{i}") for i in range(count)))
        defaults = ["default"] * (len(template.signature.parameters) - count)
        programs.append(from_template(template, Binding((*range(count), *defaults), 1.0), signature))
        calls.append(Call((place, call.args)))
        expected.append(value)
    # All in one child: each program has a namespace of its own.
    program = f"PROGRAMS = {programs!r}\ndef run(place, arguments):\n    names = {{}}\n"
    program += "    exec(PROGRAMS[place], names)\n    return names[f'wanted{place}'](*arguments)\n"
    outcomes = sandbox.run_calls(program, "run", calls).outcomes
    wrong = [line for line, o, v in zip(EXAMPLES, outcomes, expected, strict=True) if not o.ok or not same(o, v)]
    assert not wrong


def same(outcome, value: object) -> bool:
    from actors.sandbox import parse_literal

    return equal(parse_literal(outcome.value_repr), value)


def test_templates_import_nothing_but_the_standard_library() -> None:
    known = {"bisect", "calendar", "datetime", "heapq", "itertools", "math", "re", "statistics", "serve_apps"}
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= known, file
