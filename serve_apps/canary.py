"""Which of two versions of a model answers: by a hash of the conversation, so that a conversation stays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4


def goes_to_canary(model: str, conversation: str, share: float) -> bool:
    """Whether a conversation belongs to the share. One that does still does when the share grows."""
    digest = hashlib.blake2b(f"{model}\n{conversation}".encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) < share * 2**64


def conversation_key(user: str | None, messages: Sequence[Mapping[str, Any]] = ()) -> str:
    """What tells a conversation from others: who asks, where the client says so, else how it began.

    Clients send the whole conversation with every turn, so all turns share what comes up to the first question. Without
    messages every request is a conversation of its own.
    """
    if user is not None:
        return f"user {user}"
    opening = []
    for message in messages:
        opening.append(f"{message.get('role')}: {message.get('content')}")
        if message.get("role") == "user":
            break
    return "\n".join(opening) or uuid4().hex
