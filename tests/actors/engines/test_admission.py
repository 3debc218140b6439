from __future__ import annotations

import pytest

from actors.engines.admission import check_length, check_sampling
from actors.engines.protocol import GenerationRequest, SamplingParams
from danlu.errors import InputError


@pytest.mark.parametrize(
    ("sampling", "named"),
    [
        (SamplingParams(max_tokens=0), "max_tokens is 0"),
        (SamplingParams(max_tokens=-3), "max_tokens is -3"),
        (SamplingParams(temperature=-0.1), "temperature is -0.1"),
        (SamplingParams(temperature=float("nan")), "temperature is nan"),
        (SamplingParams(top_p=0.0), "top_p is 0.0"),
        (SamplingParams(top_p=1.5), "top_p is 1.5"),
        (SamplingParams(top_k=-1), "top_k is -1"),
        (SamplingParams(stop=("。", "")), "stop holds an empty string"),
    ],
)
def test_sampling_that_no_engine_serves_is_refused_by_name(sampling: SamplingParams, named: str) -> None:
    with pytest.raises(InputError, match=named):
        check_sampling(sampling)


def request(max_tokens: int) -> GenerationRequest:
    return GenerationRequest("a", "text", SamplingParams(max_tokens=max_tokens))


def test_prompt_and_answer_may_fill_the_context_exactly() -> None:
    check_sampling(SamplingParams())
    check_length(request(max_tokens=28), prompt_tokens=100, context_length=128)


def test_an_answer_too_long_for_the_context_names_the_numbers() -> None:
    with pytest.raises(InputError, match=r"max_tokens is 29.*100 tokens the context of 128 has room for 28"):
        check_length(request(max_tokens=29), prompt_tokens=100, context_length=128)


def test_a_prompt_too_long_for_the_context_names_both_numbers() -> None:
    with pytest.raises(InputError, match=r"the prompt has 128 tokens.*context holds 128"):
        check_length(request(max_tokens=1), prompt_tokens=128, context_length=128)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(InputError, match="the prompt is empty"):
        check_length(request(max_tokens=1), prompt_tokens=0, context_length=128)
