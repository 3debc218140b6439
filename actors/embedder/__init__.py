"""Texts to vectors: the corpus-fitted embedder, any sentence-transformers model, and the actor that holds one.

Importing this package is cheap; torch and sentence-transformers load with the first model.
"""

from actors.embedder.embedder import Embedder, fit_embedder, load_embedder, unknown_token_share

__all__ = ["Embedder", "fit_embedder", "load_embedder", "unknown_token_share"]
