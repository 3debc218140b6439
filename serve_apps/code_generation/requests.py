"""The request body, read strictly: every error names the field that is wrong."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from serve_apps.code_generation.examples import Example, parse_call, parse_example
from serve_apps.code_generation.requirement import Requirement, read_requirement
from serve_apps.code_generation.signature import parse_signature
from serve_apps.gateway.errors import ApiError

_MOST_TASK = 20_000
_MOST_EXAMPLES = 64


def _checked_signature(text: str) -> str:
    parse_signature(text)
    return text


def _checked_call(text: str) -> str:
    parse_call(text)
    return text


def _checked_expected(value: Any) -> Any:
    try:
        parse_example("f()", value)
    except ValueError as error:
        raise ValueError(f"{error}: text is read as a Python literal, so write a string with its quotes") from None
    return value


class ExampleBody(BaseModel):
    """One example."""

    model_config = ConfigDict(extra="forbid", strict=True)

    call: Annotated[str, AfterValidator(_checked_call)] = Field(
        description="call with literal arguments, f([1, 2], k=3)", max_length=10_000
    )
    expected: Annotated[Any, AfterValidator(_checked_expected)] = Field(
        description="expected value: a Python literal as text ('[1, 2]', \"'abc'\"), or plain JSON that is no text"
    )


class SolutionRequest(BaseModel):
    """What to write."""

    model_config = ConfigDict(extra="forbid", strict=True)

    task: str = Field(description="the requirement, Chinese or English", min_length=1, max_length=_MOST_TASK)
    signature: Annotated[str, AfterValidator(_checked_signature)] | None = Field(
        default=None, description="def f(a: int, b: str) -> bool; found in the task or the examples when left out"
    )
    examples: list[ExampleBody] = Field(default_factory=list, description="calls and values", max_length=_MOST_EXAMPLES)
    language: Literal["python"] = Field(default="python", description="programming language of the code")

    def requirement(self) -> Requirement:
        """The requirement that this request means.

        Raises:
            ApiError: 400, the examples call another function than the wanted one.
        """
        signature = None if self.signature is None else parse_signature(self.signature)
        examples: list[Example] = [parse_example(example.call, example.expected) for example in self.examples]
        if not self.task.strip():
            raise ApiError(400, "task: it is blank", param="task")
        wanted = signature.name if signature else (examples[0].function if examples else "")
        for place, example in enumerate(examples):
            if example.function != wanted:
                param = f"examples.{place}.call"
                raise ApiError(400, f"{param}: it calls {example.function}, the function is {wanted}", param=param)
        return read_requirement(self.task, signature, examples)
