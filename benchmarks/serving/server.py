"""`danlu serve` as a command of its own, and the gateway's application without Serve, for comparisons."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.machine import REPOSITORY

_PATIENCE_S = 180.0
_END_WITHIN_S = 45.0


def free_port() -> int:
    """A TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def danlu_serve(
    folder: Path, config: Mapping[str, Any], environment: Mapping[str, str] | None = None, cpus: int = 4
) -> Iterator[tuple[str, psutil.Process]]:
    """Serve `config` on a free port; yields the gateway's base URL (`http://.../v1`) and the command's process.

    Raises:
        RuntimeError: it does not answer; the end of what it said is in the message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    file = folder / "serve.yaml"
    file.write_text(yaml.safe_dump({**config, "port": port}), encoding="utf-8")
    command = [sys.executable, "-m", "cluster.command", "serve", str(file), "--cpus", str(cpus)]
    with _command(command, folder / "serve.log", environment) as process:
        url = f"http://127.0.0.1:{port}/v1"
        _wait_for(f"{url}/models", process, folder / "serve.log")
        yield url, psutil.Process(process.pid)


@contextmanager
def bare_gateway(folder: Path, config: Mapping[str, Any]) -> Iterator[str]:
    """The gateway's ASGI application, with all its middleware, under uvicorn alone; yields its base URL.

    Args:
        config: keys of GatewayConfig.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    code = (
        "import uvicorn\nfrom danlu.config import validate\n"
        "from serve_apps.gateway.app import GatewayConfig, create_app\n"
        f"app = create_app(validate(GatewayConfig, {dict(config)!r}))\n"
        f"uvicorn.run(app, host='127.0.0.1', port={port}, log_level='warning', access_log=False)\n"
    )
    with _command([sys.executable, "-c", code], folder / "uvicorn.log", None) as process:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/models", process, folder / "uvicorn.log")
        yield url


@contextmanager
def _command(command: list[str], log: Path, environment: Mapping[str, str] | None) -> Iterator[subprocess.Popen[bytes]]:
    given = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1", **(environment or {})}
    with open(log, "wb") as said:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=given, stdout=said, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError as error:
            if error.code == 401:  # it asks for a key, so it is there
                return
            time.sleep(0.2)
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{url} does not answer: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
