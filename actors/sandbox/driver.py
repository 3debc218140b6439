"""The child's side of the sandbox; runs as `python -I -S -B -c <this file> FD`, with the standard library alone.

Reads one job as JSON from stdin, locks itself in, runs the program and its calls, and writes one JSON line
for each step to the file descriptor FD: {"not_limited": [...]}, then {"value": ...} or {"error": ...} for each call.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from io import TextIOWrapper

_PROGRAM = "<solution>"
_NOBODY = 65534
# Without links, and with a separator behind: /usr must not open /usr-private.
_READABLE = tuple(os.path.realpath(folder) + os.sep for folder in (sys.base_prefix, os.path.dirname(os.__file__)))
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Loaded before the user is changed: the standard library may lie where only root can read.
# `datetime.strptime` loads `_strptime` at its first call.
_COMMON_MODULES = (
    "_strptime", "array", "bisect", "calendar", "cmath", "collections", "contextlib", "copy", "csv", "dataclasses",
    "datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "math", "operator",
    "random", "re", "signal", "statistics", "string", "textwrap", "threading", "typing", "unicodedata",
)  # fmt: skip
_REFUSED_EVENTS = (
    "ctypes.", "fcntl.", "ftplib.", "http.", "os.chmod", "os.chown", "os.exec", "os.fork", "os.kill", "os.link",
    "os.listdir", "os.mkdir", "os.posix_spawn", "os.remove", "os.rename", "os.rmdir", "os.scandir", "os.symlink",
    "os.system", "os.truncate", "os.utime", "pty.", "shutil.", "smtplib.", "socket.", "sqlite3.", "subprocess.",
    "syslog.", "tempfile.", "urllib.", "webbrowser.",
)  # fmt: skip


def main() -> None:
    results = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8")
    job = json.loads(sys.stdin.buffer.read())
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  # stays open for the program's whole life
    if job["guard"]:
        become_nobody()
    not_limited = set_limits(job["limits"])
    if job["guard"]:
        sys.addaudithook(guard)
    write(results, {"not_limited": not_limited})
    function, error = load(job["code"], job["function"])
    for arguments in job["calls"]:
        write(results, {"error": error} if error else call(function, arguments, job["limits"]["result_bytes"]))
    sys.stdout.flush()
    results.close()
    os._exit(0)  # whatever the program left running or registered must not run now


def write(results: TextIOWrapper, line: dict[str, object]) -> None:
    results.write(json.dumps(line) + "\n")
    results.flush()


def become_nobody() -> None:
    """As root, give up every right; an ordinary user has none to give up."""
    if os.getuid() != 0:
        return
    for name in _COMMON_MODULES:
        __import__(name)
    os.setgroups([])
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)


def set_limits(limits: dict[str, int]) -> list[str]:
    """Set hard limits; the names of those that the operating system refuses come back."""
    wanted = {
        "RLIMIT_CPU": limits["cpu_seconds"],  # SIGXCPU, and SIGKILL a second later
        "RLIMIT_AS": limits["memory_bytes"],
        "RLIMIT_FSIZE": limits["file_bytes"],
        "RLIMIT_NOFILE": limits["open_files"],
        "RLIMIT_NPROC": 1,
        "RLIMIT_CORE": 0,
    }
    refused = []
    for name, amount in wanted.items():
        try:
            kind = getattr(resource, name)
            resource.setrlimit(kind, (amount, amount + 1 if name == "RLIMIT_CPU" else amount))
        except (AttributeError, ValueError, OSError):
            refused.append(name)
    return refused


def guard(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: refuses what a solution has no business with. It stops accidents, not an attacker."""
    if event == "open":
        path, flags = arguments[0], arguments[2]
        if not may_read(path) or (isinstance(flags, int) and flags & _WRITES):
            raise PermissionError(f"the sandbox has no file {path!r}")
    elif event.startswith(_REFUSED_EVENTS):
        imports = event in ("os.listdir", "os.scandir") and may_read(arguments[0])
        if not imports:
            raise PermissionError(f"the sandbox refuses {event}")


def may_read(path: object) -> bool:
    """Whether a path leads to the interpreter's own files, wherever `..` and links go; open files may be read on."""
    if isinstance(path, int):
        return True
    try:
        real = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]  # anything else is a TypeError
    except (TypeError, ValueError):
        return False
    return real == os.devnull or f"{real}{os.sep}".startswith(_READABLE)


def load(code: str, function: str) -> tuple[Callable[..., object], str]:
    """(the named function of the program, "") or (anything, why there is none)."""
    namespace: dict[str, object] = {"__name__": "solution"}
    try:
        exec(compile(code, _PROGRAM, "exec", dont_inherit=True), namespace)
    except BaseException as error:  # SystemExit and KeyboardInterrupt are the program's, too
        return print, describe(error)
    found = namespace.get(function)
    if not callable(found):
        return print, f"NameError: the program defines no function {function!r}"
    return found, ""


def call(function: Callable[..., object], arguments: dict[str, str], most_bytes: int) -> dict[str, object]:
    names = {"inf": float("inf"), "nan": float("nan")}
    began = time.perf_counter()
    try:
        args, kwargs = eval(arguments["args"], names), eval(arguments["kwargs"], names)
        value = function(*args, **kwargs)
        seconds = time.perf_counter() - began
        text = repr(plain(value))
    except BaseException as error:
        return {"error": describe(error), "seconds": time.perf_counter() - began}
    if len(text) > most_bytes:
        return {"error": f"ValueError: the value is {len(text)} characters long", "seconds": seconds}
    return {"value": text, "seconds": seconds}


def plain(value: object) -> object:
    """The value in built-in types alone, so that no `__repr__` of the program's own is asked."""
    if value is None or type(value) in (bool, int, float, complex, str, bytes):
        return value
    if isinstance(value, int | float | str | bytes):
        kind = next(kind for kind in (int, float, str, bytes) if isinstance(value, kind))
        return kind(value)  # type: ignore[arg-type]  # the kind is the value's own
    if isinstance(value, list | tuple | set | frozenset):
        items = [plain(item) for item in value]
        return next(kind(items) for kind in (list, tuple, set, frozenset) if isinstance(value, kind))
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    raise TypeError(f"it returned {type(value).__name__}, which is no plain value")


def describe(error: BaseException) -> str:
    """`ZeroDivisionError: division by zero (line 3)`: the line is the program's."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _PROGRAM:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError):
        line = error.lineno or 0
        error = type(error)(error.msg)
    text = f"{type(error).__name__}: {error}".removesuffix(": ")[:2000]
    return f"{text} (line {line})" if line else text


if __name__ == "__main__":
    main()
