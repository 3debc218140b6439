import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from actors.intent_model import IntentModel, Slot
from danlu.errors import InputError


@pytest.fixture(scope="module")
def model(small_run: Path) -> IntentModel:
    return IntentModel(small_run)


def test_intent_and_slots_of_a_sentence(model: IntentModel) -> None:
    text = "帮我给李小明转500元"
    found = model.understand(text)
    assert found.intent == "transfer_money" and 0.5 < found.confidence <= 1
    assert found.slot("amount") == Slot("amount", 7, 11, "500元")
    assert all(text[slot.start : slot.end] == slot.value for slot in found.slots)


def test_alternatives_are_other_intents_in_order(model: IntentModel) -> None:
    found = model.understand("充话费")
    names = [name for name, _ in found.alternatives]
    chances = [found.confidence, *(chance for _, chance in found.alternatives)]
    assert found.intent not in names and set(names) <= set(model.intents)
    assert chances == sorted(chances, reverse=True) and sum(chances) == pytest.approx(1.0, abs=0.01)


def test_a_batch_is_understood_as_each_text_alone(model: IntentModel) -> None:
    texts = ["你好", "我的卡丢了，尾号6789", "给13800138000充50元", "x" * 300, "😀"] * 20
    together = model.understand_batch(texts)
    for text, found in zip(texts[:5], together[:5], strict=True):
        alone = model.understand(text)
        assert (found.intent, found.slots) == (alone.intent, alone.slots)
        assert found.confidence == pytest.approx(alone.confidence, abs=1e-4)
    assert [found.intent for found in together[:5]] == [found.intent for found in together[-5:]]


def test_odd_texts_are_answered(model: IntentModel) -> None:
    for text in ["㎡½ﬁ", "e\u0301" * 5, "\n你好\t", "𠮷𠮷", "Ａ" * 500]:
        found = model.understand(text)
        assert found.intent in model.intents
        assert all(text[slot.start : slot.end] == slot.value for slot in found.slots)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing_to_understand_is_refused(model: IntentModel, text: str) -> None:
    with pytest.raises(InputError, match="nothing to understand"):
        model.understand_batch(["你好", text])


def test_no_texts_give_no_answers(model: IntentModel) -> None:
    assert model.understand_batch([]) == []


def test_many_threads_get_the_same_answers(model: IntentModel) -> None:
    texts = ["给王芳转300", "充一百块话费", "你好", "尾号1234的卡丢了"]
    alone = {text: model.understand(text) for text in texts}
    with ThreadPoolExecutor(8) as pool:
        for text, found in pool.map(lambda text: (text, model.understand(text)), texts * 25):
            assert found == alone[text]


def test_one_sentence_takes_milliseconds(model: IntentModel) -> None:
    model.understand("你好")
    took = []
    for _ in range(20):
        began = time.process_time()
        model.understand("帮我给李小明转500元")
        took.append(time.process_time() - began)
    assert min(took) < 0.05


def test_the_model_folder_itself_can_be_named(small_run: Path) -> None:
    assert IntentModel(small_run / "model").intents == IntentModel(str(small_run)).intents
