"""Other runtimes for a transformer: the same vectors, whatever the batch."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from actors.embedder import Embedder, fit_embedder, load_embedder, unknown_token_share
from actors.embedder.backends import Backend, check_backend
from danlu.errors import ConfigError, NotAvailableError

TEXTS = ["挂失", "挂" * 200, "失挂失", "流量" * 40, "", "挂失" * 33]
NEWS = [
    "The bank closes its branch in the old town at the end of June.",
    "A branch of the bank in the old town will be closed by the end of June.",
    "The striker scored twice in the second half and the home side won.",
    "Rain is expected in the north tomorrow, with strong winds along the coast. " * 6,
]
HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))
onnx = pytest.param("onnx", marks=pytest.mark.skipif(not HAS_ONNX, reason='pip install "danlu[onnx]"'))


@pytest.mark.parametrize("backend", ["openvino", onnx])
def test_the_vectors_are_those_of_torch(tiny_encoder: Path, backend: Backend) -> None:
    expected = Embedder(str(tiny_encoder), "cpu").encode(TEXTS)
    vectors = Embedder(str(tiny_encoder), backend=backend).encode(TEXTS)
    assert vectors.dtype == np.float32 and vectors.shape == expected.shape
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


@pytest.mark.parametrize("backend", ["torch", "openvino", onnx])
def test_a_vector_depends_neither_on_the_batch_size_nor_on_its_neighbours(tiny_encoder: Path, backend: Backend) -> None:
    expected = Embedder(str(tiny_encoder), "cpu", batch_size=1, backend=backend).encode(TEXTS)
    for batch_size in (2, 64, None):
        embedder = Embedder(str(tiny_encoder), "cpu", batch_size=batch_size, backend=backend)
        np.testing.assert_array_equal(embedder.encode(TEXTS), expected)
        np.testing.assert_array_equal(embedder.encode(TEXTS[::-1])[::-1], expected)
        np.testing.assert_array_equal(embedder.encode(TEXTS[1:3]), expected[1:3])


@pytest.mark.parametrize("backend", ["torch", "openvino", onnx])
def test_a_real_encoder(english_encoder: str, backend: Backend) -> None:
    embedder = Embedder(english_encoder, "cpu", batch_size=None, backend=backend)
    vectors = embedder.encode(NEWS)
    similarity = vectors @ vectors.T
    assert similarity[0, 1] > 0.8 > 0.3 > similarity[0, 2]
    np.testing.assert_array_equal(embedder.encode(NEWS[3:]), vectors[3:])
    np.testing.assert_allclose(vectors, Embedder(english_encoder, "cpu", batch_size=1).encode(NEWS), atol=1e-5)
    assert unknown_token_share(embedder.model, NEWS) == 0
    assert unknown_token_share(embedder.model, ["银行卡丢失后请立即挂失，随后带着身份证到任意网点补办。"]) > 0.1


def test_an_embedder_without_a_transformer_is_refused(tmp_path: Path) -> None:
    fit_embedder(["银行卡", "流量套餐", "挂失"]).save(str(tmp_path), create_model_card=False)
    with pytest.raises(ConfigError, match="begins with HashedNgrams"):
        load_embedder(str(tmp_path), "cpu", "openvino")


def test_a_back_end_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", find)
    with pytest.raises(NotAvailableError, match=r"onnx and onnxruntime must be installed\nFix: pip install"):
        check_backend("onnx")
    check_backend("openvino")
    check_backend("torch")
