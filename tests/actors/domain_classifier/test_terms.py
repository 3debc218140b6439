"""Terms of texts, and the classifier over them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain_classifier import DomainClassifier, Terms, read_seeds
from actors.domain_classifier.terms import TERMS, count_terms

SEEDS = {
    "bank": ["银行卡丢失请挂失", "存款利率上调", "转账手续费减免", "贷款要按月还款", "开户带身份证"],
    "farm": ["水稻插秧要及时", "小麦赤霉病防治", "玉米施肥在拔节期", "果园剪枝在冬季", "大棚蔬菜要通风"],
}


@given(st.lists(st.text(max_size=30), max_size=4))
def test_characters_and_pairs_are_counted_once_each(texts: list[str]) -> None:
    folded = [len(text.lower()) for text in texts if text.isascii()]
    counts = count_terms([text for text in texts if text.isascii()])
    assert counts.shape == (len(folded), TERMS)
    assert np.asarray(counts.sum(axis=1)).ravel().tolist() == [max(2 * length - 1, 0) for length in folded]


def test_rows_have_unit_norm_and_an_empty_text_none() -> None:
    points = Terms.fit(SEEDS["bank"])([*SEEDS["farm"], ""])
    norms = np.sqrt(np.asarray(points.multiply(points).sum(axis=1)).ravel())
    np.testing.assert_allclose(norms, [1] * 5 + [0], atol=1e-5)


def test_terms_are_kept(tmp_path: Path) -> None:
    assert Terms.load(tmp_path) is None
    terms = Terms.fit(SEEDS["bank"])
    terms.save(tmp_path)
    again = Terms.load(tmp_path)
    assert again is not None
    np.testing.assert_array_equal(again.idf, terms.idf)


def test_a_classifier_of_terms_is_kept_and_tells_domains(tmp_path: Path) -> None:
    terms = Terms.fit([text for texts in SEEDS.values() for text in texts])
    DomainClassifier.fit(SEEDS, terms).save(tmp_path)
    names, scores = DomainClassifier.load(tmp_path).classify(terms(["银行存款", "玉米防治病害"]))
    assert names == ["bank", "farm"]
    assert (scores > 0.5).all()


@pytest.mark.parametrize("least", [0.7])
def test_starter_seeds_are_told_apart(least: float) -> None:
    seeds = read_seeds("starter")
    terms = Terms.fit([text for texts in seeds.values() for text in texts])
    assert DomainClassifier.fit(seeds, terms).held_out.macro_f1 > least
