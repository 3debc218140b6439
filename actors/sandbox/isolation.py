"""The ladder of isolation: how a child is started at each level."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.sandbox.results import Level
from actors.sandbox.seccomp import no_new_processes

LEVELS: tuple[Level, ...] = ("rlimits", "bubblewrap")  # weakest first
DRIVER = Path(__file__).with_name("driver.py")
PROBE = Path(__file__).with_name("probe.py")
_ROOT_FOLDERS = ("/usr", "/lib", "/lib64", "/bin")
_ROOT_FILES = ("/etc/ld.so.cache",)


@functools.cache
def python_command() -> tuple[str, ...]:
    """The interpreter itself (not a virtual environment's link to it) running the driver, isolated and without site."""
    executable = os.path.realpath(sys.executable)
    return (executable, "-I", "-S", "-B", "-X", "utf8", "-c", DRIVER.read_text(encoding="utf-8"))


@contextmanager
def command_for(level: Level, results_fd: int, file_bytes: int) -> Iterator[tuple[list[str], list[int]]]:
    """(command, file descriptors to hand down) for a child that writes its results to `results_fd`."""
    if level == "rlimits":
        yield [*python_command(), str(results_fd)], [results_fd]
        return
    program = no_new_processes(platform.machine())
    filter_fd = _readable(program) if program is not None else None
    seccomp = [] if filter_fd is None else ["--seccomp", str(filter_fd)]
    try:
        command = [*_bubblewrap(file_bytes), *seccomp, "--", *python_command(), str(results_fd)]
        yield command, [results_fd, *([] if filter_fd is None else [filter_fd])]
    finally:
        if filter_fd is not None:
            os.close(filter_fd)


def _bubblewrap(file_bytes: int) -> list[str]:
    """bwrap with nothing of this machine but the interpreter and the system's libraries, read-only."""
    binds = []
    for folder in dict.fromkeys((*_ROOT_FOLDERS, *_ROOT_FILES, sys.base_prefix, _interpreter_folder())):
        binds += ["--ro-bind-try", folder, folder]
    size = ["--size", str(file_bytes)] if file_bytes else []
    isolation = ["--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"]
    life = ["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    mounts = ["--proc", "/proc", "--dev", "/dev", *size, "--tmpfs", "/tmp", *binds, "--chdir", "/tmp"]
    return [shutil.which("bwrap") or "bwrap", *isolation, *life, *mounts, "--remount-ro", "/"]


def _interpreter_folder() -> str:
    return str(Path(os.path.realpath(sys.executable)).parent)


def _readable(content: bytes) -> int:
    """A file descriptor, positioned at the start, from which `content` can be read."""
    descriptor = os.memfd_create("seccomp")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
