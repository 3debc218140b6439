"""The steps that judge a document by itself, and their order."""

from __future__ import annotations

from itertools import permutations

import pytest

from danlu.config import load_config
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.screening import Screened, Screening

PROSE = "银行卡丢失后，请先在手机上挂失，然后带着身份证到任意网点补办，大约需要三个工作日。"
CONTACT = PROSE + "有疑问可以拨打王经理的电话13812345678，或者写信到wang@example.com。"


def _find(key: str) -> str | None:
    return "100% of it" if "挂失" in key else None


def _screen(text: str, *settings: str, benchmark: bool = False) -> Screened:
    against = ["decontaminate.against=a.jsonl"] if benchmark else []
    config = load_config(CleanConfig, None, ["input=raw", "output=run", *against, *settings])
    (screened,) = Screening(config, _find if benchmark else None)([text])
    return screened


def test_without_pii_a_text_stays_as_it_is() -> None:
    screened = _screen(CONTACT)
    assert screened.document.text == CONTACT
    assert screened.verdict is None
    assert screened.masked == {}


def test_masking_changes_the_text_and_counts() -> None:
    screened = _screen(CONTACT, "pii={}")
    assert screened.document.text == PROSE + "有疑问可以拨打王经理的电话<手机号>，或者写信到<邮箱>。"
    assert screened.masked == {"mobile": 1, "email": 1}
    assert screened.verdict is None
    assert "手机号" in screened.document.key
    assert "13812345678" not in screened.document.key


def test_only_the_kinds_of_the_config_are_masked() -> None:
    assert _screen(CONTACT, "pii.kinds=[email]").masked == {"email": 1}


def test_dropping_names_the_kind_and_counts_and_shows_nothing() -> None:
    screened = _screen(CONTACT, "pii.action=drop")
    assert screened.verdict is not None
    assert (screened.verdict.stage, screened.verdict.reason) == ("pii", "mobile")
    assert screened.verdict.detail == "1 mobile, 1 email; pii.action is drop"
    assert "13812345678" not in screened.document.text
    assert screened.masked == {}
    assert _screen(PROSE, "pii.action=drop").verdict is None


def test_a_list_of_contacts_is_dropped_when_there_is_a_limit() -> None:
    assert _screen(CONTACT, "pii.max_matches=2").verdict is None
    verdict = _screen(CONTACT, "pii.max_matches=1").verdict
    assert verdict is not None
    assert verdict.detail == "1 mobile, 1 email; pii.max_matches is 1"


def test_a_held_benchmark_is_a_reason() -> None:
    verdict = _screen(PROSE, benchmark=True).verdict
    assert verdict is not None
    assert (verdict.stage, verdict.reason) == ("decontaminate", "benchmark")
    assert verdict.detail == "100% of it; decontaminate.overlap is 50%"
    assert _screen(PROSE.replace("挂失", "说明"), benchmark=True).verdict is None


@pytest.mark.parametrize("order", list(permutations(["pii", "filters", "decontaminate"])))
def test_the_first_step_that_objects_decides(order: tuple[str, ...]) -> None:
    settings = [f"order=[{', '.join(order)}]", "pii.action=drop", "filters.min_characters=5000"]
    verdict = _screen(CONTACT, *settings, benchmark=True).verdict
    assert verdict is not None
    assert verdict.stage == order[0]


def test_filters_judge_the_raw_text_when_they_come_first() -> None:
    numbers = "订购电话：" + "、".join(f"138{number:08d}" for number in range(9)) + "，请在白天来电，谢谢大家的关照。"
    first = _screen(numbers, "pii={}", "order=[filters, pii, decontaminate]")
    assert first.verdict is not None
    assert first.verdict.reason == "symbols"
    assert _screen(numbers, "pii={}", "filters.max_repeated_share=1").verdict is None


@pytest.mark.parametrize("order", list(permutations(["pii", "filters", "decontaminate"])))
def test_what_is_dropped_is_shown_without_personal_data(order: tuple[str, ...]) -> None:
    settings = [f"order=[{', '.join(order)}]", "pii={}", "filters.min_characters=5000"]
    for benchmark in (False, True):
        screened = _screen(CONTACT, *settings, benchmark=benchmark)
        assert screened.verdict is not None
        assert "13812345678" not in screened.document.text
        assert "wang@example.com" not in screened.document.text
