"""The request body, read strictly: every error names the field that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from serve_apps.code_generation.examples import Example, parse_call, parse_expected
from serve_apps.code_generation.requirement import Requirement, read_requirement
from serve_apps.code_generation.signature import parse_signature
from serve_apps.gateway.errors import ApiError

_MOST_TASK = 20_000
_MOST_SIGNATURE = 2000
_MOST_EXAMPLES = 64
ReadT = TypeVar("ReadT")


class ExampleBody(BaseModel):
    """One example."""

    model_config = ConfigDict(extra="forbid", strict=True)

    call: str = Field(description="call with literal arguments, f([1, 2], k=3)")
    expected: Any = Field(
        description="expected value: a Python literal as text ('[1, 2]', \"'abc'\"), or plain JSON that is no text"
    )

    def read(self, param: str) -> Example:
        """The example; ApiError 400 when it can't be read."""
        function, call = _read(f"{param}.call", parse_call, self.call)
        return Example(function, call, _read(f"{param}.expected", parse_expected, self.expected))


class SolutionRequest(BaseModel):
    """What to write."""

    model_config = ConfigDict(extra="forbid", strict=True)

    task: str = Field(description="the requirement, Chinese or English", min_length=1, max_length=_MOST_TASK)
    signature: str | None = Field(
        default=None,
        description="def f(a: int, b: str) -> bool; found in the task or the examples when left out",
        max_length=_MOST_SIGNATURE,
    )
    examples: list[ExampleBody] = Field(default_factory=list, description="calls and values", max_length=_MOST_EXAMPLES)
    language: Literal["python"] = Field(default="python", description="programming language of the code")

    def requirement(self) -> Requirement:
        """The requirement that this request means. Takes a while for long requests: not for the event loop.

        Raises:
            ApiError: 400 that names the field.
        """
        if not self.task.strip():
            raise ApiError(400, "task: it is blank", param="task")
        signature = None if self.signature is None else _read("signature", parse_signature, self.signature)
        examples = [example.read(f"examples.{place}") for place, example in enumerate(self.examples)]
        wanted = signature.name if signature else (examples[0].function if examples else "")
        for place, example in enumerate(examples):
            if example.function != wanted:
                param = f"examples.{place}.call"
                raise ApiError(400, f"{param}: it calls {example.function}, the function is {wanted}", param=param)
        return read_requirement(self.task, signature, examples)


def _read(param: str, read: Callable[[Any], ReadT], value: Any) -> ReadT:
    """What is read of a field; an error names it."""
    try:
        return read(value)
    except ValueError as error:
        raise ApiError(400, f"{param}: {error}", param=param) from None
