"""The table of TensorRT-LLM's interfaces: in itself, and against packages that differ from it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from actors.engines.tensorrt_signatures import (
    COMPLETION_FIELDS,
    READ,
    SERVE_OPTIONS,
    SIGNATURES,
    USED,
    attributes,
    compare,
    differences,
    parameters,
)


def documented() -> dict[str, set[str]]:
    """A package that is just as the table says."""
    return {name: set(names) for name, names in (SIGNATURES | READ).items()}


def callable_with(names: Iterable[str]) -> Any:
    """A function with these parameters and no others."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(name, kind, default=None) for name in names])

    def function(**given: Any) -> dict[str, Any]:
        return dict(signature.bind(**given).arguments)

    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


@pytest.mark.parametrize("name", SIGNATURES)
def test_each_signature_is_one_that_python_takes(name: str) -> None:
    """No name twice, none that is no identifier: inspect refuses both."""
    assert parameters(callable_with(SIGNATURES[name])) == set(SIGNATURES[name])


@pytest.mark.parametrize("name", USED)
def test_what_the_engines_pass_binds_and_what_is_not_documented_is_refused(name: str) -> None:
    function = callable_with(SIGNATURES[name])
    passed = dict.fromkeys(USED[name], 1)
    assert function(**passed) == passed
    for wrong in ("max_new_tokens", name):
        with pytest.raises(TypeError, match=wrong):
            function(**passed, **{wrong: 1})


def test_what_the_server_is_given_is_written_as_it_reads_it() -> None:
    assert all(option.startswith("--") and option[2:].replace("_", "").isalpha() for option in SERVE_OPTIONS)
    assert all(key.isidentifier() for key in COMPLETION_FIELDS)
    # What both ways to TensorRT-LLM ask for has one name in its Python interface and in its HTTP one.
    assert {"temperature", "top_p", "top_k", "stop", "seed", "max_tokens", "ignore_eos"} <= (
        COMPLETION_FIELDS & set(SIGNATURES["SamplingParams"])
    )


@given(data=st.data(), name=st.sampled_from(sorted(SIGNATURES)))
def test_every_difference_is_told_once_and_by_its_weight(data: st.DataObject, name: str) -> None:
    gone = data.draw(st.sets(st.sampled_from(SIGNATURES[name]))) if SIGNATURES[name] else set()
    new = data.draw(st.sets(st.sampled_from(["moods", "colours", "args", "kwargs"])))
    broken, news = differences(name, set(SIGNATURES[name]) - gone | new)
    used = USED.get(name, set())
    assert broken == [f"{name} has no {parameter}, which danlu passes" for parameter in sorted(gone & used)]
    assert news == [
        *(f"{name} has no {parameter} any more" for parameter in sorted(gone - used)),
        *(f"{name} has {parameter} now" for parameter in sorted(new - {"args", "kwargs"})),
    ]


def test_differences_from_an_installed_package_are_told_by_weight() -> None:
    installed = documented()
    assert compare(installed) == ([], [])
    installed["SamplingParams"] = installed["SamplingParams"] - {"top_k", "best_of"} | {"moods"}
    del installed["LLM.shutdown"]
    installed["CompletionOutput"] = {"text", "token_ids", "finish_reason"}
    broken, news = compare(installed)
    assert broken == [
        "there is no LLM.shutdown",
        "SamplingParams has no top_k, which danlu passes",
        "CompletionOutput has no text_diff, which danlu reads",
    ]
    assert news == ["SamplingParams has no best_of any more", "SamplingParams has moods now"]


def test_parameters_are_those_of_functions_and_models() -> None:
    class Model(BaseModel):
        kept: int = 1
        named: int = Field(1, alias="renamed")

    def function(self: Any, first: int, *, second: int = 2) -> None: ...

    assert parameters(function) == {"first", "second"}
    assert parameters(Model) == {"kept", "named", "renamed"}


def test_attributes_are_members_slots_and_fields_of_bases() -> None:
    @dataclass(slots=True)
    class Base:
        text: str
        tokens: list[int] = field(default_factory=list)

    class Announced:
        """Objects get the field when they are made: the class itself has none of it."""

        score: float

    class Derived(Base, Announced):
        @property
        def text_diff(self) -> str:
            return self.text

    assert {"text", "tokens", "text_diff", "score"} <= attributes(Derived)
    assert "finished" not in attributes(Derived)


@given(st.sets(st.sampled_from(sorted(SIGNATURES | READ))))
def test_whatever_is_not_there_at_all_breaks_calls(gone: set[str]) -> None:
    broken, news = compare({name: names for name, names in documented().items() if name not in gone})
    expected = [f"there is no {name}" for name in SIGNATURES if name in gone]
    expected += [
        f"{name} has no {attribute}, which danlu reads"
        for name in READ
        if name in gone
        for attribute in sorted(READ[name])
    ]
    assert (broken, news) == (expected, [])
