"""Make, load and hold an embedder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from danlu.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from sentence_transformers import SentenceTransformer

    from actors.embedder.hashed_ngrams import HashedNgrams

# More unknown tokens than this and an embedder no longer sees what it reads.
UNKNOWN_SHARE_WARNING = 0.10
_SAMPLE_TEXTS = 500


def fit_embedder(texts: Sequence[str], dimensions: int = 384, seed: int = 0) -> SentenceTransformer:
    """What `fit_lexical_embedder` fits, as a sentence-transformers model."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize

    from actors.embedder.hashed_ngrams import HashedNgrams
    from actors.embedder.lexical import fit_lexical_embedder

    module = HashedNgrams.from_projection(fit_lexical_embedder(texts, dimensions, seed).projection)
    return SentenceTransformer(modules=[module, Normalize()], device="cpu")


def load_embedder(name_or_path: str, device: str | None = None) -> SentenceTransformer:
    """A saved corpus-fitted embedder, or any sentence-transformers model by name or path.

    Args:
        device: a torch device; None picks a GPU when there is one.

    Raises:
        InputError: nothing loadable there.
    """
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(name_or_path, device=device, trust_remote_code=_is_ours(name_or_path))
    except (OSError, ValueError) as error:
        raise InputError(
            f"embedder {name_or_path!r} can't be loaded",
            rule=str(error).splitlines()[0],
            fix="give the folder or the Hugging Face name of a sentence-transformers model, or leave it out",
        ) from None


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

    Args:
        model: name or path for `load_embedder`.
        text_column: which column of a batch to embed.
        batch_size: texts at a time.
    """

    def __init__(
        self, model: str, device: str | None = None, *, text_column: str = "text", batch_size: int = 256
    ) -> None:
        self.model = load_embedder(model, device)
        self.text_column = text_column
        self.batch_size = batch_size
        self.dimensions = int(self.model.get_embedding_dimension() or 0)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(n_texts, dim) float32, unit norm."""
        import numpy as np

        if not len(texts):
            return np.zeros((0, self.dimensions), dtype=np.float32)
        vectors = self.model.encode(
            list(texts), batch_size=self.batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch with a column `embedding`: (n, dim) float32, unit norm."""
        return {**batch, "embedding": self.encode([str(text) for text in batch[self.text_column]])}


def _is_ours(name_or_path: str) -> bool:
    """Whether the folder needs our module class and nothing foreign; no other model may bring code of its own."""
    file = Path(name_or_path, "modules.json")
    if not file.is_file():
        return False
    types = [module["type"] for module in json.loads(file.read_text(encoding="utf-8"))]
    foreign = [name for name in types if not name.startswith("sentence_transformers.")]
    return foreign == ["actors.embedder.hashed_ngrams.HashedNgrams"]
