"""What a request's record makes of the pieces that pass."""

from __future__ import annotations

import asyncio
import time

import pytest

from serve_apps.request_record import RequestRecord, current_record, recording


def test_pieces_add_up() -> None:
    record = RequestRecord("r")
    record.begin_answer(7)
    record.piece("a", 2, None)
    time.sleep(0.02)
    record.piece("bc", 3, "stop")
    assert (record.prompt_tokens, record.completion_tokens, record.finish_reasons) == (7, 5, ["stop"])
    gap_s = record.inter_token_s()
    assert gap_s is not None and record.last_token is not None and record.first_token is not None
    assert gap_s == pytest.approx((record.last_token - record.first_token) / 3)
    assert not record.answer


def test_a_whole_answer_has_no_gaps() -> None:
    record = RequestRecord("r")
    assert record.inter_token_s() is None
    record.begin_answer(7)
    record.piece("abc", 3, "stop")
    assert record.inter_token_s() is None


def test_the_larger_count_is_the_true_one() -> None:
    record = RequestRecord("r")
    record.begin_answer(3)
    record.piece("a", 1, None)
    record.count(3, 10)
    record.count(0, 4)
    assert (record.prompt_tokens, record.completion_tokens) == (3, 10)


def test_a_record_reaches_what_the_request_starts_and_nothing_else() -> None:
    async def inner() -> RequestRecord | None:
        await asyncio.sleep(0)
        return current_record()

    async def request(record: RequestRecord) -> RequestRecord | None:
        with recording(record):
            return await asyncio.create_task(inner())

    async def both() -> list[RequestRecord | None]:
        return await asyncio.gather(*(request(record) for record in records))

    records = [RequestRecord("a"), RequestRecord("b")]
    assert asyncio.run(both()) == records
    assert current_record() is None


def test_the_time_left() -> None:
    assert RequestRecord("r").left_s() is None
    now = time.perf_counter()
    assert RequestRecord("r", deadline=now - 1).left_s() == 0
    left = RequestRecord("r", deadline=now + 60).left_s()
    assert left is not None and 50 < left <= 60
