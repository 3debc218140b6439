"""The next token out of logits: penalties, temperature, top-k, top-p, min-p, and log probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.engines.protocol import SamplingParams
from actors.engines.step_model import Score


def penalized(sampling: SamplingParams) -> bool:
    """Whether earlier tokens change the chances of the next one."""
    return sampling.repetition_penalty != 1 or sampling.presence_penalty != 0 or sampling.frequency_penalty != 0


def penalize(logits: Any, sampling: SamplingParams, prompt: Sequence[int], answer: Sequence[int]) -> Any:
    """Logits (1, vocabulary) with the penalties of SamplingParams; the given ones stay as they are."""
    import torch

    scores = logits.clone()
    if sampling.repetition_penalty != 1:
        seen = torch.tensor(sorted({*prompt, *answer}), device=logits.device)
        found = scores[0, seen]
        scores[0, seen] = torch.where(
            found > 0, found / sampling.repetition_penalty, found * sampling.repetition_penalty
        )
    if answer and (sampling.presence_penalty or sampling.frequency_penalty):
        tokens, counts = torch.tensor(answer, device=logits.device).unique(return_counts=True)
        scores[0, tokens] -= sampling.presence_penalty + sampling.frequency_penalty * counts
    return scores


def draw(logits: Any, sampling: SamplingParams, generator: Any) -> int:
    """One token id from the logits (1, vocabulary) of the next position."""
    import torch
    from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    if sampling.temperature == 0:
        return int(logits.argmax(-1))
    nothing: Any = torch.empty(0, dtype=torch.long)  # the warpers ask for the tokens so far and do not read them
    scores = TemperatureLogitsWarper(sampling.temperature)(nothing, logits)
    if sampling.top_k:
        scores = TopKLogitsWarper(sampling.top_k)(nothing, scores)
    if sampling.top_p < 1.0:
        scores = TopPLogitsWarper(sampling.top_p)(nothing, scores)
    if sampling.min_p > 0.0:
        scores = MinPLogitsWarper(sampling.min_p)(nothing, scores)
    return int(torch.multinomial(scores.softmax(-1), 1, generator=generator))


def score_of(logits: Any, token: int, likeliest: int) -> Score:
    """Log probabilities from raw logits (vocabulary,): of a token, and of the `likeliest` ones."""
    logprobs = logits.log_softmax(-1)
    values, ids = logprobs.topk(min(likeliest, len(logprobs)))
    return Score(float(logprobs[token]), tuple(zip(ids.tolist(), values.tolist(), strict=True)))
