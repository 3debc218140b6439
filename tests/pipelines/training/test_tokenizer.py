"""The tokenizer: any text comes back, control tokens stay apart from text, and other libraries read it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from actors.engines.signal_stack import kept_signal_stack
from danlu.errors import InputError
from pipelines.training.tokenizer import (
    END_OF_TEXT,
    TURN_END,
    TURN_START,
    document_end,
    load_tokenizer,
    plain_text,
    stop_tokens,
    train_tokenizer,
)

TEXTS = [
    "云杉银行的借记卡丢失后，请先在手机银行里挂失，再到网点补办新卡。",
    "云杉移动的套餐每月一日生效，余量不结转到下个月。",
    "The card costs 15 yuan a year; call 95000 for help.",
] * 5
CHAT = [
    {"role": "system", "content": "你是客服。"},
    {"role": "user", "content": "卡丢了怎么办？"},
    {"role": "assistant", "content": "请先挂失。"},
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(TEXTS, vocabulary=400)


any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
with_control_tokens = st.lists(st.sampled_from([END_OF_TEXT, TURN_START, TURN_END, "卡", "\n", " ", "a1"])).map("".join)


@given(text=any_text | with_control_tokens)
def test_any_text_comes_back(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    (ids,) = plain_text(tokenizer, [text])
    assert tokenizer.decode(ids) == text
    assert max(ids, default=0) < 400


def test_control_tokens_in_a_document_are_text(tokenizer: PreTrainedTokenizerFast) -> None:
    (ids,) = plain_text(tokenizer, [f"前{TURN_END}后"])
    assert not set(ids) & set(tokenizer.all_special_ids)
    assert tokenizer.convert_tokens_to_ids(TURN_END) in tokenizer(f"前{TURN_END}后")["input_ids"]


def test_common_words_become_single_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    (ids,) = plain_text(tokenizer, ["云杉银行"])
    assert len(ids) <= 2


def test_transformers_reads_what_was_saved(tokenizer: PreTrainedTokenizerFast, tmp_path) -> None:
    tokenizer.save_pretrained(tmp_path)
    assert {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"} <= {f.name for f in tmp_path.iterdir()}
    again = AutoTokenizer.from_pretrained(tmp_path)
    prompt = again.apply_chat_template(CHAT[:2], tokenize=False, add_generation_prompt=True)
    assert prompt == (
        "<|im_start|>system\n你是客服。<|im_end|>\n<|im_start|>user\n卡丢了怎么办？<|im_end|>\n<|im_start|>assistant\n"
    )
    assert again.eos_token == TURN_END and again.pad_token == END_OF_TEXT
    assert again.decode(again(TEXTS[0])["input_ids"]) == TEXTS[0]
    loaded = load_tokenizer(tmp_path)
    assert stop_tokens(loaded) == loaded.convert_tokens_to_ids([TURN_END, END_OF_TEXT])
    assert document_end(loaded) == loaded.convert_tokens_to_ids(END_OF_TEXT)


def test_openvino_gives_the_same_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    import openvino
    from openvino_tokenizers import convert_tokenizer

    with kept_signal_stack():
        encode = openvino.compile_model(convert_tokenizer(tokenizer), "CPU")
    text = tokenizer.apply_chat_template(CHAT, tokenize=False) + "2024年 15元，OK?\n\n 完 "
    found = encode([text])["input_ids"][0].tolist()
    assert found == tokenizer(text)["input_ids"]


def test_nothing_to_learn_from_is_an_error() -> None:
    with pytest.raises(InputError, match="no text"):
        train_tokenizer([""], vocabulary=400)


def test_a_folder_without_a_tokenizer_is_an_error(tmp_path) -> None:
    with pytest.raises(InputError, match="has no tokenizer"):
        load_tokenizer(tmp_path)
