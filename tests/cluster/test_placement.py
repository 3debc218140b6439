from __future__ import annotations

import pytest

from cluster.placement import require_placement
from danlu.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"uses_ray": True, "head": "http://h:1", "cpus": 2}, "with --cpus: --on submits the job to a cluster"),
        ({"uses_ray": True, "head": "http://h:1", "ray_address": "auto"}, "with --ray-address: --on submits"),
        ({"uses_ray": False, "cpus": 2}, "danlu compress runs without Ray"),
        ({"uses_ray": False, "ray_address": "auto"}, "danlu compress runs without Ray"),
        ({"uses_ray": True, "ray_address": "auto", "cpus": 2}, "--cpus is what a local Ray counts"),
    ],
)
def test_an_option_without_effect_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        require_placement("danlu compress", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"uses_ray": False},
        {"uses_ray": False, "head": "http://h:1"},
        {"uses_ray": True, "cpus": 2},
        {"uses_ray": True, "ray_address": "auto"},
    ],
)
def test_the_others_pass(options: dict[str, object]) -> None:
    require_placement("danlu clean", **options)  # type: ignore[arg-type]
