"""Memory: what must hold of any estimate. How near it is to real steps is measured in `test_measured`."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given

from actors.networks.parameters import count_parameters
from actors.networks.sizes import preset
from danlu.config import validate
from pipelines.training.config import TrainConfig
from pipelines.training.engine import deepspeed_config
from pipelines.training.planner.cluster import PRESETS
from pipelines.training.planner.memory import (
    BUCKET_ELEMENTS,
    LIVE_ELEMENTS,
    bucket_elements,
    in_flight,
    live_elements,
    memory_of,
    stage_parameters,
    usable_bytes,
)
from pipelines.training.planner.workload import Choice, Workload
from tests.pipelines.training.planner.strategies import DENSE, choices, workloads

LARGE = Workload(DENSE[-1], 151_936, 64, 4096)


@given(workloads(), choices())
def test_more_tensor_parallelism_never_needs_more(workload: Workload, choice: Choice) -> None:
    wider = replace(choice, tensor=2 * choice.tensor)
    assert memory_of(workload, wider).total <= memory_of(workload, choice).total


@given(workloads(), choices())
def test_a_larger_micro_batch_needs_more_activations(workload: Workload, choice: Choice) -> None:
    larger = replace(choice, micro=2 * choice.micro)
    assume(workload.sequences % (larger.data * larger.micro) == 0)
    # Whether gradients are added up over micro-batches is another matter.
    assume(choice.micro_batches(workload) > 2)
    assert memory_of(workload, larger).total >= memory_of(workload, choice).total


@given(workloads(), choices())
def test_recomputation_never_needs_more(workload: Workload, choice: Choice) -> None:
    kept, again = (memory_of(workload, replace(choice, recompute=r)).total for r in ("none", "full"))
    one_layer = kept / workload.sizes.layers
    assert again <= kept + one_layer


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("data", [2, 8, 64])
def test_each_zero_stage_needs_less_of_a_large_network(precision: str, data: int) -> None:
    # Sequences so short that states, not activations, are most of the memory.
    workload = replace(LARGE, precision=precision, sequences=data, length=256)
    totals = [memory_of(workload, Choice(data=data, zero=zero)).total for zero in range(1, 4)]
    assert totals == sorted(totals, reverse=True) and len(set(totals)) == 3
    # Stage 1 adds fp32 master weights, which two replicas in fp32 pay for with as much saved.
    assert precision == "bf16" or totals[0] <= memory_of(workload, Choice(data=data)).total * 1.001


@given(workloads())
def test_one_card_holds_every_parameter(workload: Workload) -> None:
    whole = count_parameters(workload.sizes, workload.vocabulary).total
    assert sum(stage_parameters(workload, Choice(), 0)) == whole


def test_a_mix_of_blocks_is_held_too() -> None:
    sparse = preset("sparse", "tiny")
    mixed = sparse.model_copy(update={"layers": 4, "blocks": ["dense", "sparse"]})
    workload = Workload(mixed, 4096, 8, 256)
    assert sum(stage_parameters(workload, Choice(), 0)) == pytest.approx(workload.parameters)
    assert memory_of(workload, Choice(micro=8)).total != memory_of(replace(workload, sizes=sparse), Choice()).total


@pytest.mark.parametrize("tied", [True, False])
def test_stages_together_hold_every_parameter(tied: bool) -> None:
    workload = replace(LARGE, sizes=LARGE.sizes.model_copy(update={"tied_embeddings": tied}))
    choice = Choice(pipeline=4)
    held = sum(sum(stage_parameters(workload, choice, stage)) for stage in range(4))
    # Both ends need the embedding, so that a tied one is there twice.
    twice = workload.vocabulary * workload.sizes.hidden if tied else 0
    assert held == workload.parameters + twice


def test_early_stages_keep_more_micro_batches() -> None:
    assert [in_flight(Choice(pipeline=4), 16, stage) for stage in range(4)] == [4, 3, 2, 2]
    assert in_flight(Choice(), 16, 0) == 1


def test_buckets_are_those_of_the_trainer() -> None:
    config = validate(TrainConfig, {"input": "unused", "output": "unused"})
    for parameters, elements in ((10**12, BUCKET_ELEMENTS), (160_000_000, 10_000_000), (1000, 1 << 18)):
        settings = deepspeed_config(config, parameters)["zero_optimization"]
        assert settings["reduce_bucket_size"] == settings["allgather_bucket_size"] == elements
        assert bucket_elements(parameters) == elements
    sharded = validate(TrainConfig, {"input": "unused", "output": "unused", "parallel": {"data": 2, "zero": 3}})
    for parameters, elements in ((10**12, LIVE_ELEMENTS), (160_000_000, 20_000_000)):
        zero = deepspeed_config(sharded, parameters)["zero_optimization"]
        assert zero["stage3_max_live_parameters"] == elements == live_elements(parameters)


def test_a_gpu_keeps_memory_for_itself_and_a_core_does_not() -> None:
    assert usable_bytes(PRESETS["h100"]) < 0.95 * PRESETS["h100"].card.memory_bytes
    assert usable_bytes(PRESETS["cpu"]) == 0.95 * PRESETS["cpu"].card.memory_bytes
