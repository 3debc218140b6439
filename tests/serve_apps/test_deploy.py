"""`serve deploy` of what danlu prints, on a head of its own: another share of a canary starts nothing anew."""

from __future__ import annotations

import os
import runpy
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from danlu.config import validate
from serve_apps.config import ServeConfig
from serve_apps.specs import to_deploy_config

REPOSITORY = Path(__file__).parents[2]
TINY = runpy.run_path(str(REPOSITORY / "tests" / "actors" / "engines" / "tiny_models.py"))
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.slow


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture
def head() -> Iterator[str]:
    """The dashboard's URL of a Ray head, on free ports."""
    names = ["port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port"]
    ports = free_ports(len(names))
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # sockets' paths are limited to 107 bytes
    command = [str(BIN / "ray"), "start", "--head", "--block", "--num-cpus=4", f"--temp-dir={folder}"]
    command += [f"--{name}={port}" for name, port in zip(names, ports, strict=True)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        yield f"http://127.0.0.1:{ports[1]}"
    finally:
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def applications(head: str) -> dict[str, Any]:
    try:
        return httpx.get(f"{head}/api/serve/applications/", timeout=30).json()["applications"]
    except (httpx.HTTPError, ValueError, KeyError):
        return {}


def replicas(head: str) -> set[str]:
    deployments = [d for app in applications(head).values() for d in app["deployments"].values()]
    return {replica["actor_id"] for deployment in deployments for replica in deployment["replicas"]}


def test_another_share_restarts_nothing(head: str, tmp_path: Path) -> None:
    checkpoint = TINY["write_checkpoint"](tmp_path / "model")
    (port,) = free_ports(1)

    def deploy(share: float) -> None:
        canary = {"path": str(checkpoint), "share": share, "version": "v2"}
        model = {"name": "tiny", "path": str(checkpoint), "engine": "transformers", "cpus": 0.2, "version": "v1"}
        config = validate(ServeConfig, {"models": [{**model, "canary": canary}], "port": port})
        file = tmp_path / "deploy.yaml"
        file.write_text(yaml.safe_dump(to_deploy_config(config)), encoding="utf-8")
        until = time.monotonic() + 120  # the head's agent starts after its dashboard
        command = [str(BIN / "serve"), "deploy", "-a", head, str(file)]
        while (done := subprocess.run(command, capture_output=True, text=True)).returncode:
            assert time.monotonic() < until, done.stderr
            time.sleep(1)

    def version() -> str:
        body = {"model": "tiny", "prompt": "挂失", "max_tokens": 1}
        answer = httpx.post(f"http://127.0.0.1:{port}/v1/completions", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.headers["x-model-version"]

    deploy(0.0)
    until = time.monotonic() + 180
    while {app["status"] for app in applications(head).values()} != {"RUNNING"}:
        assert time.monotonic() < until, applications(head)
        time.sleep(0.5)
    before = replicas(head)
    assert len(before) == 3
    assert version() == "v1"
    deploy(1.0)
    until = time.monotonic() + 60
    while version() != "v2":
        assert time.monotonic() < until
    assert replicas(head) == before
