"""The grid of workers, and which grids are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.config import validate
from danlu.errors import ConfigError
from pipelines.training.config import TrainConfig
from pipelines.training.layout import Batching, Coordinates, Layout, check_batching, check_network, check_stages

sizes = st.integers(1, 4)
layouts = st.builds(
    lambda groups, pipeline, tensor, expert: Layout(groups * expert, pipeline, tensor, expert),
    sizes, sizes, sizes, sizes,
)  # fmt: skip


@given(layouts)
def test_every_rank_has_its_own_coordinates(layout: Layout) -> None:
    places = [layout.coordinates(rank) for rank in range(layout.world)]
    assert len(set(places)) == layout.world
    assert [layout.rank(place) for place in places] == list(range(layout.world))


@given(layouts)
def test_each_kind_of_group_holds_every_rank_once(layout: Layout) -> None:
    sized = {
        "data_groups": layout.data,
        "tensor_groups": layout.tensor,
        "model_groups": layout.pipeline * layout.tensor,
        "expert_groups": layout.expert,
        "expert_data_groups": layout.data // layout.expert,
    }
    for kind, size in sized.items():
        groups = getattr(layout, kind)()
        assert sorted(rank for group in groups for rank in group) == list(range(layout.world))
        assert {len(group) for group in groups} == {size}


def test_ranks_are_counted_as_deepspeed_counts_them() -> None:
    from deepspeed.runtime.pipe.topology import PipeModelDataParallelTopology

    layout = Layout(data=3, pipeline=2, tensor=4)
    topology = PipeModelDataParallelTopology(num_pp=2, num_dp=3, num_mp=4)
    for rank in range(layout.world):
        theirs, ours = topology.get_coord(rank), layout.coordinates(rank)
        assert (theirs.pipe, theirs.data, theirs.model) == (ours.pipeline, ours.data, ours.tensor)
    assert layout.data_groups() == topology.get_axis_comm_lists("data")
    assert layout.tensor_groups() == topology.get_axis_comm_lists("model")
    assert layout.coordinates(13) == Coordinates(pipeline=1, data=0, tensor=1)


@given(layouts, st.integers(1, 200))
def test_derived_batches_are_whole_and_give_each_stage_four_where_they_divide(layout: Layout, share: int) -> None:
    batching = Batching(share * layout.data)
    micro = batching.micro_sequences(layout)
    assert share % micro == 0
    if layout.pipeline > 1 and share % (4 * layout.pipeline) == 0:
        assert share // micro == 4 * layout.pipeline
    assert layout.pipeline > 1 or micro == share


@pytest.mark.parametrize(
    ("parallel", "batch", "rule"),
    [
        ({"pipeline": 2, "zero": 2}, {}, r"parallel\.zero is 2 and parallel\.pipeline is 2: .*must be 0 or 1"),
        ({"pipeline": 3}, {}, r"parallel\.pipeline is 3: the network has only 2 layers"),
        ({"pipeline": 2}, {"micro": 8}, r"parallel\.pipeline is 2: a step has only 1 batches"),
        ({"tensor": 4}, {}, r"parallel\.tensor is 4: it must divide sizes\.kv_heads \(2\)"),
        ({"tensor": 3}, {}, r"parallel\.tensor is 3: it must divide sizes\.heads \(4\)"),
        ({"data": 3}, {}, r"batch\.sequences is 8: it must be a multiple of parallel\.data \(3\)"),
        ({"data": 2}, {"micro": 3}, r"batch\.micro is 3: it must divide the 4 sequences of a replica"),
    ],
)
def test_grids_that_can_not_work_are_refused_with_the_rule(
    parallel: dict[str, Any], batch: dict[str, Any], rule: str
) -> None:
    values = {"input": "x", "output": "y", "parallel": parallel, "batch": {"sequences": 8, **batch}}
    with pytest.raises(ConfigError, match=rule):
        validate(TrainConfig, values)


@pytest.mark.parametrize(
    ("layout", "zero", "rule"),
    [
        (Layout(data=2, expert=4), 0, r"parallel\.expert is 4: .*must divide parallel\.data \(2\)"),
        (Layout(data=2, expert=2), 3, r"parallel\.zero is 3 and parallel\.expert is 2"),
        (Layout(data=2, expert=2, tensor=2), 1, r"parallel\.expert is 2 and parallel\.tensor is 2"),
        (Layout(data=2, expert=2, pipeline=2), 1, r"parallel\.expert is 2 and parallel\.pipeline is 2"),
    ],
)
def test_experts_are_spread_over_replicas_only(layout: Layout, zero: int, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        check_stages(layout, zero)


def test_a_network_must_have_what_is_to_be_spread() -> None:
    from actors.networks.sizes import preset

    check_network(Layout(data=8, expert=8), preset("moe", "tiny"))
    check_network(Layout(pipeline=2, tensor=2), preset("moe", "tiny"))
    check_batching(Layout(data=2, pipeline=2), Batching(16))
    with pytest.raises(ValueError, match="the network has no experts"):
        check_network(Layout(data=2, expert=2), preset("dense", "tiny"))
    with pytest.raises(ValueError, match=r"it must divide sizes\.experts \(8\)"):
        check_network(Layout(data=3, expert=3), preset("moe", "tiny"))


def test_a_layout_names_its_config_keys() -> None:
    assert str(Layout(data=2, tensor=4)) == "parallel.data=2, parallel.tensor=4"
    assert str(Layout()) == "parallel.data=1"
