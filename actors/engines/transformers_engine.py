"""The reference engine: any causal language model that transformers loads, on CPU or CUDA.

Requests are decoded together: a step reads one waiting prompt and gives every sequence under way one token. Models
whose cache is no plain keys and values (sliding windows, recurrent states) are decoded one request after the other.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from actors.engines.adapters import Adapters
from actors.engines.admission import PENALTIES
from actors.engines.model_files import context_length, end_tokens, read_config, vocabulary_size
from actors.engines.protocol import SamplingParams
from actors.engines.settings import TransformersSettings
from actors.engines.step_engine import StepEngine
from actors.engines.step_model import NewTokens, Score
from actors.engines.text_sizes import with_text_sizes
from actors.engines.token_draw import draw, penalize, penalized, score_of
from actors.engines.tokenizer import ModelTokenizer
from actors.engines.worker_thread import WorkerThread
from actors.networks.build import register_networks
from danlu.config import validate
from danlu.errors import InputError, NotAvailableError

# What architectures call what they keep of the tokens that they have read.
_CACHES = ("past_key_values", "cache_params", "state")
# Networks that are not told positions, and see from the mask how far apart tokens are.
_DISTANCES = frozenset({"bloom", "mpt"})


class TransformersEngine(StepEngine):
    """Serves a Hugging Face folder.

    Args:
        path: the folder.
        name: what the engine is called; the folder's name unless given.
        adapters: LoRA adapters by name, each a folder in peft's form; requests may ask for one of them.
        settings: fields of TransformersSettings.

    Raises:
        InputError: the folder is no model, or an adapter's is none.
        ConfigError: a setting is wrong.
    """

    offered = frozenset({"logprobs", "top_logprobs", "min_p"}) | PENALTIES

    def __init__(
        self, path: str | Path, name: str = "", adapters: Mapping[str, str] | None = None, **settings: Any
    ) -> None:
        folder = Path(path)
        config = with_text_sizes(folder, read_config(folder))
        model = TransformersModel(folder, config, validate(TransformersSettings, settings), Adapters(adapters or {}))
        tokenizer = ModelTokenizer(folder, vocabulary_size(config))
        host = WorkerThread(model, tokenizer)
        super().__init__(name or folder.name, host, tokenizer, context_length(config), adapters or {})


@dataclass
class _Sequence:
    """One request: what the model has still to read, and how to draw. `cache` is of those that are decoded alone.

    `prompt` and `answer` are kept for penalties.
    """

    request_id: int
    unread: list[int]
    sampling: SamplingParams
    generator: Any
    adapter: str | None = None
    prompt: Sequence[int] = ()
    answer: list[int] = field(default_factory=list)
    cache: Any = None

    @property
    def positions(self) -> range:
        """Those of what is still to be read."""
        end = len(self.prompt) + len(self.answer)
        return range(end - len(self.unread), end)

    @property
    def plain(self) -> bool:
        """Whether the likeliest token is the next one, and nobody asks how likely it was."""
        return self.sampling.temperature == 0 and self.sampling.logprobs is None and not penalized(self.sampling)


class TransformersModel:
    """A StepModel over AutoModelForCausalLM with continuous batching."""

    def __init__(
        self, folder: Path, config: dict[str, Any], settings: TransformersSettings, adapters: Adapters | None = None
    ) -> None:
        self._folder = folder
        self._adapters = adapters or Adapters({})
        self._most_tokens = settings.sequences * context_length(config)
        self._settings = settings
        self._end_tokens = end_tokens(folder, config)
        self._waiting: deque[_Sequence] = deque()
        self._rows: list[_Sequence] = []  # in step with the rows of `_batch`
        self._alone: _Sequence | None = None
        self._advanced = 0
        self._batch: Any = None
        self._model: Any = None
        self._takes: frozenset[str] = frozenset()  # names of what the network can be given
        self._cache_name, self._batches = _CACHES[0], False

    def load(self) -> None:
        """Load the weights onto the device."""
        import torch

        from actors.engines.kv_batch import KvBatch

        if self._settings.threads:
            torch.set_num_threads(self._settings.threads)
        model = _load(self._folder, self._settings.dtype)
        self._takes = frozenset(inspect.signature(model.forward).parameters)
        self._cache_name = next((name for name in _CACHES if name in self._takes), _CACHES[0])
        # Else a shorter row's positions would be those of the longest.
        self._batches = "position_ids" in self._takes or model.config.model_type in _DISTANCES
        self._model = self._adapters.put_on(model).to(_device(self._settings.device))
        self._batch = KvBatch()

    def add(
        self, request_id: int, prompt_ids: Sequence[int], sampling: SamplingParams, adapter: str | None = None
    ) -> None:
        """Queue a request."""
        import torch

        assert sampling.seed is not None
        generator = torch.Generator(self._model.device).manual_seed(sampling.seed)
        self._waiting.append(_Sequence(request_id, list(prompt_ids), sampling, generator, adapter, tuple(prompt_ids)))

    def cancel(self, request_id: int) -> None:
        """Forget a request and free its cache."""
        self._waiting = deque(sequence for sequence in self._waiting if sequence.request_id != request_id)
        self._keep([sequence for sequence in self._rows if sequence.request_id != request_id])
        if self._alone is not None and self._alone.request_id == request_id:
            self._alone = None

    def step(self) -> list[NewTokens]:
        """One token for each sequence under way, and the first one for the request that has waited longest."""
        new = self._decode_rows() + self._decode_alone()
        if self._waiting and self._alone is None and len(self._rows) < self._settings.sequences:
            new.append(self._read_prompt(self._waiting.popleft()))
        self._advanced = len(new)
        return new

    def running(self) -> int:
        """Sequences that the last step advanced."""
        return self._advanced

    def kv_cache_use(self) -> float | None:
        """Columns of the rows' caches, as a share of `sequences` full contexts; those decoded alone left out."""
        return len(self._rows) * self._batch.columns / self._most_tokens

    def close(self) -> None:
        """Free the model."""
        self._waiting.clear()
        self._rows, self._alone = [], None
        self._batch = self._model = None

    def _read_prompt(self, sequence: _Sequence) -> NewTokens:
        from actors.engines.kv_batch import can_batch

        logits, cache = self._forward([sequence])
        together = self._batches and can_batch(cache)
        if not together:
            self._alone, sequence.cache = sequence, cache
        new = self._draw(sequence, logits)
        if new.finish_reason is not None:
            self._alone = None
        elif together:
            self._batch.join(cache)
            self._rows.append(sequence)
        return new

    def _decode_rows(self) -> list[NewTokens]:
        if not self._rows:
            return []
        batch = self._batch
        logits, _ = self._forward(self._rows, batch.cache, batch.next_mask())
        batch.advanced()
        greedy = logits.argmax(-1).tolist()  # one transfer from the device for all of them
        new = [
            self._count(sequence, token) if sequence.plain else self._draw(sequence, row[None])
            for sequence, token, row in zip(self._rows, greedy, logits, strict=True)
        ]
        self._keep([sequence for sequence, tokens in zip(self._rows, new, strict=True) if not tokens.finish_reason])
        return new

    def _decode_alone(self) -> list[NewTokens]:
        sequence = self._alone
        if sequence is None:
            return []
        logits, sequence.cache = self._forward([sequence], sequence.cache)
        new = self._draw(sequence, logits)
        if new.finish_reason is not None:
            self._alone = None
        return [new]

    def _keep(self, rows: list[_Sequence]) -> None:
        places = {id(sequence): place for place, sequence in enumerate(self._rows)}
        self._batch.keep([places[id(sequence)] for sequence in rows])
        self._rows = rows

    def _forward(self, rows: list[_Sequence], cache: Any = None, mask: Any = None) -> tuple[Any, Any]:
        """Read tokens; returns the logits (rows, vocabulary) after the last of each row, and the cache."""
        import torch

        device = self._model.device
        more: dict[str, Any] = dict(self._adapters.of_rows([sequence.adapter for sequence in rows]))
        if "logits_to_keep" in self._takes:  # a whole prompt's may be larger than the network
            more["logits_to_keep"] = 1
        # Networks would ask their cache how much it holds, and one whose first layer keeps a state says nothing.
        if "position_ids" in self._takes:
            more["position_ids"] = torch.tensor([sequence.positions for sequence in rows], device=device)
        if mask is not None:
            more["attention_mask"] = mask.to(device)
        with torch.inference_mode():
            output = self._model(
                input_ids=torch.tensor([sequence.unread for sequence in rows], device=device),
                use_cache=True,
                **{self._cache_name: cache},
                **more,
            )
        return output.logits[:, -1].float(), getattr(output, self._cache_name, None)

    def _draw(self, sequence: _Sequence, logits: Any) -> NewTokens:
        wanted = sequence.sampling
        scores = logits
        if penalized(wanted):
            scores = penalize(logits, wanted, sequence.prompt, sequence.answer)
        token = draw(scores, wanted, sequence.generator)
        score = () if wanted.logprobs is None else (score_of(logits[0], token, wanted.logprobs),)
        return self._count(sequence, token, score)

    def _count(self, sequence: _Sequence, token: int, scores: Sequence[Score] = ()) -> NewTokens:
        """Note a token that was drawn, and whether it ends the answer."""
        # A network without a cache reads everything again.
        again = sequence is self._alone and sequence.cache is None
        sequence.unread = [*sequence.unread, token] if again else [token]
        sequence.answer.append(token)
        reason: Literal["stop", "length"] | None = None
        if token in self._end_tokens and not sequence.sampling.ignore_eos:
            reason = "stop"
        elif len(sequence.answer) == sequence.sampling.max_tokens:
            reason = "length"
        return NewTokens(sequence.request_id, [token], reason, scores=scores)


def _load(folder: Path, dtype: str) -> Any:
    """The model with all its weights: transformers alone would fill those that are missing at random."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    register_networks()
    kind = dtype if dtype == "auto" else getattr(torch, dtype)
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=kind, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, SafetensorError, KeyError, AttributeError, TypeError) as error:
        # A KeyError's text is the bare key: what transformers does not know in config.json (a kind of rope, say).
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
        raise InputError(f"the model in {folder} does not load", rule=reason) from None
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
