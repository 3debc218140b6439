"""Messages between an engine and the process of its model."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.engines.model_link import Finished, Loaded, Prepare, Step, frame, read_message, receive_message
from actors.engines.protocol import Delta
from actors.engines.worker import Progress
from danlu.errors import InputError

MESSAGES = st.one_of(
    st.builds(Prepare, st.integers(), st.text()),
    st.builds(lambda text: Step([(1, Delta(text, 2, 3))], Progress(1, 2, 3, 0.5)), st.text(max_size=3000)),
)


@given(st.lists(MESSAGES, max_size=5))
def test_messages_arrive_as_they_were_sent(messages: list[object]) -> None:
    data = b"".join(frame(message) for message in messages)

    async def read() -> list[object]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return [await read_message(reader) for _ in messages]

    assert asyncio.run(read()) == messages
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        ours.close()
        assert [receive_message(theirs) for _ in messages] == messages
        with pytest.raises(EOFError):
            receive_message(theirs)


class Torn(Exception):
    """Can't be made again from what it shows."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")
        self.held = lambda: None


def test_an_error_that_cannot_be_sent_goes_as_its_text() -> None:
    def through(message: object) -> object:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(frame(message))
            return receive_message(theirs)

    told = through(Finished(Torn(1, 2)))
    assert isinstance(told, Finished) and "1 and 2" in str(told.error)
    kept = through(Loaded(InputError("the model", rule="it is torn")))
    assert isinstance(kept, Loaded) and isinstance(kept.error, InputError) and "torn" in str(kept.error)


class _TwoArguments(Exception):
    """Is pickled, and can't be read again: the arguments that BaseException keeps are not those of __init__."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")


def test_an_error_that_can_not_be_read_again_goes_as_its_text() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(frame(Finished(_TwoArguments("a", "b"))))
        arrived = receive_message(theirs)
    assert isinstance(arrived, Finished)
    assert str(arrived.error) == "_TwoArguments: a: b"
