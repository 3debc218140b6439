"""The signature of the wanted function: its name, parameters and types."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

from pydantic import Field

from actors.sandbox import parse_literal
from danlu.config import Settings
from serve_apps.code_generation.plain import check_depth, check_plain

_DEFINITION = re.compile(r"^[ \t]*def\s+\w+\s*\(.{0,2000}?\)\s*+(?:->[^:\n]{1,200}+)?:", re.DOTALL | re.MULTILINE)
_NAME = r"[A-Za-z_][A-Za-z0-9_]*+"
# Chinese is written without spaces: 编写函数add(a, b).
_PLAIN_NAMES = re.compile(
    rf"(?<![A-Za-z0-9_.]){_NAME}\(\s*+[A-Za-z_][\w\s,:|\[\].]*+\)(?:\s*+->\s*+{_NAME}[A-Za-z0-9_\[\], ]*+)?"
)


class Parameter(Settings):
    """One parameter; `type` is its annotation as written, empty when unknown."""

    name: str = Field(description="parameter name")
    type: str = Field(default="", description="annotation as written, empty when unknown")
    default: str = Field(default="", description="default value as written, empty when there is none")
    only: Literal["", "position", "keyword"] = Field(
        default="", description="the one way in which it can be passed, empty when both will do"
    )

    def default_values(self) -> list[Any]:
        """The default value where it is a plain one, else nothing."""
        if not self.default:
            return []
        try:
            check_plain(value := parse_literal(self.default))
        except ValueError:
            return []
        return [value]


class Signature(Settings):
    """What the wanted function is called with and gives back."""

    name: str = Field(description="function name")
    parameters: tuple[Parameter, ...] = Field(default=(), description="parameters in order")
    returns: str = Field(default="", description="annotation of the returned value, empty when unknown")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    def __str__(self) -> str:
        returns = f" -> {self.returns}" if self.returns else ""
        return f"def {self.name}({ast.unparse(arguments_of(self.parameters))}){returns}"


def arguments_of(parameters: Sequence[Parameter]) -> ast.arguments:
    """The parameters as a syntax tree. Those that are `only` passed by position have to come first, by keyword last."""
    positional = [parameter for parameter in parameters if parameter.only != "keyword"]
    keyword = [parameter for parameter in parameters if parameter.only == "keyword"]
    return ast.arguments(
        posonlyargs=[_argument(parameter) for parameter in positional if parameter.only],
        args=[_argument(parameter) for parameter in positional if not parameter.only],
        kwonlyargs=[_argument(parameter) for parameter in keyword],
        kw_defaults=[_expression(parameter.default) for parameter in keyword],
        defaults=[default for parameter in positional if (default := _expression(parameter.default)) is not None],
    )


def _argument(parameter: Parameter) -> ast.arg:
    return ast.arg(parameter.name, _expression(parameter.type))


def _expression(text: str) -> ast.expr | None:
    return ast.parse(text, mode="eval").body if text else None


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
        check_depth(tree)
    except (SyntaxError, MemoryError, RecursionError):
        raise ValueError("it is no function signature such as `def f(a: int, b: str) -> bool`") from None
    function = tree.body[0] if len(tree.body) == 1 else None
    if not isinstance(function, ast.FunctionDef):
        raise ValueError("it must be the signature of one plain function, `def f(...)`")
    return from_function(function)


def from_function(function: ast.FunctionDef) -> Signature:
    """The signature of a function definition.

    Raises:
        ValueError: it takes *args or **kwargs, or two parameters have one name.
    """
    arguments = function.args
    if arguments.vararg or arguments.kwarg:
        raise ValueError("*args and **kwargs are not supported, name each parameter")
    first, positional = len(arguments.posonlyargs), [*arguments.posonlyargs, *arguments.args]
    defaults = [*[None] * (len(positional) - len(arguments.defaults)), *arguments.defaults]
    parameters = [
        *(_parameter(a, d, "position") for a, d in zip(positional[:first], defaults[:first], strict=True)),
        *(_parameter(a, d, "") for a, d in zip(positional[first:], defaults[first:], strict=True)),
        *(_parameter(a, d, "keyword") for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)),
    ]
    if len({parameter.name for parameter in parameters}) < len(parameters):
        raise ValueError("two parameters have one name")
    return Signature(name=function.name, parameters=tuple(parameters), returns=_text(function.returns))


def _parameter(argument: ast.arg, default: ast.expr | None, only: Literal["", "position", "keyword"]) -> Parameter:
    return Parameter(name=argument.arg, type=_text(argument.annotation), default=_text(default), only=only)


def _text(expression: ast.expr | None) -> str:
    return "" if expression is None else ast.unparse(expression)


def find_signature(text: str, function: str | None = None) -> Signature | None:
    """The function signature that a requirement's text contains: the last `def`, else `name(a, b)` with plain names.

    Args:
        function: the wanted function, if known; signatures of others do not count.
    """
    found = None
    for match in _DEFINITION.finditer(text):
        with suppress(ValueError):
            read = parse_signature(" ".join(match[0].split()))
            found = read if read.name == (function or read.name) else found
    if found is None:
        for match in _PLAIN_NAMES.finditer(text):
            with suppress(ValueError):
                read = parse_signature(match[0])
                if read.name == (function or read.name):
                    return read
    return found
