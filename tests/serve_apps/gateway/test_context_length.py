"""What is too long for a model is told with OpenAI's code, by which its clients and LangChain know to shorten it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from danlu.errors import DanluError
from serve_apps.config import ModelSettings
from serve_apps.embedding_model import EmbedderReplica
from serve_apps.gateway.app import GatewayConfig, create_app

LONG = "x" * 250  # the context holds 200
CHAT, TEXT = "/chat/completions", "/completions"


@pytest.fixture(scope="module")
def client(
    gateway: Callable[..., TestClient], echo_engine: Any, tmp_path_factory: pytest.TempPathFactory
) -> TestClient:
    return gateway(echo=echo_engine(ModelSettings(name="echo", path=str(tmp_path_factory.mktemp("echo")))))


def said(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


@pytest.mark.parametrize("more", [{}, {"stream": True}, {"n": 2}, {"n": 2, "stream": True}])
@pytest.mark.parametrize(
    ("route", "body", "field"),
    [
        (CHAT, said(LONG), "messages"),
        (CHAT, said("x" * 190) | {"max_tokens": 20}, "messages"),
        (TEXT, {"prompt": LONG}, "prompt"),
        (TEXT, {"prompt": ["a", LONG]}, "prompt"),
        (TEXT, {"prompt": "x" * 190, "max_tokens": 20}, "prompt"),
    ],
)
def test_a_prompt_that_is_too_long(
    client: TestClient, route: str, body: dict[str, Any], field: str, more: dict[str, Any]
) -> None:
    answer = client.post(route, json={"model": "echo", **body, **more})
    if answer.status_code == 200:  # the first of several prompts had begun to answer
        assert isinstance(body.get("prompt"), list) and "stream" in more
        error = json.loads(answer.text.split("data: ")[-1])["error"]
    else:
        assert answer.status_code == 400
        error = answer.json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert (error["param"], error["type"]) == (field, "invalid_request_error")
    assert "200" in error["message"]


def test_what_is_wrong_in_another_way_has_another_code(client: TestClient) -> None:
    answer = client.post(TEXT, json={"model": "echo", "prompt": ""})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] is None


class LocalEmbeddings:
    """What EmbeddingModel offers, of a replica in this process."""

    name = "e"

    def __init__(self, folder: Path) -> None:
        self._replica = EmbedderReplica({"name": "e", "path": str(folder)})

    async def embed(self, texts: Sequence[str]) -> tuple[np.ndarray, int]:
        answer = await self._replica.embed(list(texts))
        if isinstance(answer, DanluError):
            raise answer
        return answer


@pytest.fixture
def embeddings(tiny_encoder: Path) -> Iterator[TestClient]:
    app = create_app(GatewayConfig(models=["m"], embeddings=["e"]))
    app.state.served = replace(app.state.served, embeddings={"e": LocalEmbeddings(tiny_encoder)})
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_a_text_that_is_too_long_to_embed(embeddings: TestClient) -> None:
    answer = embeddings.post("/embeddings", json={"model": "e", "input": ["挂", "挂" * 600]})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "input")
    assert "input 1 has 602 tokens: the model reads 512" in error["message"]
    empty = embeddings.post("/embeddings", json={"model": "e", "input": ["挂", ""]}).json()["error"]
    assert empty["code"] is None
