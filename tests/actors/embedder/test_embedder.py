"""The corpus-fitted embedder, and the actor that holds any embedder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.embedder import Embedder, fit_embedder, load_embedder, unknown_token_share
from actors.embedder.projection import count_ngrams, fit_projection, weigh
from danlu.errors import ConfigError, InputError

TOPICS = {
    "card": ["银行卡丢失后请立即挂失", "银行卡被盗刷怎么挂失", "挂失银行卡需要身份证", "补办银行卡要多少天"],
    "data": ["手机流量不够用怎么办", "流量套餐可以随时更换", "手机流量用完会限速", "怎么查询剩余手机流量"],
}
CORPUS = [text for texts in TOPICS.values() for text in texts]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedder")
    fit_embedder(CORPUS).save(str(folder))
    return folder


def test_vectors_are_float32_of_unit_norm(saved: Path) -> None:
    vectors = Embedder(str(saved), "cpu").encode(CORPUS)
    assert vectors.dtype == np.float32
    assert vectors.shape[0] == len(CORPUS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_texts_of_a_topic_are_nearer_than_others(saved: Path) -> None:
    vectors = Embedder(str(saved), "cpu").encode(CORPUS)
    similarity = vectors @ vectors.T
    same = np.kron(np.eye(2), np.ones((4, 4))).astype(bool)
    assert similarity[same].mean() > similarity[~same].mean() + 0.3


def test_a_saved_embedder_gives_the_same_vectors(saved: Path) -> None:
    fitted = fit_embedder(CORPUS).encode(CORPUS)
    np.testing.assert_array_equal(load_embedder(str(saved), "cpu").encode(CORPUS), fitted)


def test_a_vector_does_not_depend_on_its_batch(saved: Path) -> None:
    embedder = Embedder(str(saved), "cpu", batch_size=3)
    np.testing.assert_array_equal(embedder.encode(CORPUS)[2:5], embedder.encode(CORPUS[2:5]))


def test_width_and_case_are_folded(saved: Path) -> None:
    one, other = Embedder(str(saved), "cpu").encode(["手机流量ABC", "手机流量ａｂｃ"])
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_text_of_unknown_characters_has_unit_norm_and_is_like_nothing_known(saved: Path) -> None:
    known, unknown, empty = Embedder(str(saved), "cpu").encode(["挂失", "สวัสดี", ""])
    assert abs(np.linalg.norm(unknown) - 1) < 1e-6
    assert known @ unknown == 0
    np.testing.assert_array_equal(unknown, empty)


def test_dimensions_are_a_limit() -> None:
    assert fit_embedder(CORPUS, dimensions=4).get_embedding_dimension() == 4
    assert (fit_embedder(CORPUS, dimensions=384).get_embedding_dimension() or 0) <= len(CORPUS) + 1


@pytest.mark.parametrize(("texts", "dimensions", "error"), [(["", "  "], 8, InputError), (CORPUS, 1, ConfigError)])
def test_what_cannot_be_fitted_is_refused(texts: list[str], dimensions: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        fit_embedder(texts, dimensions=dimensions)


def test_unknown_token_share_counts_characters(saved: Path) -> None:
    model = load_embedder(str(saved), "cpu")
    assert unknown_token_share(model, CORPUS) == 0
    assert unknown_token_share(model, ["挂失แฟ"]) == pytest.approx(2 / 4, abs=0.01)
    assert unknown_token_share(model, ["Ωμέγα"]) > 0.9


def test_a_name_that_is_no_model_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be loaded"):
        load_embedder(str(tmp_path / "nothing"))


def test_the_actor_fills_in_a_column(saved: Path) -> None:
    embedder = Embedder(str(saved), "cpu")
    batch = embedder({"id": np.array([1, 2]), "text": np.array(["挂失", "流量"])})
    assert batch["embedding"].shape == (2, embedder.dimensions)
    assert batch["id"].tolist() == [1, 2]
    assert embedder({"text": np.array([])})["embedding"].shape == (0, embedder.dimensions)


def test_the_actor_works_in_a_ray_data_pool(ray_local: None, saved: Path) -> None:
    import ray.data

    data = ray.data.from_items([{"text": text} for text in CORPUS], override_num_blocks=2)
    pool = ray.data.ActorPoolStrategy(size=1)
    rows = data.map_batches(Embedder, fn_constructor_args=(str(saved), "cpu"), compute=pool, num_cpus=0.5).take_all()
    expected = dict(zip(CORPUS, Embedder(str(saved), "cpu").encode(CORPUS), strict=True))
    assert len(rows) == len(CORPUS)
    for row in rows:
        np.testing.assert_array_equal(row["embedding"], expected[row["text"]])


def test_the_projection_is_the_truncated_svd() -> None:
    """The Gram matrix's way must give what a direct SVD gives: the same distances between all texts at full rank."""
    projection = fit_projection(CORPUS, rank=len(CORPUS))
    columns = projection.components
    np.testing.assert_allclose(columns.T @ columns, np.eye(columns.shape[1]), atol=1e-4)
    counts = count_ngrams(CORPUS)
    assert (counts.any(axis=0) == (projection.idf > 0)).all()
    rows = weigh(counts, projection.idf)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose((rows @ columns) @ (rows @ columns).T, rows @ rows.T, atol=1e-4)


@given(st.text(max_size=40))
def test_ngrams_are_counted_once_each(text: str) -> None:
    assert count_ngrams([text]).sum() == sum(max(len(text) - size + 1, 0) for size in (1, 2, 3))


def test_any_sentence_transformers_model_can_be_held(tiny_encoder: Path) -> None:
    embedder = Embedder(str(tiny_encoder), "cpu")
    vectors = embedder.encode(["挂失", "流量"])
    assert vectors.shape == (2, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_unknown_tokens_of_a_transformer_are_counted(tiny_encoder: Path) -> None:
    model = load_embedder(str(tiny_encoder), "cpu")
    assert unknown_token_share(model, ["挂失"]) == 0
    assert unknown_token_share(model, ["挂失流量"]) == 0.5
    assert unknown_token_share(model, [""]) == 0


def test_a_model_that_brings_its_own_code_is_not_trusted(saved: Path, tmp_path: Path) -> None:
    from actors.embedder.embedder import _is_ours

    assert _is_ours(str(saved))
    modules = (saved / "modules.json").read_text(encoding="utf-8")
    (tmp_path / "modules.json").write_text(modules.replace("sentence_transformers.", "stranger."), encoding="utf-8")
    assert not _is_ours(str(tmp_path))
    assert not _is_ours("organisation/model-on-the-hub")
