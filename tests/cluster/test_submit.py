"""`--on URL`, against a Ray head with its job server."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ray.job_submission import JobSubmissionClient

from cluster.jobs import JOBS
from cluster.submit import stage_code, submit_job
from danlu.config import validate
from danlu.errors import ConfigError, ResourceError, RunError
from danlu.run_directory import read_report


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A head of its own: every port is free, as other Rays on the machine hold the usual ones."""
    names = ["port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port"]
    ports = free_ports(len(names))
    bin_folder = Path(sys.executable).parent
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # sockets' paths are limited to 107 bytes
    command = [str(bin_folder / "ray"), "start", "--head", "--block", "--num-cpus=2", f"--temp-dir={folder}"]
    command += [f"--{name}={port}" for name, port in zip(names, ports, strict=True)]
    # As in an activated environment: a job's `python` is the head's.
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "PATH": path})
    url = f"http://127.0.0.1:{ports[1]}"
    try:
        wait_for_agent(url)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for_agent(url: str, timeout_s: float = 120) -> None:
    """Until the head takes jobs: its agent starts after its dashboard."""
    until = time.monotonic() + timeout_s
    while True:
        try:
            client = JobSubmissionClient(url)
            client.submit_job(entrypoint="true")
            return
        except (ConnectionError, RuntimeError):
            if time.monotonic() > until:
                raise
            time.sleep(1)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    file = tmp_path / "raw.jsonl"
    texts = [
        f"第{n}位客户在第{n * 7}号柜台办理了业务，等候时间约{n}分钟，评价为满意，建议增加自助设备。" for n in range(40)
    ]
    file.write_text("".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(texts)))
    return file


def test_a_job_runs_on_the_cluster(head: str, raw: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = str(tmp_path / "run")
    config = validate(JOBS["clean"].config_class(), {"input": str(raw), "output": output})
    submit_job("clean", config, head)
    report = read_report(output)
    assert report is not None and report.held
    assert "submitted as" in capfd.readouterr().err


def test_a_job_that_fails_there_fails_here(head: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = validate(JOBS["clean"].config_class(), {"input": "nowhere", "output": str(tmp_path / "run")})
    with pytest.raises(RunError, match="the job ended as FAILED"):
        submit_job("clean", config, head)
    assert "no such file or folder" in capfd.readouterr().out


def test_an_address_without_a_head_is_an_error(tmp_path: Path) -> None:
    config = validate(JOBS["clean"].config_class(), {"input": "a", "output": str(tmp_path / "run")})
    with pytest.raises(ResourceError, match="no Ray job server takes the job"):
        submit_job("clean", config, "http://127.0.0.1:1")


@pytest.mark.parametrize("address", ["head:8265", "localhost", "ray://head:10001", "https://"])
def test_an_address_that_is_no_url_is_refused_at_once(tmp_path: Path, address: str) -> None:
    config = validate(JOBS["clean"].config_class(), {"input": "a", "output": str(tmp_path / "run")})
    with pytest.raises(ConfigError, match=r"--on is .*http://"):
        submit_job("clean", config, address)


def test_a_job_without_ray_runs_there_too(head: str, tmp_path: Path) -> None:
    output = str(tmp_path / "run")
    submit_job("dashboards", validate(JOBS["dashboards"].config_class(), {"output": output}), head)
    report = read_report(output)
    assert report is not None and report.held


class DyingHead(BaseHTTPRequestHandler):
    """Takes a job as a head does, and is gone when its log is asked for."""

    def do_GET(self) -> None:
        if "logs" in self.path:
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._answer({"version": "4", "ray_version": "2.60.0", "ray_commit": "x", "session_name": "s"})

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({"job_id": "j", "submission_id": "raysubmit_j"})

    def _answer(self, body: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def test_a_head_that_dies_while_its_log_is_followed_is_said(tmp_path: Path) -> None:
    config = validate(JOBS["dashboards"].config_class(), {"output": str(tmp_path / "run")})
    with ThreadingHTTPServer(("127.0.0.1", 0), DyingHead) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            with pytest.raises(RunError, match=rf"head was lost(.|\n)*ray job status raysubmit_j --address {url}"):
                submit_job("dashboards", config, url)
        finally:
            server.shutdown()
            thread.join()


def test_the_code_sent_along_is_danlus_own_and_small(tmp_path: Path) -> None:
    config = validate(JOBS["clean"].config_class(), {"input": "a", "output": "b"})
    stage_code(tmp_path, config)
    assert (tmp_path / "actors" / "domain_classifier" / "starter" / "law.yaml").is_file()
    assert (tmp_path / "cluster" / "command.py").is_file() and not list(tmp_path.rglob("__pycache__"))
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 20 << 20
