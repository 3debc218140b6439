"""Who waits for a place at a replica: the one that has waited longest goes first."""

from __future__ import annotations

import asyncio
from bisect import insort
from dataclasses import dataclass, field


@dataclass(order=True)
class Turn:
    """One that waits.

    Args:
        since: seconds; of several, the smallest goes first.
        came: breaks ties.
        called: set once it is its turn: True with a place, False to go and look for one.
    """

    since: float
    came: int
    called: asyncio.Future[bool] = field(compare=False)


class WaitingLine:
    """Calls as many as there are places. Each that was called must leave, with its place or without."""

    def __init__(self) -> None:
        self._waiting: list[Turn] = []  # the longest waiting first; no more than Serve has routing tasks
        self._placed = 0  # called with a place, and not gone yet
        self._came = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def oldest(self) -> float:
        """Since when the longest waiting waits."""
        return self._waiting[0].since

    def join(self, since: float) -> Turn:
        self._came += 1
        turn = Turn(since, self._came, asyncio.get_running_loop().create_future())
        insort(self._waiting, turn)
        return turn

    def call(self, places: int) -> None:
        """Lets the longest waiting go.

        Args:
            places: all that are free. Those of turns that were called and have not left count as given away.
        """
        while self._waiting and places > self._placed:
            if self._call_first(True):
                self._placed += 1

    def call_without_place(self) -> None:
        """Lets the longest waiting go and look."""
        while self._waiting and not self._call_first(False):
            pass

    def leave(self, turn: Turn) -> None:
        """Takes it out, whether it was called or not. Places are to be given anew if it did not take its own."""
        if turn.called.done() and not turn.called.cancelled():
            self._placed -= turn.called.result()
        elif turn in self._waiting:
            self._waiting.remove(turn)

    def _call_first(self, placed: bool) -> bool:
        """Whether it was still there to be called."""
        turn = self._waiting.pop(0)
        if turn.called.done():  # cancelled while it waited
            return False
        turn.called.set_result(placed)
        return True
