import random
import re

from hypothesis import given
from hypothesis import strategies as st

from pipelines.understanding.augmentation import collect_values, swap_values
from pipelines.understanding.splitting import wording
from pipelines.understanding.utterances import Utterance

ROWS = [
    Utterance("帮我给张伟转500元吧", "a", (("person", 3, 5), ("amount", 6, 10)), "1"),
    Utterance("号码13800138000要开20GB的包", "a", (("phone", 2, 13), ("pack", 15, 20)), "2"),
    Utterance("欧阳雪还没收到3万", "a", (("person", 0, 3), ("amount", 7, 9)), "3"),
]
VALUES = collect_values(ROWS)


@given(st.sampled_from(ROWS), st.floats(0, 1), st.integers(0, 1_000))
def test_the_wording_stays_and_the_spans_fit(row: Utterance, share: float, seed: int) -> None:
    new = swap_values(row, VALUES, share, random.Random(seed))
    assert wording(new) == wording(row) and new.intent == row.intent
    shapes = {name: {re.sub(r"\d", "0", value) for value in values} for name, values in VALUES.items()}
    for name, start, end in new.spans:
        assert re.sub(r"\d", "0", new.text[start:end]) in shapes[name]


def test_nothing_is_swapped_at_share_zero() -> None:
    assert all(swap_values(row, VALUES, 0.0, random.Random(1)) == row for row in ROWS)


def test_long_numbers_are_drawn_anew_and_short_ones_stay() -> None:
    new = [swap_values(ROWS[1], VALUES, 1.0, random.Random(seed)).text for seed in range(20)]
    assert len({text[2:13] for text in new}) == 20 and all(text[2:13].isdigit() for text in new)
    assert all("20GB的" in text for text in new)


def test_the_same_draw_gives_the_same_text() -> None:
    assert swap_values(ROWS[0], VALUES, 1.0, random.Random(3)) == swap_values(ROWS[0], VALUES, 1.0, random.Random(3))
