"""What an engine and the process of its model say to each other, over a socket of this machine."""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.engines.step_model import StepModel
from actors.engines.worker import Event, Progress

_LENGTH = struct.Struct("!Q")


@dataclass(frozen=True)
class Load:
    """Load a model, whose tokenizer lies in `tokenizer`. The first message; commands of the worker follow."""

    model: StepModel
    tokenizer: Path


@dataclass(frozen=True)
class Prepare:
    """Compile a grammar; answered by Prepared of the same number."""

    number: int
    grammar: str


@dataclass(frozen=True)
class Loaded:
    """The model is loaded, or why not."""

    error: BaseException | None


@dataclass(frozen=True)
class Step:
    """What a step has brought: events as `worker.Send` takes them."""

    events: list[tuple[int, Event]]
    progress: Progress


@dataclass(frozen=True)
class Prepared:
    """A grammar is compiled, or why it is none."""

    number: int
    error: BaseException | None


@dataclass(frozen=True)
class Finished:
    """The last message: the worker has ended, in order or by an error."""

    error: BaseException | None


def frame(message: object) -> bytes:
    """A message as it is sent. An error that can't be pickled, or read again, goes as its text."""
    error = getattr(message, "error", None)
    try:
        body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        if error is not None:
            pickle.loads(body)
    except Exception:
        if error is None:
            raise
        fields = {**vars(message), "error": RuntimeError(f"{type(error).__name__}: {error}")}
        body = pickle.dumps(type(message)(**fields), pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


async def read_message(reader: asyncio.StreamReader) -> Any:
    """The next message. Raises asyncio.IncompleteReadError when the other side has gone."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return pickle.loads(await reader.readexactly(length))


def receive_message(link: socket.socket) -> Any:
    """The next message, for a process that waits. Raises EOFError when the other side has gone."""
    (length,) = _LENGTH.unpack(_receive_exactly(link, _LENGTH.size))
    return pickle.loads(_receive_exactly(link, length))


def _receive_exactly(link: socket.socket, count: int) -> bytes:
    parts = bytearray(count)
    view, at = memoryview(parts), 0
    while at < count:
        received = link.recv_into(view[at:])
        if not received:
            raise EOFError
        at += received
    return bytes(parts)
