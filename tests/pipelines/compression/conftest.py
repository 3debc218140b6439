"""A tiny checkpoint, and runs of the job on it."""

from __future__ import annotations

import io
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.compression import job
from pipelines.compression.config import CompressConfig

# A busy machine is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

TINY = runpy.run_path(str(Path(__file__).parents[2] / "actors" / "engines" / "tiny_models.py"))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen3 with tied heads, in a train run's folder."""
    folder = tmp_path_factory.mktemp("train") / "checkpoint"
    return TINY["write_checkpoint"](folder, tie_word_embeddings=True)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Conversions go into a folder of the test session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DANLU_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def compress(checkpoint: Path, tmp_path: Path) -> Callable[..., Any]:
    """compress(**keys): run the job; returns the output folder, the report and what progress told."""

    def run(**keys: Any) -> tuple[Path, Any, str]:
        values = {"input": str(checkpoint.parent), "output": str(tmp_path / "run"), "speed_rounds": 0, "threads": 1}
        values["min_agreement"] = 0.9  # a random network is often undecided between two tokens
        config = CompressConfig(**{**values, **keys})
        told = io.StringIO()
        with RunDirectory.open("compress", config, job.inputs(config)) as directory:
            report = job.run(config, directory, Progress(told))
            directory.finish(report)
        return Path(config.output), report, told.getvalue()

    return run
