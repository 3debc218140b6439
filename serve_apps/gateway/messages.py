"""A conversation as clients send it: messages, calls of tools in them, and the tools that are offered."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from actors.engines.protocol import Message
from danlu.errors import InputError

# JSON can spell half a surrogate pair (`"\ud800"`), which is no character and which no tokenizer can read.
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _readable(text: str) -> str:
    if _LONE_SURROGATE.search(text):
        raise ValueError("it holds half a surrogate pair, which is no character")
    return text


Text = Annotated[str, AfterValidator(_readable)]
# The bound stands before the check: behind it, pydantic would count "items" and leave minLength out of the schema.
NonEmptyText = Annotated[str, Field(min_length=1), AfterValidator(_readable)]


class Part(BaseModel):
    """A part of a body. Types are exact, and fields that nobody knows are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class TextPart(Part):
    """`{"type": "text", "text": ...}`; images and sound are refused."""

    type: Literal["text"]
    text: Text


class RefusalPart(Part):
    """`{"type": "refusal", "refusal": ...}`: the assistant's words in an earlier turn, where it refused."""

    type: Literal["refusal"]
    refusal: Text

    @property
    def text(self) -> str:
        return self.refusal


def _kind_of_part(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else getattr(part, "type", None)
    return RefusalPart.__name__ if kind == "refusal" else TextPart.__name__


# Told apart by their type, so that what is wrong in one is not reported as not being the other. The tags are names of
# classes, which errors leave out of a field's place.
ContentPart = Annotated[
    Annotated[TextPart, Tag(TextPart.__name__)] | Annotated[RefusalPart, Tag(RefusalPart.__name__)],
    Discriminator(_kind_of_part),
]


class FunctionCall(Part):
    """A function's name and the text of its arguments, a JSON object."""

    name: str
    arguments: Text

    def plain(self) -> dict[str, Any]:
        """As chat templates take it: the arguments as an object."""
        try:
            arguments = json.loads(self.arguments or "{}")
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            raise InputError("arguments of a tool call", rule="they have to be the text of a JSON object")
        return {"name": self.name, "arguments": arguments}


class MessageToolCall(Part):
    """A call that the assistant has made in an earlier turn."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class ChatMessage(Part):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | list[ContentPart] | None = Field(default=None, description="text; may be missing beside tool_calls")
    tool_calls: list[MessageToolCall] | None = Field(default=None, description="of the assistant")
    tool_call_id: str | None = Field(default=None, description="of role tool: which call this is the result of")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.content is None and not self.tool_calls:
            raise PydanticCustomError("content", "content is missing: it must be a valid string")
        if self.tool_calls and self.role != "assistant":
            raise PydanticCustomError("tool_calls", "only the assistant calls tools")
        if self.role != "assistant" and any(isinstance(part, RefusalPart) for part in self.content or ()):
            raise PydanticCustomError("refusal", "only the assistant has a content part of type refusal")
        for call in self.tool_calls or ():
            try:
                call.function.plain()
            except InputError as error:
                raise PydanticCustomError("tool_calls", "{why}", {"why": str(error)}) from None
        return self

    def plain(self) -> Message:
        """The message as engines take it: text only, `developer` being OpenAI's newer word for `system`."""
        parts = self.content or ""
        text = parts if isinstance(parts, str) else "".join(part.text for part in parts)
        message: dict[str, Any] = {"role": "system" if self.role == "developer" else self.role, "content": text}
        if self.tool_calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": call.function.plain()} for call in self.tool_calls
            ]
        if self.tool_call_id is not None:
            message["tool_call_id"] = self.tool_call_id
        return message


class Function(Part):
    """A function that the model may call."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$", description="its name")
    description: Text | None = Field(default=None, description="what it does, for the model")
    parameters: dict[str, Any] | None = Field(default=None, description="JSON schema of its arguments, an object")
    strict: bool | None = Field(default=None, description="calls whose arguments do not fit are left as text")


class FunctionTool(Part):
    """`{"type": "function", "function": {...}}`."""

    type: Literal["function"]
    function: Function


class NamedFunction(Part):
    """Which function to call."""

    name: str


class NamedTool(Part):
    """`{"type": "function", "function": {"name": ...}}`."""

    type: Literal["function"]
    function: NamedFunction
