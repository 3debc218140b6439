"""Calls of tools in what a model writes: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, as Qwen3 does.

A call goes out once it is whole. What is no call (a tool that nobody offered, broken JSON, arguments that a strict tool
does not take) stays text, so nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from actors.engines.text_stream import held_back
from serve_apps.gateway.forms import CALL_BEGIN, CALL_END
from serve_apps.gateway.grammar.checking import fits
from serve_apps.gateway.grammar.nodes import Schema


@dataclass(frozen=True)
class ToolCall:
    """A call; `arguments` is the text of a JSON object."""

    name: str
    arguments: str
    id: str = field(default_factory=lambda: f"call_{uuid4().hex[:24]}")


Piece = str | ToolCall


class CallReader:
    """Tells calls from text while the answer arrives.

    Args:
        tools: name -> what the arguments have to fit, or None where they are not checked.
    """

    def __init__(self, tools: Mapping[str, Schema | None]) -> None:
        self._tools = tools
        self._text = ""  # not given out yet
        self._inside = False
        self.calls = 0

    def push(self, text: str) -> Iterator[Piece]:
        """The pieces that are certain after more text."""
        self._text += text
        while True:
            mark = CALL_END if self._inside else CALL_BEGIN
            before, found, after = self._text.partition(mark)
            if not found:
                break
            self._text, self._inside = after, not self._inside
            if mark == CALL_BEGIN:
                yield from self._shown(before, before_call=True)
            else:
                yield from self._call(before, CALL_END)
        if not self._inside:
            keep = held_back(self._text, (CALL_BEGIN,))
            certain = self._text[: len(self._text) - keep]
            certain = certain.rstrip()  # white space before a call is no content
            self._text = self._text[len(certain) :]
            yield from self._shown(certain)

    def finish(self) -> Iterator[Piece]:
        """What was held back. A last call need not be closed."""
        rest, self._text = self._text, ""
        if self._inside:
            yield from self._call(rest, "")
        else:
            yield from self._shown(rest, before_call=self.calls > 0)

    def _shown(self, text: str, before_call: bool = False) -> Iterator[Piece]:
        text = text.rstrip() if before_call else text
        if self.calls:  # between calls
            text = text if text.strip() else ""
        if text:
            yield text

    def _call(self, body: str, end: str) -> Iterator[Piece]:
        call = self._parsed(body)
        if call is None:
            yield CALL_BEGIN + body + end
        else:
            self.calls += 1
            yield call

    def _parsed(self, body: str) -> ToolCall | None:
        try:
            call = json.loads(body)
        except (ValueError, RecursionError):
            return None
        if not isinstance(call, dict) or not isinstance(call.get("name"), str) or call["name"] not in self._tools:
            return None
        arguments, schema = call.get("arguments", {}), self._tools[call["name"]]
        if not isinstance(arguments, dict) or (schema is not None and not fits(arguments, schema)):
            return None
        return ToolCall(call["name"], json.dumps(arguments, ensure_ascii=False))
