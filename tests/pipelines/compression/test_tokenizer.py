"""The tokenizer that `danlu train` makes, as OpenVINO has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino_genai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.engines.openvino_folder import write_tokenizer
from actors.engines.signal_stack import kept_signal_stack
from actors.engines.tokenizer import ModelTokenizer
from pipelines.training.tokenizer import train_tokenizer

TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from("云杉银行移动套餐挂失龘，。？！《》　abcXYZ 0123"),
        st.sampled_from("😀🏦👩‍👧é\u0301"),
        st.sampled_from(" \t\n\r\u00a0\u3000\u2028\x0b\x85"),
        st.characters(codec="utf-8", exclude_characters="\x00"),
    ),
    min_size=1,
    max_size=50,
)


@pytest.fixture(scope="module")
def tokenizers(
    examples: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ModelTokenizer, openvino_genai.Tokenizer]:
    folder = tmp_path_factory.mktemp("tokenizer")
    articles = sorted((examples / "knowledge").glob("*.md"))
    train_tokenizer((file.read_text(encoding="utf-8") for file in articles), 3000).save_pretrained(folder)
    write_tokenizer(folder, folder)
    with kept_signal_stack():
        return ModelTokenizer(folder), openvino_genai.Tokenizer(str(folder))


@settings(max_examples=400)
@given(text=TEXTS)
def test_token_ids_equal_those_of_transformers(
    tokenizers: tuple[ModelTokenizer, openvino_genai.Tokenizer], text: str
) -> None:
    ours, theirs = tokenizers
    assert np.array(theirs.encode(text).input_ids.data)[0].tolist() == ours.encode(text)


def test_conversations_equal_those_of_transformers(tokenizers: tuple[ModelTokenizer, openvino_genai.Tokenizer]) -> None:
    ours, theirs = tokenizers
    messages = [{"role": "user", "content": "银行卡丢了  怎么办？\n😀"}, {"role": "assistant", "content": "请先挂失。"}]
    prompt = ours.render_chat(messages)
    assert theirs.apply_chat_template(messages, add_generation_prompt=True) == prompt
    assert np.array(theirs.encode(prompt).input_ids.data)[0].tolist() == ours.encode(prompt)
