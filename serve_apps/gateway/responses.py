"""What the gateway answers: OpenAI's JSON objects, built from engine pieces. Plain data, no I/O."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

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
    """The frame around one answer: everything in it but its choices.

    Args:
        kind: `chat` for /chat/completions, `text` for /completions.
    """

    kind: Literal["chat", "text"]
    model: str
    id: str = field(default_factory=lambda: uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def asked(self) -> str:
        """The field of the request that holds what the model reads."""
        return "messages" if self.kind == "chat" else "prompt"

    def whole(self, choices: list[dict[str, Any]], prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        return {**self._frame("chat.completion", choices), "usage": usage(prompt_tokens, completion_tokens)}

    def chunk(self, choice: dict[str, Any]) -> dict[str, Any]:
        """A piece of the answer."""
        return self._frame("chat.completion.chunk", [choice])

    def closing(self, prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
        """The chunk after the last one, which counts the tokens."""
        return {**self._frame("chat.completion.chunk", []), "usage": usage(prompt_tokens, completion_tokens)}

    def _frame(self, chat_object: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        prefix, kind = ("chatcmpl", chat_object) if self.kind == "chat" else ("cmpl", "text_completion")
        return {
            "id": f"{prefix}-{self.id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }
