"""What a request must hold before an engine takes it; pure decisions that every engine shares."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from actors.engines.protocol import GenerationRequest, SamplingParams
from danlu.errors import InputError, NotAvailableError

MAX_LOGPROBS = 20
# What an engine may offer beyond temperature, top_p, top_k, seed and stop, by the name that clients know it by.
PENALTIES = frozenset({"repetition_penalty", "presence_penalty", "frequency_penalty"})


def check_sampling(sampling: SamplingParams, offered: Collection[str] = ()) -> None:
    """Refuse sampling parameters that no engine can serve, or that this one does not offer.

    Args:
        offered: some of `grammar`, `logprobs`, `top_logprobs`, `min_p` and PENALTIES.

    Raises:
        InputError: names the parameter, its value and the rule.
        NotAvailableError: names the parameter that the engine does not offer.
    """
    check_offered(sampling, offered)
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
    if sampling.logprobs is not None and not 0 <= sampling.logprobs <= MAX_LOGPROBS:
        raise InputError(f"logprobs is {sampling.logprobs}", rule=f"it must lie between 0 and {MAX_LOGPROBS}")
    if not 0.0 < sampling.repetition_penalty <= 10.0:
        raise InputError(
            f"repetition_penalty is {sampling.repetition_penalty}", rule="it must be above 0 and at most 10"
        )
    for name in ("presence_penalty", "frequency_penalty"):
        if not -2.0 <= getattr(sampling, name) <= 2.0:
            raise InputError(f"{name} is {getattr(sampling, name)}", rule="it must lie between -2 and 2")
    if not 0.0 <= sampling.min_p <= 1.0:
        raise InputError(f"min_p is {sampling.min_p}", rule="it must lie between 0 and 1")
    if sampling.grammar and (sampling.ignore_eos or sampling.stop):
        what = "ignore_eos" if sampling.ignore_eos else "stop"
        raise InputError(f"{what} together with a grammar", rule="the grammar alone says where the answer ends")


def check_offered(sampling: SamplingParams, offered: Collection[str]) -> None:
    """Refuse what an engine does not offer.

    Raises:
        NotAvailableError: names the parameter.
    """
    plain = SamplingParams()
    wanted = {name for name in ("grammar", "min_p", *PENALTIES) if getattr(sampling, name) != getattr(plain, name)}
    if sampling.logprobs is not None:
        wanted.add("top_logprobs" if sampling.logprobs else "logprobs")
    for name in sorted(wanted - set(offered)):
        shown = "response_format (or a tool_choice that forces a call)" if name == "grammar" else name
        raise NotAvailableError(f"{shown} is not available", rule="the engine that serves this model does not offer it")


class ContextLengthError(InputError):
    """A prompt, or it and its answer together, do not fit; an answer of `room` tokens would. 0 where none would."""

    def __init__(self, what: str, *, rule: str = "", fix: str = "", room: int = 0) -> None:
        super().__init__(what, rule=rule, fix=fix)
        self.room = room

    def __reduce__(self) -> tuple[object, ...]:
        return partial(ContextLengthError, self.what, rule=self.rule, fix=self.fix, room=self.room), ()


def check_length(request: GenerationRequest, prompt_tokens: int, context_length: int) -> None:
    """Refuse a prompt that is empty or that, with `max_tokens`, does not fit the context.

    Raises:
        InputError: it is empty.
        ContextLengthError: names both numbers.
    """
    if prompt_tokens == 0:
        raise InputError("the prompt is empty", rule="it must hold at least one token", fix="send some text")
    room = context_length - prompt_tokens
    if room < 1:
        raise ContextLengthError(
            f"the prompt has {prompt_tokens} tokens",
            rule=f"the model's context holds {context_length}, the answer included",
            fix="shorten the prompt",
        )
    if request.sampling.max_tokens > room:
        raise ContextLengthError(
            f"max_tokens is {request.sampling.max_tokens}",
            rule=f"after a prompt of {prompt_tokens} tokens the context of {context_length} has room for {room}",
            fix=f"ask for at most {room} tokens, or shorten the prompt",
            room=room,
        )
