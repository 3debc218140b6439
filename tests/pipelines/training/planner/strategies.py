"""Workloads, clusters and choices for property tests."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from actors.networks.sizes import PRESETS as NETWORKS
from actors.networks.sizes import Sizes
from pipelines.training.planner.cluster import PRESETS, Cluster
from pipelines.training.planner.workload import Choice, Workload

DENSE: list[Sizes] = list(NETWORKS["dense"].values())
ROUTED: list[Sizes] = [*NETWORKS["moe"].values(), *NETWORKS["sparse"].values()]


@st.composite
def workloads(draw: st.DrawFn, networks: list[Sizes] = [*DENSE, *ROUTED]) -> Workload:  # noqa: B006
    return Workload(
        sizes=draw(st.sampled_from(networks)),
        vocabulary=draw(st.sampled_from([4096, 32_000, 151_936])),
        sequences=draw(st.sampled_from([32, 64, 96, 256, 1024])),
        length=draw(st.sampled_from([256, 1024, 2048])),
        precision=draw(st.sampled_from(["fp32", "bf16"])),
    )


@st.composite
def clusters(draw: st.DrawFn, most: int = 64) -> Cluster:
    return PRESETS[draw(st.sampled_from(sorted(PRESETS)))].of(draw(st.integers(1, most)))


@st.composite
def choices(draw: st.DrawFn) -> Choice:
    return Choice(
        data=draw(st.sampled_from([2, 4, 8, 16])),
        tensor=draw(st.sampled_from([1, 2])),
        zero=draw(st.integers(0, 3)),
        micro=draw(st.sampled_from([1, 2])),
        recompute=draw(st.sampled_from(["none", "full"])),
    )


def again(choice: Choice, **changes: object) -> Choice:
    return replace(choice, **changes)  # type: ignore[arg-type]
