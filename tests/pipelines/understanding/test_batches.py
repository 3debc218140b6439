import random

import pytest
import torch

from actors.intent_model.artifact import IntentNetwork
from pipelines.understanding.batches import group, hide_tokens, make_batch
from pipelines.understanding.config import UnderstandConfig
from pipelines.understanding.encoders import new_network
from pipelines.understanding.utterances import Utterance

ROWS = [Utterance("字" * (n % 9 + 1), "a", (), str(n)) for n in range(70)]


@pytest.mark.parametrize("size", [1, 7, 16, 100])
def test_every_utterance_is_in_one_batch(size: int) -> None:
    batches = group(ROWS, size, random.Random(0))
    assert sorted(u.source for batch in batches for u in batch) == sorted(u.source for u in ROWS)
    assert all(0 < len(batch) <= size for batch in batches)


def test_texts_of_a_batch_are_of_like_length() -> None:
    spreads = [max(len(u.text) for u in b) - min(len(u.text) for u in b) for b in group(ROWS, 8, random.Random(0))]
    assert sum(spreads) / len(spreads) <= 2


def test_the_order_comes_from_the_draw() -> None:
    assert group(ROWS, 8, random.Random(1)) == group(ROWS, 8, random.Random(1)) != group(ROWS, 8, random.Random(2))


@pytest.fixture(scope="module")
def model() -> IntentNetwork:
    rows = [Utterance("充100元", "pay", (("amount", 1, 5),), "1"), Utterance("你好啊你好", "greet", (), "2")]
    return new_network(UnderstandConfig(input="a", output="b"), rows)


def test_targets_are_indices_into_the_labels(model: IntentNetwork) -> None:
    rows = [Utterance("充100元", "pay", (("amount", 1, 5),), "1"), Utterance("好", "greet", (), "2")]
    batch = make_batch(model, rows)
    assert [model.settings.intents[i] for i in batch.intents.tolist()] == ["pay", "greet"]
    names = [[model.settings.tags[tag] for tag in row] for row in batch.tags.tolist()]
    assert names == [["O", "B-amount", "I-amount", "I-amount", "I-amount"], ["O"] * 5]


def test_a_text_that_grew_too_long_is_cut_with_its_tags(model: IntentNetwork) -> None:
    batch = make_batch(model, [Utterance("充" + "1" * 200, "pay", (("amount", 1, 201),), "")])
    assert batch.tags.shape == batch.characters.mask.shape == (1, 128)


def test_hidden_tokens_are_of_the_text_only(model: IntentNetwork) -> None:
    torch.manual_seed(0)
    characters = make_batch(
        model, [Utterance("好你" * 30, "greet", (), ""), Utterance("你", "greet", (), "")]
    ).characters
    hidden = hide_tokens(model, characters, 0.5)
    changed = hidden.input_ids != characters.input_ids
    unknown = model.reader.tokenizer.token_to_id("[UNK]")
    assert (hidden.input_ids[changed] == unknown).all() and 15 < changed[0].sum() < 45
    assert not changed[:, 0].any() and not changed[0, 61] and not changed[1, 2:].any()
    assert torch.equal(hide_tokens(model, characters, 0.0).input_ids, characters.input_ids)
