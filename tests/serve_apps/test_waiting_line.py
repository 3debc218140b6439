"""The line of those who wait for a place, without replicas."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from serve_apps.waiting_line import Turn, WaitingLine

# What happens: one comes that waits since then, so many places get free, or the nth of those around is cancelled.
EVENTS = st.lists(
    st.tuples(st.just("comes"), st.integers(0, 9))
    | st.tuples(st.just("free"), st.integers(0, 3))
    | st.tuples(st.just("leaves"), st.integers(0, 9)),
    max_size=40,
)


def has_place(turn: Turn) -> bool:
    return turn.called.done() and not turn.called.cancelled() and turn.called.result()


@given(EVENTS)
def test_places_go_to_the_longest_waiting_and_none_is_lost(events: list[tuple[str, int]]) -> None:
    async def session() -> None:
        line, around, places = WaitingLine(), list[Turn](), 0
        for event, number in events:
            if event == "comes":
                around.append(line.join(float(number)))
            elif event == "free":
                places += number
            elif around:
                gone = around.pop(number % len(around))
                gone.called.cancel()
                line.leave(gone)
            before = [turn for turn in around if not turn.called.done()]
            line.call(places)
            called = [turn for turn in before if turn.called.done()]
            waiting = [turn for turn in around if not turn.called.done()]
            assert all(one < other for one in called for other in waiting), "the longest waiting first"
            placed = sum(map(has_place, around))
            assert placed == min(places, len(around)), "who was called and left handed the place on"
            assert len(line) == len(waiting)

    asyncio.run(session())


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9))
def test_who_is_called_to_look_takes_no_place(since: list[int]) -> None:
    async def session() -> None:
        line = WaitingLine()
        turns = [line.join(float(one)) for one in since]
        line.call_without_place()
        (looking,) = (turn for turn in turns if turn.called.done())
        assert looking == min(turns)
        assert not has_place(looking)
        line.call(len(turns) - 1)
        assert all(turn.called.done() for turn in turns)
        line.leave(looking)
        again = line.join(looking.since)
        line.call(len(turns))
        assert has_place(again)

    asyncio.run(session())


def test_a_cancelled_turn_that_has_not_left_yet_is_passed_over() -> None:
    async def session() -> None:
        line = WaitingLine()
        first, second = line.join(1.0), line.join(2.0)
        first.called.cancel()
        line.call(1)
        assert has_place(second)
        line.leave(first)
        line.leave(second)
        third = line.join(3.0)
        line.call(1)
        assert has_place(third)

    asyncio.run(session())
