"""A Ray for this process: a local one of its own unless told to join a cluster, and gone at the end."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from cluster.metrics_targets import announced
from danlu.errors import ConfigError, ResourceError

# Read by Ray at its first import or start. On a busy desktop, Ray's default niceness of 15 makes workers crawl.
_ENVIRONMENT = {
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

# glibc gives each of the dozens of threads of a Ray process room of its own, which fills up over hours of requests.
_LASTING = {"MALLOC_ARENA_MAX": "2"}

_PROBE_S = 5.0
_ADDRESS = re.compile(r"auto|(ray://)?[^/\s]+:\d+")


def local_cpus() -> int:
    """Logical CPUs of a local Ray: the cores this process may use, at least 2 so that a pipeline can overlap."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(usable, 2)


def prepare_environment(*, lasting: bool = False) -> None:
    """Set what a local Ray reads; before Ray is imported. What the user has set stays.

    Ray listens on every address of the machine, and who gets in may run anything as this user. So it refuses whoever
    does not know a token, which this process's children inherit. A Ray that is imported already has settled that.

    Args:
        lasting: for processes that stay for days and are to keep their size.
    """
    for name, value in {**_ENVIRONMENT, **(_LASTING if lasting else {})}.items():
        os.environ.setdefault(name, value)
    if "RAY_AUTH_MODE" not in os.environ:
        token = "ray" not in sys.modules
        os.environ["RAY_AUTH_MODE"] = "token" if token else "disabled"
        if token:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


@contextmanager
def ray_session(address: str | None = None, cpus: int | None = None) -> Iterator[None]:
    """Join the Ray at `address`, or start one for this process alone; an already initialised Ray is used as it is.

    A local Ray takes free ports and a session folder of its own, so two of them do not meet. It ends with this
    process, also when the process is killed (two of Ray's agents then linger for a minute). Prometheus is told of it.

    Raises:
        ConfigError: `address` is none.
        ResourceError: no Ray answers at `address`.
    """
    if address is not None and not _ADDRESS.fullmatch(address):
        raise ConfigError(
            f"--ray-address is {address!r}",
            rule="it is written auto, host:port or ray://host:port",
            fix="e.g. --ray-address 10.0.0.5:6379; --on takes the dashboard's http://host:8265",
        )
    if address is None:
        prepare_environment()
    import ray

    if ray.is_initialized():
        yield
        return
    with _sigterm_kept():
        if address is None:
            _start(cpus or local_cpus())
        else:
            _join(address)
    try:
        with announced() if address is None else nullcontext():
            yield
    finally:
        ray.shutdown()


def _start(cpus: int) -> None:
    import ray

    try:
        ray.init(address="local", num_cpus=cpus, include_dashboard=False, log_to_driver=False, configure_logging=False)
    except (RuntimeError, TimeoutError, OSError) as error:
        # Ray gives its own processes half a minute; a machine under load may need longer.
        raise ResourceError(
            "Ray did not start on this machine",
            rule=str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__,
            fix="the same command again when the machine is less busy, with room in /dev/shm and /tmp",
        ) from error


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """SIGTERM stays with whoever handles it. A Ray that starts puts two handlers before it: one prints a trace and
    aborts the process three seconds later, in the middle of an orderly end; the other one, in force while Ray starts,
    exits with code 15. What that one has begun is left to the handler from before.
    """
    handler, ended = signal.getsignal(signal.SIGTERM), False
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        yield
    except SystemExit as end:
        if end.code != signal.SIGTERM:
            raise
        ended = True
    finally:
        signal.signal(signal.SIGTERM, handler)
    if ended:
        handler(signal.SIGTERM, None)


def _join(address: str) -> None:
    import ray

    try:
        _probe(address)
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, OSError) as error:
        raise ResourceError(
            f"no Ray answers at {address!r}",
            rule=str(error).splitlines()[0],
            fix="start one with `ray start --head`, or leave --ray-address out for a local Ray",
        ) from None


def _probe(address: str) -> None:
    # Ray itself tries for minutes and then ends the process.
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if separator and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_PROBE_S).close()
