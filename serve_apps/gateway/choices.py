"""One choice of an answer as OpenAI shapes it, whole or piece by piece: text, calls of tools, log probabilities."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from actors.engines.protocol import Completion, Delta, TokenLogprob
from serve_apps.gateway.errors import misshapen
from serve_apps.gateway.forms import Form
from serve_apps.gateway.grammar.nodes import Schema
from serve_apps.gateway.tool_calls import CallReader, Piece, ToolCall


@dataclass(frozen=True)
class CallRules:
    """Which calls of tools are told from text.

    Args:
        tools: name -> what its arguments have to fit, or None where they are not checked.
        one: only the first call is kept.
    """

    tools: Mapping[str, Schema | None]
    one: bool = False


class Choice:
    """Turns what an engine gives into a choice. `whole` or `pieces` is used, not both.

    Args:
        kind: `chat` for /chat/completions, `text` for /completions.
        form: what an answer that ends by itself must look like.
        calls: None leaves calls of tools in the text.
    """

    def __init__(
        self,
        kind: Literal["chat", "text"],
        index: int,
        form: Form | None = None,
        calls: CallRules | None = None,
    ) -> None:
        self._kind = kind
        self._index = index
        self._form = form
        self._rules = calls
        self._reader = CallReader(calls.tools) if calls is not None else None
        self._written: list[str] = []  # for the check of the form
        self._begun = False
        self._calls = 0
        self._offsets = _Offsets()

    def whole(self, completion: Completion) -> dict[str, Any]:
        """The choice of an answer that is not streamed. Raises ApiError when it does not have its form."""
        self._check(completion.text, completion.finish_reason)
        pieces = list(self._read(completion.text, finished=True))
        text = "".join(piece for piece in pieces if isinstance(piece, str))
        calls = [piece for piece in pieces if isinstance(piece, ToolCall)]
        if self._kind == "chat":
            message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
            if calls:
                message |= {"content": text or None, "tool_calls": [_call(call) for call in calls]}
            content: dict[str, Any] = {"message": message}
        else:
            content = {"text": text}
        return self._choice(content, self._reason(completion.finish_reason), completion.logprobs)

    def pieces(self, delta: Delta) -> Iterator[dict[str, Any]]:
        """The choices of the chunks that a delta becomes. Raises ApiError when the end does not have its form."""
        finished = delta.finish_reason is not None
        if self._form is not None:
            self._written.append(delta.text)
            if finished:
                self._check("".join(self._written), delta.finish_reason)
        if not self._begun and self._kind == "chat":
            yield self._choice({"delta": {"role": "assistant", "content": ""}}, None)
        self._begun = True
        contents = [self._content(piece) for piece in self._read(delta.text, finished)]
        if not contents and (finished or delta.logprobs):
            contents = [{"delta": {}} if self._kind == "chat" else {"text": ""}]
        for place, content in enumerate(contents):
            last = place == len(contents) - 1
            yield self._choice(
                content,
                self._reason(delta.finish_reason) if last else None,
                delta.logprobs if place == 0 else (),
            )

    def _check(self, text: str, reason: str | None) -> None:
        if self._form is not None and reason == "stop" and not self._form.holds(text):
            raise misshapen()

    def _read(self, text: str, finished: bool) -> Iterator[Piece]:
        if self._reader is None:
            yield from [text] if text else []
            return
        assert self._rules is not None
        for piece in (*self._reader.push(text), *(self._reader.finish() if finished else ())):
            if isinstance(piece, str):
                yield piece
            elif not (self._rules.one and self._calls):
                self._calls += 1
                yield piece

    def _content(self, piece: Piece) -> dict[str, Any]:
        if isinstance(piece, ToolCall):
            return {"delta": {"tool_calls": [{"index": self._calls - 1, **_call(piece)}]}}
        return {"delta": {"content": piece}} if self._kind == "chat" else {"text": piece}

    def _reason(self, reason: str | None) -> str | None:
        return "tool_calls" if reason == "stop" and self._calls else reason

    def _choice(
        self, content: dict[str, Any], reason: str | None, logprobs: Sequence[TokenLogprob] = ()
    ) -> dict[str, Any]:
        told: dict[str, Any] | None = None
        if logprobs:
            told = chat_logprobs(logprobs) if self._kind == "chat" else self._offsets.text_logprobs(logprobs)
        return {"index": self._index, **content, "logprobs": told, "finish_reason": reason}


def chat_logprobs(logprobs: Sequence[TokenLogprob]) -> dict[str, Any]:
    """Log probabilities as chat answers have them."""
    content = [
        {
            **_token(entry.token, entry.logprob),
            "top_logprobs": [_token(token, logprob) for token, logprob in entry.top],
        }
        for entry in logprobs
    ]
    return {"content": content, "refusal": None}


class _Offsets:
    """Where tokens begin in the text, in characters."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._at = 0

    def text_logprobs(self, logprobs: Sequence[TokenLogprob]) -> dict[str, Any]:
        """Log probabilities as text completions have them."""
        offsets = []
        for entry in logprobs:
            offsets.append(self._at)
            self._at += len(self._decoder.decode(entry.token))
        return {
            "tokens": [_name(entry.token) for entry in logprobs],
            "token_logprobs": [entry.logprob for entry in logprobs],
            "top_logprobs": [{_name(token): logprob for token, logprob in entry.top} for entry in logprobs],
            "text_offset": offsets,
        }


def _token(token: bytes, logprob: float) -> dict[str, Any]:
    return {"token": _name(token), "logprob": logprob, "bytes": list(token)}


def _name(token: bytes) -> str:
    return token.decode(errors="replace")


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
