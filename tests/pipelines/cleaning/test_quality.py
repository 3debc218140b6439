"""The quality score puts texts in a sensible order."""

from __future__ import annotations

import pytest

from pipelines.cleaning.keys import comparison_key
from pipelines.cleaning.minhash import shingles
from pipelines.cleaning.quality import quality
from pipelines.cleaning.statistics import measure

PROSE = (
    "银行卡丢失后，请先在手机上挂失，以免别人盗用。随后带着身份证到任意网点补办，填写申请表，核对预留的手机号码。"
    "新卡大约三个工作日寄到，旧卡立即失效，卡里的余额和定期存款都会自动转到新卡上。"
)


def _quality(text: str) -> float:
    key = comparison_key(text)
    return quality(measure(text, len(key), len(shingles(key))))


@pytest.mark.parametrize(
    "worse",
    [PROSE[:40], PROSE[:-10], PROSE.replace("，", "").replace("。", ""), PROSE + "★▲◆" * 20, PROSE[:30] * 4, ""],
)
def test_whole_prose_scores_above_what_was_made_of_it(worse: str) -> None:
    assert 0 <= _quality(worse) < _quality(PROSE) <= 1


def test_the_score_has_two_decimals() -> None:
    assert _quality(PROSE) == round(_quality(PROSE), 2)
