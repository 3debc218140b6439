"""An extracted answer put into other words by a served language model, and used only when it stays with its sources."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from actors.engines.protocol import Completion, Message, SamplingParams
from actors.knowledge_base.knowledge_base import Passage
from danlu.errors import DanluError
from serve_apps.customer_service.answers import Answer
from serve_apps.customer_service.grounding import grounded

log = logging.getLogger("ray.serve")

_SAMPLING = SamplingParams(max_tokens=200, temperature=0.0)
_INSTRUCTION = "你是客服。只根据资料用一两句话回答问题，不添加资料里没有的内容；资料里没有答案就回答“不知道”。"
_PASSAGES = 3


class ChatModel(Protocol):
    """What is needed of serve_apps.language_model.LanguageModel."""

    async def chat(self, messages: Sequence[Message], sampling: SamplingParams) -> Completion: ...


class Phrasing:
    """Asks a model to phrase answers.

    Args:
        timeout_s: how long a customer waits for better words; after that the extracted answer is given.
    """

    def __init__(self, model: ChatModel, timeout_s: float) -> None:
        self._model = model
        self._timeout_s = timeout_s

    async def phrase(self, question: str, extracted: Answer, passages: Sequence[Passage]) -> Answer:
        """The model's wording when every sentence of it is supported by the passages, else `extracted`."""
        sources = passages[:_PASSAGES]
        try:
            async with asyncio.timeout(self._timeout_s):
                completion = await self._model.chat(prompt(question, sources), _SAMPLING)
        except (DanluError, TimeoutError) as error:
            log.warning("answer not phrased: %s", str(error) or f"no answer within {self._timeout_s:g} s")
            return extracted
        if completion.finish_reason != "stop":
            return extracted
        return grounded(completion.text, sources) or extracted


def prompt(question: str, sources: Sequence[Passage]) -> list[Message]:
    """The messages that a model is asked with."""
    material = "\n\n".join(f"【{passage.title}】{passage.text}" for passage in sources)
    return [
        {"role": "system", "content": _INSTRUCTION},
        {"role": "user", "content": f"资料：\n{material}\n\n问题：{question}"},
    ]
