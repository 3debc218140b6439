"""The catalogue of templates, read from the source files in `templates/`."""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass
from pathlib import Path

from serve_apps.code_generation.signature import Signature, from_function
from serve_apps.code_generation.words import tokens

FOLDER = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Template:
    """One template: `required` parameters have no default; `helpers` are functions of its file that it calls.

    The syntax trees are shared: whoever changes one copies it first.
    """

    name: str
    english: str
    chinese: str
    words: str
    signature: Signature
    required: int
    function: ast.FunctionDef
    helpers: tuple[ast.FunctionDef, ...]
    category: str

    @functools.cached_property
    def tokens(self) -> list[str]:
        """The words it is found by; its names count twice."""
        names = f"{self.english} {self.chinese} {self.name}"
        return tokens(f"{names} {names} {self.words}")

    @functools.cached_property
    def shape(self) -> frozenset[str]:
        """The kinds of plan steps that its code is made of."""
        return frozenset(kind for node in ast.walk(self.function) if (kind := _step_kind(node)) is not None)

    @property
    def defaults(self) -> tuple[ast.expr, ...]:
        """The default values of the parameters after the required ones."""
        return tuple(self.function.args.defaults)


@functools.cache
def catalogue() -> tuple[Template, ...]:
    """All templates, by file and place."""
    found: list[Template] = []
    for file in sorted(FOLDER.glob("[a-z]*.py")):
        found.extend(_read(file.stem, file.read_text(encoding="utf-8")))
    return tuple(found)


def _read(category: str, source: str) -> list[Template]:
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    marks = {name: function.decorator_list[0] for name, function in functions.items() if function.decorator_list}
    for function in functions.values():
        function.decorator_list = []  # the mark is for the catalogue, not for the code that is made
    return [_template(category, functions[name], mark, functions) for name, mark in marks.items()]


def _template(
    category: str, function: ast.FunctionDef, mark: ast.expr, functions: dict[str, ast.FunctionDef]
) -> Template:
    assert isinstance(mark, ast.Call), function.name
    chinese, words = (ast.literal_eval(argument) for argument in mark.args)
    english = (ast.get_docstring(function) or "").splitlines()[0]
    signature = from_function(function)
    required = len(signature.parameters) - len(function.args.defaults)
    helpers = tuple(functions[name] for name in _called(function, functions))
    return Template(function.name, english, chinese, words, signature, required, function, helpers, category)


def _called(function: ast.FunctionDef, functions: dict[str, ast.FunctionDef]) -> list[str]:
    """Other functions of the file that this one needs, those that are needed first coming first."""
    needed: list[str] = []
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id in functions and node.id not in (function.name, *needed):
            inner = [name for name in _called(functions[node.id], functions) if name not in needed]
            needed.extend([*inner, node.id])
    return needed


def _step_kind(node: ast.AST) -> str | None:
    if isinstance(node, ast.For | ast.While | ast.comprehension):
        return "filter" if isinstance(node, ast.comprehension) and node.ifs else "loop"
    if isinstance(node, ast.If | ast.IfExp | ast.Compare):
        return "condition"
    if isinstance(node, ast.ListComp | ast.DictComp):
        return "map"
    if isinstance(node, ast.AugAssign):
        return "reduce"
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        calls = {"sorted": "sort", "setdefault": "group", "split": "parse", "findall": "parse", "next": "search"}
        return "reduce" if name in ("sum", "max", "min", "len", "join", "prod", "all", "any") else calls.get(name)
    return None
