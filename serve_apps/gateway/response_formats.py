"""What clients ask an answer to look like: OpenAI's `response_format`, and patterns beside it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from serve_apps.gateway.messages import Part, Text


class JsonSchema(Part):
    """A schema, and what it is called."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, populate_by_name=True)

    name: str = Field(default="answer", description="for the reader; it changes nothing")
    description: str | None = Field(default=None, description="for the reader; it changes nothing")
    schema_: dict[str, Any] | None = Field(default=None, alias="schema", description="see docs/serving.md")
    strict: bool | None = Field(default=None, description="answers always fit, whatever this says")


class TextFormat(Part):
    """Any text."""

    type: Literal["text"]


class JsonObjectFormat(Part):
    """Any JSON object."""

    type: Literal["json_object"]


class JsonSchemaFormat(Part):
    """JSON of a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


class RegexFormat(Part):
    """Text that a regular expression describes as a whole (not OpenAI's)."""

    type: Literal["regex"]
    pattern: Text


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat | RegexFormat, Field(discriminator="type")]
