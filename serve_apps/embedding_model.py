"""One embedding model as a Serve application, and how applications ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

from ray import serve
from ray.serve.config import BackpressureConfig

from actors.engines.admission import ContextLengthError
from danlu.config import validate
from danlu.errors import DanluError, InputError
from serve_apps.config import EmbeddingSettings
from serve_apps.routing import router_config
from serve_apps.served_model import RETRY_AFTER_S, ServedModel, name_in_app

if TYPE_CHECKING:
    import numpy as np
    from sentence_transformers import SentenceTransformer

_MAX_ONGOING = 8


def app_name(model: str) -> str:
    """The Serve application that holds an embedding model."""
    return f"embedding-{name_in_app(model)}"


class EmbeddingModel(ServedModel):
    """A served embedding model."""

    def __init__(self, name: str) -> None:
        super().__init__(name, app_name(name))

    async def embed(self, texts: Sequence[str]) -> tuple[np.ndarray, int]:
        """(n_texts, dim) float32, unit norm, and the tokens read (characters where a model has no tokens).

        Raises:
            InputError: a text is empty, or (a ContextLengthError) too long for the model.
            ModelBusyError, ModelUnavailableError, NotAvailableError: as LanguageModel does.
        """
        return await self._call("embed", list(texts))


class EmbedderReplica:
    """Holds the model; expected errors are returned (see ServedModel).

    Requests are counted and embedded in one thread, one after the other: the tokenizer keeps truncation and padding as
    a state of its own, which each call sets anew.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        from actors.embedder import Embedder

        self._embedder = Embedder(validate(EmbeddingSettings, settings).path)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedder")

    async def embed(self, texts: list[str]) -> tuple[np.ndarray, int] | DanluError:
        """See EmbeddingModel.embed. Once nobody waits, the work ends within a few texts, or never begins."""
        left = Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._embed, texts, left)
        finally:
            left.set()

    def _embed(self, texts: list[str], left: Event) -> tuple[np.ndarray, int] | DanluError:
        if left.is_set():
            raise CancelledError
        counts = token_counts(self._embedder.model, texts)
        limit = self._embedder.model.max_seq_length
        for position, count in enumerate(counts):
            if count == 0:
                return InputError(f"input {position} is empty", rule="there is nothing to embed")
            if limit is not None and count > limit:
                return ContextLengthError(f"input {position} has {count} tokens", rule=f"the model reads {limit}")
        return self._embedder.encode(texts, stop=left), sum(counts)


def token_counts(model: SentenceTransformer, texts: list[str]) -> list[int]:
    """Tokens of each text, special ones included; characters for a model without a tokenizer. Not thread-safe."""
    tokenizer = getattr(model, "tokenizer", None)
    if tokenizer is None:
        return [len(text) for text in texts]
    return [len(ids) if text else 0 for text, ids in zip(texts, tokenizer(texts)["input_ids"], strict=True)]


def build(config: dict[str, Any]) -> serve.Application:
    """Serve's entry point (`serve_apps.embedding_model:build`): `config` holds the keys of EmbeddingSettings."""
    settings = validate(EmbeddingSettings, config)
    deployment = serve.deployment(
        name="embedder",
        num_replicas=settings.replicas,
        max_ongoing_requests=_MAX_ONGOING,
        max_queued_requests=settings.max_queued,
        request_router_config=router_config(),
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=RETRY_AFTER_S),
        ray_actor_options={"num_cpus": settings.cpus, "num_gpus": settings.gpus},
    )(EmbedderReplica)
    return deployment.bind(config)
