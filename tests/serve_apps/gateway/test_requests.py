"""Whatever a client sends, the answer is a 4xx with an OpenAI error that names something, never a 5xx."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.testclient import TestClient

from actors.engines.protocol import SamplingParams
from serve_apps.gateway.app import GatewayConfig, create_app
from serve_apps.gateway.requests import ChatRequest, CompletionRequest, EmbeddingRequest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
FIELDS = sorted(
    {*ChatRequest.model_fields, *CompletionRequest.model_fields, *EmbeddingRequest.model_fields, "n", "tools"}
)
BODIES = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6)


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = create_app(GatewayConfig(models=["m"], embeddings=["e"]))
    return TestClient(app, raise_server_exceptions=False)


@settings(max_examples=300, deadline=None)
@given(BODIES | JSON, st.sampled_from(["/chat/completions", "/completions", "/embeddings"]))
def test_any_json_is_answered_4xx(client: TestClient, body: Any, path: str) -> None:
    if isinstance(body, dict) and body.get("model") in ("m", "e"):
        del body["model"]
    response = client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
    assert response.status_code in (400, 404), response.text
    assert response.json()["error"]["message"]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_answered_4xx(client: TestClient, body: bytes) -> None:
    response = client.post("/chat/completions", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/embeddings", "input", [1, 2, 3]),
        ("/embeddings", "input", [[1, 2]]),
        ("/completions", "prompt", [5, 6, 7]),
        ("/completions", "prompt", ["x", [5]]),
    ],
)
def test_token_ids_are_refused_by_that_name(client: TestClient, path: str, field: str, value: list[Any]) -> None:
    error = client.post(path, json={"model": "m", field: value}).json()["error"]
    assert error["message"] == f"{field}: token ids are not taken here: send text"
    assert error["param"] == field


NESTED = b'{"a":' * 100_000 + b"1" + b"}" * 100_000


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" * 100_000, "the body is nested too deeply to be read: send JSON with fewer levels"),
        (NESTED, "the body is nested too deeply to be read: send JSON with fewer levels"),
        (b'{"n":' + b"1" * 10_000 + b"}", "the body holds a number that is too long to be read"),
    ],
)
def test_json_that_python_does_not_read_is_named(client: TestClient, body: bytes, said: str) -> None:
    response = client.post("/chat/completions", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(said)


def test_openai_defaults() -> None:
    request = CompletionRequest(model="m", prompt="x")
    assert request.sampling() == SamplingParams(max_tokens=256, temperature=1.0, top_p=1.0)
    assert request.chosen_length is None


INT64 = st.integers(-(2**63), 2**63 - 1)


@given(INT64)
def test_any_seed_of_64_bits_becomes_one_that_engines_take(seed: int) -> None:
    folded = CompletionRequest(model="m", prompt="x", seed=seed).sampling().seed
    assert folded is not None and 0 <= folded < 2**31
    assert folded == CompletionRequest(model="m", prompt="x", seed=seed).sampling().seed
    if 0 <= seed < 2**31:
        assert folded == seed


def test_every_token_is_kept_by_either_way_to_say_so() -> None:
    kept = {CompletionRequest(model="m", prompt="x", top_k=top_k).sampling().top_k for top_k in (-1, 0, None)}
    assert kept == {0}


def chat(*messages: dict[str, Any]) -> ChatRequest:
    return ChatRequest.model_validate({"model": "m", "messages": list(messages)})


def test_an_earlier_refusal_of_the_assistant_is_text_to_the_model() -> None:
    parts = [{"type": "text", "text": "抱歉，"}, {"type": "refusal", "refusal": "这个我不能说。"}]
    (message,) = chat({"role": "assistant", "content": parts}).messages
    assert message.plain() == {"role": "assistant", "content": "抱歉，这个我不能说。"}
    with pytest.raises(ValidationError, match="only the assistant"):
        chat({"role": "user", "content": parts})


@pytest.mark.parametrize(
    ("part", "param", "said"),
    [
        ({"type": "image_url"}, "type", "'text'"),
        ({"type": "refusal"}, "refusal", "missing"),
        ({"type": "text", "text": 5}, "text", "valid string"),
        ({"type": "refusal", "refusal": 5}, "refusal", "valid string"),
        ({"text": "x"}, "type", "missing"),
    ],
)
def test_what_is_wrong_in_a_part_is_told_of_that_part(
    client: TestClient, part: dict[str, Any], param: str, said: str
) -> None:
    body = {"model": "none", "messages": [{"role": "assistant", "content": [part]}]}
    error = client.post("/chat/completions", json=body).json()["error"]
    assert (error["param"], said in error["message"]) == (f"messages.0.content.0.{param}", True), error


def test_greedy_is_not_taken_for_unset() -> None:
    assert CompletionRequest(model="m", prompt="x", temperature=0).sampling().temperature == 0


@pytest.mark.parametrize(
    ("path", "model", "said"),
    [
        ("/chat/completions", "e", "'e' is an embeddings model: ask /v1/embeddings"),
        ("/completions", "e", "'e' is an embeddings model: ask /v1/embeddings"),
        ("/embeddings", "m", "'m' is a language model: ask /v1/chat/completions or /v1/completions"),
        ("/embeddings", "other", "the model 'other' does not exist; served here: e"),
        ("/completions", "other", "the model 'other' does not exist; served here: m"),
    ],
)
def test_a_model_of_another_kind_is_told_from_one_that_is_not_there(
    client: TestClient, path: str, model: str, said: str
) -> None:
    body = {"model": model, "input": "x", "prompt": "x", "messages": [{"role": "user", "content": "x"}]}
    response = client.post(path, json=body)
    error = response.json()["error"]
    assert (response.status_code, error["message"], error["param"]) == (404, said, "model")


def test_our_openapi_document_names_the_routes(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    models = ["/models", "/models/{name}", "/models/{owner}/{name}"]
    assert sorted(paths) == ["/chat/completions", "/completions", "/embeddings", *models]
    without = create_app(GatewayConfig(models=["m"])).openapi()["paths"]
    assert "/embeddings" not in without
