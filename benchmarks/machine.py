"""What a figure was measured on, so that it can be read by others."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    """The folder of public data sets: DANLU_DATA, or ../shared/data beside the repository."""
    return Path(os.environ.get("DANLU_DATA", REPOSITORY.parent / "shared" / "data"))


def describe_measurement(command: str) -> str:
    """One line: command, date, code version, processor, and how busy the machine was."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return (
        f"`{command}`, {time.strftime('%Y-%m-%d')}, code {_code_version()}, {_processor()}, {os.cpu_count()} cores,"
        f" Python {platform.python_version()}, load at the end {load}"
    )


def _code_version() -> str:
    """The commit, with `+` when files differ from it."""
    git = ["git", "-C", str(REPOSITORY)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    names = information.read_text().splitlines() if information.exists() else []
    found = next((line.partition(":")[2].strip() for line in names if line.startswith("model name")), "")
    return found or platform.processor() or platform.machine()
