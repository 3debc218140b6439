"""What a request must hold before an engine takes it; pure decisions that every engine shares."""

from __future__ import annotations

from actors.engines.protocol import GenerationRequest, SamplingParams
from danlu.errors import InputError


def check_sampling(sampling: SamplingParams) -> None:
    """Refuse sampling parameters that no engine can serve.

    Raises:
        InputError: names the parameter, its value and the rule.
    """
    if sampling.max_tokens < 1:
        raise InputError(f"max_tokens is {sampling.max_tokens}", rule="it must be at least 1")
    if not 0.0 <= sampling.temperature <= 100.0:
        raise InputError(f"temperature is {sampling.temperature}", rule="it must lie between 0 (greedy) and 100")
    if not 0.0 < sampling.top_p <= 1.0:
        raise InputError(f"top_p is {sampling.top_p}", rule="it must be above 0 and at most 1")
    if sampling.top_k < 0:
        raise InputError(f"top_k is {sampling.top_k}", rule="it must be 0 (all tokens) or more")
    if any(not stop for stop in sampling.stop):
        raise InputError("stop holds an empty string", rule="every stop string needs at least one character")


def check_length(request: GenerationRequest, prompt_tokens: int, context_length: int) -> None:
    """Refuse a prompt that is empty or that, with `max_tokens`, does not fit the context.

    Raises:
        InputError: names both numbers.
    """
    if prompt_tokens == 0:
        raise InputError("the prompt is empty", rule="it must hold at least one token", fix="send some text")
    room = context_length - prompt_tokens
    if room < 1:
        raise InputError(
            f"the prompt has {prompt_tokens} tokens",
            rule=f"the model's context holds {context_length}, the answer included",
            fix="shorten the prompt",
        )
    if request.sampling.max_tokens > room:
        raise InputError(
            f"max_tokens is {request.sampling.max_tokens}",
            rule=f"after a prompt of {prompt_tokens} tokens the context of {context_length} has room for {room}",
            fix=f"ask for at most {room} tokens, or shorten the prompt",
        )
