"""What a run will take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from danlu.config import load_config
from pipelines.cleaning import estimate as module
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.estimate import estimate, reckon
from pipelines.cleaning.sample import Kind

KIND = Kind(
    documents=1_000_000, sampled=500, cpu_s=1.0, kept=400, characters=400_000, text_bytes=1_200_000,
    raw_bytes=500_000, disk_bytes=1_100_000,
)  # fmt: skip


def _config(*settings: str) -> CleanConfig:
    return load_config(CleanConfig, None, ["input=raw", "output=run", *settings])


def test_twice_the_documents_take_twice_the_work() -> None:
    config = _config("semantic=null", "near=null")
    once, twice = (reckon([kind], config, 4) for kind in (KIND, replace(KIND, documents=2_000_000)))
    assert twice.cpu_s == pytest.approx(2 * once.cpu_s)
    assert twice.disk_bytes == pytest.approx(2 * once.disk_bytes)
    assert twice.worker_bytes == once.worker_bytes
    assert once.cpu_s > 2000


def test_more_workers_share_the_work_but_not_what_the_driver_does() -> None:
    one, ten = (reckon([KIND], _config(), workers) for workers in (1, 10))
    assert one.cpu_s == ten.cpu_s
    assert one.wall_s == pytest.approx(module.START_S + one.cpu_s)
    assert one.wall_s / 10 < ten.wall_s < one.wall_s / 5


@pytest.mark.parametrize("stage", ["near", "semantic"])
def test_a_stage_that_is_left_out_costs_nothing(stage: str) -> None:
    assert reckon([KIND], _config(f"{stage}=null"), 2).cpu_s < reckon([KIND], _config(), 2).cpu_s


def test_without_vectors_there_is_less_to_hold_and_to_write() -> None:
    lean, whole = reckon([KIND], _config("semantic=null"), 2), reckon([KIND], _config(), 2)
    assert lean.driver_bytes < whole.driver_bytes
    assert whole.disk_bytes - lean.disk_bytes == pytest.approx(800_000 * 384 * 4 + module.EMBEDDER_DISK_BYTES)


def test_books_make_large_shards_up_to_the_bound() -> None:
    books = replace(KIND, text_bytes=500 * 3_000_000)
    assert reckon([books], _config(), 2).worker_bytes == pytest.approx(
        module.WORKER_MB * 1e6 + module.WORKER_FOR_A_TEXT_BYTE * (64 << 20)
    )


def test_kinds_with_equal_figures_add_up() -> None:
    assert reckon([KIND, KIND], _config(), 2).documents == 2_000_000
    assert reckon([KIND, KIND], _config("semantic=null"), 2).cpu_s == pytest.approx(
        2 * reckon([KIND], _config("semantic=null"), 2).cpu_s
    )


def test_the_lines_name_what_they_reckon_with(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("银行卡丢失后，请先在手机上挂失，然后补办。\n" * 40, encoding="utf-8")
    lines = estimate([str(tmp_path / "a.txt")], _config("embedder.model=some/model"), cpus=3)
    text = "\n".join(lines)
    for words in ("sample of 40 documents", "documents    about 40", "with 3 workers", "in run", "some/model"):
        assert words in text
    assert "with 1 workers" in "\n".join(estimate([str(tmp_path / "a.txt")], _config("workers=1"), cpus=3))


def test_without_documents_there_is_nothing_to_reckon_with(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\n", encoding="utf-8")
    assert "no document in the sample" in estimate([str(tmp_path / "a.txt")], _config())[-1]
