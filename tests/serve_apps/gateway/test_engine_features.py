"""What real engines can do, asked for through the gateway with OpenAI's own client."""

from __future__ import annotations

import json
import math
import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel, Field
from starlette.testclient import TestClient

from actors.engines.openvino_engine import OpenVinoEngine
from actors.engines.transformers_engine import TransformersEngine

TINY = runpy.run_path(str(Path(__file__).parents[2] / "actors" / "engines" / "tiny_models.py"))
USER = [{"role": "user", "content": "云杉银行"}]
# As Qwen3's: the tools, the calls of the assistant, and what the tools gave.
TOOL_TEMPLATE = """{% if tools %}<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif %}{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}{% if message.tool_calls %}{% for call in message.tool_calls %}<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["北京", "上海"]}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": NO_ARGUMENTS}}


@pytest.fixture(scope="module")
def http(gateway: Callable[..., TestClient], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A gateway before `openvino` and `transformers` (a template with tools) and `plain` (a template without)."""
    folder = TINY["write_checkpoint"](
        tmp_path_factory.mktemp("model"), tie_word_embeddings=True, max_position_embeddings=1024
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DANLU_CACHE", str(tmp_path_factory.mktemp("cache")))
        plain = TransformersEngine(folder)
        (folder / "chat_template.jinja").write_text(TOOL_TEMPLATE)
        openvino = OpenVinoEngine(folder, precision="fp32", threads=1)
        yield gateway(openvino=openvino, transformers=TransformersEngine(folder), plain=plain)


@pytest.fixture(scope="module")
def client(http: TestClient) -> openai.OpenAI:
    return openai.OpenAI(base_url="http://gateway", api_key="unused", http_client=http, max_retries=0)


def ask(client: openai.OpenAI, model: str = "openvino", **fields: Any) -> Any:
    values = {"seed": 3, "max_tokens": 300, **fields}
    return client.chat.completions.create(model=model, messages=USER, **values)


class Order(BaseModel):
    """What somebody wants."""

    item: Literal["卡", "套餐"]
    count: int = Field(ge=1, le=20)
    urgent: bool
    note: str | None = Field(max_length=5)


def test_a_pydantic_class_as_response_format(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(
        model="openvino", messages=USER, response_format=Order, seed=3, max_tokens=300
    )
    order = answer.choices[0].message.parsed
    assert isinstance(order, Order) and 1 <= order.count <= 20
    assert answer.choices[0].finish_reason == "stop"


def test_each_choice_has_the_form(client: openai.OpenAI) -> None:
    schema = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "minItems": 2, "maxItems": 2}
    form = {"type": "json_schema", "json_schema": {"name": "pair", "schema": schema}}
    answer = ask(client, response_format=form, n=4)
    pairs = [tuple(json.loads(choice.message.content)) for choice in answer.choices]
    assert all(len(pair) == 2 and all(0 <= number <= 99 for number in pair) for pair in pairs)
    assert len(set(pairs)) > 1, "choices have seeds of their own"
    again = ask(client, response_format=form, n=4)
    assert [choice.message.content for choice in again.choices] == [choice.message.content for choice in answer.choices]
    assert ask(client, response_format=form).choices[0].message.content == answer.choices[0].message.content


def test_a_json_object_that_runs_into_max_tokens_says_so(client: openai.OpenAI) -> None:
    choice = ask(client, response_format={"type": "json_object"}, max_tokens=3).choices[0]
    assert choice.finish_reason == "length"


def test_a_regular_expression(client: openai.OpenAI) -> None:
    form = {"response_format": {"type": "regex", "pattern": r"\d{3}-(foo|云)+"}}
    text = ask(client, extra_body=form).choices[0].message.content
    assert re.fullmatch(r"\d{3}-(foo|云)+", text)
    pieces = client.completions.create(model="openvino", prompt="云", stream=True, seed=1, extra_body=form)
    assert re.fullmatch(r"\d{3}-(foo|云)+", "".join(piece.choices[0].text for piece in pieces))


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_forced_call(client: openai.OpenAI, choice: Any) -> None:
    message = ask(client, tools=[WEATHER], tool_choice=choice).choices[0]
    assert (message.finish_reason, message.message.content) == ("tool_calls", None)
    (call,) = message.message.tool_calls
    arguments = json.loads(call.function.arguments)
    assert call.function.name == "weather"
    assert arguments["city"] in ("北京", "上海") and 1 <= arguments["days"] <= 7


def test_a_forced_call_of_one_of_several_streamed(client: openai.OpenAI) -> None:
    names = set()
    for seed in range(8):
        asked = {"tools": [WEATHER, CLOCK], "tool_choice": "required", "seed": seed, "max_tokens": 300}
        with client.chat.completions.stream(model="openvino", messages=USER, temperature=2.0, **asked) as stream:
            final = stream.get_final_completion().choices[0]
        assert final.finish_reason == "tool_calls"
        names.add(final.message.tool_calls[0].function.name)
    assert names == {"weather", "clock"}


def test_what_a_tool_gave_goes_back_through_the_template(client: openai.OpenAI) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "北京"}'}}
    turns = [
        *USER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "晴"},
    ]
    bare = ask(client, max_tokens=1).usage.prompt_tokens
    for model in ("openvino", "transformers"):
        answer = client.chat.completions.create(model=model, messages=turns, tools=[WEATHER], max_tokens=1)
        assert answer.usage.prompt_tokens > bare + 50


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [WEATHER]},
        {"messages": [*USER, {"role": "tool", "tool_call_id": "x", "content": "晴"}]},
    ],
)
def test_a_template_without_tools_refuses_them_by_name(client: openai.OpenAI, fields: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError, match="chat template has no place for"):
        client.chat.completions.create(**{"model": "plain", "messages": USER, **fields})


def test_log_probabilities_of_a_chat(client: openai.OpenAI) -> None:
    answer = ask(client, "transformers", logprobs=True, top_logprobs=4, max_tokens=6, temperature=0).choices[0]
    content = answer.logprobs.content
    assert len(content) == 6
    for entry in content:
        assert len(entry.top_logprobs) == 4
        assert entry.logprob == entry.top_logprobs[0].logprob, "greedy takes the likeliest"
        assert sum(math.exp(other.logprob) for other in entry.top_logprobs) <= 1.0001
    spelled = bytes(byte for entry in content for byte in entry.bytes)
    assert spelled.decode(errors="replace") == answer.message.content


def test_log_probabilities_of_both_engines_agree(client: openai.OpenAI) -> None:
    found = []
    for model in ("openvino", "transformers"):
        chunks = client.chat.completions.create(
            model=model, messages=USER, logprobs=True, max_tokens=20, temperature=0, stream=True
        )
        told = [c.choices[0].logprobs for c in chunks if c.choices[0].logprobs]
        found.append([entry.logprob for logprobs in told for entry in logprobs.content])
    assert len(found[0]) == 20
    assert found[0] == pytest.approx(found[1], abs=1e-3)


def test_log_probabilities_of_a_completion(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="transformers", prompt="云杉", logprobs=2, max_tokens=8, temperature=0)
    logprobs = answer.choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.text_offset) == 8
    assert all(1 <= len(top) <= 2 for top in logprobs.top_logprobs)
    assert logprobs.text_offset[0] == 0 and logprobs.text_offset == sorted(logprobs.text_offset)


@pytest.mark.parametrize(
    ("model", "fields", "name"),
    [
        ("openvino", {"logprobs": True, "top_logprobs": 2}, "top_logprobs"),
        ("transformers", {"response_format": {"type": "json_object"}}, "response_format"),
        ("transformers", {"tools": [WEATHER], "tool_choice": "required"}, "tool_choice"),
    ],
)
def test_what_an_engine_lacks_is_refused_by_name(client: openai.OpenAI, model: str, fields: Any, name: str) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match=name):
            ask(client, model, stream=stream, **fields)


def test_penalties_and_min_p_are_taken(client: openai.OpenAI) -> None:
    for model in ("openvino", "transformers"):
        plain = ask(client, model, temperature=0, max_tokens=40).choices[0].message.content
        fields = {"temperature": 0, "max_tokens": 40, "frequency_penalty": 2.0, "presence_penalty": 1.0}
        assert ask(client, model, **fields).choices[0].message.content != plain
        extra = {"extra_body": {"min_p": 1.0}, "temperature": 1.0, "max_tokens": 40}
        assert ask(client, model, **extra).choices[0].message.content == plain, "min_p of 1 keeps the likeliest only"


def test_prompts_that_do_not_fit(client: openai.OpenAI) -> None:
    for model in ("openvino", "transformers"):
        with pytest.raises(openai.BadRequestError, match="context holds 1024"):
            client.completions.create(model=model, prompt="龘" * 2000)
        with pytest.raises(openai.BadRequestError, match="prompt is empty"):
            client.completions.create(model=model, prompt="")
