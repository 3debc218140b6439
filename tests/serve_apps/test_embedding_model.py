"""The replica of an embedding model, without Serve around it."""

from __future__ import annotations

import asyncio
import threading
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
        await asyncio.get_running_loop().shutdown_default_executor()

    asyncio.run(leave())
    assert len(read) == 1
    assert sum(read) < len(TEXTS)
