"""Personal data in a text: found and masked. Pure.

Kinds are looked for in the text folded to ASCII width, so that `１３８...` counts as well; places are those of the text
itself. What is found is what can be told by its form: names of people are not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

from pipelines.cleaning.bank_cards import find_bank_cards
from pipelines.cleaning.id_cards import find_id_cards
from pipelines.cleaning.internet_addresses import find_emails, find_ips
from pipelines.cleaning.matches import Match, blank, replace, without_overlaps
from pipelines.cleaning.phones import find_landlines, find_mobiles
from pipelines.cleaning.street_addresses import find_street_addresses
from pipelines.cleaning.width import AT_CLASS, COLON_CLASS, DIGIT_CLASS, DOT_CLASS, GAP_CLASS, fold_width

# From the most to the least telling: of two readings of the same characters the first one counts.
FINDERS: dict[str, Callable[[str], Iterator[Match]]] = {
    "id_card": find_id_cards,
    "bank_card": find_bank_cards,
    "mobile": find_mobiles,
    "landline": find_landlines,
    "email": find_emails,
    "ip": find_ips,
    "address": find_street_addresses,
}
KINDS = tuple(FINDERS)
MASKS = {
    "id_card": "<身份证号>",
    "bank_card": "<银行卡号>",
    "mobile": "<手机号>",
    "landline": "<固定电话>",
    "email": "<邮箱>",
    "ip": "<IP地址>",
    "address": "<住址>",
}
# What is found is overwritten with it while the rest is searched again. To its neighbours it is what `<` and `>` of the
# mask will be, so that a masked text has nothing left to find.
_FILLER = "<"

_LONG_RUN = f"[{DIGIT_CLASS}]{{6}}|[{DIGIT_CLASS}]{{3}}[{GAP_CLASS}][{DIGIT_CLASS}]{{4}}"
# What follows the first digit of something of each kind: cheap to search for, and in few texts that have nothing.
_SIGNS = {
    "id_card": _LONG_RUN,
    "bank_card": _LONG_RUN,
    "mobile": _LONG_RUN,
    "landline": _LONG_RUN,
    "ip": f"[{DIGIT_CLASS}]{{0,2}}(?:[{DOT_CLASS}][{DIGIT_CLASS}]{{1,3}}){{3}}"
    f"|[0-9A-Fa-f\uff10-\uff19\uff21-\uff26\uff41-\uff46]{{3}}[{COLON_CLASS}][^{COLON_CLASS}]{{0,4}}[{COLON_CLASS}]",
    "address": f"[{DIGIT_CLASS}{GAP_CLASS}]{{0,9}}号",
}


def find_pii(text: str, kinds: Sequence[str]) -> list[Match]:
    """What there is of some `kinds`, in the order of the text and without overlaps.

    Of matches that overlap the longest counts, then the kind that is first in `KINDS`. A number beside another one can
    look like a part of it, so the text is searched again without what was found, until nothing more is.
    """
    if not _has_sign(text, kinds):
        return []
    folded = fold_width(text)
    found: list[Match] = []
    while new := without_overlaps(_candidates(folded, kinds), KINDS):
        found += new
        folded = blank(folded, new, _FILLER)
    return sorted(found, key=lambda match: match.start)


def mask(text: str, matches: Sequence[Match]) -> str:
    """`text` with the mask of its kind, such as `<手机号>`, in place of every match of `find_pii`."""
    return replace(text, matches, MASKS) if matches else text


def count_kinds(matches: Iterable[Match]) -> dict[str, int]:
    """How many matches there are of each kind that occurs, in the order of `KINDS`."""
    counts = Counter(match.kind for match in matches)
    return {kind: counts[kind] for kind in KINDS if kind in counts}


def _candidates(folded: str, kinds: Sequence[str]) -> Iterator[Match]:
    for kind in kinds:
        yield from FINDERS[kind](folded)


def _has_sign(text: str, kinds: Sequence[str]) -> bool:
    if "email" in kinds and any(sign in text for sign in AT_CLASS):
        return True
    signs = _signs(tuple(kinds))
    return signs is not None and signs.search(text) is not None


@cache
def _signs(kinds: tuple[str, ...]) -> re.Pattern[str] | None:
    """One search for the signs of all kinds; None when none of them begins with a digit."""
    behind_a_digit = dict.fromkeys(_SIGNS[kind] for kind in kinds if kind in _SIGNS)
    return re.compile(f"[{DIGIT_CLASS}](?:{'|'.join(behind_a_digit)})") if behind_a_digit else None
