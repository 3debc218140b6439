"""The signature of the wanted function: its name, parameters and types."""

from __future__ import annotations

import ast
import keyword
import re
from contextlib import suppress

from pydantic import Field

from danlu.config import Settings

_DEFINITION = re.compile(r"^[ \t]*def\s+\w+\s*\(.*?\)\s*(?:->[^:\n]+)?:", re.DOTALL | re.MULTILINE)
_PLAIN_NAMES = re.compile(r"(?<![\w.])[A-Za-z_]\w*\(\s*[A-Za-z_][\w\s,:|\[\].]*\)(?:\s*->\s*\w[\w\[\], ]*)?")


class Parameter(Settings):
    """One parameter; `type` is its annotation as written, empty when unknown."""

    name: str = Field(description="parameter name")
    type: str = Field(default="", description="annotation as written, empty when unknown")


class Signature(Settings):
    """What the wanted function is called with and gives back."""

    name: str = Field(description="function name")
    parameters: tuple[Parameter, ...] = Field(default=(), description="parameters in order")
    returns: str = Field(default="", description="annotation of the returned value, empty when unknown")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    def __str__(self) -> str:
        parameters = ", ".join(f"{p.name}: {p.type}" if p.type else p.name for p in self.parameters)
        return f"def {self.name}({parameters})" + (f" -> {self.returns}" if self.returns else "")


def parse_signature(text: str) -> Signature:
    """Read `def f(a: int, b) -> str:`, `f(a, b)` or just `f`.

    Raises:
        ValueError: the text is no signature of one plain function.
    """
    source = text.strip().removesuffix(":").strip()
    if source.isidentifier() and not keyword.iskeyword(source):
        return Signature(name=source)
    try:
        tree = ast.parse(f"{source if source.startswith(('def ', 'async def ')) else f'def {source}'}: ...")
    except (SyntaxError, ValueError):
        raise ValueError("it is no function signature such as `def f(a: int, b: str) -> bool`") from None
    function = tree.body[0] if len(tree.body) == 1 else None
    if not isinstance(function, ast.FunctionDef):
        raise ValueError("it must be the signature of one plain function, `def f(...)`")
    return from_function(function)


def from_function(function: ast.FunctionDef) -> Signature:
    """The signature of a function definition.

    Raises:
        ValueError: it takes *args or **kwargs.
    """
    arguments = function.args
    if arguments.vararg or arguments.kwarg:
        raise ValueError("*args and **kwargs are not supported, name each parameter")
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    parameters = tuple(Parameter(name=a.arg, type=ast.unparse(a.annotation) if a.annotation else "") for a in every)
    returns = ast.unparse(function.returns) if function.returns else ""
    return Signature(name=function.name, parameters=parameters, returns=returns)


def find_signature(text: str) -> Signature | None:
    """The function signature that a requirement's text contains: the last `def`, else `name(a, b)` with plain names."""
    found = None
    for match in _DEFINITION.finditer(text):
        with suppress(ValueError):
            found = parse_signature(" ".join(match[0].split()))
    if found is None:
        for match in _PLAIN_NAMES.finditer(text):
            with suppress(ValueError):
                return parse_signature(match[0])
    return found
