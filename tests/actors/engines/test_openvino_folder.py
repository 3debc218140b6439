from __future__ import annotations

import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import openvino_genai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.engines.openvino_folder import MODEL_FILE, content_hash, openvino_folder
from actors.engines.signal_stack import kept_signal_stack
from actors.engines.tokenizer import ModelTokenizer
from danlu.errors import InputError, NotAvailableError


@pytest.fixture(scope="module")
def converted(checkpoint: Path) -> Path:
    return openvino_folder(checkpoint)


def test_a_checkpoint_is_converted_once(checkpoint: Path, converted: Path, cache: Path, tmp_path: Path) -> None:
    """By content: a copy elsewhere needs no conversion of its own."""
    assert converted.is_relative_to(cache)
    written = (converted / MODEL_FILE).stat().st_mtime_ns
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    assert openvino_folder(copy) == converted
    assert (converted / MODEL_FILE).stat().st_mtime_ns == written


def test_other_content_has_another_hash(checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    assert content_hash(copy) == content_hash(checkpoint)
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    assert content_hash(copy) != content_hash(checkpoint)


def test_processes_that_want_the_same_conversion_share_it(checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    (copy / "generation_config.json").write_text('{"eos_token_id": 1}')
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        folders = list(pool.map(openvino_folder, [copy] * 3))
    assert len(set(folders)) == 1
    with kept_signal_stack():
        assert openvino_genai.ContinuousBatchingPipeline(str(folders[0]), openvino_genai.SchedulerConfig(), "CPU")
    assert not list(folders[0].parent.glob("*.part"))


def test_a_converted_folder_is_taken_as_it_is(converted: Path) -> None:
    assert openvino_folder(converted) == converted


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        openvino_folder(tmp_path)


def test_an_unknown_architecture_is_refused_before_anything_is_written(tmp_path: Path, cache: Path) -> None:
    before = list(cache.rglob("*"))
    (tmp_path / "config.json").write_text('{"architectures": ["MambaForCausalLM"]}')
    with pytest.raises(NotAvailableError, match="MambaForCausalLM"):
        openvino_folder(tmp_path)
    assert list(cache.rglob("*")) == before


TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from("云杉银行移动套餐挂失龘，。？！《》　"),
        st.sampled_from("😀🏦👩‍👩‍👧‍👦é\u0301"),
        st.sampled_from(" \t\n\r\u00a0\u3000"),
        st.characters(codec="utf-8", exclude_characters="\x00"),
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def tokenizers(checkpoint: Path, converted: Path) -> tuple[ModelTokenizer, openvino_genai.Tokenizer]:
    with kept_signal_stack():
        return ModelTokenizer(checkpoint), openvino_genai.Tokenizer(str(converted))


@settings(max_examples=300)
@given(text=TEXTS.filter(bool))
def test_token_ids_equal_those_of_transformers(
    tokenizers: tuple[ModelTokenizer, openvino_genai.Tokenizer], text: str
) -> None:
    ours, theirs = tokenizers
    assert np.array(theirs.encode(text).input_ids.data)[0].tolist() == ours.encode(text)


@settings(max_examples=300)
@given(text=TEXTS.filter(lambda text: text and "<|" not in text))
def test_decoding_gives_the_text_back(tokenizers: tuple[ModelTokenizer, openvino_genai.Tokenizer], text: str) -> None:
    ours, theirs = tokenizers
    assert theirs.decode(ours.encode(text)) == ours.decode(ours.encode(text)) == text


def test_special_tokens_and_templates_equal_those_of_transformers(
    tokenizers: tuple[ModelTokenizer, openvino_genai.Tokenizer],
) -> None:
    ours, theirs = tokenizers
    messages = [{"role": "system", "content": "你是客服。"}, {"role": "user", "content": "怎么挂失？\n谢谢"}]
    prompt = ours.render_chat(messages)
    expected = (
        "<|im_start|>system\n你是客服。<|im_end|>\n"
        "<|im_start|>user\n怎么挂失？\n谢谢<|im_end|>\n<|im_start|>assistant\n"
    )
    assert prompt == expected
    assert theirs.apply_chat_template(messages, add_generation_prompt=True) == prompt
    assert np.array(theirs.encode(prompt).input_ids.data)[0].tolist() == ours.encode(prompt)
    assert ours.encode(prompt)[:1] == [1]
