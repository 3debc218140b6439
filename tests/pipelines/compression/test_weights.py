from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.engines.openvino_folder import write_openvino_folder
from pipelines.compression.config import CompressConfig
from pipelines.compression.network import Network
from pipelines.compression.weights import weight_bytes, write_compressed

IDS = list(range(5, 60))


@pytest.fixture(scope="module")
def full(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    write_openvino_folder(checkpoint, folder, "fp32")
    return folder


def written(full: Path, folder: Path, texts: list[list[int]] | None = None, **keys: Any) -> Path:
    config = CompressConfig(input="in", output="out", **keys).resolved()
    write_compressed(full, folder, config, texts or [])
    return folder


@pytest.mark.parametrize(
    ("weights", "share", "error"),
    [("int8", 0.27, 0.05), ("int4", 0.23, 0.6), ("fp16", 0.51, 0.005), ("fp32", 1.0, 0.0)],
)
def test_weights_shrink_and_logits_stay_near(
    full: Path, tmp_path: Path, weights: str, share: float, error: float
) -> None:
    """`error` is the mean difference of a logit in standard deviations of the logits."""
    small = written(full, tmp_path / "small", weights=weights)
    assert weight_bytes(small) <= share * weight_bytes(full)
    expected, found = (Network(folder, 1).logits(IDS) for folder in (full, small))
    assert np.abs(found - expected).mean() <= error * expected.std()


def test_scales_fitted_to_texts_are_other_scales(full: Path, tmp_path: Path) -> None:
    blind = written(full, tmp_path / "blind", weights="int4", group_size=16)
    fitted = written(full, tmp_path / "fitted", [IDS, IDS[::-1]], weights="int4", group_size=16)
    by_weights, by_texts = (Network(folder, 1).logits(IDS) for folder in (blind, fitted))
    assert weight_bytes(fitted) == weight_bytes(blind)
    assert np.abs(by_texts - by_weights).max() > 0.01


def test_smaller_groups_cost_bytes(full: Path, tmp_path: Path) -> None:
    sizes = [weight_bytes(written(full, tmp_path / str(n), weights="int4", group_size=n)) for n in (16, 64)]
    assert sizes[0] > sizes[1]


def test_the_library_is_silent(full: Path, tmp_path: Path, capfd: Any) -> None:
    written(full, tmp_path / "small", weights="int8")
    assert capfd.readouterr().out == ""


def test_the_folder_keeps_what_serving_needs(full: Path, tmp_path: Path) -> None:
    small = written(full, tmp_path / "small", weights="int8")
    assert {file.name for file in small.iterdir()} == {file.name for file in full.iterdir()}
