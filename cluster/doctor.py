"""`danlu doctor`: what this machine has, what is missing, and the command that adds it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import click

State = Literal["ok", "missing", "broken"]

_MARKS: dict[State, tuple[str, str]] = {"ok": ("✓", "green"), "missing": ("–", "yellow"), "broken": ("✗", "red")}
_LIBRARIES = (
    "ray",
    "torch",
    "transformers",
    "deepspeed",
    "sentence-transformers",
    "hdbscan",
    "openvino-genai",
    "lancedb",
)
_MEMORY_GIB = 6
_DISK_GIB = 5


@dataclass(frozen=True)
class Finding:
    """One line of the examination. `broken` means that danlu can't work, `missing` that a part is not offered."""

    name: str
    state: State
    detail: str
    fix: str = ""


def examine() -> list[Finding]:
    """All findings, the machine first, then libraries, engines and programs."""
    looks: list[Callable[[], list[Finding]]] = [_python, _machine, _processor, _gpu, _libraries, _engines, _programs]
    return [finding for look in looks for finding in look()]


def print_examination() -> bool:
    """Print the findings; False when something is broken."""
    findings = examine()
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark, colour = _MARKS[finding.state]
        click.echo(f"{click.style(mark, fg=colour)} {finding.name:<{width}}  {finding.detail}")
        if finding.fix:
            click.echo(f"  {'':<{width}}  → {finding.fix}")
    return all(finding.state != "broken" for finding in findings)


def judge_python(version: tuple[int, int]) -> Finding:
    """Whether this Python is one that danlu supports (3.11 or 3.12)."""
    text = f"{version[0]}.{version[1]} on {platform.system()} {platform.machine()}"
    if (3, 11) <= version < (3, 13):
        return Finding("Python", "ok", text)
    return Finding("Python", "broken", text, "install Python 3.11 or 3.12 and run `make setup PYTHON=python3.12`")


def judge_amount(name: str, amount_gib: float, wanted_gib: float, detail: str, fix: str) -> Finding:
    """`missing` when there is less than the demo needs; larger jobs need more."""
    if amount_gib >= wanted_gib:
        return Finding(name, "ok", detail)
    return Finding(name, "missing", f"{detail}; the demo wants {wanted_gib} GiB", fix)


def _python() -> list[Finding]:
    return [judge_python((sys.version_info.major, sys.version_info.minor))]


def _machine() -> list[Finding]:
    import psutil

    from cluster.local_ray import local_cpus

    memory, disk = psutil.virtual_memory(), shutil.disk_usage(os.getcwd())
    cores = f"{os.cpu_count()} cores; a local Ray counts {local_cpus()}"
    available, free = memory.available / 2**30, disk.free / 2**30
    return [
        Finding("CPU", "ok", cores),
        judge_amount(
            "memory",
            available,
            _MEMORY_GIB,
            f"{available:.1f} of {memory.total / 2**30:.1f} GiB free",
            "close programs",
        ),
        judge_amount("disk", free, _DISK_GIB, f"{free:.0f} GiB free here", "free some space, or set output elsewhere"),
    ]


def judge_processor(flags: frozenset[str] | None) -> list[Finding]:
    """What the CPU engine finds in the processor; nothing where the system does not tell."""
    from actors.engines.processor import describe_features

    if flags is None:
        return []
    present, lacking = describe_features(flags)
    detail = ", ".join(present) or "none of the features that speed the CPU engine up"
    if "bf16" not in present:
        detail += "; without bf16 the CPU engine computes in float32 (weights: int8 reads a quarter of the bytes)"
    return [Finding("CPU features", "ok", detail + (f" (not {', '.join(lacking)})" if lacking else ""))]


def _processor() -> list[Finding]:
    from actors.engines.processor import cpu_flags

    return judge_processor(cpu_flags())


def _gpu() -> list[Finding]:
    try:
        import torch
    except ImportError:
        return []
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return [Finding("GPU", "ok", names)]
    return [Finding("GPU", "missing", "none; everything runs on the CPU")]


def _libraries() -> list[Finding]:
    findings = []
    for name in _LIBRARIES:
        try:
            findings.append(Finding(name, "ok", importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            findings.append(Finding(name, "broken", "not installed", "make setup"))
    return findings


def _engines() -> list[Finding]:
    from actors.engines.select import engine_availability

    return [
        Finding(f"engine {name}", "ok" if available else "missing", reason)
        for name, available, reason in engine_availability()
    ]


def _programs() -> list[Finding]:
    from actors.sandbox.sandbox import strongest_level

    level, reason = strongest_level()
    sandbox = (
        Finding("sandbox", "ok", "bubblewrap: no network, read-only root, no new processes")
        if level == "bubblewrap"
        else Finding("sandbox", "missing", f"{level} only ({reason})", "apt-get install bubblewrap")
    )
    prometheus = shutil.which("prometheus")
    return [
        sandbox,
        Finding("prometheus", "ok", prometheus)
        if prometheus
        else Finding("prometheus", "missing", "not installed; dashboards have no data", "apt-get install prometheus"),
    ]
