"""A model in a thread of this process, for libraries that let other threads run while they compute."""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import Future

from actors.engines.step_model import StepModel
from actors.engines.tokenizer import ModelTokenizer
from actors.engines.worker import Broken, Command, Deliver, Event, Progress, Stop, Worker


class WorkerThread:
    """Hosts a Worker for StepEngine.

    Args:
        model: not loaded yet.
        tokenizer: turns its tokens into text.
    """

    def __init__(self, model: StepModel, tokenizer: ModelTokenizer) -> None:
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._worker = Worker(model, tokenizer.decode, self._send, tokenizer.token_bytes, self._commands)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._deliver: Deliver
        self._broken: Broken

    @property
    def progress(self) -> Progress:
        return self._worker.progress()

    @property
    def step_within_s(self) -> float | None:
        """See step_engine.Host."""
        return None

    async def start(self, name: str, deliver: Deliver, broken: Broken) -> None:
        """Load the model. `deliver` and `broken` are called on this event loop from then on."""
        self._loop, self._deliver, self._broken = asyncio.get_running_loop(), deliver, broken
        self._worker.finished.add_done_callback(self._on_finished)
        threading.Thread(target=self._worker.run, name=f"engine-{name}", daemon=True).start()
        # Shielded: who gives up waiting must not end what others wait for.
        await asyncio.shield(asyncio.wrap_future(self._worker.loaded))

    def submit(self, command: Command) -> None:
        """Hand over a command; it is obeyed between two steps."""
        self._commands.put(command)

    async def stop(self) -> None:
        """End all requests as aborted and free the model."""
        if self._loop is None:
            return
        self.submit(Stop())
        await asyncio.shield(asyncio.wrap_future(self._worker.finished))

    def _send(self, events: list[tuple[int, Event]]) -> None:
        """From the worker's thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._deliver, events)

    def _on_finished(self, finished: Future[BaseException | None]) -> None:
        """From the worker's thread, as it ends."""
        error = finished.result()
        if error is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._broken, error)
