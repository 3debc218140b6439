"""Training and validation parts of annotated utterances. Pure."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence

from pipelines.understanding.utterances import Utterance

_FEW_CHARACTERS = 2


def split(utterances: Sequence[Utterance], share: float, seed: int) -> tuple[list[Utterance], list[Utterance]]:
    """Part (training, validation) so that about `share` of every intent is validation.

    Utterances of one wording lie on the same side, whatever values stand in it, so that validation asks for wordings
    that training has not seen. An intent with one wording is training only. The choice hangs on the texts and the
    seed alone, never on their order.
    """
    wordings: dict[str, dict[str, list[Utterance]]] = defaultdict(lambda: defaultdict(list))
    for utterance in utterances:
        wordings[utterance.intent][wording(utterance)].append(utterance)
    validation: set[str] = set()
    for groups in wordings.values():
        wanted = share * sum(len(group) for group in groups.values())
        taken = 0
        for key in sorted(groups, key=lambda key: _hash(key, seed))[1:]:
            if taken + len(groups[key]) / 2 <= wanted:
                taken += len(groups[key])
                validation.update(utterance.text for utterance in groups[key])
    return (
        [utterance for utterance in utterances if utterance.text not in validation],
        [utterance for utterance in utterances if utterance.text in validation],
    )


def wording(utterance: Utterance) -> str:
    """The text with slot names for values and `0` for digits.

    Where next to nothing is left but values (`张伟，500`), the values are the wording.
    """
    parts, position = [], 0
    for name, start, end in utterance.spans:
        parts += [utterance.text[position:start], f"{{{name}}}"]
        position = end
    parts.append(utterance.text[position:])
    words = "".join(character for part in parts[::2] for character in part if character.isalnum())
    pattern = "".join(parts) if len(words) > _FEW_CHARACTERS else utterance.text
    return re.sub(r"\d", "0", pattern)


def _hash(text: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}/{text}".encode(), digest_size=8).digest()
