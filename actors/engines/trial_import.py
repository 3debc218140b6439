"""Whether a package imports here, tried in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from functools import cache

_WITHIN_S = 300.0  # a large package with its CUDA libraries, read from a slow disk
_PROGRAM = "import sys, {package}; sys.__stdout__.write({done!r})"
_DONE = "\ndanlu: imported\n"  # code 0 alone is also that of a package which ends the process as it is imported


def import_problem(package: str) -> str:
    """Why a package does not import; empty when it does.

    That it is installed says little: one that was built for other libraries than those here raises when it is imported,
    or ends the process. So it is tried elsewhere first, once.
    """
    if package in sys.modules:
        return ""
    if importlib.util.find_spec(package) is None:
        return f"the package {package} is not installed"
    return _trial(package)


@cache
def _trial(package: str) -> str:
    path = os.pathsep.join(place or os.getcwd() for place in sys.path)
    try:
        tried = subprocess.run(
            # -P: the working directory is looked at only if it is on the path here.
            [sys.executable, "-P", "-c", _PROGRAM.format(package=package, done=_DONE)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_WITHIN_S,
            env={**os.environ, "PYTHONPATH": path},
        )
    except subprocess.TimeoutExpired:
        return f"the package {package} did not import within {_WITHIN_S:g} s"
    if not tried.returncode and _DONE in tried.stdout:
        return ""
    said = tried.stderr.strip().splitlines() or [f"its process ended with code {tried.returncode}"]
    return f"the package {package} does not import: {said[-1][:300]}"
