"""The corpus-fitted embedder without torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from actors.embedder import fit_embedder
from actors.embedder.lexical import LexicalEmbedder, fit_lexical_embedder

CORPUS = ["银行卡丢失后请立即挂失", "挂失银行卡需要身份证", "手机流量不够用怎么办", "Check your card ＡＢ，流量"]


@pytest.fixture(scope="module")
def embedder() -> LexicalEmbedder:
    return fit_lexical_embedder(CORPUS)


def test_vectors_are_those_of_the_sentence_transformers_module(embedder: LexicalEmbedder) -> None:
    texts = [*CORPUS, "ＣＨＥＣＫ 挂失", "สวัสดี", ""]
    vectors = embedder.encode(texts)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, fit_embedder(CORPUS).encode(texts), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_more_texts_than_a_batch_keep_their_order(embedder: LexicalEmbedder) -> None:
    vectors = embedder.encode(CORPUS * 100)
    np.testing.assert_allclose(vectors, np.tile(embedder.encode(CORPUS), (100, 1)), atol=1e-6)
    assert embedder.encode([]).shape == (0, embedder.dimensions)


def test_stored_bytes_give_the_same_vectors(embedder: LexicalEmbedder) -> None:
    again = LexicalEmbedder.from_bytes(embedder.to_bytes())
    np.testing.assert_array_equal(again.encode(CORPUS), embedder.encode(CORPUS))


def test_unknown_share_counts_characters(embedder: LexicalEmbedder) -> None:
    assert embedder.unknown_share(CORPUS) == 0
    assert embedder.unknown_share(["挂失แฟ"]) == pytest.approx(0.5)
    assert embedder.unknown_share(["  "]) == 1


def test_torch_is_not_imported() -> None:
    use = "from actors.embedder.lexical import fit_lexical_embedder as fit; fit(['挂失', '流量']).encode(['挂失'])"
    code = f"import sys; {use}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
