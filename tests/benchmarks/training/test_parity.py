"""The table of parallel modes."""

from __future__ import annotations

import pytest

from benchmarks.training.parity import ROWS, case_of, largest_difference, results_table


def test_the_largest_difference_is_relative() -> None:
    assert largest_difference([1.0, 2.2], [1.0, 2.0]) == pytest.approx(0.1)
    with pytest.raises(ValueError):
        largest_difference([1.0], [1.0, 2.0])


def test_every_row_is_a_run_of_its_own() -> None:
    assert len(set(ROWS)) == len(ROWS)
    for row in ROWS:
        config = case_of(row).config()
        assert config.layout.world == row[2][0] * row[2][1] * row[2][2]
        assert config.parallel.zero == row[3] and (config.precision == "bf16") == (row[4] == "bf16")


def test_only_networks_with_experts_have_a_router_loss() -> None:
    dense, moe = ("text", "dense", (2, 1, 1), 0, ""), ("text", "moe", (2, 2, 2), 1, "bf16")
    lines = results_table([dense, moe], {dense: (1e-6, 0.0, 2e-7), moe: (1e-3, 2e-3, 4e-3)}).splitlines()
    assert lines[2] == "| dense, text | 2 x 1 x 1 | 0 |  | 1.0e-06 |  | 2.0e-07 |"
    assert lines[3] == "| moe, text | 2 x 2 x 2 | 1 | bf16 | 1.0e-03 | 2.0e-03 | 4.0e-03 |"
