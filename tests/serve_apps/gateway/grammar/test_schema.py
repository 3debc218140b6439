"""Which JSON schemas are held, and what fits them: compared with the jsonschema library."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.errors import InputError
from serve_apps.gateway.grammar.checking import fits, text_fits
from serve_apps.gateway.grammar.schema import MAX_DEPTH, parse_schema

LEAVES = st.one_of(
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "string", "minLength": 1, "maxLength": 3},
            {"type": "string", "pattern": "^a+b?$"},
            {"type": "integer"},
            {"type": "integer", "minimum": -3, "exclusiveMaximum": 12},
            {"type": "number", "minimum": 0, "maximum": 2},
            {"type": "boolean"},
            {"type": "null"},
            {"type": ["integer", "null"]},
            {"enum": [1, "x", None, [1], {"a": True}]},
            {"const": 1},
            {"type": "object"},
            {},
        ]
    )
)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    bounds = st.sampled_from([{}, {"minItems": 1}, {"maxItems": 2}, {"minItems": 1, "maxItems": 3}])
    names = st.dictionaries(st.sampled_from(["a", "b", "键"]), inner, max_size=3)
    arrays = st.builds(lambda items, more: {"type": "array", "items": items, **more}, inner, bounds)
    tuples = st.builds(
        lambda first, rest: {"type": "array", "prefixItems": first, "items": rest}, st.lists(inner, max_size=2), inner
    )
    objects = st.builds(
        lambda properties, count, others: {
            "type": "object",
            "properties": properties,
            "required": list(properties)[:count],
            "additionalProperties": others,
        },
        names,
        st.integers(0, 3),
        st.booleans() | inner,
    )
    unions = st.builds(
        lambda key, options: {key: options},
        st.sampled_from(["anyOf", "oneOf"]),
        st.lists(inner, min_size=1, max_size=3),
    )
    return arrays | tuples | objects | unions


SCHEMAS = st.recursive(LEAVES, _larger, max_leaves=6)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 15)
    | st.floats(-3, 3)
    | st.sampled_from(["", "x", "ab", "aab", "abcd"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "键", "c"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, VALUES)
def test_what_fits_is_what_the_jsonschema_library_says(schema: Any, value: Any) -> None:
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert fits(value, parse_schema(schema)) == expected


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


NODE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    "required": ["value", "next"],
}
HOSTILE = [
    (deep(MAX_DEPTH + 1), "nested more than 32"),
    (deep(600), "nested more than 32|bytes"),
    ({"enum": [f"v{i}" for i in range(1001)]}, "more than 1000 values"),
    ({"enum": ["x" * 70_000]}, "bytes"),
    ({"type": "object", "properties": {f"p{i}": {} for i in range(2001)}}, "more than 2000 parts"),
    ({"$ref": "#"}, "leads back to itself|complete"),
    ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "complete"),
    ({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]}}, "$ref": "#/$defs/a"}, "back to itself"),
    ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "complete"),
    ({"$ref": "http://example.com/schema.json"}, "only references into the schema itself"),
    ({"$ref": "file:///etc/passwd"}, "only references into the schema itself"),
    ({"$ref": "#/$defs/missing"}, "no such place"),
    ({"$ref": 3}, "only references"),
    ({"type": "strange"}, "known are object"),
    ({"type": ["string", 3]}, "known are object"),
    ({"foo": 1}, "keyword 'foo' is not available"),
    ({"type": "string", "contentEncoding": "base64"}, "keyword 'contentEncoding'"),
    ({"not": {"type": "string"}}, "keyword 'not'"),
    ({"if": {}, "then": {}}, "keyword 'if'"),
    ({"allOf": [{"type": "string"}, {"minLength": 3}]}, "allOf of several"),
    ({"anyOf": [{"type": "string"}], "minLength": 3}, "beside anyOf"),
    ({"type": "string", "pattern": "(a+)+\\1"}, "can't be held"),
    ({"type": "string", "pattern": "(a{1,100}){1,100}"}, "written out"),
    ({"type": "string", "pattern": "(?=.*[A-Z]).*"}, "look-around"),
    ({"type": "string", "maxLength": 10**9}, "between 0 and 100"),
    ({"type": "object", "properties": {f"p{i}": {"maxLength": 100} for i in range(5)}}, "together"),
    ({"type": "array", "maxItems": 10**6}, "between 0 and 100"),
    ({"type": "array", "minItems": 3, "maxItems": 2}, "minItems is 3 and maxItems is 2"),
    ({"type": "array", "items": False, "minItems": 1}, "only 0 items"),
    ({"type": "integer", "minimum": 5, "maximum": 4}, "no integer from 5 to 4"),
    ({"type": "integer", "multipleOf": 3}, "keyword 'multipleOf'"),
    ({"type": "number", "minimum": 0.5}, "whole numbers"),
    ({"type": "integer", "minimum": -(10**400)}, "whole numbers"),
    ({"type": "string", "format": "regex"}, "format is 'regex'"),
    ({"type": "object", "required": ["a"]}, "properties does not have"),
    ({"type": "object", "properties": []}, "object of schemas"),
    ({"type": "string", "enum": [1]}, "none of the values"),
    ({"enum": []}, "at least one value"),
    ({"enum": 3}, "list of values"),
    ({"const": "a\0"}, r"U\+0000"),
    ({"enum": ["a", ["\\", {"\0": 1}]]}, r"U\+0000"),
    ({"type": "object", "properties": {"\0": {}}}, r"U\+0000"),
    ({"type": "string", "pattern": "\\u0000"}, r"U\+0000"),
    (deep(40), r"JSON schema at #/items/items.{40,60}\.\.\..{40,60}/items: "),
    ({"const": float("nan")}, "NaN"),
    ({"const": "\ud800"}, "surrogate"),
    (False, "allows nothing"),
    ([], "a schema is an object"),
    ("string", "a schema is an object"),
]


@pytest.mark.parametrize(("schema", "rule"), HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_schemas_are_refused_quickly(schema: Any, rule: str) -> None:
    began = time.process_time()
    with pytest.raises(InputError, match=rule):
        parse_schema(schema)
    assert time.process_time() - began < 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "anyOf", "items", "properties", "$ref", "enum", "required", "pattern", "minimum"]
                )
                | st.text(max_size=3),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
def test_any_json_is_a_schema_or_refused(schema: Any) -> None:
    with suppress(InputError):
        parse_schema(schema)


def test_the_six_characters_of_an_escape_are_a_value() -> None:
    assert text_fits(json.dumps("\\u0000"), parse_schema({"const": "\\u0000"}))


def test_a_recursive_schema_is_followed() -> None:
    schema = parse_schema({"$defs": {"node": NODE}, "$ref": "#/$defs/node"})
    assert text_fits('{"value": 1, "next": {"value": 2, "next": null}}', schema)
    assert not text_fits('{"value": 1, "next": {"value": 2}}', schema)


def test_what_pydantic_writes_is_held() -> None:
    from enum import Enum

    from pydantic import BaseModel, Field

    class Kind(Enum):
        A = "a"
        B = "b"

    class Inner(BaseModel):
        kind: Kind
        tags: list[str] = Field(default=[], max_length=4)

    class Outer(BaseModel):
        """An answer."""

        name: str | None = Field(description="who")
        inner: Inner
        scores: dict[str, int]
        pair: tuple[int, bool]
        rating: float = Field(ge=0, le=5)

    schema = parse_schema(Outer.model_json_schema())
    good = Outer(name=None, inner=Inner(kind=Kind.A), scores={"x": 1}, pair=(1, True), rating=3.5)
    assert text_fits(good.model_dump_json(), schema)
    assert not text_fits(good.model_dump_json().replace('"a"', '"c"'), schema)


def test_broken_json_does_not_fit() -> None:
    schema = parse_schema({})
    for text in ("", "{", "nothing", "[" * 100_000, '{"a": 1'):
        assert not text_fits(text, schema)


def test_options_that_refer_to_each_other_are_gone_through_once() -> None:
    """Without that, two to the power of the value's depth."""
    branch = {"type": "array", "items": {"$ref": "#/$defs/a"}, "maxItems": 1}
    schema = parse_schema({"$defs": {"a": {"oneOf": [branch, branch, {"type": "null"}]}}, "$ref": "#/$defs/a"})
    assert text_fits("null", schema)
    assert not text_fits("[" * 60 + "1" + "]" * 60, schema)
