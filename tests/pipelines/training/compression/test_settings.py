"""`gradient_compression` as a word or a block, and what it is refused with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from danlu.config import load_config, to_yaml, validate
from danlu.errors import ConfigError
from danlu.run_directory import RunDirectory
from pipelines.training.config import TrainConfig


def config(**values: Any) -> TrainConfig:
    needed = {"input": "in", "output": "out", "parallel": {"data": 2}, "gradient_compression": "onebit"}
    return validate(TrainConfig, needed | values)


def test_a_word_is_a_block() -> None:
    assert config() == config(gradient_compression={"kind": "onebit"})
    assert not config(gradient_compression="none").gradient_compression.is_on
    told = load_config(TrainConfig, None, ["input=a", "output=b", "parallel.data=2", "gradient_compression=onebit"])
    assert told.gradient_compression.kind == "onebit"


def test_the_warm_up_is_a_share_of_the_steps_and_outlasts_that_of_the_learning_rate() -> None:
    def warmup(**values: Any) -> int | None:
        return config(**values).resolved().gradient_compression.warmup_steps

    assert warmup(steps=2000) == 300
    assert warmup(steps=2000, optimizer={"warmup_steps": 500}) == 500
    assert warmup(steps=2000, gradient_compression={"kind": "onebit", "warmup_steps": 7}) == 7
    assert warmup(gradient_compression="none") is None


@given(steps=st.integers(1, 40), warmup=st.none() | st.integers(0, 40))
def test_a_resolved_config_is_read_back_and_compresses(steps: int, warmup: int | None) -> None:
    try:
        resolved = config(steps=steps, optimizer={"warmup_steps": warmup}).resolved()
    except ConfigError:
        assert steps == 1 or (warmup is not None and warmup >= steps)
        return
    assert validate(TrainConfig, yaml.safe_load(to_yaml(resolved))) == resolved
    assert resolved.gradient_compression.warmup_steps is not None
    assert resolved.gradient_compression.warmup_steps < steps


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({"parallel": {"data": 1}}, "parallel.data is 1"),
        ({"parallel": {"data": 2, "zero": 1}}, "parallel.zero is 1"),
        ({"parallel": {"data": 2, "expert": 2}, "architecture": "moe"}, "parallel.expert is 2"),
        ({"precision": "bf16"}, "precision is bf16"),
        ({"parallel": "auto"}, "parallel is auto and gradient_compression is 'onebit'"),
        ({"parallel": "auto", "precision": "bf16", "cluster": "h100"}, "parallel is auto and gradient_compression"),
        ({"steps": 20, "gradient_compression": {"kind": "onebit", "warmup_steps": 20}}, "the run has 20 steps"),
        (
            {"steps": 10, "optimizer": {"warmup_steps": 10}},
            r"warmup_steps is 10, as optimizer.warmup_steps is 10: the run has 10 steps",
        ),
        ({"steps": 1}, "the run has 1 steps"),
        ({"gradient_compression": {"kind": "none", "warmup_steps": 5}}, "gradient_compression.kind is 'none'"),
        ({"gradient_compression": "twobit"}, "gradient_compression.kind is 'twobit'"),
    ],
)
def test_what_can_not_be_is_refused_by_its_keys(values: dict[str, Any], keys: str) -> None:
    with pytest.raises(ConfigError, match=keys):
        config(**values)


def test_a_stopped_run_goes_on_without_compression_on_what_is_left_of_its_workers(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("text")
    both = config(output=str(tmp_path / "run"), steps=50)
    with RunDirectory.open("train", both, [str(source)]) as run:
        run.mark_done("tokens")
    alone = config(output=str(tmp_path / "run"), steps=50, parallel={"data": 1}, gradient_compression="none")
    with RunDirectory.open("train", alone, [str(source)]) as run:
        assert "gradient_compression.kind was 'onebit' and is now 'none'" in run.changes
        assert run.done("tokens") is not None
