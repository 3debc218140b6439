"""Conversations as tokens, with the mask of what the model is to learn: the assistant's turns and their end tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipelines.training.sources import Conversation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class EncodedConversation:
    """Token ids (tokens,) int64 and, for each, whether the model learns to predict it (tokens,) bool."""

    tokens: npt.NDArray[np.int64]
    learnt: npt.NDArray[np.bool_]


def encode_conversation(
    tokenizer: PreTrainedTokenizerFast, conversation: Conversation, tools: list[Any] | None = None
) -> EncodedConversation:
    """Render `conversation` by the tokenizer's chat template and mark the assistant's tokens.

    A turn is found as the text that the template adds between the prompt for it and its end, which works for any
    template that does not rewrite earlier text. Turns that a template does rewrite are not learnt, nor is a greeting
    that opens the conversation, as nothing asked for it. A call of a tool is learnt like an answer, its result is not.
    """
    text = _render(tokenizer, conversation, tools)
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    spans = assistant_spans(tokenizer, conversation, text, tools)
    offsets = np.asarray(encoding["offset_mapping"], np.int64).reshape(-1, 2)
    learnt = np.zeros(len(offsets), np.bool_)
    for start, stop in spans:
        learnt |= (offsets[:, 0] >= start) & (offsets[:, 1] <= stop) & (offsets[:, 1] > offsets[:, 0])
    return EncodedConversation(np.asarray(encoding["input_ids"], np.int64), learnt)


def assistant_spans(
    tokenizer: PreTrainedTokenizerFast, conversation: Conversation, text: str, tools: list[Any] | None = None
) -> list[tuple[int, int]]:
    """(start, stop) characters of `text`, the rendered conversation, that the assistant says, end of turn included."""
    spans = []
    for place, message in enumerate(conversation):
        if message["role"] != "assistant" or place == 0:
            continue
        prompt = _render(tokenizer, conversation[:place], tools, answer_next=True)
        so_far = _render(tokenizer, conversation[: place + 1], tools)
        if text.startswith(prompt) and text.startswith(so_far) and so_far.startswith(prompt):
            # What follows the end-of-turn token (a line end in most templates) is the template's, not the answer's.
            spans.append((len(prompt), len(so_far.rstrip())))
    return spans


def unknown_to_template(tokenizer: PreTrainedTokenizerFast, conversation: Conversation, tools: list[Any] | None) -> str:
    """What a conversation has and the chat template never reads: it would be lost without a word. Else nothing."""
    template = str(tokenizer.chat_template)
    if tools and "tools" not in template:
        return "tools"
    return next((key for key in ("tool_calls",) if key not in template and any(key in m for m in conversation)), "")


def _render(
    tokenizer: PreTrainedTokenizerFast,
    conversation: Conversation,
    tools: list[Any] | None,
    answer_next: bool = False,
) -> str:
    text = tokenizer.apply_chat_template(conversation, tools=tools, tokenize=False, add_generation_prompt=answer_next)
    assert isinstance(text, str)
    return text
