"""The bytes that a token of a vocabulary stands for."""

from __future__ import annotations

import re
from typing import Any

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def byte_table(tokenizer: Any) -> dict[str, int]:
    """Character of the vocabulary -> byte for a byte-level tokenizer; empty for any other.

    Byte-level BPE (GPT-2) writes printable Latin-1 bytes as themselves, and the others from U+0100 on.
    """
    rust = getattr(tokenizer, "backend_tokenizer", None)
    if rust is None or "ByteLevel" not in repr(rust.decoder):
        return {}
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(byte): byte for byte in plain}
    others = (byte for byte in range(256) if byte not in set(plain))
    return table | {chr(256 + place): byte for place, byte in enumerate(others)}


def token_bytes(token: str, table: dict[str, int]) -> bytes:
    """The bytes of a token as the vocabulary spells it; added tokens are spelled as they are."""
    if table:
        spelled = [table.get(character) for character in token]
        return bytes(byte for byte in spelled if byte is not None) if None not in spelled else token.encode()
    if found := _BYTE.fullmatch(token):
        return bytes([int(found[1], 16)])
    return token.replace("▁", " ").encode()  # SentencePiece's sign for a space
