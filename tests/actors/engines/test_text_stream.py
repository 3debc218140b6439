from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers

from actors.engines.text_stream import TextStream, first_stop, held_back
from actors.engines.tokenizer import ModelTokenizer


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> ModelTokenizer:
    return ModelTokenizer(checkpoint)


def pieces(tokens: list[int], cuts: list[int]) -> list[list[int]]:
    """The tokens in bundles that end at the cuts."""
    ends = sorted({cut % (len(tokens) + 1) for cut in cuts} | {len(tokens)})
    return [tokens[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@given(tokens=st.lists(st.integers(0, 419), max_size=60), cuts=st.lists(st.integers(0, 60)))
def test_pieces_join_to_the_full_decoding(tokenizer: ModelTokenizer, tokens: list[int], cuts: list[int]) -> None:
    """Any tokens at all, also bytes that are no character, in any bundles."""
    stream = TextStream(tokenizer.decode)
    text = "".join(stream.push(bundle) for bundle in pieces(tokens, cuts)) + stream.finish()
    assert text == tokenizer.decode(tokens)


@given(text=st.text(alphabet=st.sampled_from("云杉银行套餐龘😀🏦é a\n\t　"), max_size=30))
def test_no_piece_of_valid_text_holds_half_a_character(tokenizer: ModelTokenizer, text: str) -> None:
    stream = TextStream(tokenizer.decode)
    streamed = [stream.push([token]) for token in tokenizer.encode(text)]
    assert not any("\ufffd" in piece for piece in streamed)
    assert "".join(streamed) == text
    assert stream.finish() == ""


def test_a_character_over_several_tokens_comes_whole(tokenizer: ModelTokenizer) -> None:
    tokens = tokenizer.encode("龘")
    assert len(tokens) == 3, "the tokenizer was to have no token for this character"
    stream = TextStream(tokenizer.decode)
    assert [stream.push([token]) for token in tokens] == ["", "", "龘"]


NO_CHARACTER = [bytes([byte]) for byte in (0x80, 0xBF, 0xC3, 0xE4, 0xB8, 0xF0, 0x9F, 0xFF)]


@given(
    parts=st.lists(st.sampled_from([*NO_CHARACTER, "龘".encode(), "😀".encode(), b"a"]), min_size=20, max_size=90),
    cuts=st.lists(st.integers(0, 200), max_size=100),
)
def test_long_runs_of_bytes_join_to_the_full_decoding(
    tokenizer: ModelTokenizer, parts: list[bytes], cuts: list[int]
) -> None:
    tokens = [byte_tokens(tokenizer)[byte] for byte in b"".join(parts)]
    for bundles in (pieces(tokens, cuts), [[token] for token in tokens]):
        stream = TextStream(tokenizer.decode)
        text = "".join(stream.push(bundle) for bundle in bundles) + stream.finish()
        assert text == tokenizer.decode(tokens)


@pytest.mark.parametrize("bytes_", [b"\x80", b"\xe4", b"\xff", b"\xe4\xb8", b"\xf0\x9f\x98"])
@pytest.mark.parametrize("fallback", [False, True])
def test_bytes_that_are_no_character_are_decoded_a_few_times_each(
    tokenizer: ModelTokenizer, bytes_: bytes, fallback: bool
) -> None:
    """All of them were decoded again for each one."""
    decode = byte_fallback_tokenizer().decode if fallback else tokenizer.decode
    one_by_one = list(bytes_ * 400)[:400]
    tokens = one_by_one if fallback else [byte_tokens(tokenizer)[byte] for byte in one_by_one]
    longest = 0

    def counted(window: Sequence[int]) -> str:
        nonlocal longest
        longest = max(longest, len(window))
        return decode(list(window))

    stream = TextStream(counted)
    shown = "".join(stream.push([token]) for token in tokens)
    assert longest < 64
    assert len(shown) > len(tokens) / 4, "they are shown as they come"
    assert shown + stream.finish() == decode(tokens)


def byte_tokens(tokenizer: ModelTokenizer) -> dict[int, int]:
    """The token of each byte."""
    tokens = range(len(tokenizer.huggingface))
    return {tokenizer.token_bytes(token)[0]: token for token in tokens if len(tokenizer.token_bytes(token)) == 1}


def test_what_is_cut_off_inside_a_character_is_shown_at_the_end(tokenizer: ModelTokenizer) -> None:
    stream = TextStream(tokenizer.decode)
    assert stream.push(tokenizer.encode("好龘")[:-1]) == "好"
    assert stream.finish() == "\ufffd"


@given(
    text=st.text(alphabet="abc云", max_size=30),
    stop=st.lists(st.text(alphabet="abc云", min_size=1, max_size=4), max_size=3),
    cuts=st.lists(st.integers(0, 90)),
)
def test_stop_strings_cut_alike_however_tokens_are_bundled(
    tokenizer: ModelTokenizer, text: str, stop: list[str], cuts: list[int]
) -> None:
    stream = TextStream(tokenizer.decode, stop)
    shown = "".join(stream.push(bundle) for bundle in pieces(tokenizer.encode(text), cuts)) + stream.finish()
    cut = first_stop(text, stop)
    assert shown == (text if cut is None else text[:cut])
    assert stream.stopped == (cut is not None)


def test_the_stop_string_that_is_complete_first_wins() -> None:
    assert first_stop("xabcd", ["abcd", "bc"]) == 2
    assert first_stop("xabcd", ["zz"]) is None


def test_only_a_possible_beginning_of_a_stop_string_is_held_back() -> None:
    assert held_back("answer\n\n##", ["###", "\n\n\n"]) == 2
    assert held_back("answer.", ["###"]) == 0


def test_nothing_follows_a_stop_string(tokenizer: ModelTokenizer) -> None:
    stream = TextStream(tokenizer.decode, ["。"])
    assert stream.push(tokenizer.encode("好。再见")) == "好"
    assert stream.push(tokenizer.encode("更多")) == ""
    assert stream.finish() == ""


@given(text=st.text(alphabet="云杉 ab龘😀\n", max_size=30), cuts=st.lists(st.integers(0, 120), max_size=9))
def test_sentencepiece_like_tokenizers_keep_their_spaces(text: str, cuts: list[int]) -> None:
    """Metaspace with byte fallback strips the first space of what it decodes, so a piece alone decodes wrongly."""
    tokenizer = byte_fallback_tokenizer()
    tokens = tokenizer.encode(text).ids
    for bundles in (pieces(tokens, cuts), [[token] for token in tokens]):
        stream = TextStream(tokenizer.decode)
        assert "".join(stream.push(bundle) for bundle in bundles) + stream.finish() == tokenizer.decode(tokens)


def byte_fallback_tokenizer() -> Tokenizer:
    """As Llama 2's: spaces become ▁, and characters outside the vocabulary become bytes."""
    vocabulary = {f"<0x{byte:02X}>": byte for byte in range(256)}
    vocabulary |= {token: 256 + index for index, token in enumerate(["▁", "云", "a", "b", "▁a"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("▁", "a")], byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    strip = decoders.Strip(" ", 1, 0)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), strip])
    return tokenizer
