"""Whether code is what was asked for: it parses, it defines the function, and it gives the expected values."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Sequence
from dataclasses import dataclass

from actors.sandbox import Sandbox, SandboxResult, parse_literal
from serve_apps.code_generation.examples import Example, call_text
from serve_apps.code_generation.requirement import Requirement
from serve_apps.code_generation.signature import Signature
from serve_apps.code_generation.solution import Check


@dataclass(frozen=True)
class Verdict:
    """The checks of one piece of code; `problem` is the first thing wrong, in words that help to mend it."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def problem(self) -> str:
        return next((check.detail for check in self.checks if not check.passed), "")


async def verify(code: str, requirement: Requirement, sandbox: Sandbox) -> Verdict:
    """Check `code` statically, then run it on the examples."""
    static = (_syntax(code), *([_names(code, requirement.signature)] if _parses(code) else []))
    if not all(check.passed for check in static):
        return Verdict(static)
    return Verdict((*static, await run_examples(code, requirement.examples, sandbox)))


async def run_examples(code: str, examples: Sequence[Example], sandbox: Sandbox) -> Check:
    """Run the examples in the sandbox; fails when there are none, because then nothing is known."""
    if not examples:
        return Check(name="examples", passed=False, detail="not checked: the request has no examples")
    result = await sandbox.run_calls_async(code, examples[0].function, [example.call for example in examples])
    return compare(result, examples)


def compare(result: SandboxResult, examples: Sequence[Example]) -> Check:
    """The check `examples`: how many hold, and the first that does not."""
    faults = [_fault(result, place, example) for place, example in enumerate(examples)]
    wrong = [fault for fault in faults if fault]
    held = f"{len(examples) - len(wrong)} of {len(examples)} hold (sandbox: {result.level})"
    return Check(name="examples", passed=not wrong, detail=f"{held}; {wrong[0]}" if wrong else held)


def _fault(result: SandboxResult, place: int, example: Example) -> str:
    outcome = result.outcomes[place]
    call = call_text(example.function, example.call)
    if not outcome.ok:
        return f"{call} failed: {outcome.error}"
    if not example.holds(parse_literal(outcome.value_repr)):
        return f"{call} gave {outcome.value_repr[:200]}, expected {example.expected!r}"
    return ""


def _parses(code: str) -> bool:
    return _syntax(code).passed


def _syntax(code: str) -> Check:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Check(name="syntax", passed=False, detail=f"the code does not parse: {error}")
    return Check(name="syntax", passed=True)


def _names(code: str, signature: Signature) -> Check:
    """The wanted function is there, takes as many arguments as wanted, and uses no name that nothing defines."""
    tree = ast.parse(code)
    function = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == signature.name), None)
    if function is None:
        return Check(name="names", passed=False, detail=f"the code defines no function {signature.name}")
    arguments = function.args
    most = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
    least = most - len(arguments.defaults) - sum(default is not None for default in arguments.kw_defaults)
    wanted = len(signature.parameters)
    if not (least <= wanted <= most or (arguments.vararg and least <= wanted)):
        detail = f"{signature.name} takes {most} parameters, the wanted function {wanted}"
        return Check(name="names", passed=False, detail=detail)
    unknown = undefined_names(tree)
    detail = f"nothing defines {', '.join(unknown)}" if unknown else ""
    return Check(name="names", passed=not unknown, detail=detail)


def undefined_names(tree: ast.Module) -> list[str]:
    """Names that are read and that no import, definition or assignment anywhere in the module binds."""
    bound = set(dir(builtins)) | {"__name__"}
    read: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            bound.add(node.name)
    return sorted(read - bound)
