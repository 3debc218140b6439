"""What is told of a processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.engines import processor
from actors.engines.processor import cpu_flags, describe_features, has_bf16

X86 = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx_vnni\n\nprocessor\t: 1\nflags\t\t: fpu\n"
ARM = "processor\t: 0\nFeatures\t: fp asimddp bf16\n"


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(processor.platform, "system", lambda: "Linux")
    return tmp_path / "cpuinfo"


@pytest.mark.parametrize(
    ("text", "flags", "present"),
    [
        (X86, {"fpu", "avx2", "avx512f", "avx_vnni"}, ["AVX2", "AVX-512", "VNNI"]),
        (ARM, {"fp", "asimddp", "bf16"}, ["VNNI", "bf16"]),
    ],
)
def test_features_are_those_of_the_first_processor(
    cpuinfo: Path, text: str, flags: set[str], present: list[str]
) -> None:
    cpuinfo.write_text(text)
    assert cpu_flags() == flags
    assert describe_features(frozenset(flags))[0] == present
    assert has_bf16() == ("bf16" in present)


def test_every_feature_is_either_present_or_missing() -> None:
    present, missing = describe_features(frozenset({"amx_bf16", "amx_tile"}))
    assert (present, missing) == (["bf16", "AMX"], ["AVX2", "AVX-512", "VNNI"])


def test_a_processor_that_tells_nothing_is_not_guessed_at(cpuinfo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cpu_flags() is None and not has_bf16()
    cpuinfo.write_text("processor\t: 0\nmodel name\t: plain\n")
    assert cpu_flags() is None
    cpuinfo.write_text(ARM)
    monkeypatch.setattr(processor.platform, "system", lambda: "Darwin")
    assert cpu_flags() is None
