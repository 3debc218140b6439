"""Personal data in running text: found where it is, masked for good."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.cleaning.matches import without_overlaps
from pipelines.cleaning.pii import FINDERS, KINDS, MASKS, count_kinds, find_pii, mask
from pipelines.cleaning.width import fold_width

WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
# No digits, no ASCII: what stands around a planted number in a sentence.
AROUND = st.text(st.sampled_from("我的电话是请打，。：、（）《》\n😀𠮷Ａ的了银行卡丢失后"), max_size=20)


def _id_card(random_: random.Random) -> str:
    body = f"{random_.choice(['110101', '320106', '441900', '510104'])}{random_.randint(1940, 2015)}"
    body += f"{random_.randint(1, 12):02d}{random_.randint(1, 28):02d}{random_.randint(0, 999):03d}"
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(body))
    return body + "10X98765432"[total % 11]


def _bank_card(random_: random.Random) -> str:
    body = random_.choice(["622202", "621700", "436742"]) + "".join(random_.choices("0123456789", k=9))
    total = sum(sum(map(int, str(int(d) * (1 + (place % 2 == 0))))) for place, d in enumerate(reversed(body)))
    return body + str(-total % 10)


def _mobile(random_: random.Random) -> str:
    parts = f"1{random_.randint(3, 9)}{random_.randint(0, 9)}", f"{random_.randint(0, 9999):04d}", "6789"
    return random_.choice(["", "+86 ", "0086-"]) + random_.choice(["", " ", "-"]).join(parts)


def _landline(random_: random.Random) -> str:
    return f"0{random_.choice(['10', '21', '28'])}-{random_.randint(2, 8)}{random_.randint(0, 9999999):07d}"


def _email(random_: random.Random) -> str:
    return f"user{random_.randint(1, 99)}@{random_.choice(['qq.com', '163.com', 'mail.example.org'])}"


def _ip(random_: random.Random) -> str:
    return f"114.{random_.randint(0, 255)}.{random_.randint(0, 255)}.{random_.randint(0, 255)}"


MAKERS = {
    "id_card": _id_card,
    "bank_card": _bank_card,
    "mobile": _mobile,
    "landline": _landline,
    "email": _email,
    "ip": _ip,
}
PLANTED = st.tuples(st.sampled_from(list(MAKERS)), st.integers(0, 2**32), st.booleans())


def _plant(planted: list[tuple[str, int, bool]], around: list[str]) -> tuple[str, list[tuple[str, int, int]]]:
    """The text, and what is where in it."""
    text, places = around[0], []
    for number, (kind, seed, is_wide) in enumerate(planted):
        value = MAKERS[kind](random.Random(seed))
        start = len(text)
        text += value.translate(WIDE) if is_wide else value
        places.append((kind, start, len(text)))
        text += "，" + around[number % len(around)]
    return text, places


@given(st.lists(PLANTED, min_size=1, max_size=6), st.lists(AROUND, min_size=1, max_size=4))
def test_planted_data_is_found_where_it_is(planted: list[tuple[str, int, bool]], around: list[str]) -> None:
    around = [part.rstrip("Ａ") for part in around]
    text, places = _plant(planted, around)
    assert [(m.kind, m.start, m.end) for m in find_pii(text, list(MAKERS))] == places


@given(st.lists(PLANTED, min_size=1, max_size=6), st.lists(AROUND, min_size=1, max_size=4))
def test_masking_hides_everything_and_nothing_else(planted: list[tuple[str, int, bool]], around: list[str]) -> None:
    around = [part.rstrip("Ａ") for part in around]
    text, places = _plant(planted, around)
    masked = mask(text, find_pii(text, KINDS))
    expected, done = "", 0
    for kind, start, end in places:
        expected += text[done:start] + MASKS[kind]
        done = end
    assert masked == expected + text[done:]
    assert find_pii(masked, KINDS) == []


NOISE = st.text(st.sampled_from("0123456789-13862 .:@/_axXcom市区路号住在版本<>ip１８＠．："), max_size=80)


@given(NOISE)
@example("13812345678 138 1234 5678")
@example("v13812345678v13812345678")
@example("ip 13812345678 1.2.3.4")
@example("8.8.8.8 1.1.1.1")
def test_a_masked_text_has_nothing_left_to_mask(text: str) -> None:
    masked = mask(text, find_pii(text, KINDS))
    assert find_pii(masked, KINDS) == []


@given(NOISE)
def test_matches_are_in_order_without_overlaps_and_inside_the_text(text: str) -> None:
    matches = find_pii(text, KINDS)
    places = [place for match in matches for place in (match.start, match.end)]
    assert places == sorted(places)
    assert all(match.start < match.end <= len(text) for match in matches)
    assert sum(count_kinds(matches).values()) == len(matches)


@given(NOISE, st.sets(st.sampled_from(KINDS), min_size=1))
def test_the_quick_look_at_a_text_overlooks_nothing(text: str, kinds: set[str]) -> None:
    ordered = [kind for kind in KINDS if kind in kinds]
    folded = fold_width(text)
    first = without_overlaps([match for kind in ordered for match in FINDERS[kind](folded)], KINDS)
    assert set(first) <= set(find_pii(text, ordered))


def test_only_the_kinds_asked_for_are_looked_for() -> None:
    text = "电话13812345678，邮箱a@qq.com"
    assert [m.kind for m in find_pii(text, ["email"])] == ["email"]
    assert [m.kind for m in find_pii(text, ["mobile"])] == ["mobile"]
    assert count_kinds(find_pii(text, KINDS)) == {"mobile": 1, "email": 1}


def test_a_number_that_is_both_counts_as_the_more_telling_kind() -> None:
    # A Gansu identity card whose digits are UnionPay's and whose Luhn digit is right as well.
    text = next(
        number
        for serial in range(1000)
        if _is_luhn(number := _with_check(f"62010219900307{serial:03d}")) and number.isdigit()
    )
    assert [m.kind for m in find_pii(text, KINDS)] == ["id_card"]
    assert [m.kind for m in find_pii(text, ["bank_card"])] == ["bank_card"]


def _with_check(body: str) -> str:
    return body + "10X98765432"[sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(body)) % 11]


def _is_luhn(number: str) -> bool:
    digits = [int(c) for c in reversed(number) if c.isdigit()]
    return sum(sum(map(int, str(d * (1 + place % 2)))) for place, d in enumerate(digits)) % 10 == 0


@pytest.mark.parametrize(
    "text",
    [
        "2023-07-28 16：40，正文：人民网柏林7月27日电",
        "上期福彩双色球第2023083期奖号为：07、10、12、16、17、30 + 12",
        "股票代码300692，成交额3435.62万元，主力资金净流出430.25万元。",
        "客服热线10086、95588、400-820-1111。",
        "1.2.3.4 实验结果",
        "订单号202307281122334455，文章序列号1689895502629441536",
        "统一社会信用代码913200001385836169",
    ],
)
def test_numbers_that_belong_to_nobody_stay(text: str) -> None:
    assert find_pii(text, KINDS) == []
