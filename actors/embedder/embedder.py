"""Make, load and hold an embedder."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, cast

from actors.embedder.batching import choose_batch_size, groups_of_equal_padding, pad_multiple
from danlu.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from sentence_transformers import SentenceTransformer

    from actors.embedder.backends import Backend
    from actors.embedder.hashed_ngrams import HashedNgrams

# More unknown tokens than this and an embedder no longer sees what it reads.
UNKNOWN_SHARE_WARNING = 0.10
_SAMPLE_TEXTS = 500
# The fitted embedder is one matrix product for a batch: 8 MB of counts at this size, and no faster with more.
_FITTED_BATCH_SIZE = 256
_MOST_BATCH_SIZE = 256
_LOOK_EVERY = 32  # texts: half a second of a small encoder on a processor


def fit_embedder(texts: Sequence[str], dimensions: int = 384, seed: int = 0) -> SentenceTransformer:
    """What `fit_lexical_embedder` fits, as a sentence-transformers model."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize

    from actors.embedder.hashed_ngrams import HashedNgrams
    from actors.embedder.lexical import fit_lexical_embedder

    module = HashedNgrams.from_projection(fit_lexical_embedder(texts, dimensions, seed).projection)
    return SentenceTransformer(modules=[module, Normalize()], device="cpu")


def load_embedder(name_or_path: str, device: str | None = None, backend: Backend = "torch") -> SentenceTransformer:
    """A saved corpus-fitted embedder, or any sentence-transformers model by name or path.

    Args:
        device: a torch device; None picks a GPU when there is one.
        backend: what computes: torch, or on the CPU onnx or openvino.

    Raises:
        InputError: nothing loadable there.
        NotAvailableError, ConfigError: the back-end is not installed or does not take this model.
    """
    from sentence_transformers import SentenceTransformer

    from actors.embedder.backends import use_backend

    if backend != "torch":
        device = "cpu"
    try:
        model = SentenceTransformer(name_or_path, device=device, trust_remote_code=_is_ours(name_or_path))
    except (OSError, ValueError) as error:
        raise InputError(
            f"embedder {name_or_path!r} can't be loaded",
            rule=str(error).splitlines()[0],
            fix="give the folder or the Hugging Face name of a sentence-transformers model, or leave it out",
        ) from None
    use_backend(model, backend)
    return model


def unknown_token_share(model: SentenceTransformer, texts: Sequence[str]) -> float:
    """Share of tokens (n-grams for the corpus-fitted embedder) that the model does not know, over at most 500 texts."""
    sample = list(texts[:: max(1, len(texts) // _SAMPLE_TEXTS)][:_SAMPLE_TEXTS])
    first = next(iter(model.children()))
    if type(first).__name__ == "HashedNgrams":
        return cast("HashedNgrams", first).unknown_share(sample)
    unknown = getattr(model.tokenizer, "unk_token_id", None)
    if unknown is None:  # a byte-level tokenizer has no unknown tokens
        return 0.0
    ids = model.tokenizer(sample, add_special_tokens=False, truncation=False)["input_ids"]
    tokens = sum(len(row) for row in ids)
    return sum(row.count(unknown) for row in ids) / tokens if tokens else 0.0


class Embedder:
    """Holds an embedder and fills in vectors: the callable of a Ray Data actor pool.

    On a CPU a text's vector is the same whatever it is embedded with and however many at a time; with the fitted
    embedder, whose batches are one matrix product, but for its last bit.

    Args:
        model: name or path for `load_embedder`.
        text_column: which column of a batch to embed.
        batch_size: texts at a time; None measures on the first texts which is fastest.
        backend: for `load_embedder`.
    """

    def __init__(
        self,
        model: str,
        device: str | None = None,
        *,
        text_column: str = "text",
        batch_size: int | None = 256,
        backend: Backend = "torch",
    ) -> None:
        self.model = load_embedder(model, device, backend)
        self.text_column = text_column
        self.batch_size = batch_size
        self.dimensions = int(self.model.get_embedding_dimension() or 0)
        self._multiple = _pad_evenly(self.model)
        if self._multiple is None and batch_size is None:
            self.batch_size = _FITTED_BATCH_SIZE
        # A batch takes no time that somebody would wait for.
        self._quick = self._multiple is None or self.model.device.type != "cpu"
        self._tokens = 0

    def encode(self, texts: Sequence[str], stop: Event | None = None) -> np.ndarray:
        """(n_texts, dim) float32, unit norm.

        Args:
            stop: looked at every few texts, or every batch where that is quick; once another thread has set it,
                CancelledError is raised.
        """
        import numpy as np

        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for tokens, places in self._groups(texts):
            batch_size = self.batch_size or self._fastest([texts[place] for place in places], tokens)
            together = len(places) if stop is None else max(batch_size if self._quick else 1, _LOOK_EVERY)
            for start in range(0, len(places), together):
                if stop is not None and stop.is_set():
                    raise CancelledError
                some = places[start : start + together]
                vectors[some] = self._encode([texts[place] for place in some], batch_size)
        return vectors

    def _groups(self, texts: Sequence[str]) -> list[tuple[int, np.ndarray]]:
        """[(tokens of each, places)] of texts that may be embedded together."""
        import numpy as np

        if self._multiple is None or not len(texts):
            return [(0, np.arange(len(texts)))] if len(texts) else []
        prompt = self.model.prompts.get(self.model.default_prompt_name or "") or ""
        whole = [prompt + text for text in texts]
        rows = self.model.tokenizer(whole, truncation=True, max_length=self.model.max_seq_length)["input_ids"]
        return groups_of_equal_padding([len(row) for row in rows], self._multiple)

    def _encode(self, texts: list[str], batch_size: int) -> np.ndarray:
        import numpy as np

        vectors = self.model.encode(texts, batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    def _fastest(self, texts: list[str], tokens: int) -> int:
        """How many texts of so many tokens: as many tokens at a time as were fastest for the first, longest texts."""
        if not self._tokens:
            self._tokens = self._measure_batch_size(texts) * tokens
        return min(max(self._tokens // tokens, 1), _MOST_BATCH_SIZE)

    def _measure_batch_size(self, texts: list[str]) -> int:
        """By trying."""
        import torch

        texts = (texts * (_MOST_BATCH_SIZE // len(texts) + 1))[:_MOST_BATCH_SIZE]
        self._encode(texts[:1], 1)  # the first call is slower than any other

        def texts_per_s(batch_size: int) -> float:
            count = max(batch_size, 8)
            began = time.perf_counter()
            try:
                self._encode(texts[:count], batch_size)
            except torch.cuda.OutOfMemoryError:
                raise MemoryError from None
            return count / (time.perf_counter() - began)

        return choose_batch_size(texts_per_s, _MOST_BATCH_SIZE)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch with a column `embedding`: (n, dim) float32, unit norm."""
        return {**batch, "embedding": self.encode([str(text) for text in batch[self.text_column]])}


def _pad_evenly(model: SentenceTransformer) -> int | None:
    """Let a transformer pad to a multiple of so many tokens; None for a model without one."""
    module: Any = next(iter(model.children()))
    if not hasattr(module, "processing_kwargs") or getattr(model, "tokenizer", None) is None:
        return None
    multiple = pad_multiple(model.max_seq_length)
    text = {**module.processing_kwargs.get("text", {}), "pad_to_multiple_of": multiple}
    module.processing_kwargs = {**module.processing_kwargs, "text": text}
    return multiple


def _is_ours(name_or_path: str) -> bool:
    """Whether the folder needs our module class and nothing foreign; no other model may bring code of its own."""
    file = Path(name_or_path, "modules.json")
    if not file.is_file():
        return False
    types = [module["type"] for module in json.loads(file.read_text(encoding="utf-8"))]
    foreign = [name for name in types if not name.startswith("sentence_transformers.")]
    return foreign == ["actors.embedder.hashed_ngrams.HashedNgrams"]
