"""The process of one model: python -m actors.engines.model_process DESCRIPTOR, started by WorkerProcess.

DESCRIPTOR is one end of a socket pair; what goes over it is in model_link. The process ends with its parent, in
whatever way that ends: the parent holds the write end of this process's standard input.
"""

from __future__ import annotations

import logging
import os
import queue
import select
import signal
import socket
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import cast

from actors.engines.freed_memory import keep_releasing
from actors.engines.model_link import Finished, Load, Loaded, Prepare, Prepared, Step, frame, receive_message
from actors.engines.step_model import GrammarStepModel, StepModel
from actors.engines.tokenizer import ModelTokenizer
from actors.engines.worker import Command, Event, Stop, Worker


class _Link:
    """The worker's commands, and the way back to the engine."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._waiting = select.poll()  # takes any descriptor; the parent may have opened thousands before this one
        self._waiting.register(link, select.POLLIN)
        self._sending = threading.Lock()
        # Large grammars in a row must keep neither the model nor each other's answers waiting longer than they take.
        self._compiling = ThreadPoolExecutor(max_workers=1, thread_name_prefix="grammar")
        self.model: StepModel | None = None

    def receive(self) -> Command | Load | Prepare:
        try:
            return cast(Command | Load | Prepare, receive_message(self._link))
        except (EOFError, ConnectionError):
            return Stop()

    def get(self, block: bool = True) -> Command:
        """See worker.Commands."""
        while block or self._waiting.poll(0):
            message = self.receive()
            if isinstance(message, Prepare):
                self._compiling.submit(self._prepare, message)
            else:
                return cast(Command, message)
        raise queue.Empty

    def send(self, message: object) -> None:
        with self._sending:
            self._link.sendall(frame(message))

    def _prepare(self, asked: Prepare) -> None:
        try:
            cast(GrammarStepModel, self.model).prepare_grammar(asked.grammar)
        except Exception as error:
            self.send(Prepared(asked.number, error))
        else:
            self.send(Prepared(asked.number, None))


def main() -> None:
    """Serve one model until the parent says Stop or has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal: the parent decides
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    threading.Thread(target=_follow_parent, daemon=True).start()
    keep_releasing()
    link = _Link(socket.socket(fileno=int(sys.argv[1])))
    first = link.receive()
    if not isinstance(first, Load):
        return
    link.model = first.model
    try:
        tokenizer = ModelTokenizer(first.tokenizer)
    except Exception as error:
        link.send(Loaded(error))
        return

    def send(events: list[tuple[int, Event]]) -> None:
        link.send(Step(events, worker.progress()))

    worker = Worker(first.model, tokenizer.decode, send, tokenizer.token_bytes, link)
    worker.loaded.add_done_callback(lambda loaded: link.send(Loaded(loaded.exception())))
    worker.run()
    finished: Future[BaseException | None] = worker.finished
    link.send(Finished(finished.result()))


def _follow_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
