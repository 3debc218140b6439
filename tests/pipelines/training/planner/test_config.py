"""The planner's config, `parallel: auto`, and the machine that it finds."""

from __future__ import annotations

from typing import Any

import pytest

from danlu.config import load_config, validate
from danlu.errors import ConfigError
from pipelines.training.config import TrainConfig
from pipelines.training.job import resources
from pipelines.training.layout import Layout
from pipelines.training.planner.cluster import GIB, PRESETS
from pipelines.training.planner.config import ClusterSettings, PlanConfig
from pipelines.training.planner.found import find_cluster, machine_cluster

EXPLICIT = {
    "cards": 16,
    "cards_per_node": 4,
    "memory_gib": 40.0,
    "memory_gb_per_s": 1500.0,
    "bf16_tflops": 200.0,
    "fp32_tflops": 20.0,
    "intra_gb_per_s": 100.0,
    "inter_gb_per_s": 10.0,
}


def plan_config(**changes: Any) -> PlanConfig:
    return validate(PlanConfig, {"model": {"size": "8b"}, "cluster": "h100", **changes})


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_is_its_name(name: str) -> None:
    assert plan_config(cluster=name).cluster.cluster() == PRESETS[name]


def test_a_preset_can_be_changed() -> None:
    cluster = validate(ClusterSettings, {"preset": "a100", "cards": 64, "memory_gib": 40.0}).cluster()
    assert (cluster.cards, cluster.card.memory_bytes) == (64, 40 * GIB)
    assert cluster.card.bf16_flops == PRESETS["a100"].card.bf16_flops


def test_an_explicit_cluster_needs_every_key() -> None:
    cluster = validate(ClusterSettings, EXPLICIT).cluster()
    assert (cluster.nodes, cluster.inter_bytes_per_s, cluster.card.bf16_flops) == (4, 10e9, 200e12)
    for key in EXPLICIT:
        with pytest.raises(ConfigError, match=f"cluster.{key} is missing"):
            validate(ClusterSettings, {name: value for name, value in EXPLICIT.items() if name != key})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokens": 1e12, "days": 7.2}, "give one of them"),
        ({"batch": {"length": 65_536}}, "the network's context is 32768 tokens"),
        ({"model": {}}, "needs size"),
        ({"model": {"size": "9b"}}, "dense has"),
        ({"cluster": {"preset": "h100", "card": 8}}, "did you mean cluster.cards"),
        ({"cluster": "h1000"}, "preset"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_config(**changes)


def test_a_cluster_without_a_preset_is_no_cpu() -> None:
    speeds = {"bf16_tflops": 1000, "fp32_tflops": 60, "intra_gb_per_s": 400, "inter_gb_per_s": 50}
    own = {"cards": 8, "cards_per_node": 8, "memory_gib": 80, "memory_gb_per_s": 3000} | speeds
    cluster = plan_config(cluster=own).cluster.cluster()
    assert cluster.card.name == "card" and cluster.overlaps
    assert "CPU" not in cluster.card.source + cluster.card.note


def test_numbers_may_be_written_as_yaml_reads_them() -> None:
    config = load_config(PlanConfig, None, ["model.size=8b", "cluster=h100", "tokens=1e12"])
    assert config.tokens == 1e12


def test_the_derived_batch_can_be_dealt_out_to_all_cards() -> None:
    for cards in (3, 8, 250):
        workload = plan_config(cluster={"preset": "h100", "cards": cards}).workload()
        assert workload.sequences % cards == 0
        assert workload.step_tokens == pytest.approx(2**22, rel=0.6)


def train_config(**changes: Any) -> TrainConfig:
    return validate(TrainConfig, {"input": "unused", "output": "unused", "parallel": "auto", **changes})


def test_auto_takes_all_cores_that_it_can() -> None:
    cluster = {"preset": "cpu", "cards": 4}
    chosen = train_config(cluster=cluster, batch={"sequences": 8}).resolved()
    assert chosen.layout.world == 4 and not chosen.parallel.auto
    assert chosen.batch.micro is not None
    # 6 sequences can't be dealt out to 4 replicas, and three replicas are quicker than two that share layers.
    assert train_config(cluster=cluster, batch={"sequences": 6}).resolved().layout == Layout(data=3)


def test_auto_depends_on_the_config_and_the_cluster_alone() -> None:
    config = train_config(precision="bf16")
    first, second = config.planned(PRESETS["h100"].of(2)), config.planned(PRESETS["h100"].of(2))
    assert first == second and first.parallel.zero >= 1
    assert first.resolved() == first.resolved().resolved()


def test_a_job_asks_for_the_workers_that_the_planner_chose() -> None:
    config = train_config(device="cpu", cluster={"preset": "cpu", "cards": 4}, batch={"sequences": 8})
    assert resources(config) == {"CPU": 4.0}


def test_auto_finds_this_machine() -> None:
    config = train_config(device="cpu", batch={"sequences": find_cluster("cpu").cards * 2})
    assert config.resolved().layout.world == find_cluster("cpu").cards


def test_auto_says_what_does_not_fit() -> None:
    tight = EXPLICIT | {"memory_gib": 3.0, "cards": 1}
    with pytest.raises(ConfigError, match=r"the leanest layout .* needs .* GiB per card"):
        train_config(size="8b", cluster=tight).resolved()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parallel": {"auto": True, "data": 2}}, "parallel.data is given"),
        ({"parallel": {"data": 1}, "cluster": "h100"}, "parallel is not auto"),
        ({"from": "somewhere"}, "the planner needs sizes"),
    ],
)
def test_what_contradicts_auto_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train_config(**changes)


def test_a_machine_is_its_gpus_or_its_cores() -> None:
    cores = machine_cluster(4, 16 * GIB, [])
    assert (cores.cards, cores.card.memory_bytes, cores.cards_per_node) == (4, 4 * GIB, 4)
    gpus = machine_cluster(4, 16 * GIB, [("NVIDIA H200", 140.0 * GIB)] * 2)
    assert (gpus.cards, gpus.card.name, gpus.card.bf16_flops) == (2, "NVIDIA H200", PRESETS["h200"].card.bf16_flops)
