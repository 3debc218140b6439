from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import openvino_genai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.engines.openvino_engine import OpenVinoEngine
from actors.engines.openvino_folder import MODEL_FILE, content_hash, openvino_folder
from actors.engines.protocol import GenerationRequest, SamplingParams
from actors.engines.select import create_engine
from actors.engines.signal_stack import kept_signal_stack
from actors.engines.tokenizer import ModelTokenizer
from danlu.errors import ConfigError, InputError, NotAvailableError


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


@pytest.mark.parametrize("file", ["merges.txt", "chat_template.jinja", "tokenizer.model", "generation_config.json"])
def test_each_file_of_the_tokenizer_counts(file: str, checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    seen = {content_hash(copy)}
    for text in ("1", "2"):
        (copy / file).write_text(text)
        seen.add(content_hash(copy))
    assert len(seen) == 3


def test_what_converts_counts(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = content_hash(checkpoint)
    for package in ("openvino", "openvino-tokenizers", "nncf"):
        with monkeypatch.context() as patch:
            version = "actors.engines.openvino_folder.version"
            patch.setattr(version, lambda name, package=package: "9.9" if name == package else metadata.version(name))
            assert content_hash(checkpoint) != now, package


def test_files_are_read_again_only_when_they_look_different(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    read: list[str] = []
    digest = hashlib.file_digest

    def noted(stream: Any, *more: Any) -> Any:
        read.append(Path(stream.name).name)
        return digest(stream, *more)

    monkeypatch.setattr(hashlib, "file_digest", noted)
    first = content_hash(copy)
    assert "model.safetensors" in read
    read.clear()
    assert content_hash(copy) == first and not read
    status = (copy / "model.safetensors").stat()
    os.utime(copy / "model.safetensors", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert content_hash(copy) == first and "model.safetensors" in read


def test_a_kept_hash_that_was_cut_off_is_made_anew(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DANLU_CACHE", str(tmp_path))
    first = content_hash(checkpoint)
    (kept,) = (file for file in tmp_path.rglob("hashes/*") if file.is_file())
    kept.write_text(first[:5])
    assert content_hash(checkpoint) == first == kept.read_text()


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


def bin_bytes(folder: Path) -> int:
    return (folder / MODEL_FILE).with_suffix(".bin").stat().st_size


@pytest.fixture(scope="module")
def broad(write_checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose matrices outweigh its norms, as a real one's do: 0.9 million weights."""
    sizes = {"hidden_size": 256, "intermediate_size": 768, "head_dim": 64, "tie_word_embeddings": False}
    return write_checkpoint(tmp_path_factory.mktemp("broad"), **sizes)


@pytest.mark.parametrize(
    ("weights", "least", "most"), [("bf16", 0.49, 0.51), ("int8", 0.25, 0.26), ("int4", 0.13, 0.17)]
)
def test_weights_are_stored_as_asked_and_the_engine_answers(
    broad: Path, weights: str, least: float, most: float, ask: Callable[..., Any]
) -> None:
    """Embedding and head count as well: int8 is at most 26% of float32."""
    small = openvino_folder(broad, weights)  # type: ignore[arg-type]
    assert least <= bin_bytes(small) / bin_bytes(openvino_folder(broad, "fp32")) <= most
    engine = OpenVinoEngine(broad, weights=weights, threads=1)
    deltas = ask(engine, GenerationRequest("a", "云杉银行", SamplingParams(max_tokens=8, ignore_eos=True)))[0]
    assert deltas[-1].completion_tokens == 8


@pytest.mark.parametrize(("weights", "most"), [("int8", 0.28), ("int4", 0.19)])
def test_experts_are_stored_as_asked(
    write_checkpoint: Callable[..., Path], tmp_path: Path, weights: str, most: float, ask: Callable[..., Any]
) -> None:
    experts = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 96, "hidden_size": 192}
    folder = write_checkpoint(tmp_path, "qwen3_moe", **experts)
    assert bin_bytes(openvino_folder(folder, weights)) <= most * bin_bytes(openvino_folder(folder))  # type: ignore[arg-type]
    request = GenerationRequest("a", "云杉银行", SamplingParams(max_tokens=8, ignore_eos=True, temperature=0.0))
    small, full = (
        ask(OpenVinoEngine(folder, weights=stored, precision="fp32", threads=1), request)[0][-1]
        for stored in (weights, "auto")
    )
    assert small.completion_tokens == full.completion_tokens == 8


def test_each_form_is_kept_beside_the_others(checkpoint: Path) -> None:
    folders = [openvino_folder(checkpoint, weights) for weights in ("auto", "bf16", "int8", "bf16")]  # type: ignore[arg-type]
    assert len(set(folders)) == 3
    assert folders[1] == folders[3]


def test_the_weights_of_a_converted_folder_are_what_they_are(converted: Path) -> None:
    with pytest.raises(ConfigError, match=r"weights is 'int8': .* is converted already"):
        openvino_folder(converted, "int8")
    with pytest.raises(ConfigError, match="converted already"):
        create_engine(converted, weights="int4")


def test_weights_are_stored_anew_where_the_checkpoint_is_at_hand(checkpoint: Path, tmp_path: Path) -> None:
    """The output of `danlu compress` has both forms."""
    shutil.copytree(checkpoint, tmp_path / "model")
    shutil.copytree(openvino_folder(checkpoint, "int4"), tmp_path / "openvino")
    asyncio.run(start_and_stop(create_engine(tmp_path, weights="int8", threads=1)))
    assert openvino_folder(tmp_path / "model", "int8") == openvino_folder(checkpoint, "int8")


async def start_and_stop(engine: Any) -> None:
    await engine.start()
    await engine.shutdown()


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
