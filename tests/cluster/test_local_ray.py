from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cluster.local_ray import ray_session
from danlu.errors import ResourceError

ROOT = Path(__file__).resolve().parents[2]

# Starts a local Ray, prints where its session lies, and works until it is stopped.
SLEEPER = """
import ray, time
from cluster.local_ray import ray_session
with ray_session(cpus=2):
    context = ray.get_runtime_context()
    print(context.gcs_address, flush=True)
    time.sleep(120)
"""


def start() -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    return process, address


def wait_gone(processes: list[psutil.Process], timeout_s: float = 30) -> list[psutil.Process]:
    return psutil.wait_procs(processes, timeout=timeout_s)[1]


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_behind(blow: signal.Signals) -> None:
    process, _ = start()
    family = psutil.Process(process.pid).children(recursive=True)
    if blow is signal.SIGKILL:
        # These two report the death of their raylet to a head that is gone, give up after a minute (fixed in Ray),
        # and leave.
        family = [member for member in family if member.name() not in ("ray::DashboardAgent", "ray::RuntimeEnvAgent")]
    assert len(family) >= 2
    process.send_signal(blow)
    process.wait(timeout=30)
    assert not wait_gone(family)


ORDERLY = """
import os, signal, time
from cluster.interrupts import terminable
from cluster.local_ray import ray_session
with terminable(), ray_session(cpus=2):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(4)  # as long as it takes to finish what is under way
        print("finished", flush=True)
"""


def test_sigterm_leaves_time_for_an_orderly_end() -> None:
    ended = subprocess.run([sys.executable, "-c", ORDERLY], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, "finished\n")
    assert "SIGTERM received" not in ended.stderr


STARTING = """
import os, signal, sys, threading, time
import psutil
from cluster.interrupts import terminable
from cluster.local_ray import ray_session

def end():
    while len(psutil.Process().children(recursive=True)) < 2:  # the head's first processes are there
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)

try:
    with terminable():
        threading.Thread(target=end, daemon=True).start()
        with ray_session(cpus=2):
            time.sleep(60)
except KeyboardInterrupt:
    print(*[child.pid for child in psutil.Process().children(recursive=True)])
    print("interrupted", flush=True)
"""


def test_sigterm_while_ray_starts_is_an_interrupt_too() -> None:
    ended = subprocess.run([sys.executable, "-c", STARTING], capture_output=True, text=True, cwd=ROOT, timeout=120)
    children, _, said = ended.stdout.partition("\n")
    assert (ended.returncode, said) == (0, "interrupted\n"), ended.stderr
    assert not wait_gone([psutil.Process(int(pid)) for pid in children.split() if psutil.pid_exists(int(pid))])


def test_two_sessions_do_not_meet() -> None:
    first, one = start()
    second, two = start()
    try:
        assert one and two and one != two
        first.kill()
        first.wait()
        time.sleep(2)
        assert second.poll() is None
    finally:
        for process in (first, second):
            process.kill()
            process.wait()


def test_an_address_without_ray_is_an_error() -> None:
    code = (
        "from cluster.local_ray import ray_session\nfrom danlu.errors import ResourceError\n"
        "try:\n    ray_session('127.0.0.1:1').__enter__()\nexcept ResourceError as error:\n    print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert "no Ray answers at '127.0.0.1:1'" in result.stdout


def test_an_initialised_ray_is_used_and_left(ray_local: None) -> None:
    import ray

    with ray_session():
        pass
    assert ray.is_initialized()


def test_a_ray_that_does_not_start_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def slow(**_: object) -> None:
        raise RuntimeError("The current node timed out during startup.\nmore")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", slow)
    with (
        pytest.raises(ResourceError, match=r"Ray did not start on this machine: The current node timed out"),
        ray_session(),
    ):
        pass


SESSION = """
import os, sys
from cluster.local_ray import prepare_environment, ray_session
prepare_environment(lasting=True)
with ray_session():
    import ray
    @ray.remote
    def inherited():
        return os.environ["MALLOC_ARENA_MAX"]
    assert ray.get(inherited.remote()) == "2"
    print(ray.get_runtime_context().gcs_address, flush=True)
    sys.stdin.read()
"""
STRANGER = "import ray, sys; ray.init(address=sys.argv[1]); print('joined', flush=True)"


def test_a_local_ray_refuses_strangers() -> None:
    """It listens on every address of the machine, and let in whoever asked."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    ours = {**plain, "PYTHONPATH": str(Path(__file__).parents[2])}
    session = [sys.executable, "-c", SESSION]
    with subprocess.Popen(session, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ours) as running:
        assert running.stdout is not None and running.stdin is not None
        address = running.stdout.readline().strip()
        asking = subprocess.Popen(
            [sys.executable, "-c", STRANGER, address],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**plain, "RAY_AUTH_MODE": "disabled"},
        )
        assert asking.stdout is not None
        said = next((line for line in asking.stdout if "InvalidAuthToken" in line or "joined" in line), "")
        asking.kill()
        asking.communicate()
        running.stdin.close()
    assert "InvalidAuthToken" in said
    assert running.returncode == 0
