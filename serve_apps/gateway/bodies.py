"""What the gateway's answers hold, for its OpenAPI document. The answers themselves are made in responses.py."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FinishReason = Literal["stop", "length", "tool_calls"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorDetail(_Body):
    """What is wrong, which field it is about, and a code where programs tell errors apart."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(_Body):
    """An answer other than 2xx."""

    error: ErrorDetail


class ModelObject(_Body):
    """A served model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(_Body):
    """All served models."""

    object: Literal["list"]
    data: list[ModelObject]


class Usage(_Body):
    """Tokens read and made."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class TokenObject(_Body):
    """A token, its natural log probability, and its bytes (which may be a part of a character)."""

    token: str
    logprob: float
    bytes: list[int]


class ScoredToken(TokenObject):
    """A token of the answer beside the likeliest ones at its place."""

    top_logprobs: list[TokenObject]


class ChatLogprobs(_Body):
    """Log probabilities of the answer's tokens."""

    content: list[ScoredToken]
    refusal: None


class CalledFunction(_Body):
    """A function and the text of its arguments, a JSON object."""

    name: str
    arguments: str


class ToolCallObject(_Body):
    """A call of a function."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class AssistantMessage(_Body):
    """What the assistant says; `content` is null beside calls without text."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    tool_calls: list[ToolCallObject] | None = Field(default=None)


class ChatChoice(_Body):
    """One of the answers."""

    index: int
    message: AssistantMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class ChatCompletion(_Body):
    """An answer of /chat/completions that is not streamed."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage


class TextLogprobs(_Body):
    """Log probabilities of the answer's tokens, in columns."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class TextChoice(_Body):
    """One of the answers."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: FinishReason


class TextCompletion(_Body):
    """An answer of /completions that is not streamed."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage


class EmbeddingObject(_Body):
    """The vector of one text: numbers, or base64 of little-endian float32."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(_Body):
    """Tokens read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(_Body):
    """An answer of /embeddings."""

    object: Literal["list"]
    data: list[EmbeddingObject]
    model: str
    usage: EmbeddingUsage


_STATUSES = {
    400: "The request is wrong; the message names the field.",
    401: "No API key, or an unknown one (only where keys are in use).",
    404: "No such model, or none for this route; the message says which there are, or which route to ask.",
    408: "The body took too long to arrive.",
    413: "The body is too large.",
    429: "Too many requests; Retry-After says when to try again.",
    500: "The server failed, or an answer that ended did not have its form (code invalid_output).",
    503: "The model is not available; Retry-After says when to try again.",
    504: "The answer was not whole at its deadline.",
}
READ = (401, 404)
ASK = tuple(_STATUSES)


def answers(body: type[BaseModel], *statuses: int, streamed: bool = False) -> dict[int | str, dict[str, Any]]:
    """FastAPI's `responses` of a route."""
    found: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorBody, "description": _STATUSES[status]} for status in statuses
    }
    found[200] = {"model": body, "description": "The answer"}
    if streamed:
        data = "a chunk as JSON; at the end `[DONE]`, or the JSON of an error where the answer broke off"
        schema = {
            "type": "object",
            "required": ["data"],
            "properties": {"data": {"type": "string", "description": data}},
        }
        found[200]["content"] = {"text/event-stream": {"schema": schema}}
        found[200]["description"] = "The answer, or with stream=true its pieces as server-sent events"
    return found
