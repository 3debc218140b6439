"""What clients send: the bodies of OpenAI's chat, completion and embedding requests, checked strictly.

Fields that OpenAI or other servers know and this one can't honour are refused by name, unless their value asks
for nothing. Fields that nobody knows are ignored, as OpenAI's own clients send new ones every few months.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from actors.engines.protocol import SamplingParams, Tool
from danlu.errors import InputError
from serve_apps.gateway.forms import Form, call_form, parameters_schema, response_form
from serve_apps.gateway.grammar.nodes import Schema
from serve_apps.gateway.messages import ChatMessage, FunctionTool, NamedTool, NonEmptyText, Part, Text
from serve_apps.gateway.response_formats import ResponseFormat

DEFAULT_MAX_TOKENS = SamplingParams().max_tokens
MAX_CHOICES = 16
MAX_PROMPTS = 64
MAX_TOOLS = 128
_SEEDS = 1 << 31  # engines tell so many apart
HeldT = TypeVar("HeldT")

# Field -> the values that ask for nothing beyond what is offered (None always does).
_NOT_AVAILABLE: dict[str, tuple[Any, ...]] = {
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
    "prompt_embeds": (),
    "dimensions": (),
}


def _no_token_ids(value: Any) -> Any:
    if isinstance(value, list) and any(type(item) is int or isinstance(item, list) for item in value):
        raise PydanticCustomError("token_ids", "token ids are not taken here: send text")
    return value


TokenCount = Annotated[int | None, Field(ge=1, lt=1 << 31)]


class _Body(Part):
    model: str = Field(description="name of a served model")

    @model_validator(mode="before")
    @classmethod
    def _available(cls, body: Any) -> Any:
        if isinstance(body, dict):
            for name, neutral in _NOT_AVAILABLE.items():
                value = body.get(name)
                if value is not None and not any(type(value) is type(v) and value == v for v in neutral):
                    raise PydanticCustomError("not_available", "this value is not available here", {"param": name})
        return body


class StreamOptions(Part):
    """How to stream."""

    include_usage: bool = Field(default=False, description="end with a chunk that counts the tokens")


class _Generation(_Body):
    """What chat and completion requests share."""

    max_tokens: TokenCount = Field(default=None, description=f"most tokens to make ({DEFAULT_MAX_TOKENS})")
    temperature: float | None = Field(default=None, ge=0, le=2, description="0 is greedy (1)")
    top_p: float | None = Field(default=None, gt=0, le=1, description="share of probability kept (1)")
    top_k: int | None = Field(default=None, ge=-1, lt=1 << 31, description="tokens kept; 0 and -1 keep all (0)")
    seed: int | None = Field(default=None, ge=-(1 << 63), lt=1 << 63, description="same seed, same answer")
    stop: NonEmptyText | Annotated[list[NonEmptyText], Field(max_length=4)] | None = Field(
        default=None, description="up to four strings that end the answer and are left out of it"
    )
    ignore_eos: bool = Field(default=False, description="go on after the end-of-sequence token, for measurements")
    user: Text | None = Field(default=None, description="who asks; one user stays with one version of a model")
    n: int | None = Field(default=None, ge=1, le=MAX_CHOICES, description="answers to each prompt (1)")
    presence_penalty: float | None = Field(default=None, ge=-2, le=2, description="for tokens that the answer has (0)")
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2, description="the same, for each time (0)")
    repetition_penalty: float | None = Field(
        default=None, gt=0, le=10, description="factor for tokens that prompt or answer has; 1 is none (1)"
    )
    min_p: float | None = Field(default=None, ge=0, le=1, description="least share of the likeliest's probability (0)")
    response_format: ResponseFormat | None = Field(default=None, description="what the answer must look like")
    stream: bool | None = Field(default=None, description="answer as server-sent events")
    stream_options: StreamOptions | None = Field(default=None, description="only with stream")

    @model_validator(mode="after")
    def _options_need_stream(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise PydanticCustomError("stream_options", "only allowed with stream=true", {"param": "stream_options"})
        if self.form is not None and (self.stop or self.ignore_eos):
            param = "stop" if self.stop else "ignore_eos"
            raise PydanticCustomError("form", "not allowed where the form of the answer says its end", {"param": param})
        return self

    @property
    def choices(self) -> int:
        """Answers to each prompt."""
        return self.n or 1

    @property
    def likeliest(self) -> int | None:
        """Log probabilities: None for none, else how many of the likeliest tokens come beside each token."""
        raise NotImplementedError

    @cached_property
    def form(self) -> Form | None:
        """What the answer must look like.

        Raises:
            PydanticCustomError: names the field whose schema or pattern can't be held.
        """
        if self.response_format is None:
            return None
        return _held("response_format", lambda: response_form(_dumped(self.response_format)))

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def chosen_length(self) -> int | None:
        """The answer's length in tokens where the client set one."""
        return self.max_tokens

    def sampling(self) -> SamplingParams:
        """The engine's sampling parameters, OpenAI's defaults filled in."""
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return SamplingParams(
            max_tokens=self.chosen_length or DEFAULT_MAX_TOKENS,
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            top_k=max(0, self.top_k or 0),
            seed=None if self.seed is None else self.seed % _SEEDS,
            stop=stop,
            ignore_eos=self.ignore_eos,
            grammar="" if self.form is None else self.form.grammar,
            logprobs=self.likeliest,
            repetition_penalty=1.0 if self.repetition_penalty is None else self.repetition_penalty,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            min_p=self.min_p or 0.0,
        )


class ChatRequest(_Generation):
    """`POST /v1/chat/completions`."""

    messages: list[ChatMessage] = Field(min_length=1, description="the conversation so far")
    logprobs: bool | None = Field(default=None, description="log probabilities of the answer's tokens")
    top_logprobs: int | None = Field(
        default=None, ge=0, le=20, description="likeliest tokens beside each token; only with logprobs"
    )
    tools: list[FunctionTool] | None = Field(
        default=None, max_length=MAX_TOOLS, description="functions that the model may call"
    )
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = Field(
        default=None, description="whether it has to call one (auto with tools, else none)"
    )
    parallel_tool_calls: bool | None = Field(default=None, description="false keeps the first call only (true)")
    max_completion_tokens: TokenCount = Field(default=None, description="newer name of max_tokens; wins over it")

    @property
    def chosen_length(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def likeliest(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise PydanticCustomError("logprobs", "only allowed with logprobs=true", {"param": "top_logprobs"})
        names = [tool.function.name for tool in self.tools or ()]
        if len(set(names)) < len(names):
            raise PydanticCustomError("tools", "two functions have one name", {"param": "tools"})
        if self.tool_choice not in (None, "none", "auto"):
            wanted = self.tool_choice.function.name if isinstance(self.tool_choice, NamedTool) else None
            if not names or (wanted is not None and wanted not in names):
                raise PydanticCustomError("tools", "there is no such function in tools", {"param": "tool_choice"})
            if self.response_format is not None and self.response_format.type != "text":
                raise PydanticCustomError(
                    "tools", "a call and a response_format can't both be forced", {"param": "response_format"}
                )
        _held("tools", self.called)
        return self

    @property
    def offered(self) -> list[Tool]:
        """The tools that the model is told of."""
        if self.tool_choice == "none":
            return []
        return [_dumped(tool) for tool in self.tools or ()]

    def called(self) -> dict[str, Schema | None]:
        """Functions that may be called, and what the arguments of the strict ones have to fit."""
        return {
            tool["function"]["name"]: parameters_schema(tool) if tool["function"].get("strict") else None
            for tool in self.offered
        }

    @cached_property
    def form(self) -> Form | None:
        choice = self.tool_choice
        if choice in (None, "none", "auto") or not self.tools:
            return super().form
        tools = self.offered
        if isinstance(choice, NamedTool):
            tools = [tool for tool in tools if tool["function"]["name"] == choice.function.name]
        return _held("tools", lambda: call_form(tools)) if tools else None


class CompletionRequest(_Generation):
    """`POST /v1/completions`."""

    prompt: Annotated[
        Text | Annotated[list[Text], Field(min_length=1, max_length=MAX_PROMPTS)], BeforeValidator(_no_token_ids)
    ] = Field(description="a text to continue, or some")
    logprobs: int | None = Field(
        default=None, ge=0, le=20, description="log probabilities of the answer's tokens, and of so many likeliest ones"
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if len(self.texts) * self.choices > MAX_PROMPTS:
            raise PydanticCustomError(
                "n", "prompts and n ask for more than {most} answers", {"param": "n", "most": MAX_PROMPTS}
            )
        return self

    @property
    def texts(self) -> Sequence[str]:
        return [self.prompt] if isinstance(self.prompt, str) else self.prompt

    @property
    def likeliest(self) -> int | None:
        return self.logprobs


class EmbeddingRequest(_Body):
    """`POST /v1/embeddings`."""

    input: Annotated[
        Text | Annotated[list[Text], Field(min_length=1, max_length=2048)], BeforeValidator(_no_token_ids)
    ] = Field(description="texts to embed")
    encoding_format: Literal["float", "base64"] = Field(
        default="float", description="base64 holds the little-endian float32 values"
    )

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input


def _dumped(part: Part | None) -> dict[str, Any]:
    """As the client sent it, without what was left out."""
    return part.model_dump(by_alias=True, exclude_none=True) if part is not None else {}


def _held(param: str, make: Callable[[], HeldT]) -> HeldT:
    """What `make` gives, its InputError as an error of a field."""
    try:
        return make()
    except InputError as error:
        raise PydanticCustomError("form", "{why}", {"param": param, "why": str(error)}) from None
