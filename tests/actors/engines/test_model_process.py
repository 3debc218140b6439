"""A model's process, started and spoken to as its parent does."""

from __future__ import annotations

import fcntl
import importlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.engines.model_link import Finished, Load, Loaded, Prepare, Prepared, Step, frame, receive_message
from actors.engines.protocol import SamplingParams
from actors.engines.worker import Abort, Stop, Submit
from danlu.errors import InputError

PROJECT = Path(__file__).resolve().parents[3]
MODEL = """
import time
from pathlib import Path
from actors.engines.step_model import NewTokens
from danlu.errors import InputError

class Model:
    def __init__(self, token, closed, fails=""):
        self.token, self.closed, self.fails, self.left = token, closed, fails, {}

    def _called(self, method):
        if self.fails == method:
            raise ValueError(f"no {method}")

    def load(self):
        self._called("load")

    def add(self, request_id, prompt_ids, sampling):
        self.left[request_id] = sampling.max_tokens

    def cancel(self, request_id):
        self.left.pop(request_id, None)

    def step(self):
        self._called("step")
        time.sleep(600 if self.fails == "in time" else 0.001)
        said = []
        for request_id in list(self.left):
            self.left[request_id] -= 1
            said.append(NewTokens(request_id, [self.token], None if self.left[request_id] else "length"))
            if not self.left[request_id]:
                del self.left[request_id]
        return said

    def running(self):
        return len(self.left)

    def kv_cache_use(self):
        return None

    def close(self):
        Path(self.closed).touch()

    def prepare_grammar(self, grammar):
        if grammar == "wrong":
            raise InputError("the grammar", rule="it is none")
"""


class Child:
    """A model's process, and this side of the socket."""

    def __init__(self, process: subprocess.Popen[bytes], link: socket.socket, closed: Path) -> None:
        self.process, self.link, self.closed = process, link, closed

    def send(self, message: object) -> None:
        self.link.sendall(frame(message))

    def receive(self) -> Any:
        return receive_message(self.link)

    def until(self, true: Callable[[Any], bool]) -> list[Any]:
        """Messages up to the first that is."""
        heard = [self.receive()]
        while not true(heard[-1]):
            heard.append(self.receive())
        return heard

    def rest(self) -> list[Any]:
        """All that is still said before the process ends."""
        heard = []
        try:
            while True:
                heard.append(self.receive())
        except (EOFError, ConnectionError):  # the latter where it left something unread
            return heard


Start = Callable[..., Child]


@pytest.fixture
def start(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """start(fails=..., tokenizer=..., loads=...): the process of a model, with its model on the way to it."""
    (tmp_path / "counting_model.py").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    model = importlib.import_module("counting_model").Model
    children: list[Child] = []

    def make(fails: str = "", tokenizer: Path = checkpoint, loads: bool = True, descriptor: int = 0) -> Child:
        ours, theirs = socket.socketpair()
        ours.settimeout(60)
        with theirs:
            at = fcntl.fcntl(theirs, fcntl.F_DUPFD, descriptor) if descriptor else theirs.fileno()
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "actors.engines.model_process", str(at)],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[at],
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), str(tmp_path)])},
            )
            if descriptor:
                os.close(at)
        child = Child(process, ours, tmp_path / "closed")
        children.append(child)
        if loads:
            child.send(Load(model(65, str(child.closed), fails), tokenizer))
        return child

    yield make
    for child in children:
        child.process.kill()
        child.process.communicate()
        child.link.close()
    sys.modules.pop("counting_model")


def text(heard: list[Any], request: int) -> str:
    return "".join(event.text for step in heard if isinstance(step, Step) for at, event in step.events if at == request)


def is_last(request: int) -> Callable[[Any], bool]:
    return lambda message: (
        isinstance(message, Step) and any(at == request and event.finish_reason for at, event in message.events)
    )


def test_a_model_is_loaded_served_and_freed(start: Start) -> None:
    """A whole life, beside everything that must not disturb it."""
    child = start()
    assert child.receive() == Loaded(None)
    child.process.send_signal(signal.SIGINT)  # Ctrl-C in a terminal goes to all its processes: the parent decides
    child.send(Submit(1, [65], SamplingParams(5)))
    heard = child.until(is_last(1))
    assert len(text(heard, 1)) == 5
    assert heard[-1].progress.completion_tokens == 5 and heard[-1].progress.prompt_tokens == 1
    child.send(Prepare(7, "right"))  # without a request under way
    assert child.receive() == Prepared(7, None)
    child.send(Submit(2, [65], SamplingParams(10**6)))
    child.send(Submit(3, [65], SamplingParams(10**6)))
    child.send(Prepare(8, "wrong"))  # with one
    refused = child.until(lambda message: isinstance(message, Prepared))[-1]
    assert refused.number == 8 and isinstance(refused.error, InputError) and refused.error.rule == "it is none"
    child.send(Abort(2))
    aborted = child.until(is_last(2))[-1]
    assert [event.finish_reason for at, event in aborted.events if at == 2] == ["abort"]
    child.send(Stop())
    *_, last, finished = child.rest()
    assert is_last(3)(last) and finished == Finished(None)
    assert child.process.wait(30) == 0
    assert child.closed.exists()


@pytest.mark.parametrize("fails", ["load", "step"])
def test_what_breaks_a_model_is_told_before_the_end(start: Start, fails: str) -> None:
    child = start(fails)
    child.send(Submit(1, [65], SamplingParams(5)))
    loaded, finished = child.rest()
    assert isinstance(loaded, Loaded) and isinstance(finished, Finished)
    broken, fine = (loaded, finished) if fails == "load" else (finished, loaded)
    assert isinstance(broken.error, ValueError) and str(broken.error) == f"no {fails}"
    assert fine.error is None
    assert child.process.wait(30) == 0
    assert child.closed.exists() == (fails == "step"), "what was loaded is freed"


def test_a_model_without_a_tokenizer_is_refused_as_not_loaded(start: Start, tmp_path: Path) -> None:
    child = start(tokenizer=tmp_path / "nowhere")
    (loaded,) = child.rest()
    assert isinstance(loaded, Loaded) and isinstance(loaded.error, InputError)
    assert "has no tokenizer" in str(loaded.error)
    assert child.process.wait(30) == 0


def test_it_ends_with_its_parent_even_within_a_step(start: Start) -> None:
    """The kernel closes a parent's end of the pipe in whatever way the parent ends."""
    child = start("in time")
    assert child.receive() == Loaded(None)
    child.send(Submit(1, [65], SamplingParams(5)))
    assert child.process.stdin is not None
    child.process.stdin.write(b"what a parent writes is no reason to end\n")
    child.process.stdin.flush()
    with pytest.raises(subprocess.TimeoutExpired):
        child.process.wait(0.3)
    child.process.stdin.close()
    child.process.stdin = None
    assert child.process.wait(30) == 1
    assert not child.closed.exists()


def test_it_frees_its_model_when_nobody_speaks_to_it_any_more(start: Start) -> None:
    child = start()
    assert child.receive() == Loaded(None)
    child.link.shutdown(socket.SHUT_WR)
    assert child.rest() == [Finished(None)]
    assert child.process.wait(30) == 0
    assert child.closed.exists()


def test_it_ends_without_a_word_when_it_is_given_nothing(start: Start) -> None:
    for message in (None, Stop()):
        child = start(loads=False)
        if message is not None:
            child.send(message)
        else:
            child.link.shutdown(socket.SHUT_WR)
        assert child.rest() == []
        assert child.process.wait(30) == 0
        assert child.process.communicate()[1] == b""


def test_a_descriptor_beyond_those_of_select_is_listened_to(start: Start) -> None:
    """A server has a descriptor for each of its clients, and select() takes none above 1023."""
    child = start(descriptor=1100)
    assert child.receive() == Loaded(None)
    child.send(Submit(1, [65], SamplingParams(10**6)))
    child.until(lambda message: isinstance(message, Step) and bool(message.events))
    child.send(Abort(1))
    child.until(is_last(1))
