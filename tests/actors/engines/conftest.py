"""A small model to serve, and ways to ask an engine."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TINY = runpy.run_path(str(Path(__file__).with_name("tiny_models.py")))


@pytest.fixture(scope="session")
def write_checkpoint() -> Callable[..., Path]:
    """tiny_models.write_checkpoint."""
    return TINY["write_checkpoint"]


@pytest.fixture(scope="session")
def write_adapter() -> Callable[..., Path]:
    """tiny_models.write_adapter."""
    return TINY["write_adapter"]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen3 with tied heads."""
    return TINY["write_checkpoint"](tmp_path_factory.mktemp("qwen3"), tie_word_embeddings=True)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Conversions go into a folder of the test session."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DANLU_CACHE", str(folder))
        yield folder


async def collect(engine: Any, request: Any) -> list[Any]:
    """All deltas of one answer."""
    return [delta async for delta in engine.generate(request)]


@pytest.fixture
def ask() -> Callable[..., list[list[Any]]]:
    """ask(engine, *requests): the deltas of each, asked at the same time of an engine that is started for it."""

    def run(engine: Any, *requests: Any) -> list[list[Any]]:
        async def session() -> list[list[Any]]:
            await engine.start()
            try:
                return list(await asyncio.gather(*(collect(engine, request) for request in requests)))
            finally:
                await engine.shutdown()

        return asyncio.run(session())

    return run


@pytest.fixture(scope="session")
def compiled() -> Callable[..., Callable[..., list[np.ndarray]]]:
    """compiled(build, (type, shape), ...): an OpenVINO graph in float32, as a function from arrays to arrays.

    `build` gets a parameter for each type and shape (-1: any length), and gives the outputs and the sinks of states.
    """
    import openvino as ov
    from openvino import PartialShape
    from openvino import opset15 as op

    from actors.engines.signal_stack import kept_signal_stack

    precise = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}

    def compile_graph(build: Callable[..., list[Any]], *inputs: tuple[str, list[int]]) -> Any:
        parameters = [op.parameter(PartialShape(shape), getattr(ov.Type, kind)) for kind, shape in inputs]
        made = build(*parameters)
        sinks = [node for node in made if node.get_type_name() == "Assign"]
        outputs = [node for node in made if node.get_type_name() != "Assign"]
        with kept_signal_stack():
            model = ov.Core().compile_model(ov.Model(outputs, sinks, parameters, "graph"), "CPU", precise)
        request = model.create_infer_request()

        def infer(*arrays: np.ndarray) -> list[np.ndarray]:
            request.infer(list(arrays))
            return [request.get_output_tensor(at).data.copy() for at in range(len(outputs))]

        return infer

    return compile_graph
