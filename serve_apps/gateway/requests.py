"""What clients send: the bodies of OpenAI's chat, completion and embedding requests, checked strictly.

Fields that OpenAI or other servers know and this one can't honour are refused by name, unless their value asks
for nothing. Fields that nobody knows are ignored, as OpenAI's own clients send new ones every few months.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from actors.engines.protocol import Message, SamplingParams

DEFAULT_MAX_TOKENS = SamplingParams().max_tokens

# Field -> the values that ask for nothing beyond what is offered (None always does).
_NOT_AVAILABLE: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "echo": (False,),
    "suffix": ("",),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "logit_bias": ({},),
    "frequency_penalty": (0, 0.0),
    "presence_penalty": (0, 0.0),
    "repetition_penalty": (1, 1.0),
    "min_p": (0, 0.0),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
    "prompt_embeds": (),
    "dimensions": (),
}

# JSON can spell half a surrogate pair (`"\ud800"`), which is no character and which no tokenizer can read.
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _readable(text: str) -> str:
    if _LONE_SURROGATE.search(text):
        raise ValueError("it holds half a surrogate pair, which is no character")
    return text


Text = Annotated[str, AfterValidator(_readable)]
TokenCount = Annotated[int | None, Field(ge=1, lt=1 << 31)]
StopString = Annotated[str, Field(min_length=1), AfterValidator(_readable)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _Body(_Part):
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


class TextPart(_Part):
    """`{"type": "text", "text": ...}`; images and sound are refused."""

    type: Literal["text"]
    text: Text


class ChatMessage(_Part):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[TextPart]

    def plain(self) -> Message:
        """The message as engines take it: text only, `developer` being OpenAI's newer word for `system`."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class StreamOptions(_Part):
    """How to stream."""

    include_usage: bool = Field(default=False, description="end with a chunk that counts the tokens")


class _Generation(_Body):
    """What chat and completion requests share."""

    max_tokens: TokenCount = Field(default=None, description=f"most tokens to make ({DEFAULT_MAX_TOKENS})")
    temperature: float | None = Field(default=None, ge=0, le=2, description="0 is greedy (1)")
    top_p: float | None = Field(default=None, gt=0, le=1, description="share of probability kept (1)")
    top_k: int | None = Field(default=None, ge=0, lt=1 << 31, description="tokens kept; 0 keeps all (0)")
    seed: int | None = Field(default=None, ge=0, lt=1 << 63, description="same seed, same answer")
    stop: StopString | Annotated[list[StopString], Field(max_length=4)] | None = Field(
        default=None, description="up to four strings that end the answer and are left out of it"
    )
    ignore_eos: bool = Field(default=False, description="go on after the end-of-sequence token, for measurements")
    user: Text | None = Field(default=None, description="who asks; one user stays with one version of a model")
    stream: bool | None = Field(default=None, description="answer as server-sent events")
    stream_options: StreamOptions | None = Field(default=None, description="only with stream")

    @model_validator(mode="after")
    def _options_need_stream(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise PydanticCustomError("stream_options", "only allowed with stream=true", {"param": "stream_options"})
        return self

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
            top_k=self.top_k or 0,
            seed=self.seed,
            stop=stop,
            ignore_eos=self.ignore_eos,
        )


class ChatRequest(_Generation):
    """`POST /v1/chat/completions`."""

    messages: list[ChatMessage] = Field(min_length=1, description="the conversation so far")
    max_completion_tokens: TokenCount = Field(default=None, description="newer name of max_tokens; wins over it")

    @property
    def chosen_length(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


class CompletionRequest(_Generation):
    """`POST /v1/completions`."""

    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=1)] = Field(description="one text to continue")

    @property
    def text(self) -> str:
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]


class EmbeddingRequest(_Body):
    """`POST /v1/embeddings`."""

    input: Text | Annotated[list[Text], Field(min_length=1, max_length=2048)] = Field(description="texts to embed")
    encoding_format: Literal["float", "base64"] = Field(
        default="float", description="base64 holds the little-endian float32 values"
    )

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input
