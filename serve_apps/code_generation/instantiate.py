"""From a template or an expression to the source of the wanted function, by way of the syntax tree."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Mapping, Sequence

from serve_apps.code_generation.binding import Binding
from serve_apps.code_generation.catalogue import Template
from serve_apps.code_generation.signature import Signature, arguments_of

_MODULES = ("bisect", "calendar", "datetime", "heapq", "itertools", "math", "re", "statistics")


class _Rename(ast.NodeTransformer):
    """Renames variables, parameters and functions; attributes and keywords stay."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self.names.get(node.arg, node.arg)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.name = self.names.get(node.name, node.name)
        return node


def from_template(template: Template, binding: Binding, signature: Signature) -> str:
    """The template's code under the wanted names.

    A recursive template whose parameters are not just passed on becomes a helper of the wanted function.
    """
    plain = binding.is_plain(len(signature.parameters)) and len(binding.sources) == len(template.signature.parameters)
    plain = plain and not any(parameter.only == "keyword" for parameter in signature.parameters)
    if not plain and _is_recursive(template):
        arguments = [_argument(template, place, source, signature) for place, source in enumerate(binding.sources)]
        call = ast.Call(ast.Name(private(template.name)), arguments, [])
        return from_expression(ast.unparse(call), signature, [template])
    return _assemble([*_private_helpers([template]), _renamed(template, binding, signature)])


def from_expression(expression: str, signature: Signature, helpers: Sequence[Template] = ()) -> str:
    """A function that returns one expression, after the templates that it calls by their private names."""
    function = ast.parse(f"{signature}: ...").body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = [ast.Return(ast.parse(expression, mode="eval").body)]
    return _assemble([*_private_helpers(helpers), *[_private_function(h) for h in helpers], function])


def helper_source(templates: Iterable[Template]) -> str:
    """Templates under their private names, with what they call and import."""
    chosen = list(templates)
    return _assemble([*_private_helpers(chosen), *[_private_function(template) for template in chosen]])


def private(name: str) -> str:
    """The name of a template inside the wanted function's module."""
    return f"_{name}"


def _renamed(template: Template, binding: Binding, signature: Signature) -> ast.FunctionDef:
    """The template's function with the wanted name, parameters and annotations; constants are set at its start."""
    function = copy.deepcopy(template.function)
    names = {helper.name: private(helper.name) for helper in template.helpers} | {template.name: signature.name}
    for place, source in enumerate(binding.sources):
        if isinstance(source, int):
            names[template.signature.parameters[place].name] = signature.names[source]
    taken = {*signature.names, signature.name}
    local = _assigned(function) - set(template.signature.names)
    unbound = {name for name in template.signature.names if name not in names}
    names |= {name: _fresh(name, taken | local | unbound) for name in local | unbound if name in taken}
    preset = [
        ast.Assign([ast.Name(names.get(name, name), ast.Store())], _argument(template, place, source, signature))
        for place, (name, source) in enumerate(zip(template.signature.names, binding.sources, strict=True))
        if not isinstance(source, int)
    ]
    types = {names[p.name]: p.type for p in template.signature.parameters if p.name in names}
    _Rename(names).visit(function)
    function.args = _arguments(signature, types)
    if signature.returns:
        function.returns = ast.parse(signature.returns, mode="eval").body
    body_start = 1 if ast.get_docstring(function) else 0
    function.body[body_start:body_start] = preset
    return function


def _fresh(name: str, taken: set[str]) -> str:
    """The name with as many underscores behind it as make it new."""
    while name in taken:
        name += "_"
    return name


def _arguments(signature: Signature, types: Mapping[str, str]) -> ast.arguments:
    """The wanted parameters; where none is annotated, the template's annotations are taken over."""
    if any(parameter.type for parameter in signature.parameters):
        return arguments_of(signature.parameters)
    return arguments_of([p.model_copy(update={"type": types.get(p.name, "")}) for p in signature.parameters])


def _argument(template: Template, place: int, source: int | str, signature: Signature) -> ast.expr:
    if isinstance(source, int):
        return ast.Name(signature.names[source], ast.Load())
    if source == "default":
        return copy.deepcopy(template.defaults[place - template.required])
    return ast.parse(source, mode="eval").body


def _private_helpers(templates: Sequence[Template]) -> list[ast.FunctionDef]:
    """What the templates call, under private names, each once and without the templates themselves."""
    chosen = {template.name for template in templates}
    helpers = {helper.name: helper for template in templates for helper in template.helpers}
    helpers = {name: helper for name, helper in helpers.items() if name not in chosen}
    return [_privately(helper, [*helpers]) for helper in helpers.values()]


def _private_function(template: Template) -> ast.FunctionDef:
    return _privately(template.function, [template.name, *(helper.name for helper in template.helpers)])


def _privately(function: ast.FunctionDef, names: Sequence[str]) -> ast.FunctionDef:
    return _Rename({name: private(name) for name in (*names, function.name)}).visit(copy.deepcopy(function))


def _is_recursive(template: Template) -> bool:
    body = (node for statement in template.function.body for node in ast.walk(statement))
    return any(isinstance(node, ast.Name) and node.id == template.name for node in body)


def _assigned(function: ast.FunctionDef) -> set[str]:
    """All names that the function binds, in inner functions and comprehensions too."""
    bound: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef) and node is not function:
            bound.add(node.name)
    return bound


def _assemble(functions: Sequence[ast.FunctionDef]) -> str:
    """A module of these functions, with the imports that they need."""
    used = {node.id for function in functions for node in ast.walk(function) if isinstance(node, ast.Name)}
    imports = [f"import {module}\n" for module in _MODULES if module in used]
    texts = [ast.unparse(ast.fix_missing_locations(function)) + "\n" for function in functions]
    return "".join(imports) + ("\n\n" if imports else "") + "\n\n".join(texts)
