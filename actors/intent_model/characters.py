"""From text to the encoder's tokens, with every character's place among them.

The tokenizer's own offsets lead from tokens back to characters, so any normalisation it does (full-width digits,
upper case, ligatures) leaves the offsets in the text as the customer wrote it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from tokenizers import Encoding, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from actors.networks.joint_bert import Characters

PAD, UNKNOWN, CLS, SEP = "[PAD]", "[UNK]", "[CLS]", "[SEP]"


def character_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """A tokenizer with one token per character, knowing the characters of `texts`.

    Characters are compared after NFKC and lower-casing (`５Ｇ` is `5g`); one never seen becomes `[UNK]`.
    """
    normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    counts = Counter(character for text in texts for character in normalizer.normalize_str(text))
    vocabulary = [PAD, UNKNOWN, CLS, SEP, *(character for character, _ in sorted(counts.items(), key=_common_first))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    ends = [(CLS, vocabulary.index(CLS)), (SEP, vocabulary.index(SEP))]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{CLS} $A {SEP}", special_tokens=ends)
    return tokenizer


def _common_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


class CharacterReader:
    """Turns texts into `Characters`. Safe to use from several threads: the tokenizer is never changed.

    Args:
        tokenizer: a fast tokenizer that puts one special token in front of the text.
        max_characters: what lies behind is not read.
        max_tokens: how many tokens the encoder takes; characters behind the last one count as covered by none.
        pad_id: the token that fills up shorter rows (some encoders count positions by it).
    """

    def __init__(self, tokenizer: Tokenizer, max_characters: int, max_tokens: int, pad_id: int = 0) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.tokenizer = tokenizer
        self.max_characters = max_characters
        self.max_tokens = max_tokens
        self.pad_id = pad_id

    def read(self, texts: Sequence[str]) -> Characters:
        """One padded batch. No text may be empty."""
        cut = [text[: self.max_characters] for text in texts]
        encodings = self.tokenizer.encode_batch(cut)
        ids = [encoding.ids[: self.max_tokens] for encoding in encodings]
        places = [locate(len(text), encoding, self.max_tokens) for text, encoding in zip(cut, encodings, strict=True)]
        return Characters(
            input_ids=_pad(ids, self.pad_id),
            attention_mask=_pad([[1] * len(row) for row in ids]),
            token=_pad([token for token, _ in places]),
            place=_pad([place for _, place in places]),
            mask=_pad([[1] * len(text) for text in cut]).bool(),
        )


def locate(length: int, encoding: Encoding, max_tokens: int) -> tuple[list[int], list[int]]:
    """For each of `length` characters, the index of its token and its place in it (1, 2, ...; both 0: no token).

    Where several tokens make up one character (byte-level tokenizers), the first counts.
    """
    token, place = [0] * length, [0] * length
    spans = list(zip(encoding.offsets, encoding.special_tokens_mask, strict=True))[:max_tokens]
    for index, ((start, end), special) in enumerate(spans):
        for position in range(start, end):
            if not special and not place[position]:
                token[position], place[position] = index, position - start + 1
    return token, place


def _pad(rows: Sequence[Sequence[int]], value: int = 0) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)
