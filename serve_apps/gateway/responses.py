"""What the gateway answers: OpenAI's JSON objects, built from engine pieces. Plain data, no I/O."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from actors.engines.protocol import Completion, Delta

if TYPE_CHECKING:
    import numpy as np

DONE = "data: [DONE]\n\n"


def event(body: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(body, ensure_ascii=False, separators=(',', ':'))}\n\n"


def model_object(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "danlu"}


def model_list(names: Sequence[str], created: int) -> dict[str, Any]:
    return {"object": "list", "data": [model_object(name, created) for name in names]}


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def embedding_list(
    model: str, vectors: np.ndarray, tokens: int, encoding: Literal["float", "base64"]
) -> dict[str, Any]:
    """The body for embeddings; `vectors`: (n_texts, dim) float32."""
    rows = [
        base64.b64encode(v.astype("<f4").tobytes()).decode() if encoding == "base64" else v.tolist() for v in vectors
    ]
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(rows)],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


@dataclass(frozen=True)
class Answer:
    """The frame around one answer: everything in it but the text.

    Args:
        kind: `chat` for /chat/completions, `text` for /completions.
    """

    kind: Literal["chat", "text"]
    model: str
    id: str = field(default_factory=lambda: uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, completion: Completion) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        if self.kind == "chat":
            content: dict[str, Any] = {"message": {"role": "assistant", "content": completion.text, "refusal": None}}
        else:
            content = {"text": completion.text}
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": completion.finish_reason}
        body = self._frame("chat.completion", [choice])
        return {**body, "usage": usage(completion.prompt_tokens, completion.completion_tokens)}

    def opening(self) -> dict[str, Any]:
        """A chat stream's first chunk, which says who speaks."""
        return self._chunk({"delta": {"role": "assistant", "content": ""}}, None)

    def chunk(self, delta: Delta) -> dict[str, Any]:
        """A piece of the answer; the last piece carries the finish reason."""
        if self.kind == "chat":
            return self._chunk({"delta": {"content": delta.text} if delta.text else {}}, delta.finish_reason)
        return self._chunk({"text": delta.text}, delta.finish_reason)

    def closing(self, last: Delta) -> dict[str, Any]:
        """The chunk after the last one, which counts the tokens."""
        body = self._frame("chat.completion.chunk", [])
        return {**body, "usage": usage(last.prompt_tokens, last.completion_tokens)}

    def _chunk(self, content: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": finish_reason}
        return self._frame("chat.completion.chunk", [choice])

    def _frame(self, chat_object: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        prefix, kind = ("chatcmpl", chat_object) if self.kind == "chat" else ("cmpl", "text_completion")
        return {
            "id": f"{prefix}-{self.id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }
