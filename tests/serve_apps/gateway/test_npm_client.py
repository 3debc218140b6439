"""The gateway as OpenAI's npm client meets it."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from actors.engines.transformers_engine import TransformersEngine
from serve_apps.config import ModelSettings
from serve_apps.gateway.app import GatewayConfig, create_app

TINY = runpy.run_path(str(Path(__file__).parents[2] / "actors" / "engines" / "tiny_models.py"))
CACHE = Path(os.environ.get("DANLU_CACHE") or Path.home() / ".cache" / "danlu") / "npm"


def node() -> str | None:
    """Node, where it and the client are installed (scripts/openai_npm.sh)."""
    if not (CACHE / "node_modules" / "openai").is_dir():
        return None
    return shutil.which("node") or shutil.which("node", path=str(CACHE / "node" / "bin"))


pytestmark = pytest.mark.skipif(node() is None, reason="OpenAI's npm client is not there: run scripts/openai_npm.sh")


@pytest.fixture
def url(port: int, local_model: type, echo_engine: type, tmp_path: Path) -> Iterator[str]:
    """A gateway on a port, before an echo and a tiny network."""
    (tmp_path / "model").mkdir()
    echo = echo_engine(ModelSettings(name="echo", path=str(tmp_path)))
    tiny = TransformersEngine(TINY["write_checkpoint"](tmp_path / "model"))
    app = create_app(GatewayConfig(models=["echo", "tiny"]))
    models: Any = {"echo": local_model(echo), "tiny": local_model(tiny)}
    app.state.served = replace(app.state.served, models=models)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", root_path=""))

    async def run() -> None:
        await tiny.start()
        await server.serve()
        await tiny.shutdown()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def test_every_feature(url: str, tmp_path: Path) -> None:
    script = shutil.copy(Path(__file__).with_name("npm_client.mjs"), tmp_path / "client.mjs")
    (tmp_path / "node_modules").symlink_to(CACHE / "node_modules")
    ran = subprocess.run([str(node()), str(script), url], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["models"] == ["echo", "tiny"]
    assert found["chat"] == ["你好", "你好"]
    assert found["usage"] == {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}
    assert found["streamed"] == "你好" and found["streamed_usage"]["completion_tokens"] == 2
    assert found["completion"] == ["丹", "炉"]
    assert found["call"] == ["tool_calls", "add", '{"a": 3}']
    assert found["json"] == {"a": 1}
    assert found["logprobs"] == [2, 2, 2]
    assert found["errors"] == [
        ["NotFoundError", 404, "model"],
        ["BadRequestError", 400, "n"],
        ["BadRequestError", 400, "max_tokens"],
        ["BadRequestError", 400, "response_format"],
    ]
