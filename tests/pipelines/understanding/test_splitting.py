from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipelines.understanding.splitting import split, wording
from pipelines.understanding.utterances import Utterance

words = st.text(alphabet="转账给查卡充话费100", min_size=1, max_size=6)


@st.composite
def utterance_lists(draw: st.DrawFn) -> list[Utterance]:
    texts = draw(st.lists(words, min_size=1, max_size=60, unique=True))
    return [Utterance(text, draw(st.sampled_from(["a", "b", "c"])), (), str(i)) for i, text in enumerate(texts)]


@given(utterance_lists(), st.floats(0.05, 0.9), st.integers(0, 5))
def test_both_parts_make_the_whole_and_share_no_wording(rows: list[Utterance], share: float, seed: int) -> None:
    training, validation = split(rows, share, seed)
    assert sorted(u.source for u in training + validation) == sorted(u.source for u in rows)
    assert {u.intent for u in training} == {u.intent for u in rows}, "every intent can be learnt"
    pairs = {(u.intent, wording(u)) for u in training} & {(u.intent, wording(u)) for u in validation}
    assert pairs == set()


@given(utterance_lists(), st.randoms(use_true_random=False))
def test_the_order_does_not_matter(rows: list[Utterance], shuffler) -> None:  # type: ignore[no-untyped-def]
    mixed = list(rows)
    shuffler.shuffle(mixed)
    assert {u.text for u in split(rows, 0.3, 1)[1]} == {u.text for u in split(mixed, 0.3, 1)[1]}


def test_every_intent_gives_about_its_share() -> None:
    rows = [
        Utterance(f"{chr(0x4E00 + n)}{chr(0x5E00 + n)}", intent, (), "")
        for n, intent in enumerate(["a"] * 200 + ["b"] * 50)
    ]
    counts = Counter(u.intent for u in split(rows, 0.2, 0)[1])
    assert counts == {"a": 40, "b": 10}


def test_another_seed_gives_another_split() -> None:
    rows = [Utterance(chr(0x4E00 + n) * 2, "a", (), "") for n in range(50)]
    assert split(rows, 0.2, 0)[1] != split(rows, 0.2, 1)[1]


def test_values_and_numbers_do_not_make_a_wording() -> None:
    first = Utterance("帮我给张伟转500元", "a", (("person", 3, 5), ("amount", 6, 10)), "")
    other = Utterance("帮我给欧阳雪转3万", "a", (("person", 3, 6), ("amount", 7, 9)), "")
    assert wording(first) == wording(other) == "帮我给{person}转{amount}"
    assert wording(Utterance("1000兆宽带", "a", (), "")) == "0000兆宽带"


def test_a_bare_value_is_its_own_wording() -> None:
    assert wording(Utterance("张伟", "inform", (("person", 0, 2),), "")) == "张伟"
    assert wording(Utterance("尾号6789", "inform", (("card_tail", 2, 6),), "")) == "尾号0000"
