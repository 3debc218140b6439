"""The reference engine: any causal language model that transformers loads, on CPU or CUDA.

Requests are decoded one after the other, which keeps it simple and its results independent of what else is asked.
Not meant for throughput: the other engines batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from actors.engines.model_files import context_length, end_tokens, read_config, vocabulary_size
from actors.engines.protocol import SamplingParams
from actors.engines.settings import TransformersSettings
from actors.engines.step_engine import StepEngine
from actors.engines.step_model import NewTokens
from actors.engines.tokenizer import ModelTokenizer
from danlu.config import validate
from danlu.errors import InputError, NotAvailableError


class TransformersEngine(StepEngine):
    """Serves a Hugging Face folder.

    Args:
        path: the folder.
        name: what the engine is called; the folder's name unless given.
        settings: fields of TransformersSettings.

    Raises:
        InputError: the folder is no model.
        ConfigError: a setting is wrong.
    """

    def __init__(self, path: str | Path, name: str = "", **settings: Any) -> None:
        folder = Path(path)
        config = read_config(folder)
        model = TransformersModel(folder, config, validate(TransformersSettings, settings))
        tokenizer = ModelTokenizer(folder, vocabulary_size(config))
        super().__init__(name or folder.name, model, tokenizer, context_length(config))


@dataclass
class _Sequence:
    """One request: what the model has still to read, what it has read (in `cache`), and how to draw."""

    request_id: int
    unread: list[int]
    sampling: SamplingParams
    generator: Any
    cache: Any = None
    drawn: int = 0


class TransformersModel:
    """A StepModel over AutoModelForCausalLM; a step gives one token to the oldest request."""

    def __init__(self, folder: Path, config: dict[str, Any], settings: TransformersSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._end_tokens = end_tokens(folder, config)
        self._waiting: deque[_Sequence] = deque()
        self._model: Any = None

    def load(self) -> None:
        """Load the weights onto the device."""
        import torch

        if self._settings.threads:
            torch.set_num_threads(self._settings.threads)
        self._model = _load(self._folder, self._settings.dtype).to(_device(self._settings.device))

    def add(self, request_id: int, prompt_ids: Sequence[int], sampling: SamplingParams) -> None:
        """Queue a request."""
        import torch

        assert sampling.seed is not None
        generator = torch.Generator(self._model.device).manual_seed(sampling.seed)
        self._waiting.append(_Sequence(request_id, list(prompt_ids), sampling, generator))

    def cancel(self, request_id: int) -> None:
        """Forget a request and its cache."""
        self._waiting = deque(sequence for sequence in self._waiting if sequence.request_id != request_id)

    def step(self) -> list[NewTokens]:
        """One token for the oldest request."""
        if not self._waiting:
            return []
        sequence = self._waiting[0]
        token = self._next_token(sequence)
        # A network without a cache reads everything again.
        sequence.unread = [token] if sequence.cache is not None else [*sequence.unread, token]
        sequence.drawn += 1
        reason: Literal["stop", "length"] | None = None
        if token in self._end_tokens and not sequence.sampling.ignore_eos:
            reason = "stop"
        elif sequence.drawn == sequence.sampling.max_tokens:
            reason = "length"
        if reason is not None:
            self._waiting.popleft()
        return [NewTokens(sequence.request_id, [token], reason)]

    def running(self) -> int:
        """One while anything is under way."""
        return min(len(self._waiting), 1)

    def close(self) -> None:
        """Free the model."""
        self._waiting.clear()
        self._model = None

    def _next_token(self, sequence: _Sequence) -> int:
        import torch

        ids = torch.tensor([sequence.unread], device=self._model.device)
        with torch.inference_mode():
            output = self._model(input_ids=ids, past_key_values=sequence.cache, use_cache=True)
        sequence.cache = output.past_key_values
        return draw(output.logits[:, -1].float(), sequence.sampling, sequence.generator)


def draw(logits: Any, sampling: SamplingParams, generator: Any) -> int:
    """One token id from the logits (1, vocabulary) of the next position."""
    import torch
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    if sampling.temperature == 0:
        return int(logits.argmax(-1))
    nothing = torch.empty(0, dtype=torch.long)  # the warpers ask for the tokens so far and do not read them
    scores = TemperatureLogitsWarper(sampling.temperature)(nothing, logits)
    if sampling.top_k:
        scores = TopKLogitsWarper(sampling.top_k)(nothing, scores)
    if sampling.top_p < 1.0:
        scores = TopPLogitsWarper(sampling.top_p)(nothing, scores)
    return int(torch.multinomial(scores.softmax(-1), 1, generator=generator))


def _load(folder: Path, dtype: str) -> Any:
    """The model with all its weights: transformers alone would fill those that are missing at random."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    kind = dtype if dtype == "auto" else getattr(torch, dtype)
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=kind, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"the model in {folder} does not load", rule=str(error).splitlines()[0]) from None
    model, loading = loaded
    if missing := sorted(loading["missing_keys"]):
        rule = f"the checkpoint lacks {len(missing)} tensors, {missing[0]} first"
        raise InputError(f"the model in {folder} does not load", rule=rule)
    return model.eval()


def _device(wanted: str) -> str:
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise NotAvailableError("device is 'cuda'", rule="torch sees no CUDA device", fix="use device=cpu or auto")
    return wanted
