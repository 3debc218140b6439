import pytest

from danlu.errors import InputError
from pipelines.understanding.utterances import Utterance, find_contradictions, require_length, require_two_intents


def utterance(text: str, intent: str = "greet", number: int = 1) -> Utterance:
    return Utterance(text, intent, (), f"u.jsonl:{number}")


def test_one_intent_is_nothing_to_learn() -> None:
    with pytest.raises(InputError, match="only the intent 'greet'"):
        require_two_intents([utterance("你好"), utterance("您好")])


def test_long_texts_are_named_with_both_numbers() -> None:
    rows = [utterance("你好"), utterance("再" * 40, "goodbye", 7), utterance("见" * 50, "goodbye", 9)]
    with pytest.raises(
        InputError, match=r"max_characters is 32: 2 utterances are longer, the first u.jsonl:7"
    ) as error:
        require_length(rows, 32)
    assert "max_characters=50" in str(error.value)
    require_length(rows, 50)


def test_other_slots_of_one_text_contradict() -> None:
    plain, slotted = utterance("日本"), Utterance("日本", "greet", (("country", 0, 2),), "u.jsonl:2")
    assert find_contradictions([plain, plain]) == []
    assert "other slots" in find_contradictions([plain, slotted])[0]
