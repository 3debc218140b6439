from __future__ import annotations

import pytest

from cluster.doctor import examine, judge_amount, judge_processor, judge_python, print_examination


def test_this_machine_can_run_danlu(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_examination()
    text = capsys.readouterr().out
    for name in ("Python", "CPU", "memory", "GPU", "ray", "engine openvino", "engine tensorrt_llm", "sandbox"):
        assert name in text


def test_whatever_is_missing_says_why() -> None:
    assert all(finding.detail for finding in examine())


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10), "broken"), ((3, 11), "ok"), ((3, 12), "ok"), ((3, 13), "broken")]
)
def test_only_supported_pythons_pass(version: tuple[int, int], state: str) -> None:
    assert judge_python(version).state == state


def test_too_little_memory_names_both_amounts() -> None:
    finding = judge_amount("memory", 2, 6, "2.0 GiB free", "close programs")
    assert finding.state == "missing" and "2.0" in finding.detail and "6 GiB" in finding.detail


def test_the_processor_features_that_matter_are_named() -> None:
    (new,) = judge_processor(frozenset({"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile"}))
    assert new.detail == "AVX2, AVX-512, VNNI, bf16, AMX"
    (old,) = judge_processor(frozenset({"avx2"}))
    assert old.detail.startswith("AVX2; without bf16 the CPU engine computes in float32")
    assert old.detail.endswith("(not AVX-512, VNNI, bf16, AMX)")
    (arm,) = judge_processor(frozenset({"asimddp", "bf16"}))
    assert arm.detail.startswith("VNNI, bf16")
    assert judge_processor(None) == []
