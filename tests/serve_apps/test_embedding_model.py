"""The replica of an embedding model, without Serve around it."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.embedder import fit_embedder
from danlu.errors import InputError
from serve_apps.embedding_model import EmbedderReplica

TEXTS = [f"第{number}张银行卡怎么挂失" for number in range(600)]


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> EmbedderReplica:
    folder = tmp_path_factory.mktemp("embedder")
    fit_embedder(TEXTS).save(str(folder))
    return EmbedderReplica({"name": "e", "path": str(folder)})


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Python's threads take turns as often as they can, so that what they break together breaks soon."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_vectors_and_tokens(replica: EmbedderReplica) -> None:
    answer = asyncio.run(replica.embed(TEXTS))
    assert not isinstance(answer, Exception)
    vectors, tokens = answer
    assert vectors.shape[0] == len(TEXTS)
    assert tokens == sum(map(len, TEXTS)), "a fitted embedder has no tokens, so characters count"
    again = asyncio.run(replica.embed(TEXTS[50:60]))
    assert not isinstance(again, Exception)
    np.testing.assert_allclose(again[0], vectors[50:60], atol=1e-6)


def test_an_empty_text_is_an_answer_not_a_crash(replica: EmbedderReplica) -> None:
    answer = asyncio.run(replica.embed(["a", ""]))
    assert isinstance(answer, InputError)
    assert answer.what == "input 1 is empty"


def test_work_that_nobody_waits_for_ends(replica: EmbedderReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, read = threading.Event(), threading.Event(), list[int]()
    encode = replica._embedder.model.encode

    def slow(texts: list[str], **options: Any) -> Any:
        read.append(len(texts))
        begun.set()
        go_on.wait(10)
        return encode(texts, **options)

    monkeypatch.setattr(replica._embedder.model, "encode", slow)

    async def leave() -> None:
        asked = asyncio.create_task(replica.embed(TEXTS))
        await asyncio.to_thread(begun.wait, 10)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        go_on.set()
        await replica.embed(TEXTS[:1])

    asyncio.run(leave())
    assert len(read) == 2
    assert read[0] < len(TEXTS)


def test_what_was_left_while_it_waited_is_never_embedded(
    replica: EmbedderReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, read = threading.Event(), threading.Event(), list[str]()
    encode = replica._embedder.model.encode

    def slow(texts: list[str], **options: Any) -> Any:
        read.extend(texts)
        begun.set()
        go_on.wait(10)
        return encode(texts, **options)

    monkeypatch.setattr(replica._embedder.model, "encode", slow)

    async def leave() -> None:
        first = asyncio.create_task(replica.embed(["first"]))
        await asyncio.to_thread(begun.wait, 10)
        left, last = (asyncio.create_task(replica.embed([text])) for text in ("left", "last"))
        await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        go_on.set()
        await asyncio.gather(first, last)

    asyncio.run(leave())
    assert read == ["first", "last"]


def test_requests_that_come_together_do_not_disturb_each_other(tiny_encoder: Path, quick_switches: None) -> None:
    """They shared a tokenizer: one took away the truncation and padding that another had just set."""
    replica = EmbedderReplica({"name": "e", "path": str(tiny_encoder)})
    limit = replica._embedder.model.max_seq_length
    assert limit is not None
    draw = random.Random(0)

    async def one(number: int) -> None:
        texts = ["挂" * draw.randint(1, 40) for _ in range(draw.randint(1, 20))]
        too_long = number % 5 == 0
        answer = await replica.embed([*texts, "挂" * limit] if too_long else texts)
        if too_long:
            assert isinstance(answer, InputError)
            assert answer.what == f"input {len(texts)} has {limit + 2} tokens"
        else:
            assert not isinstance(answer, Exception)
            assert answer[0].shape == (len(texts), 16)
            assert answer[1] == sum(len(text) + 2 for text in texts)

    async def together() -> None:
        turns = asyncio.Semaphore(8)

        async def turn(number: int) -> None:
            async with turns:
                await one(number)

        await asyncio.gather(*(turn(number) for number in range(200)))

    asyncio.run(together())
