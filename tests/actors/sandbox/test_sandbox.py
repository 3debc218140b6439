"""The sandbox against programs that mean harm, at each level that works here."""

import asyncio
import os
import socket
import sys
import time

import psutil
import pytest

from actors.sandbox import Call, CallOutcome, Limits, Sandbox
from actors.sandbox import sandbox as module
from actors.sandbox.process import Ended
from actors.sandbox.sandbox import run_at, strongest_level
from danlu.errors import NotAvailableError

LIMITS = Limits(seconds=20.0)  # patient: the machine may be busy
SHORT = Limits(seconds=2.0)


@pytest.fixture(params=["rlimits", "bubblewrap"])
def level(request):
    best, reason = strongest_level()
    if request.param == "bubblewrap" and best != "bubblewrap":
        pytest.skip(f"bubblewrap does not isolate here: {reason}")
    return request.param


def run(level, code, calls=None, limits=LIMITS):
    return run_at(level, limits, code, "f", calls or [Call()])


def test_values_come_back_in_order_with_the_level(level):
    code = "import math\ndef f(a, *, b=1):\n    return {'sum': a + b, 'root': math.sqrt(a), 'set': {a}}\n"
    result = run(level, code, [Call((4,)), Call((9,), {"b": 5})])
    assert [outcome.value_repr for outcome in result.outcomes] == [
        "{'sum': 5, 'root': 2.0, 'set': {4}}",
        "{'sum': 14, 'root': 3.0, 'set': {9}}",
    ]
    assert result.ok and result.level == level and result.killed_reason is None and result.not_limited == ()


def test_each_call_gets_arguments_of_its_own(level):
    result = run(level, "def f(x):\n    x.append(1)\n    return x\n", [Call(([],)), Call(([],))])
    assert [outcome.value_repr for outcome in result.outcomes] == ["[1]", "[1]"]


def test_infinity_and_nan_pass_both_ways(level):
    result = run(level, "def f(x):\n    return [x, -x]\n", [Call((float("inf"),)), Call((float("nan"),))])
    assert [outcome.value_repr for outcome in result.outcomes] == ["[inf, -inf]", "[nan, nan]"]


def test_an_error_names_the_line_of_the_program(level):
    outcome = run(level, "def f():\n    x = 1\n    return x / 0\n").outcomes[0]
    assert not outcome.ok
    assert outcome.error == "ZeroDivisionError: division by zero (line 3)"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("def f(:\n", "SyntaxError"),
        ("x = 1\n", "defines no function 'f'"),
        ("raise ValueError('at import')\n", "ValueError: at import"),
        ("def f():\n    return (i for i in range(3))\n", "generator, which is no plain value"),
        ("import sys\ndef f():\n    sys.exit(3)\n", "SystemExit: 3"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        ("import os\ndef f():\n    os._exit(0)\n", "ended before it returned"),
        ("def f():\n    return f()\n", "RecursionError"),
        ("class A:\n    def __repr__(self):\n        return '5'\ndef f():\n    return A()\n", "A, which is no plain"),
    ],
)
def test_failures_are_told_apart(level, code, error):
    outcome = run(level, code).outcomes[0]
    assert not outcome.ok
    assert error in outcome.error


def test_a_lying_repr_is_never_asked(level):
    code = "class A(int):\n    def __repr__(self):\n        return '5'\ndef f():\n    return [A(3)]\n"
    assert run(level, code).outcomes[0].value_repr == "[3]"


def test_the_program_is_compiled_as_plain_python(level):
    code = "def g(x: int): pass\ndef f():\n    return g.__annotations__['x'] is int\n"
    assert run(level, code).outcomes[0].value_repr == "True"


def test_what_came_before_an_endless_loop_is_kept(level):
    began = time.monotonic()
    result = run(
        level, "def f(n):\n    while n:\n        pass\n    return n\n", [Call((0,)), Call((1,)), Call((0,))], SHORT
    )
    assert time.monotonic() - began < SHORT.seconds + 2
    assert [outcome.ok for outcome in result.outcomes] == [True, False, False]
    assert result.timed_out and result.killed_reason == "wall_clock"
    assert result.outcomes[1].error == "not finished within 2 seconds"


def test_sleeping_is_bounded_too(level):
    assert run(level, "import time\ndef f():\n    time.sleep(60)\n", limits=SHORT).timed_out


def test_cpu_time_is_bounded_whatever_the_wall_clock(level):
    code = "import resource\ndef f():\n    return resource.getrlimit(resource.RLIMIT_CPU)\n"
    assert run(level, code, limits=SHORT).outcomes[0].value_repr == "(3, 4)"


def test_a_fork_bomb_makes_no_process(level):
    code = "import os\ndef f():\n    while True:\n        os.fork()\n"
    result = run(level, code)
    assert "BlockingIOError" in result.outcomes[0].error or "refuses os.fork" in result.outcomes[0].error


def test_threads_and_commands_cannot_be_started(level):
    code = "import threading\ndef f():\n    threading.Thread(target=print).start()\n"
    assert "can't start new thread" in run(level, code).outcomes[0].error
    code = "import subprocess\ndef f():\n    return subprocess.run(['/bin/ls']).returncode\n"
    assert not run(level, code).outcomes[0].ok


def test_a_memory_hog_gets_a_memory_error(level):
    outcome = run(level, "def f():\n    return len(bytearray(10**9))\n").outcomes[0]
    assert "MemoryError" in outcome.error


def test_the_network_cannot_be_reached(level):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = (
            f"import socket\ndef f():\n    socket.create_connection(('127.0.0.1', {port}), timeout=1)\n    return 1\n"
        )
        outcome = run(level, code).outcomes[0]
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()
    assert not outcome.ok


def test_files_outside_stay_untouched(level, tmp_path):
    target = tmp_path / "written"
    target.parent.chmod(0o777)
    for path in (str(target), "/usr/written", "/written"):
        outcome = run(level, f"def f():\n    with open({path!r}, 'w') as file:\n        file.write('x')\n").outcomes[0]
        assert not outcome.ok, path
    assert list(tmp_path.iterdir()) == []


def test_files_of_the_machine_cannot_be_read(level, tmp_path):
    (tmp_path / "secret").write_text("s3cret")
    for path in (str(tmp_path / "secret"), "/etc/passwd", f"/proc/{os.getpid()}/environ"):
        assert not run(level, f"def f():\n    return open({path!r}).read()\n").outcomes[0].ok, path


def test_the_environment_holds_no_secrets(level, monkeypatch):
    monkeypatch.setenv("DANLU_SECRET", "s3cret")
    outcome = run(level, "import os\ndef f():\n    return dict(os.environ)\n").outcomes[0]
    assert outcome.ok and "s3cret" not in outcome.value_repr


def test_the_parent_cannot_be_killed(level):
    code = f"import os, signal\ndef f():\n    os.kill({os.getpid()}, signal.SIGUSR1)\n"
    assert not run(level, code).outcomes[0].ok
    assert not run(level, "import os\ndef f():\n    os.kill(os.getppid(), 10)\n    os.kill(-1, 10)\n").outcomes[0].ok


def test_a_flood_of_output_is_stopped(level):
    result = run(level, "def f():\n    while True:\n        print('x' * 1000)\n", limits=Limits(output_kib=16))
    assert result.killed_reason == "output" and len(result.stdout) == 16 * 1024
    assert result.outcomes[0].error == "stopped: it printed more than 16 KiB"


def test_a_flood_of_results_is_stopped(level):
    limits = Limits(result_kib=8)
    outcome = run(level, "def f():\n    return 'x' * 10000\n", limits=limits).outcomes[0]
    assert "10002 characters long" in outcome.error
    result = run(level, "def f():\n    return 'x' * 5000\n", [Call(), Call()], limits=limits)
    assert result.killed_reason == "results" and result.outcomes[0].ok and not result.outcomes[1].ok


def test_results_written_to_stdout_are_only_text(level):
    result = run(level, "def f():\n    print('{\"value\": 42}')\n    return 1\n")
    assert result.outcomes[0].value_repr == "1" and result.stdout == '{"value": 42}\n'


def test_a_program_that_ends_itself_by_a_signal(level):
    code = "import signal\ndef f():\n    signal.raise_signal(signal.SIGKILL)\n"
    assert run(level, code).killed_reason == "signal"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("[" * 200_000, "ended before it returned"),
        ('{"value": ' + "[" * 200_000, "ended before it returned"),
        ("[1]", "ended before it returned"),
        ('{"value": 1}', "can't be read"),
        ('{"value": {"a": 1}}', "can't be read"),
        ('{"error": ["a"]}', "can't be read"),
        ('{"value": "' + "[" * 5000 + '"}', "no Python literal"),
        ('{"value": "' + "-" * 100_000 + '1"}', "no Python literal"),
        ('{"error": "' + "x" * 100_000 + '"}', "xxx"),
    ],
    ids=range(9),
)
def test_results_that_a_program_writes_itself_break_nothing(level, line, error):
    code = f"import os, sys\ndef f():\n    os.write(int(sys.argv[1]), {line!r}.encode() + b'\\n')\n    os._exit(0)\n"
    outcome = run(level, code).outcomes[0]
    assert not outcome.ok and error in outcome.error and len(outcome.error) < 3000


@pytest.mark.parametrize("seconds", ["1" + "0" * 400, "1e999", "NaN", '"a"', "null", "[]"])
def test_times_that_a_program_writes_itself_are_numbers(level, seconds):
    line = f'{{"value": "5", "seconds": {seconds}}}\n'
    code = f"import os, sys\ndef f():\n    os.write(int(sys.argv[1]), {line!r}.encode())\n    os._exit(0)\n"
    assert run(level, code).outcomes == (CallOutcome(ok=True, value_repr="5"),)


@pytest.mark.parametrize("header", ["5", "null", '{"a": 1}', "[1, [2]]"])
def test_limits_that_a_program_writes_itself_break_nothing(level, header):
    ended = Ended(b"", f'{{"not_limited": {header}}}\n{{"value": "5"}}\n'.encode(), None)
    result = module._result(level, LIMITS, ended, 1)
    assert result.not_limited == () and result.outcomes[0].value_repr == "5"


@pytest.mark.parametrize("level", ["rlimits"], indirect=True)
def test_no_way_round_leads_out_of_the_interpreters_folders(level, tmp_path):
    (tmp_path / "secret").write_text("s3cret")
    tmp_path.chmod(0o755)
    inside, beside = sys.base_prefix, f"{sys.base_prefix}-private"
    up = os.path.join(inside, *[".."] * inside.count("/"))
    code = "import os, _io\nclass P:\n    def __fspath__(self):\n        return '/etc/passwd'\n"
    ways = [f"open({up + str(tmp_path / 'secret')!r})", f"open({up + '/etc/passwd'!r}.encode())", f"open({beside!r})"]
    ways += ["_io.FileIO(P())", f"os.listdir({up + '/etc'!r})", f"os.scandir({up!r})", "os.listdir()"]
    for way in ways:
        error = run(level, f"{code}def f():\n    return len({way})\n").outcomes[0].error
        assert error.startswith("PermissionError: the sandbox"), (way, error)


@pytest.mark.parametrize("level", ["bubblewrap"], indirect=True)
def test_private_tmp_is_bounded_under_bubblewrap(level):
    code = "def f(size):\n    with open('/tmp/a', 'wb') as file:\n        file.write(bytes(size))\n    return size\n"
    small, large = run(level, code, [Call((1000,)), Call((8 << 20,))]).outcomes
    assert small.ok and not large.ok


def test_nothing_is_left_running_or_open(level):
    before, children = set(os.listdir("/proc/self/fd")), psutil.Process().children(recursive=True)
    for _ in range(3):
        run(level, "import time\ndef f():\n    time.sleep(60)\n", limits=Limits(seconds=0.3))
    assert set(os.listdir("/proc/self/fd")) == before
    left = [child.name() for child in psutil.Process().children(recursive=True) if child not in children]
    assert not [name for name in left if name.startswith(("bwrap", "python"))]


def test_the_guard_is_only_for_rlimits():
    best, reason = strongest_level()
    if best != "bubblewrap":
        pytest.skip(f"bubblewrap does not isolate here: {reason}")
    code = "import os\ndef f():\n    return os.listdir('/tmp')\n"
    assert run("bubblewrap", code).outcomes[0].value_repr == "[]"
    assert "refuses os.listdir" in run("rlimits", code).outcomes[0].error


def test_the_strongest_level_is_used_and_reported():
    sandbox = Sandbox()
    assert sandbox.run_calls("def f():\n    return 1\n", "f", [Call()]).level == strongest_level()[0]


def test_less_than_the_minimum_level_is_refused(monkeypatch):
    monkeypatch.setattr(module, "strongest_level", lambda: ("rlimits", "bubblewrap is not installed"))
    with pytest.raises(NotAvailableError, match=r"minimum_level is bubblewrap.*offers rlimits.*not installed"):
        Sandbox(minimum_level="bubblewrap")
    assert Sandbox().level == "rlimits"


def test_a_machine_without_bubblewrap_falls_to_rlimits(monkeypatch):
    monkeypatch.setattr(module.shutil, "which", lambda _: None)
    assert strongest_level.__wrapped__() == ("rlimits", "bubblewrap is not installed")


def test_a_bubblewrap_that_does_not_isolate_is_not_trusted(monkeypatch, tmp_path):
    impostor = tmp_path / "bwrap"
    impostor.write_text('#!/bin/sh\nwhile [ "$1" != "--" ]; do shift; done\nshift\nexec "$@"\n')
    impostor.chmod(0o755)
    monkeypatch.setattr(module.shutil, "which", lambda _: str(impostor))
    found, reason = strongest_level.__wrapped__()
    assert found == "rlimits" and "the child sees" in reason


def test_runs_go_on_side_by_side_under_asyncio():
    sandbox = Sandbox(limits=LIMITS)
    code = "import time\ndef f(x):\n    time.sleep(0.5)\n    return x\n"

    async def both():
        return await asyncio.gather(*(sandbox.run_calls_async(code, "f", [Call((i,))]) for i in range(4)))

    began = time.monotonic()
    results = asyncio.run(both())
    assert [result.outcomes[0].value_repr for result in results] == ["0", "1", "2", "3"]
    assert time.monotonic() - began < 1.9
