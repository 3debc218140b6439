"""The sandbox that applications use."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import os
import shutil
import tempfile
from collections.abc import Sequence
from typing import Any

from actors.sandbox.isolation import LEVELS, PROBE, command_for
from actors.sandbox.limits import Limits
from actors.sandbox.literals import parse_literal
from actors.sandbox.process import Ended, run_child
from actors.sandbox.results import Call, CallOutcome, Level, SandboxResult
from danlu.errors import NotAvailableError

_NOT_RUN = {
    "wall_clock": "not finished within {seconds:g} seconds",
    "cpu_time": "not finished within {seconds:g} CPU seconds",
    "output": "stopped: it printed more than {output_kib} KiB",
    "results": "stopped: it returned more than {result_kib} KiB",
    "signal": "the program was ended by a signal",
    None: "the program ended before it returned a value",
}
# Characters of what a child says; the driver cuts errors at 2000 and adds the line's number.
_MOST_ERROR, _MOST_NAME, _MOST_NAMES = 2100, 32, 16


class Sandbox:
    """Runs Python functions that nobody has read.

    Args:
        minimum_level: the weakest isolation that is acceptable; the strongest that works here is used.
        limits: bounds for each run.

    Raises:
        NotAvailableError: this machine offers less than `minimum_level`.
    """

    def __init__(self, minimum_level: Level = "rlimits", limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.level, reason = strongest_level()
        if LEVELS.index(self.level) < LEVELS.index(minimum_level):
            raise NotAvailableError(
                f"sandbox.minimum_level is {minimum_level}",
                rule=f"this machine offers {self.level} ({reason})",
                fix="install bubblewrap where user namespaces are allowed, or set sandbox.minimum_level=rlimits",
            )

    def run_calls(self, code: str, function: str, calls: Sequence[Call], limits: Limits | None = None) -> SandboxResult:
        """Define `function` by running `code`, then make each call, in one child process.

        The program sees neither what values are expected nor anything of this process's environment.

        Args:
            limits: bounds for this run, instead of the sandbox's own.
        """
        return run_at(self.level, limits or self.limits, code, function, calls)

    async def run_calls_async(
        self, code: str, function: str, calls: Sequence[Call], limits: Limits | None = None
    ) -> SandboxResult:
        """`run_calls` beside a running event loop."""
        return await asyncio.to_thread(self.run_calls, code, function, calls, limits)


def run_at(level: Level, limits: Limits, code: str, function: str, calls: Sequence[Call]) -> SandboxResult:
    """`Sandbox.run_calls` at a given level, whether or not the machine offers a stronger one."""
    job = {
        "code": code,
        "function": function,
        "calls": [{"args": repr(tuple(call.args)), "kwargs": repr(dict(call.kwargs))} for call in calls],
        "guard": level == "rlimits",
        "limits": _driver_limits(level, limits),
    }
    results = os.pipe()
    try:
        with tempfile.TemporaryFile() as file, command_for(level, results[1], limits.file_mib << 20) as started:
            file.write(json.dumps(job).encode())
            file.seek(0)
            command, inherited = started
            ended = run_child(command, file, results, inherited, limits)
    finally:
        os.close(results[0])
    return _result(level, limits, ended, len(calls))


def _driver_limits(level: Level, limits: Limits) -> dict[str, int]:
    return {
        "cpu_seconds": math.ceil(limits.seconds) + 1,
        "memory_bytes": limits.memory_mib << 20,
        "file_bytes": 0 if level == "rlimits" else limits.file_mib << 20,
        "open_files": limits.open_files,
        "result_bytes": limits.result_kib << 10,
    }


def _result(level: Level, limits: Limits, ended: Ended, calls: int) -> SandboxResult:
    lines = _read_lines(ended.results, calls + 1)
    header = lines[0] if lines else {}
    outcomes = [_outcome(line) for line in lines[1:]]
    missing = CallOutcome(ok=False, error=_NOT_RUN[ended.killed_reason].format(**limits.model_dump()))
    return SandboxResult(
        level=level,
        outcomes=(*outcomes, *[missing] * (calls - len(outcomes))),
        stdout=ended.output.decode("utf-8", errors="replace"),
        timed_out=ended.killed_reason in ("wall_clock", "cpu_time"),
        killed_reason=ended.killed_reason,
        not_limited=_names(header.get("not_limited")),
    )


def _read_lines(results: bytes, most: int) -> list[dict[str, Any]]:
    """The lines before the first that is none: that of a killed program may be cut short, and a program may write its
    own."""
    lines: list[dict[str, Any]] = []
    for text in results.splitlines()[:most]:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            break
        if not isinstance(line, dict):
            break
        lines.append(line)
    return lines


def _names(value: Any) -> tuple[str, ...]:
    names = value[:_MOST_NAMES] if isinstance(value, list) else []
    return tuple(name[:_MOST_NAME] for name in names if isinstance(name, str))


def _outcome(line: dict[str, Any]) -> CallOutcome:
    seconds, value, error = line.get("seconds"), line.get("value"), line.get("error")
    spent = seconds if isinstance(seconds, float) and math.isfinite(seconds) else 0.0
    if not isinstance(value, str):
        said = error[:_MOST_ERROR] if isinstance(error, str) else "the result can't be read"
        return CallOutcome(ok=False, error=said, seconds=spent)
    try:
        parse_literal(value)
    except ValueError as problem:
        return CallOutcome(ok=False, error=str(problem), seconds=spent)
    return CallOutcome(ok=True, value_repr=value, seconds=spent)


@functools.cache
def strongest_level() -> tuple[Level, str]:
    """(the strongest level that really isolates here, why not the one above it)."""
    if shutil.which("bwrap") is None:
        return "rlimits", "bubblewrap is not installed"
    program = PROBE.read_text(encoding="utf-8")
    result = run_at("bubblewrap", Limits(seconds=30.0), program, "inside", [Call()])
    outcome = result.outcomes[0]
    if not outcome.ok:
        said = result.stdout.strip().splitlines()
        return "rlimits", said[-1] if said else outcome.error
    faults = parse_literal(outcome.value_repr)
    return ("rlimits", "; ".join(faults)) if faults else ("bubblewrap", "")
