"""What is compared: danlu's CPU engine in its settings, and transformers' `generate` on the same checkpoint."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any, Protocol

from actors.engines.protocol import GenerationRequest, SamplingParams
from benchmarks.environments import cache_folder
from benchmarks.serving.models import prompt_text

PROMPT_TOKENS = 64


class Contestant(Protocol):
    """Something that answers prompts of PROMPT_TOKENS tokens greedily."""

    name: str

    async def start(self) -> None: ...

    async def tokens_per_s(self, requests: int, answer_tokens: int, seed: int) -> float:
        """All requests at the same time; prompts differ with `seed`."""
        ...

    async def stop(self) -> None: ...


class OwnEngine:
    """danlu's CPU engine. `settings` are its options."""

    def __init__(self, name: str, checkpoint: Path, **settings: Any) -> None:
        self.name = name
        self._checkpoint = checkpoint
        self._settings = settings
        self._engine: Any = None

    async def start(self) -> None:
        from actors.engines.openvino_engine import OpenVinoEngine

        os.environ.setdefault("DANLU_CACHE", str(cache_folder()))
        # Without the prefix cache: every prompt is to be read.
        self._engine = OpenVinoEngine(self._checkpoint, prefix_cache=False, **self._settings)
        await self._engine.start()

    async def tokens_per_s(self, requests: int, answer_tokens: int, seed: int) -> float:
        began = time.perf_counter()
        counts = await asyncio.gather(*(self._ask(seed * 100 + i, answer_tokens) for i in range(requests)))
        return sum(counts) / (time.perf_counter() - began)

    async def stop(self) -> None:
        await self._engine.shutdown()

    async def _ask(self, number: int, answer_tokens: int) -> int:
        sampling = SamplingParams(max_tokens=answer_tokens, temperature=0.0, ignore_eos=True)
        request = GenerationRequest(str(number), prompt_text(PROMPT_TOKENS, number), sampling)
        tokens = 0
        async for delta in self._engine.generate(request):
            tokens = delta.completion_tokens
        assert tokens == answer_tokens
        return tokens


class Generate:
    """transformers' `generate`; several requests are one batch of prompts of equal length, its best case."""

    def __init__(self, name: str, checkpoint: Path, dtype: str) -> None:
        self.name = name
        self._checkpoint = checkpoint
        self._dtype = dtype
        self._model: Any = None
        self._tokenizer: Any = None

    async def start(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        torch.set_num_threads(os.cpu_count() or 1)
        self._tokenizer = PreTrainedTokenizerFast.from_pretrained(self._checkpoint)
        self._model = AutoModelForCausalLM.from_pretrained(self._checkpoint, dtype=getattr(torch, self._dtype)).eval()

    async def tokens_per_s(self, requests: int, answer_tokens: int, seed: int) -> float:
        import torch

        began = time.perf_counter()
        prompts = [prompt_text(PROMPT_TOKENS, seed * 100 + i) for i in range(requests)]
        ids = torch.tensor([self._tokenizer.encode(prompt) for prompt in prompts])
        with torch.inference_mode():
            found = self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=answer_tokens,
                min_new_tokens=answer_tokens,
                do_sample=False,
            )
        assert found.shape == (requests, PROMPT_TOKENS + answer_tokens)
        return requests * answer_tokens / (time.perf_counter() - began)

    async def stop(self) -> None:
        self._model = None
