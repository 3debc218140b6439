"""What this machine's processor can compute in, as far as it matters to the CPU engine."""

from __future__ import annotations

import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def cpu_flags() -> frozenset[str] | None:
    """The features that Linux names for the processor (x86 `flags`, Arm `Features`); None where it can't be told."""
    if platform.system() != "Linux" or not _CPUINFO.is_file():
        return None
    for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return None


def describe_features(flags: frozenset[str]) -> tuple[list[str], list[str]]:
    """What speeds decoding up, and what is missing, in words.

    bf16 halves the bytes that are read for a token of a float32 checkpoint; VNNI and AMX multiply 8-bit and bf16
    numbers many at a time, which shows in long prompts and large batches.
    """
    known = {
        "AVX2": {"avx2"},
        "AVX-512": {"avx512f"},
        "VNNI": {"avx512_vnni", "avx_vnni", "asimddp"},
        "bf16": {"avx512_bf16", "amx_bf16", "bf16"},
        "AMX": {"amx_tile"},
    }
    present = [name for name, any_of in known.items() if any_of & flags]
    return present, [name for name in known if name not in present]


def has_bf16() -> bool:
    """Whether the CPU engine computes in bf16 unless told otherwise."""
    return "bf16" in describe_features(cpu_flags() or frozenset())[0]
