"""What the grammars make of a random network's choices: everything that ends fits, and every value can come."""

from __future__ import annotations

import asyncio
import json
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.engines.openvino_engine import OpenVinoEngine
from actors.engines.protocol import GenerationRequest, SamplingParams
from serve_apps.gateway.grammar.checking import text_fits
from serve_apps.gateway.grammar.ebnf import regex_grammar, schema_grammar
from serve_apps.gateway.grammar.pattern import parse_pattern
from serve_apps.gateway.grammar.schema import parse_schema

TINY = runpy.run_path(str(Path(__file__).parents[3] / "actors" / "engines" / "tiny_models.py"))
Draw = Callable[..., list[tuple[str, str]]]


@pytest.fixture(scope="module")
def draw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Draw]:
    """draw(grammar, count): (text, finish reason) of so many answers, drawn from a nearly flat distribution."""
    folder = TINY["write_checkpoint"](tmp_path_factory.mktemp("model"), tie_word_embeddings=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DANLU_CACHE", str(tmp_path_factory.mktemp("cache")))
        loop = asyncio.new_event_loop()
        engine = OpenVinoEngine(folder, precision="fp32", threads=1)
        loop.run_until_complete(engine.start())

        async def one(grammar: str, seed: int, temperature: float) -> tuple[str, str]:
            sampling = SamplingParams(max_tokens=150, temperature=temperature, seed=seed, grammar=grammar)
            deltas = [d async for d in engine.generate(GenerationRequest(f"{seed}", "云", sampling))]
            return "".join(d.text for d in deltas), str(deltas[-1].finish_reason)

        async def many(grammar: str, count: int, temperature: float) -> list[tuple[str, str]]:
            return list(await asyncio.gather(*(one(grammar, seed, temperature) for seed in range(count))))

        yield lambda grammar, count=24, temperature=3.0: loop.run_until_complete(many(grammar, count, temperature))
        loop.run_until_complete(engine.shutdown())
        loop.close()


NODE = {
    "type": "object",
    "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}},
    "required": ["v", "next"],
    "additionalProperties": False,
}
SCHEMAS = [
    {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", "云", 1, None]}},
        "required": ["b"],
    },
    {"type": "object"},
    {"type": "object", "additionalProperties": {"type": "integer", "minimum": -3, "maximum": 7}},
    {"type": "object", "additionalProperties": False},
    {"type": "object", "properties": {name: {"type": "null"} for name in "abc"}},
    {"type": "array", "items": {"type": "string", "maxLength": 3}, "minItems": 2, "maxItems": 3},
    {"type": "array", "prefixItems": [{"type": "null"}, {"type": "boolean"}], "minItems": 1, "items": False},
    {"type": "array", "prefixItems": [{"type": "null"}], "minItems": 2, "items": {"const": 5}, "maxItems": 4},
    {"type": "array", "maxItems": 0},
    {"type": "array", "items": {}, "maxItems": 1},
    {"type": "integer", "minimum": -17, "maximum": 103},
    {"type": "integer", "exclusiveMinimum": 95, "maximum": 1203},
    {"type": "integer", "maximum": -995},
    {"type": "number", "minimum": -2, "maximum": 3},
    {"type": "number", "maximum": -4},
    {"type": "number"},
    {"type": ["string", "null"], "minLength": 1, "maxLength": 2},
    {"type": "string", "pattern": '^[a-c]{2,3}(x|"\\\\|\\n)$'},
    {"type": "string", "pattern": "[^a]\\s.\\D"},
    *({"type": "string", "format": name} for name in ("date", "time", "date-time", "uuid", "ipv4")),
    {"$defs": {"n": NODE}, "$ref": "#/$defs/n"},
    {"type": "array", "items": {"type": "string", "format": "email"}, "maxItems": 1},
    {"const": {"a": [1, 'é"\\\n\u007f😀']}},
    {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "null"}, "maxItems": 2}]},
    {},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:50])
def test_every_answer_that_ends_fits(draw: Draw, schema: Any) -> None:
    parsed = parse_schema(schema)
    ended = [text for text, reason in draw(schema_grammar(parsed)) if reason == "stop"]
    assert ended
    for text in ended:
        assert text_fits(text, parsed), text


@pytest.mark.parametrize(
    ("schema", "values"),
    [
        ({"type": "integer", "minimum": 0, "maximum": 12}, set(range(13))),
        ({"type": "integer", "minimum": -11, "maximum": 2}, set(range(-11, 3))),
        ({"enum": [True, None, 7, "中"]}, {True, None, 7, "中"}),
    ],
)
def test_every_value_can_come(draw: Draw, schema: Any, values: set[Any]) -> None:
    texts = draw(schema_grammar(parse_schema(schema)), count=400, temperature=20.0)
    assert {json.loads(text) for text, reason in texts if reason == "stop"} >= values


@pytest.mark.parametrize(
    "pattern", [r"\d{3}-(foo|bar)", "(a|aa)*", r"[^\n]{1,3}", r"\u4e91?[😀-😂]{2}", r"[-a\]^]{4}", "", "a{2,}b*?"]
)
def test_every_text_of_a_pattern_fits(draw: Draw, pattern: str) -> None:
    parsed = parse_pattern(pattern)
    ended = [text for text, reason in draw(regex_grammar(parsed.regex)) if reason == "stop"]
    assert ended
    assert all(parsed.fits_whole(text) for text in ended)


@pytest.mark.parametrize("limits", [{}, {"maxLength": 30}, {"pattern": "^[^a]*$"}])
def test_strings_hold_characters_only(draw: Draw, limits: dict[str, Any]) -> None:
    """Sets that xgrammar compiles for itself let bytes through that are no UTF-8."""
    texts = draw(schema_grammar(parse_schema({"type": "string", **limits})), count=150, temperature=9.0)
    assert not any("\ufffd" in text for text, reason in texts if reason == "stop")


def test_what_comes_before_and_after_is_written_as_it_is(draw: Draw) -> None:
    grammar = schema_grammar(parse_schema({"type": "boolean"}), '<call>\n"é\\', "</call>")
    assert {text for text, _ in draw(grammar)} == {'<call>\n"é\\true</call>', '<call>\n"é\\false</call>'}
