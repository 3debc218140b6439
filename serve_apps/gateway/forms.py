"""The form that an answer is held to: a grammar for the engine, and the check of what came out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.engines.protocol import Tool
from danlu.errors import InputError
from serve_apps.gateway.grammar.checking import text_fits
from serve_apps.gateway.grammar.ebnf import regex_grammar, schema_grammar, union_grammar
from serve_apps.gateway.grammar.nodes import AnyObject, Schema
from serve_apps.gateway.grammar.pattern import parse_pattern
from serve_apps.gateway.grammar.schema import parse_schema

CALL_BEGIN, CALL_END = "<tool_call>", "</tool_call>"


@dataclass(frozen=True)
class Form:
    """What an answer must look like.

    Args:
        grammar: EBNF for the engine.
        holds: whether an answer that has ended by itself has the form.
    """

    grammar: str
    holds: Callable[[str], bool]


def response_form(response_format: Mapping[str, Any]) -> Form | None:
    """The form of a `response_format`; None for plain text.

    Raises:
        InputError: its schema or pattern can't be held.
    """
    kind = response_format["type"]
    if kind == "text":
        return None
    if kind == "regex":
        pattern = parse_pattern(response_format["pattern"])
        return Form(regex_grammar(pattern.regex), pattern.fits_whole)
    schema = Schema(AnyObject())
    if kind == "json_schema":
        given = response_format["json_schema"].get("schema")
        schema = schema if given is None else parse_schema(given)
    return Form(schema_grammar(schema), lambda text: text_fits(text, schema))


def call_form(tools: Sequence[Tool]) -> Form:
    """The form of one call of one of some tools, as Qwen3 and others write it.

    Raises:
        InputError: the parameters of a tool can't be held.
    """
    schemas = {tool["function"]["name"]: parameters_schema(tool) for tool in tools}
    options = [
        (f'{CALL_BEGIN}\n{{"name": {json.dumps(name)}, "arguments": ', schema, f"}}\n{CALL_END}")
        for name, schema in schemas.items()
    ]

    def holds(text: str) -> bool:
        return any(
            text.startswith(before)
            and text.endswith(after)
            and text_fits(text[len(before) : len(text) - len(after)], schema)
            for before, schema, after in options
        )

    return Form(union_grammar(options), holds)


def parameters_schema(tool: Tool) -> Schema:
    """The schema of a tool's arguments, which are an object."""
    function = tool["function"]
    parameters = function.get("parameters")
    if parameters is None:
        return Schema(AnyObject())
    if parameters.get("type", "object") != "object":
        raise InputError(f"parameters of {function['name']}", rule="their type has to be object")
    return parse_schema({"type": "object", **parameters})
