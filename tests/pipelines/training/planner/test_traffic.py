"""Traffic: what each axis sends, and over which links."""

from __future__ import annotations

import pytest
from hypothesis import given

from actors.networks.sizes import preset
from pipelines.training.planner.cluster import PRESETS, Cluster
from pipelines.training.planner.traffic import Flow, flows_of, wire_bytes_between_nodes, wire_bytes_within_nodes
from pipelines.training.planner.workload import Choice, Workload
from tests.pipelines.training.planner.strategies import choices, clusters, workloads

H100 = PRESETS["h100"]
WORKLOAD = Workload(preset("dense", "8b"), 151_936, 256, 4096)


def sent(choice: Choice, workload: Workload = WORKLOAD) -> dict[str, float]:
    return {f"{flow.axis} {flow.kind}": flow.payload_bytes for flow in flows_of(workload, choice, H100.of(64))}


def test_one_card_sends_nothing() -> None:
    assert flows_of(WORKLOAD, Choice(zero=1), H100) == []


def test_data_parallelism_sends_each_gradient_once() -> None:
    assert sent(Choice(data=8)) == {"data all_reduce": 2 * WORKLOAD.parameters}


def test_zero_1_sends_the_weights_too_and_zero_2_reduces_every_micro_batch() -> None:
    once = 2 * WORKLOAD.parameters
    assert sent(Choice(data=8, zero=1)) == {"data all_reduce": once, "data all_gather": once}
    assert sent(Choice(data=8, zero=2, micro=8)) == {"data all_reduce": 4 * once, "data all_gather": once}


def test_zero_3_gathers_for_both_passes() -> None:
    once = 2 * WORKLOAD.parameters
    flows = sent(Choice(data=8, zero=3, micro=32))
    # The first thousand million weights stay for the backward pass.
    assert flows["data all_gather"] == pytest.approx(2 * once - 2e9, rel=0.01)
    assert flows["data reduce_scatter"] == once


def test_tensor_parallelism_sums_four_times_per_layer_and_five_with_recomputation() -> None:
    token = 2 * WORKLOAD.sizes.hidden * 4096
    sums = sent(Choice(tensor=8, zero=1))["tensor all_reduce"]
    assert sums == 4 * 36 * 256 * token
    assert sent(Choice(tensor=8, zero=1, recompute="full"))["tensor all_reduce"] == 1.25 * sums


def test_experts_exchange_tokens() -> None:
    workload = Workload(preset("moe", "30b-a3b"), 151_936, 64, 1024)
    flows = sent(Choice(data=8, expert=8, zero=1), workload=workload)
    assert flows["expert all_to_all"] == 4 * 48 * 8 * (2 * 2048 * 1024) * 8
    # Each card has experts that no other card has, so that their gradients go nowhere.
    assert flows["data all_reduce"] < 2 * 0.1 * workload.parameters


@pytest.mark.parametrize(
    ("choice", "crossing"),
    [
        (Choice(data=8, zero=1), set()),
        (Choice(data=16, zero=1), {"data"}),
        (Choice(data=2, tensor=8, zero=1), {"data"}),
        (Choice(data=1, tensor=8, pipeline=8, zero=1), {"pipeline"}),
    ],
)
def test_the_tensor_axis_is_innermost_and_the_pipeline_outermost(choice: Choice, crossing: set[str]) -> None:
    flows = flows_of(WORKLOAD, choice, H100.of(choice.cards))
    assert {flow.axis for flow in flows if flow.crosses_nodes} == crossing


@given(workloads(), choices(), clusters())
def test_all_traffic_is_near_or_far(workload: Workload, choice: Choice, cluster: Cluster) -> None:
    flows = flows_of(workload, choice, cluster.of(choice.cards))
    together = wire_bytes_between_nodes(flows) + wire_bytes_within_nodes(flows)
    assert together == pytest.approx(sum(flow.wire_bytes for flow in flows))


def test_a_ring_sends_an_all_reduce_nearly_twice() -> None:
    assert Flow("data", "all_reduce", 100, 4, 4, 1).wire_bytes == 150
    assert Flow("data", "all_gather", 100, 4, 4, 1).wire_bytes == 75
    assert Flow("pipeline", "send", 100, 4, 4, 1).wire_bytes == 100
