"""How many replicas a load asks for: the arithmetic, and the same behind Serve's own delays."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.serve.autoscaling_policy import _apply_autoscaling_config
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from serve_apps.autoscaling import FirstTokens, Limit, Load, ReplicaPolicy, Targets, wanted_replicas

counts = st.integers(0, 60)
amounts = st.floats(0, 1e4)
targets = st.builds(
    Targets,
    ongoing=st.floats(0.1, 100),
    kv_use=st.none() | st.floats(0.01, 1),
    first_token_s=st.none() | st.floats(0.01, 100),
)
loads = st.builds(
    Load, running=counts, target=counts, ongoing=amounts, kv_use=st.floats(0, 60), first_token_s=st.none() | amounts
)
limits = st.none() | st.builds(Limit, per_replica=st.floats(1, 100), ongoing=st.floats(0.1, 1e4))


def wanted(load: Load, aims: Targets) -> int:
    return wanted_replicas(load, aims)[0]


@pytest.mark.parametrize(
    ("load", "aims", "replicas"),
    [
        (Load(2, 2, ongoing=40), Targets(8), 5),
        (Load(2, 2, ongoing=16), Targets(8), 2),
        (Load(2, 2, ongoing=0), Targets(8), 0),
        (Load(0, 1, ongoing=0.1), Targets(8), 1),
        # One replica could do it, without a tenth to spare.
        (Load(2, 2, ongoing=8), Targets(8), 2),
        (Load(2, 2, ongoing=7), Targets(8), 1),
        # The fullest signal wins.
        (Load(2, 2, ongoing=4, kv_use=1.8), Targets(8, kv_use=0.6), 3),
        (Load(2, 2, ongoing=40, kv_use=1.8), Targets(8, kv_use=0.6), 5),
        (Load(2, 2, ongoing=4, kv_use=1.8), Targets(8), 1),
        # First tokens come half as fast as they should: half as many requests for each replica.
        (Load(2, 2, ongoing=8, first_token_s=2.0), Targets(8, first_token_s=1.0), 4),
        (Load(2, 2, ongoing=8, first_token_s=50.0), Targets(8, first_token_s=1.0), 4),
        (Load(2, 2, ongoing=8, first_token_s=1.25), Targets(8, first_token_s=1.0), 3),
        # A request that is alone gains nothing from another replica.
        (Load(1, 1, ongoing=1, first_token_s=9.0), Targets(8, first_token_s=1.0), 1),
        (Load(3, 3, ongoing=3, first_token_s=9.0), Targets(8, first_token_s=1.0), 3),
    ],
)
def test_wanted_replicas(load: Load, aims: Targets, replicas: int) -> None:
    assert wanted(load, aims) == replicas


@given(loads, targets, limits, st.floats(1, 10))
def test_more_load_never_asks_for_fewer(load: Load, aims: Targets, limit: Limit | None, factor: float) -> None:
    heavier = [
        replace(load, ongoing=load.ongoing * factor),
        replace(load, kv_use=load.kv_use * factor),
        replace(load, ongoing=load.ongoing * factor, kv_use=load.kv_use * factor),
    ]
    load = replace(load, first_token_s=None)
    if limit is not None:  # else the lighter load might forget what the heavier one remembers
        limit = replace(limit, ongoing=min(limit.ongoing, max(load.ongoing, 1e-9)))
    few, _ = wanted_replicas(load, aims, limit)
    for more in heavier:
        assert wanted_replicas(replace(more, first_token_s=None), aims, limit)[0] >= few


@given(loads, targets, st.floats(1, 10))
def test_later_first_tokens_never_ask_for_fewer(load: Load, aims: Targets, factor: float) -> None:
    if load.first_token_s is not None:
        assert wanted(replace(load, first_token_s=load.first_token_s * factor), aims) >= wanted(load, aims)


@given(loads, targets, limits)
def test_there_is_room_for_the_load(load: Load, aims: Targets, limit: Limit | None) -> None:
    replicas, _ = wanted_replicas(load, aims, limit)
    assert replicas >= load.ongoing / aims.ongoing - 1e-6
    assert aims.kv_use is None or replicas >= load.kv_use / aims.kv_use - 1e-6


class Service:
    """A model whose first tokens come later the more requests a replica has, as Serve's controller would scale it."""

    def __init__(self, config: AutoscalingConfig, aims: Targets, *, window_s: float, slowness_s: float) -> None:
        self.policy = _apply_autoscaling_config(
            ReplicaPolicy(aims.ongoing, window_s, aims.kv_use, aims.first_token_s)  # type: ignore[arg-type]
        )
        self.config, self.slowness_s = config, slowness_s
        self.running = self.target = config.min_replicas
        self.state: dict[str, object] = {}
        self.now = 1e9

    def run(self, ongoing: float, seconds: int) -> list[int]:
        """The target of each second; a replica starts in the second after it was asked for."""
        targets = []
        for _ in range(seconds):
            self.now += 1.0
            self.running = self.target
            held = ongoing / self.running if self.running else 0.0
            measured = {"first_token_s": dict.fromkeys(range(self.running), held**1.5 * self.slowness_s)}
            measured["kv_use"] = dict.fromkeys(range(self.running), min(1.0, held / 50))
            wanted, self.state = self.policy(self._context(ongoing, measured))
            self.target = max(self.config.min_replicas, min(self.config.max_replicas, math.ceil(wanted)))
            targets.append(self.target)
        return targets

    def _context(self, ongoing: float, measured: dict[str, dict[int, float]]) -> AutoscalingContext:
        return AutoscalingContext(
            deployment_id=None, deployment_name="engine", app_name="model-m",  # type: ignore[arg-type]
            current_num_replicas=self.running, target_num_replicas=self.target, running_replicas=[],
            total_num_requests=ongoing, total_queued_requests=0.0, aggregated_metrics=measured, raw_metrics=None,  # type: ignore[arg-type]
            capacity_adjusted_min_replicas=self.config.min_replicas,
            capacity_adjusted_max_replicas=self.config.max_replicas,
            policy_state=dict(self.state), last_scale_up_time=None, last_scale_down_time=None,
            current_time=self.now, config=self.config,
        )  # fmt: skip


def service(aims: Targets, least: int = 1, most: int = 20, slowness_s: float = 0.0) -> Service:
    config = AutoscalingConfig(
        min_replicas=least, max_replicas=most, upscale_delay_s=0, downscale_delay_s=0, downscale_to_zero_delay_s=0
    )
    return Service(config, aims, window_s=3.0, slowness_s=slowness_s)


@given(
    targets,
    st.just(0.0) | st.floats(0.01, 300),
    st.just(0.0) | st.floats(0.01, 300),
    st.floats(0.0, 2.0),
    st.sampled_from([(0, 5), (1, 8), (3, 3), (0, 40)]),
)
def test_constant_load_does_not_flap(
    aims: Targets, before: float, load: float, slowness_s: float, bounds: tuple[int, int]
) -> None:
    made = service(aims, *bounds, slowness_s=slowness_s)
    made.run(before, 30)
    numbers = made.run(load, 120)
    assert all(bounds[0] <= number <= bounds[1] for number in numbers)
    # It may go down once at first and then up, never down again after it has gone up.
    steps = [after - earlier for earlier, after in itertools.pairwise(numbers) if after != earlier]
    assert all(not (earlier > 0 > later) for earlier, later in itertools.pairwise(steps))
    assert len(set(numbers[-40:])) == 1


def test_late_first_tokens_are_remembered_while_the_load_lasts() -> None:
    # 8 requests on a replica: the first token after 2 s; 4: after 0.7 s.
    made = service(Targets(8, first_token_s=1.0), slowness_s=2.0 / 8**1.5)
    assert set(made.run(8, 100)[-50:]) == {2}
    assert set(made.run(3, 100)[-50:]) == {1}, "the load has gone, and with it the limit"
    assert made.run(8, 2) == [2, 2], "it is learnt anew"


def test_first_tokens_measured_with_other_replicas_are_not_looked_at() -> None:
    made = service(Targets(8, first_token_s=1.0), slowness_s=2.0 / 8**1.5)
    assert made.run(8, 3) == [1, 1, 1]
    assert made.run(8, 1) == [2]


def test_a_model_that_is_asleep_wakes_at_once() -> None:
    config = AutoscalingConfig(min_replicas=0, max_replicas=9, upscale_delay_s=60, downscale_to_zero_delay_s=60)
    made = Service(config, Targets(8), window_s=3.0, slowness_s=0.0)
    assert made.run(0, 2) == [0, 0]
    assert made.run(4, 2) == [1, 1]
    assert made.run(32, 2) == [1, 1], "more replicas wait for Serve's delay, as always"


def test_first_tokens_are_forgotten_where_nobody_asks_for_them() -> None:
    """Each request left an entry for ever where the number of replicas is fixed."""
    seen = FirstTokens(window_s=1.0)
    kept = []
    for number in range(3000):
        ticket = seen.asked(number / 100)
        seen.begun(ticket, number / 100)
        seen.ended(ticket)
        kept.append(len(seen._seen))
    assert max(kept) <= 102


def test_first_tokens_of_a_window() -> None:
    seen = FirstTokens(window_s=10.0)
    assert seen.typical_s(0.0) is None
    early = seen.asked(0.0)
    seen.begun(early, 0.5)
    seen.begun(early, 3.0)
    seen.ended(early)
    assert seen.typical_s(1.0) == 0.5
    late = seen.asked(1.0)
    assert seen.typical_s(5.0) == 4.0, "one that still waits counts with what it has waited"
    seen.ended(late)
    assert seen.typical_s(5.0) == 0.5
    assert seen.typical_s(11.0) is None
