"""The whole gateway over HTTP, as OpenAI's own client and a raw one meet it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai
import pytest
from ray import serve

from serve_apps.config import ModelSettings
from serve_apps.gateway.app import build
from serve_apps.language_model import app_name
from serve_apps.models import application


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the engine notes how each generation ended."""
    folder = tmp_path_factory.mktemp("echo")
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def url(ray_local: None, port: int, log: Path, echo_engine: type) -> Iterator[str]:
    """A running gateway before two models: `echo` answers at once, `slow` takes 20 ms a token, two at a time."""
    echo = ModelSettings(name="echo", path=str(log), cpus=0.1)
    slow = ModelSettings.model_validate(
        {"name": "slow", "path": str(log), "cpus": 0.1, "options": {"delay_s": 0.02}, "max_queued": 1}
        | {"replicas": {"target_ongoing": 1.0}}
    )
    config = {"models": ["echo", "slow"], "gateway": {"max_body_bytes": 40_000}}
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run_many(
        [serve.RunTarget(application(m, echo_engine), app_name(m.name), None) for m in (echo, slow)]
        + [serve.RunTarget(build(config), "gateway", "/v1")]
    )
    yield f"http://127.0.0.1:{port}/v1"
    serve.shutdown()


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key="unused", max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as http:
        yield http


USER = [{"role": "user", "content": "你好，丹炉"}]


ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    },
}
STRICT_WITH_UNKNOWN = {
    "type": "function",
    "function": {
        "name": "add",
        "strict": True,
        "parameters": {"type": "object", "properties": {"a": {"type": "integer", "multipleOf": 3}}},
    },
}
CALLS = [{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}]
BROKEN_CALLS = [{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "[1"}}]
DEEP: dict[str, object] = {"type": "null"}
for _ in range(40):
    DEEP = {"type": "array", "items": DEEP}


def schema_of(schema: object) -> dict[str, object]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}


def ask(**fields: object) -> dict[str, object]:
    return {"model": "echo", "messages": USER, **fields}


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["echo", "slow"]
    assert client.models.retrieve("slow").owned_by == "danlu"
    with pytest.raises(openai.NotFoundError, match="served here: echo, slow"):
        client.models.retrieve("other")


def test_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="echo", messages=[{"role": "system", "content": "规则"}, {"role": "user", "content": "你好，丹炉"}]
    )
    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl-")
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == "你好，丹炉"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (8, 5, 13)


def test_chat_streamed(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="echo", messages=USER, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "你好，丹炉"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


def test_chat_streamed_with_usage(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(model="echo", messages=USER, stream=True, stream_options={"include_usage": True})
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 5
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_completion(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="echo", prompt="丹炉", max_tokens=1)
    assert (answer.object, answer.choices[0].text, answer.choices[0].finish_reason) == (
        "text_completion",
        "丹",
        "length",
    )
    pieces = list(client.completions.create(model="echo", prompt=["丹炉"], stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == "丹炉"


def test_stream_ends_with_done(http: httpx.Client) -> None:
    response = http.post("/chat/completions", json=ask(stream=True))
    assert response.headers["content-type"].startswith("text/event-stream")
    events = response.text.strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    assert all(event.startswith("data: {") for event in events[:-1])


@pytest.mark.parametrize(
    ("fields", "text", "reason"),
    [
        ({"max_tokens": 2}, "你好", "length"),
        ({"max_tokens": 4, "max_completion_tokens": 2}, "你好", "length"),
        ({"stop": "丹"}, "你好，", "stop"),
        ({"stop": ["炉", "，"], "temperature": 0, "top_p": 0.5, "top_k": 3, "seed": 7}, "你好", "stop"),
        ({"ignore_eos": True, "max_tokens": 7}, "你好，丹炉你好", "length"),
        (
            {"n": 1, "tools": [], "logprobs": False, "response_format": {"type": "text"}, "user": "x"},
            "你好，丹炉",
            "stop",
        ),
        ({"some_new_field": {"a": 1}}, "你好，丹炉", "stop"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "丹"}]}]}, "丹", "stop"),
        ({"messages": [{"role": "developer", "content": "a"}, {"role": "user", "content": "b"}]}, "b", "stop"),
    ],
)
def test_fields(http: httpx.Client, fields: dict[str, object], text: str, reason: str) -> None:
    choice = http.post("/chat/completions", json=ask(**fields)).json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (text, reason)


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"n": 0}, "n", "greater than or equal to 1"),
        ({"n": 1000}, "n", "less than or equal to 16"),
        ({"logprobs": 3}, "logprobs", "valid boolean"),
        ({"top_logprobs": 3}, "top_logprobs", "logprobs=true"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "less than or equal to 20"),
        ({"tools": [{"type": "function"}]}, "tools.0.function", "missing"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools.0.function.name", "match"),
        ({"tools": [ADD, ADD]}, "tools", "one name"),
        ({"tools": [ADD] * 129}, "tools", "at most 128"),
        ({"tool_choice": "required"}, "tool_choice", "no such function"),
        ({"tools": [ADD], "tool_choice": "sometimes"}, "tool_choice", "'required'"),
        (
            {"tools": [ADD], "tool_choice": {"type": "function", "function": {"name": "sub"}}},
            "tool_choice",
            "no such function",
        ),
        ({"tools": [STRICT_WITH_UNKNOWN]}, "tools", "keyword 'multipleOf'"),
        ({"functions": [ADD["function"]]}, "functions", "not available"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing"),
        ({"response_format": {"type": "xml"}}, "response_format", "'json_schema'"),
        ({"response_format": {"type": "regex", "pattern": "(a"}}, "response_format", "not closed"),
        ({"response_format": {"type": "regex", "pattern": "(?=a)"}}, "response_format", "look-around"),
        (schema_of({"$ref": "http://example.com/a.json"}), "response_format", "only references into"),
        (schema_of({"$ref": "#"}), "response_format", "complete"),
        (schema_of({"enum": [f"v{i}" for i in range(1001)]}), "response_format", "more than 1000 values"),
        (schema_of(DEEP), "response_format", "nested more than 32"),
        (schema_of({"frobnicate": 1}), "response_format", "keyword 'frobnicate'"),
        ({"response_format": {"type": "json_object"}, "stop": "}"}, "stop", "says its end"),
        ({"presence_penalty": 2.5}, "presence_penalty", "less than or equal to 2"),
        ({"repetition_penalty": 0}, "repetition_penalty", "greater than 0"),
        ({"min_p": -0.1}, "min_p", "greater than or equal to 0"),
        ({"logit_bias": {"5": 100}}, "logit_bias", "not available"),
        ({"temperature": -1}, "temperature", "greater than or equal to 0"),
        ({"temperature": "hot"}, "temperature", "valid number"),
        ({"temperature": True}, "temperature", "valid number"),
        ({"top_p": 0}, "top_p", "greater than 0"),
        ({"max_tokens": -5}, "max_tokens", "greater than or equal to 1"),
        ({"max_tokens": 1.5}, "max_tokens", "valid integer"),
        ({"max_tokens": 10**30}, "max_tokens", "less than 2147483648"),
        ({"seed": 2**70}, "seed", "less than"),
        ({"stop": ["a"] * 5}, "stop", "at most 4"),
        ({"stop": ""}, "stop", "at least 1 character"),
        ({"stream": "yes"}, "stream", "valid boolean"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "stream=true"),
        ({"messages": []}, "messages", "at least 1 item"),
        ({"messages": "hello"}, "messages", "valid list"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role", "'system'"),
        ({"messages": [{"role": "user"}]}, "messages.0", "content is missing"),
        ({"messages": [{"role": "user", "content": None}]}, "messages.0", "content is missing"),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": CALLS}]}, "messages.0", "only the assistant"),
        ({"messages": [{"role": "assistant", "tool_calls": BROKEN_CALLS}]}, "messages.0", "JSON object"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content.0.type", "'text'"),
        ({"model": 3}, "model", "valid string"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages.0.content", "surrogate"),
    ],
)
def test_wrong_fields(http: httpx.Client, fields: dict[str, object], param: str, message: str) -> None:
    response = http.post(
        "/chat/completions", content=json.dumps(ask(**fields)), headers={"content-type": "application/json"}
    )
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert message in error["message"] and error["message"].startswith(f"{param}: ")


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "message"),
    [
        ("POST", "/chat/completions", b"{", 400, "not valid JSON"),
        ("POST", "/chat/completions", b"", 400, "body is missing"),
        ("POST", "/chat/completions", b'"text"', 400, "JSON object"),
        ("POST", "/chat/completions", b'{"model":"\xff"}', 400, "not valid UTF-8 (byte 10)"),
        ("POST", "/chat/completions", b"[" * 39_000, 400, "nested too deeply"),
        ("POST", "/chat/completions", b"{" + b" " * 40_000, 413, "larger than 40000 bytes"),
        ("POST", "/chat/completions", b'{"model":"echo"}', 400, "messages: missing"),
        ("GET", "/chat/completions", b"", 405, "GET is not allowed"),
        ("GET", "/nothing", b"", 404, "no such route: GET /v1/nothing"),
    ],
)
def test_wrong_requests(http: httpx.Client, method: str, path: str, content: bytes, status: int, message: str) -> None:
    response = http.request(method, path, content=content, headers={"content-type": "application/json"})
    assert response.status_code == status, response.text
    assert message in response.json()["error"]["message"]
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_chunked_body_over_the_limit(http: httpx.Client) -> None:
    response = http.post("/chat/completions", content=(b" " * 1000 for _ in range(60)))
    assert response.status_code == 413


def test_ten_megabytes_of_json(http: httpx.Client) -> None:
    body = json.dumps(ask(messages=[{"role": "user", "content": "x" * 10_000_000}]))
    response = http.post("/chat/completions", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "body_too_large"


def test_several_choices(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="echo", messages=USER, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert {choice.message.content for choice in answer.choices} == {"你好，丹炉"}
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (5, 15)
    chunks = list(
        client.chat.completions.create(
            model="echo", messages=USER, n=3, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].usage == answer.usage
    texts = {index: "" for index in range(3)}
    for chunk in chunks[:-1]:
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert set(texts.values()) == {"你好，丹炉"}
    assert sum(chunk.choices[0].finish_reason == "stop" for chunk in chunks[:-1]) == 3


def test_several_prompts(client: openai.OpenAI, http: httpx.Client) -> None:
    answer = client.completions.create(model="echo", prompt=["丹", "炉子"], n=2)
    assert [choice.text for choice in answer.choices] == ["丹", "丹", "炉子", "炉子"]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 6)
    for body in ({"prompt": []}, {"prompt": ["x"] * 65}, {"prompt": ["x"] * 33, "n": 2}, {"prompt": [[1, 2]]}):
        response = http.post("/completions", json={"model": "echo", **body})
        assert response.status_code == 400, response.text


def test_an_error_of_one_prompt_is_the_answers(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="the prompt is empty"):
        client.completions.create(model="echo", prompt=["x", ""])
    with pytest.raises(openai.APIError, match="the prompt is empty"):  # a status, or an event after the first piece
        list(client.completions.create(model="echo", prompt=["x", ""], stream=True))


CALL = '<tool_call>{"name": "add", "arguments": {"a": 3}}</tool_call>'


def test_a_call_of_a_tool(client: openai.OpenAI) -> None:
    choice = client.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": CALL}], tools=[ADD]
    ).choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert choice.message.tool_calls is not None
    call = choice.message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("add", {"a": 3})
    turn = {"role": "tool", "tool_call_id": call.id, "content": "4"}
    messages = [USER[0], choice.message.model_dump(exclude_none=True), turn]
    assert (
        client.chat.completions.create(model="echo", messages=messages, tools=[ADD]).choices[0].message.content == "4"
    )


def test_a_call_of_a_tool_streamed(client: openai.OpenAI) -> None:
    asked = [{"role": "user", "content": f"算：{CALL}"}]
    with client.chat.completions.stream(model="echo", messages=asked, tools=[ADD]) as stream:
        choice = stream.get_final_completion().choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "算：")
    assert [json.loads(call.function.arguments) for call in choice.message.tool_calls or []] == [{"a": 3}]


def test_without_tools_a_call_is_text(client: openai.OpenAI) -> None:
    asked = [{"role": "user", "content": CALL}]
    assert client.chat.completions.create(model="echo", messages=asked).choices[0].message.content == CALL
    none = client.chat.completions.create(model="echo", messages=asked, tools=[ADD], tool_choice="none")
    assert none.choices[0].message.content == CALL


def test_an_answer_without_its_form_is_not_given_out(client: openai.OpenAI, http: httpx.Client) -> None:
    """The echo engine takes no notice of grammars."""
    form = {"type": "json_object"}
    right = [{"role": "user", "content": '{"a": 1}'}]
    assert client.chat.completions.create(model="echo", messages=right, response_format=form).choices[0].message.content
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="echo", messages=USER, response_format=form)
    assert caught.value.code == "invalid_output"
    text = http.post("/chat/completions", json=ask(response_format=form, stream=True)).text
    assert "invalid_output" in text.strip().split("\n\n")[-1] and "[DONE]" not in text
    cut = client.chat.completions.create(model="echo", messages=USER, response_format=form, max_tokens=2)
    assert cut.choices[0].finish_reason == "length"


def test_unknown_model(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="served here: echo, slow") as caught:
        client.chat.completions.create(model="gpt", messages=USER)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_prompt_beyond_the_context(client: openai.OpenAI) -> None:
    long = [{"role": "user", "content": "x" * 250}]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="250 tokens: the model's context holds 200"):
            client.chat.completions.create(model="echo", messages=long, stream=stream)


def test_default_length_shrinks_to_fit_but_a_chosen_one_does_not(client: openai.OpenAI) -> None:
    close = [{"role": "user", "content": "x" * 190}]
    answer = client.chat.completions.create(model="echo", messages=close)
    assert answer.usage is not None and answer.usage.completion_tokens == 10
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="echo", messages=close, max_tokens=20)


def test_error_in_mid_stream(client: openai.OpenAI, http: httpx.Client) -> None:
    broken = [{"role": "user", "content": "ab☠cd"}]
    pieces = []
    with pytest.raises(openai.APIError, match="the engine broke"):
        for chunk in client.chat.completions.create(model="echo", messages=broken, stream=True):
            pieces.append(chunk.choices[0].delta.content)
    assert "".join(pieces) == "ab☠"
    text = http.post("/chat/completions", json=ask(messages=broken, stream=True)).text
    assert "[DONE]" not in text
    with pytest.raises(openai.InternalServerError, match="the engine broke") as caught:
        client.chat.completions.create(model="echo", messages=broken)
    assert caught.value.status_code == 503


def test_bug_in_the_engine_is_a_500_without_its_details(http: httpx.Client) -> None:
    response = http.post("/completions", json={"model": "echo", "prompt": "bug"})
    assert response.status_code == 500
    assert response.json()["error"]["type"] == "server_error"
    assert "ZeroDivisionError" not in response.text


def test_full_queue_is_a_429(http: httpx.Client) -> None:
    def post(_: int) -> httpx.Response:
        return http.post("/completions", json={"model": "slow", "prompt": "x", "ignore_eos": True, "max_tokens": 50})

    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(post, range(8)))
    statuses = sorted(response.status_code for response in responses)
    assert set(statuses) == {200, 429}
    refused = next(response for response in responses if response.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize("stream", [True, False])
def test_disconnect_stops_the_generation(http: httpx.Client, log: Path, stream: bool) -> None:
    before = set(log.glob("closed-*"))
    body = {"model": "slow", "prompt": "x", "ignore_eos": True, "max_tokens": 100, "stream": stream}
    if stream:
        with http.stream("POST", "/completions", json=body) as response:
            next(response.iter_lines())
    else:
        with pytest.raises(httpx.ReadTimeout):
            http.post("/completions", json=body, timeout=0.4)
    deadline = time.monotonic() + 1.0  # the whole answer takes 2 s
    while set(log.glob("closed-*")) == before:
        assert time.monotonic() < deadline, "the engine still generates"
        time.sleep(0.01)


def test_dead_replica_is_a_503_and_is_replaced(http: httpx.Client) -> None:
    body = {"model": "echo", "prompt": "exit"}
    response = http.post("/completions", json=body)
    assert response.status_code == 503, response.text
    assert response.headers["retry-after"] == "1"
    assert response.json()["error"]["code"] == "model_unavailable"
    assert http.post("/completions", json=body | {"prompt": "x"}).status_code == 200


def test_metrics_are_exported(http: httpx.Client) -> None:
    import ray

    http.post("/completions", json={"model": "echo", "prompt": "ab", "stream": True})
    wanted = [
        'ray_danlu_gateway_requests_total{.*code="200".*model="echo".*route="/completions"',
        'ray_danlu_gateway_requests_total{.*code="404".*model="none".*route="none"',
        'ray_danlu_gateway_requests_total{.*code="499".*model="slow"',
        'ray_danlu_gateway_tokens_total{.*kind="completion".*model="echo"',
        'ray_danlu_gateway_time_to_first_token_seconds_bucket{.*model="echo"',
        'ray_danlu_gateway_request_seconds_count{.*model="echo".*route="/chat/completions"',
        'ray_danlu_engine_running_requests{.*model="slow"',
        'ray_danlu_engine_waiting_requests{.*model="slow"',
    ]
    node = ray.nodes()[0]
    deadline = time.monotonic() + 30  # Ray's agent collects every 10 s
    while True:
        text = httpx.get(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics").text
        missing = [pattern for pattern in wanted if not re.search(pattern, text)]
        if not missing:
            break
        assert time.monotonic() < deadline, missing
        time.sleep(0.5)
