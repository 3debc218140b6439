"""`danlu serve` as a command of its own."""

from __future__ import annotations

import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def serve_tiny(tmp_path: Path) -> Iterator[Callable[..., tuple[str, subprocess.Popen[str]]]]:
    """serve_tiny(engine="transformers", host="127.0.0.1", name="tiny") serves a tiny model.

    Gives the gateway's address and the process, which leads a group and is killed at the end.
    """
    started = []

    def start(
        engine: str = "transformers", host: str = "127.0.0.1", name: str = "tiny"
    ) -> tuple[str, subprocess.Popen[str]]:
        tiny = runpy.run_path(str(ROOT / "tests" / "actors" / "engines" / "tiny_models.py"))
        (tmp_path / "tiny").mkdir()
        tiny["write_checkpoint"](tmp_path / "tiny", max_position_embeddings=4096)
        with socket.socket() as probe:
            probe.bind((host, 0))
            port = probe.getsockname()[1]
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "cluster.command", "serve", "tiny"),
                *(f"engine={engine}", f"host={host}", f"port={port}", f"name={name}"),
            ],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        started.append(process)
        url = f"http://{host}:{port}/v1"
        assert process.stdout is not None and process.stdout.readline() == f"{url}\n"
        return url, process

    yield start
    for process in started:
        process.kill()
        process.communicate()
