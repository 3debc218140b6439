"""A model in a process of its own, for libraries that let no other thread run while they compute.

A step of openvino-genai holds Python's global lock, a long prompt for a second and more. In the engine's process that
would stop its event loop: no other request gets in, no text gets out, no client's disconnect is seen.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from actors.engines.model_link import Finished, Load, Loaded, Prepare, Prepared, Step, frame, read_message
from actors.engines.step_model import StepModel
from actors.engines.worker import Broken, Command, Deliver, Progress, Stop
from danlu.errors import RunError

_PROJECT = Path(__file__).parents[2]
_STEP_WITHIN_S = 300.0  # a step reads `step_tokens` of a prompt at most
_END_WITHIN_S = 10.0


class WorkerProcess:
    """Hosts a Worker for StepEngine.

    Args:
        model: not loaded yet, and loaded in the process only; it is pickled.
        tokenizer: the folder of its tokenizer.
    """

    def __init__(self, model: StepModel, tokenizer: Path) -> None:
        self.progress = Progress()
        self._load = Load(model, tokenizer)
        self._numbers = itertools.count()
        self._preparing: dict[int, asyncio.Future[None]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter
        self._listening: asyncio.Task[None]
        self._loaded: asyncio.Future[None]
        self._finished = False
        self._why: BaseException | None = None  # it has ended
        self._up = False

    @property
    def step_within_s(self) -> float | None:
        """See step_engine.Host."""
        return _STEP_WITHIN_S

    async def start(self, name: str, deliver: Deliver, broken: Broken) -> None:
        """Load the model. `deliver` and `broken` are called on this event loop from then on.

        Raises:
            RunError: the process ended before the model was loaded; or what the model raised.
        """
        self._deliver, self._broken = deliver, broken
        self._loaded = asyncio.get_running_loop().create_future()
        ours, theirs = socket.socketpair()
        with theirs:
            reader, self._writer = await asyncio.open_connection(sock=ours)
            command = [sys.executable, "-P", "-m", "actors.engines.model_process", str(theirs.fileno())]
            path = os.pathsep.join(filter(None, [str(_PROJECT), os.environ.get("PYTHONPATH")]))
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": path},
            )
        # Nothing is waited for in between: a start that is given up finds a process with its listener, or none.
        self._listening = asyncio.create_task(self._listen(reader), name=f"engine-{name}")
        self._writer.write(frame(self._load))
        try:
            await self._loaded
            self._up = True
            if self._finished:
                raise self._why or RunError("the model's process has ended")
        except BaseException:
            await self.stop()
            raise

    def submit(self, command: Command | Prepare) -> None:
        """Hand over a command; it is obeyed between two steps. The socket's buffer never keeps the caller waiting."""
        if self._process is not None and not self._finished:
            self._writer.write(frame(command))

    async def prepare(self, grammar: str) -> None:
        """Compile a grammar beside the model. Raises InputError when it is none, RunError when the process ends."""
        if self._finished:
            raise RunError("the model's process has ended")
        number = next(self._numbers)
        prepared = self._preparing[number] = asyncio.get_running_loop().create_future()
        try:
            self.submit(Prepare(number, grammar))
            await prepared
        finally:
            del self._preparing[number]

    async def stop(self) -> None:
        """End all requests as aborted, free the model, and end the process."""
        if self._process is None:
            return
        self.submit(Stop())
        done, _ = await asyncio.wait([self._listening], timeout=_END_WITHIN_S)
        if not done:
            self._listening.cancel()
            self._finished = True
            self._end(RunError("the model's process did not stop", rule=f"it had {_END_WITHIN_S:g} s"))
        assert self._process.stdin is not None
        self._process.stdin.close()  # which ends it, wherever it stands
        self._writer.close()
        try:
            await asyncio.wait_for(self._process.wait(), _END_WITHIN_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Take in what the process says, until its last word."""
        error: BaseException | None = None
        try:
            while not isinstance(message := await read_message(reader), Finished):
                self._take(message)
            error = message.error
        except (asyncio.IncompleteReadError, ConnectionError):
            error = await self._died()
        except Exception as unreadable:
            error = unreadable
        self._finished = True
        self._end(error)

    def _take(self, message: Step | Prepared | Loaded) -> None:
        if isinstance(message, Step):
            self.progress = message.progress
            self._deliver(message.events)
        elif isinstance(message, Prepared):
            future = self._preparing.get(message.number)
            if future is not None and not future.done():
                _settle(future, message.error)
        elif not self._loaded.done():
            _settle(self._loaded, message.error)

    def _end(self, error: BaseException | None) -> None:
        self._why = error
        gone = error or RunError("the model's process has ended")
        for future in (self._loaded, *self._preparing.values()):
            if not future.done():
                future.set_exception(gone)
        if error is not None and self._up:  # also while it is stopped: those who wait for events wait for ever else
            self._broken(error)

    async def _died(self) -> RunError:
        """Why the process ended without a last word."""
        assert self._process is not None
        code = await self._process.wait()
        if code == -signal.SIGKILL:
            fix = "give the machine more memory, or the model less (weights, kv_cache_gib)"
            return RunError("the model's process was killed", rule="as happens where memory runs out", fix=fix)
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        return RunError(f"the model's process ended {how}", rule="its last words are in the replica's log")


def _settle(future: asyncio.Future[None], error: BaseException | None) -> None:
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
