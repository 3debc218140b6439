from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from actors.intent_model.characters import CharacterReader, character_tokenizer

TEXTS = ["给张伟转500元", "换成5G套餐", "top up 100", "尾号6789 的卡"]
ODD = st.text(alphabet=st.sampled_from("给张转5０Ｇg ㎡½ﬁ１e\u0301İ😀\n\u3000，。龘"), min_size=1, max_size=20)


def byte_level_tokenizer() -> Tokenizer:
    """As GPT-2 and RoBERTa have it: several tokens for one Chinese character, blanks inside tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(TEXTS * 5, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return tokenizer


READERS = {
    "character": CharacterReader(character_tokenizer(TEXTS), 64, 128),
    "byte level": CharacterReader(byte_level_tokenizer(), 64, 512),
}


@pytest.mark.parametrize("kind", READERS)
@given(texts=st.lists(ODD, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_every_character_has_a_place_whatever_the_tokenizer_does(kind: str, texts: list[str]) -> None:
    batch = READERS[kind].read(texts)
    assert batch.mask.sum(1).tolist() == [len(text) for text in texts]
    assert batch.token.shape == batch.place.shape == batch.mask.shape
    assert batch.token.max() < batch.input_ids.shape[1]
    covered = (batch.place > 0) & batch.mask
    assert (batch.token[covered] > 0).all(), "a character must not point at the special token in front"
    assert (batch.token[~covered] == 0).all()


@given(texts=st.lists(st.text(alphabet="给张转5Gg的", min_size=1, max_size=12), min_size=1, max_size=3))
@settings(deadline=None)
def test_one_token_for_one_character(texts: list[str]) -> None:
    batch = READERS["character"].read(texts)
    for row, text in enumerate(texts):
        assert batch.token[row, : len(text)].tolist() == list(range(1, len(text) + 1))
        assert set(batch.place[row, : len(text)].tolist()) == {1}


def test_width_and_case_do_not_matter_and_offsets_stay() -> None:
    reader = READERS["character"]
    wide, plain = reader.read(["换成５Ｇ套餐"]), reader.read(["换成5g套餐"])
    assert wide.input_ids.tolist() == plain.input_ids.tolist()
    assert wide.token.tolist() == plain.token.tolist()


def test_a_character_that_becomes_two_keeps_its_neighbours_in_place() -> None:
    batch = READERS["character"].read(["5½5"])  # ½ is normalised to 1⁄2
    assert batch.token.tolist() == [[1, 2, 5]]


def test_unknown_characters_share_one_token() -> None:
    tokenizer = READERS["character"].tokenizer
    assert tokenizer.encode("龘").ids[1] == tokenizer.token_to_id("[UNK]") == tokenizer.encode("𠮷").ids[1]


def test_what_lies_behind_the_limits_is_not_read() -> None:
    reader = CharacterReader(character_tokenizer(TEXTS), max_characters=4, max_tokens=4)
    batch = reader.read(["给张伟转500元"])
    assert batch.mask.shape == (1, 4) and batch.input_ids.shape == (1, 4)
    assert batch.place.tolist() == [[1, 1, 1, 0]]


def test_padding_uses_the_encoders_own_token() -> None:
    reader = CharacterReader(character_tokenizer(TEXTS), 64, 128, pad_id=9)
    assert reader.read(["给", "给张伟"]).input_ids[0, 3:].tolist() == [9, 9]


def test_reading_from_many_threads_gives_the_same() -> None:
    reader = READERS["character"]
    alone = {text: reader.read([text]).input_ids.tolist() for text in TEXTS}
    with ThreadPoolExecutor(8) as pool:
        for text, batch in pool.map(lambda text: (text, reader.read([text])), TEXTS * 50):
            assert batch.input_ids.tolist() == alone[text]
