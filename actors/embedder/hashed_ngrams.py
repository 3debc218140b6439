"""The corpus-fitted embedder as a sentence-transformers module, so that it saves, loads and encodes like any model."""

from __future__ import annotations

import sys
from typing import Any, Self

import numpy as np
import torch
from sentence_transformers.base.modules.input_module import InputModule

from actors.embedder.projection import BUCKETS, Projection, code_points, count_ngrams, fold


class HashedNgrams(InputModule):
    """Weighted hashed n-grams times a projection.

    The last dimension is reserved for texts without any known character: they get a unit vector there, at right angles
    to every other text, so that the norm is 1 whatever the text.

    Args:
        n_characters: different characters in the fitted corpus.
        rank: dimensions of the projection; the embedding has one more.
    """

    config_keys = ["n_characters", "rank"]  # noqa: RUF012  # the base class reads a plain list
    save_in_root = True

    def __init__(self, n_characters: int, rank: int) -> None:
        super().__init__()
        self.n_characters = n_characters
        self.rank = rank
        self._table: np.ndarray | None = None
        self.register_buffer("characters", torch.zeros(n_characters, dtype=torch.int64))
        self.register_buffer("idf", torch.zeros(BUCKETS))
        self.register_buffer("components", torch.zeros(BUCKETS, rank))

    @classmethod
    def from_projection(cls, projection: Projection) -> Self:
        module = cls(len(projection.characters), projection.components.shape[1])
        module.characters.copy_(torch.from_numpy(projection.characters))
        module.idf.copy_(torch.from_numpy(projection.idf))
        module.components.copy_(torch.from_numpy(projection.components))
        return module

    def get_embedding_dimension(self) -> int:
        return self.rank + 1

    def preprocess(self, inputs: list[Any], prompt: str | None = None, **kwargs: Any) -> dict[str, torch.Tensor]:
        """Texts to counts.

        `counts`: (n_texts, BUCKETS), occurrences of hashed n-grams; `known`: (n_texts,) bool, whether a text has any
        known character.
        """
        texts = [fold((prompt or "") + text) for text in inputs]
        return {
            "counts": torch.from_numpy(count_ngrams(texts)),
            "known": torch.tensor([bool(self._is_known()[code_points(text)].any()) for text in texts]),
        }

    def forward(self, features: dict[str, torch.Tensor], **kwargs: Any) -> dict[str, torch.Tensor]:
        """Adds `sentence_embedding`: (n_texts, rank + 1), not yet normalised."""
        projected = (torch.log1p(features["counts"]) * self.idf) @ self.components
        # A hash collision may give a weight to what is unknown, so the characters decide.
        readable = features["known"] & (projected.abs().amax(dim=1) > 0)
        projected = torch.where(readable[:, None], projected, 0.0)
        features["sentence_embedding"] = torch.cat([projected, (~readable)[:, None].to(projected.dtype)], dim=1)
        return features

    def unknown_share(self, texts: list[str]) -> float:
        """Share of characters that the fitted corpus never had; 1 for texts without any character."""
        points = code_points("".join("".join(fold(text).split()) for text in texts))
        return float(1 - self._is_known()[points].mean()) if len(points) else 1.0

    def _is_known(self) -> np.ndarray:
        """(1,114,112,) bool: for each code point whether the fitted corpus has it."""
        if self._table is None:
            self._table = np.zeros(sys.maxunicode + 1, dtype=bool)
            self._table[self.characters.cpu().numpy()] = True
        return self._table

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(
        cls,
        model_name_or_path: str,
        subfolder: str = "",
        token: bool | str | None = None,
        cache_folder: str | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
        **kwargs: Any,
    ) -> Self:
        where: dict[str, Any] = {
            "subfolder": subfolder,
            "token": token,
            "cache_folder": cache_folder,
            "revision": revision,
            "local_files_only": local_files_only,
        }
        config = cls.load_config(model_name_or_path, **where)
        module = cls(**{key: config[key] for key in cls.config_keys})
        return cls.load_torch_weights(model_name_or_path, model=module, **where)
