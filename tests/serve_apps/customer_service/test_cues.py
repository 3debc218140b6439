import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.intent_model.understanding import Understanding
from serve_apps.customer_service.cues import Cues, new_value_part, read_cues

UNSURE = Understanding("inform", 0.1)


def cues(text: str, understanding: Understanding = UNSURE) -> Cues:
    return read_cues(text, understanding, 0.6)


@pytest.mark.parametrize("text", ["是", "是的", "对，没错", "好的，确认", "嗯嗯", "可以", "OK", "办理吧", "确认办理。"])
def test_yes(text: str) -> None:
    assert cues(text).affirm
    assert not cues(text).deny


@pytest.mark.parametrize("text", ["不", "不是", "不对", "不用了", "没有", "错了", "不行，不可以"])
def test_no(text: str) -> None:
    assert cues(text).deny
    assert not cues(text).affirm


@pytest.mark.parametrize(
    "text", ["算了", "取消", "不办了", "算了，不办了", "那还是算了吧", "我不想办了", "不用了，取消吧"]
)
def test_off(text: str) -> None:
    assert cues(text).cancel


@pytest.mark.parametrize("text", ["取消云享套餐", "怎么取消自动续费", "算了一下是500", "卡号是5678"])
def test_not_off(text: str) -> None:
    assert not cues(text).cancel


@pytest.mark.parametrize("text", ["转人工", "人工客服", "我要找真人", "帮我接人工", "人工！"])
def test_human(text: str) -> None:
    assert cues(text).human


@pytest.mark.parametrize("text", ["人工客服几点上班？", "人工智能", "转账到人工湖公园"])
def test_not_human(text: str) -> None:
    assert not cues(text).human


@pytest.mark.parametrize("text", ["要收手续费吗", "怎么挂失", "多久到账？", "那境外呢"])
def test_question(text: str) -> None:
    assert cues(text).question


def test_fixed_words_win_over_the_model() -> None:
    assert cues("是的", Understanding("cancel", 0.99)) == cues("是的")


def test_the_model_decides_over_other_words() -> None:
    assert cues("就这么定了", Understanding("affirm", 0.9)).affirm
    assert not cues("就这么定了", Understanding("affirm", 0.5)).affirm
    assert not cues("这样可以吗", Understanding("affirm", 0.9)).affirm


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("不对，是5678", "5678"),
        ("不是1234，是5678", "5678"),
        ("金额错了，改成80", "80"),
        ("5678才对", "5678才对"),
        ("应该是", "应该是"),
    ],
)
def test_new_value(text: str, part: str) -> None:
    assert new_value_part(text) == part


@given(st.text(max_size=60))
def test_any_text_has_cues(text: str) -> None:
    found = cues(text)
    assert not (found.affirm and found.deny)


LONG = [
    "嗯" * 400 + "嘛",
    "不" * 400 + "嘛",
    "那就" * 200 + "嘛",
    "不办" * 200 + "嘛",
    "是的" * 200 + "x",
    "不了" * 200 + "x",
]


def test_long_repetitions_are_read_at_once() -> None:
    """In a process of its own: a regular expression that hangs can't be interrupted from within."""
    program = (
        "import sys\n"
        "from actors.intent_model.understanding import Understanding\n"
        "from serve_apps.customer_service.cues import read_cues\n"
        "for text in sys.argv[1:]:\n"
        "    found = read_cues(text, Understanding('inform', 0.1), 0.6)\n"
        "    assert not (found.affirm or found.deny or found.cancel)\n"
    )
    subprocess.run([sys.executable, "-c", program, *LONG], timeout=60, check=True)
