import shutil
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from actors.intent_model.artifact import load_network, save_network
from danlu.errors import InputError
from pipelines.understanding.batches import make_batch
from pipelines.understanding.config import UnderstandConfig
from pipelines.understanding.encoders import new_network
from pipelines.understanding.utterances import Utterance

ROWS = [
    Utterance("充100元", "pay", (("amount", 1, 5),), "1"),
    Utterance("play west bam", "music", (("artist", 5, 13),), "2"),
]


def config(encoder: str = "small", max_characters: int = 128) -> UnderstandConfig:
    return UnderstandConfig(input="a", output="b", encoder=encoder, max_characters=max_characters)


@pytest.fixture(scope="module")
def word_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT in a folder, with a tokenizer of whole words."""
    folder = tmp_path_factory.mktemp("encoder")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "west", "bam"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=48
    )
    fast.save_pretrained(folder)
    bert = BertConfig(
        vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(bert).save_pretrained(folder)
    return folder


def test_the_small_encoder_fits_the_data() -> None:
    model = new_network(config(max_characters=32), ROWS)
    assert model.settings.intents == ["music", "pay"] and model.settings.slots == ["amount", "artist"]
    assert model.settings.encoder["vocab_size"] == model.reader.tokenizer.get_vocab_size()
    _, emissions = model.network(make_batch(model, ROWS).characters)
    assert emissions.shape == (2, 13, 5)


def test_the_longest_text_fits_the_small_encoder() -> None:
    model = new_network(config(max_characters=16), ROWS)
    batch = model.reader.read(["㍿" * 40])  # each normalises to four characters
    assert batch.mask.shape == (1, 16) and batch.input_ids.shape == (1, 32)
    assert model.network(batch)[1].shape == (1, 16, 5)


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second = new_network(config(), ROWS), new_network(config(), ROWS)
    weights = zip(first.network.parameters(), second.network.parameters(), strict=True)
    assert all(bool((a == b).all()) for a, b in weights)


def test_a_named_encoder_keeps_its_tokens_and_limits(word_encoder: Path) -> None:
    model = new_network(config(str(word_encoder)), ROWS)
    assert model.settings.max_tokens == 48
    characters = make_batch(model, ROWS[1:]).characters
    assert characters.input_ids.tolist() == [[2, 5, 6, 7, 3]]
    assert characters.token.tolist() == [[1, 1, 1, 1, 0, 2, 2, 2, 2, 0, 3, 3, 3]]
    assert characters.place.tolist() == [[1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3]]
    logits, emissions = model.network(characters)
    assert logits.shape == (1, 2) and emissions.shape == (1, 13, 5)


def test_a_half_precision_checkpoint_is_trained_in_full_precision(word_encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    shutil.copytree(word_encoder, folder)
    BertModel.from_pretrained(word_encoder).to(torch.bfloat16).save_pretrained(folder)
    model = new_network(config(str(folder)), ROWS)
    assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}
    save_network(tmp_path / "model", model)
    loaded = load_network(tmp_path / "model")
    characters = make_batch(model, ROWS).characters
    assert torch.allclose(loaded.network(characters)[1], model.network.eval()(characters)[1], atol=1e-6)


def test_an_encoder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"encoder is '.*nowhere'"):
        new_network(config(str(tmp_path / "nowhere")), ROWS)
