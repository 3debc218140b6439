"""The tokenizer: byte-level BPE trained on the input, with a chat template, in the form that transformers loads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from danlu.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

# Runs of letters (in Chinese: of characters between punctuation), single digits, punctuation, line ends, spaces.
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Learn at most `vocabulary` tokens from `texts`. Any text is decoded to itself, seen before or not.

    Special tokens that appear in the text as text are kept apart by `plain_text`.

    Raises:
        InputError: there is no text.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(_WORDS), behavior="isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT, TURN_START, TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(_checked(texts), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[TURN_START],
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a checkpoint (a folder or a Hugging Face name).

    Raises:
        InputError: there is none, or it is not one of the fast kind.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} has no tokenizer", rule=str(error).splitlines()[0]) from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise InputError(f"the tokenizer of {folder} is a {type(tokenizer).__name__}", rule="a fast one is needed")
    return tokenizer


def plain_text(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[list[int]]:
    """Token ids of documents. `<|im_end|>` and its like inside a document are plain characters, not control tokens."""
    backend = tokenizer.backend_tokenizer
    before = backend.encode_special_tokens
    backend.encode_special_tokens = True
    try:
        return [encoding.ids for encoding in backend.encode_batch(texts, add_special_tokens=False)]
    finally:
        backend.encode_special_tokens = before


def document_end(tokenizer: PreTrainedTokenizerFast) -> int:
    """The token that closes a document: `<|endoftext|>` where the tokenizer has it, else its end-of-sequence token.

    Raises:
        InputError: it has neither.
    """
    known = tokenizer.get_vocab()
    if END_OF_TEXT in known:
        return known[END_OF_TEXT]
    if tokenizer.eos_token_id is None:
        raise InputError(
            "the tokenizer of `from` has no end-of-sequence token", rule="documents could not be told apart"
        )
    return int(tokenizer.eos_token_id)


def stop_tokens(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """The tokens that end an answer, for generation_config.json."""
    known = tokenizer.get_vocab()
    found = [known[token] for token in (TURN_END, END_OF_TEXT) if token in known]
    return found or [document_end(tokenizer)]


def _checked(texts: Iterable[str]) -> Iterator[str]:
    empty = True
    for text in texts:
        empty = empty and not text
        yield text
    if empty:
        raise InputError("the input has no text", rule="a tokenizer can't be trained on nothing")
