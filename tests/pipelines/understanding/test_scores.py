import pytest

from pipelines.understanding.scores import Answer, Counts, confusions, intent_counts, score, slot_counts, sum_up

ANSWERS = [
    Answer("pay", "pay", (("amount", 0, 3), ("date", 5, 7)), (("amount", 0, 3), ("date", 5, 7))),
    Answer("pay", "ask", (("amount", 0, 3),), (("amount", 0, 2),)),
    Answer("ask", "ask", (), (("date", 1, 2),)),
    Answer("ask", "ask", (), ()),
]


def test_scores_by_hand() -> None:
    scores = score(ANSWERS)
    assert scores.intent_accuracy == 0.75 and scores.sentence_accuracy == 0.5
    assert scores.slot_f1 == pytest.approx(2 * 2 / (2 * 2 + 2 + 1))


def test_a_slot_counts_only_with_name_start_and_end() -> None:
    assert slot_counts(ANSWERS) == {"amount": Counts(1, 1, 1), "date": Counts(1, 1, 0)}


def test_intents_by_hand() -> None:
    assert intent_counts(ANSWERS) == {"ask": Counts(2, 1, 0), "pay": Counts(1, 0, 1)}
    assert confusions(ANSWERS) == [("pay", "ask", 1)]


def test_shares_of_counts() -> None:
    counts = Counts(hits=3, false_alarms=1, misses=2)
    assert (counts.precision, counts.recall, counts.f1) == (0.75, 0.6, pytest.approx(6 / 9))
    assert Counts(0, 0, 0).f1 == 1.0 and Counts(0, 0, 2).precision == 1.0
    assert sum_up([counts, counts]) == Counts(6, 2, 4)
