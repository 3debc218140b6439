"""The raw corpus before it is written: every document with what a cleaner is expected to do with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from examples.raw import disguises, rubbish, variants
from examples.raw.originals import Original, compose_originals

# Shares of all raw documents that are to be dropped, by reason; the rest is kept.
DROPPED_SHARES = {
    "exact": 0.08,
    "near": 0.12,
    "paraphrase": 0.05,
    "short": 0.03,
    "symbols": 0.025,
    "repetition": 0.025,
    "advertisement": 0.04,
    "garbled": 0.03,
    "language": 0.03,
}
_RUBBISH: dict[str, rubbish.Rubbish] = {
    "short": rubbish.too_short,
    "symbols": rubbish.symbol_soup,
    "repetition": rubbish.repetition,
    "advertisement": rubbish.advertisement,
    "garbled": rubbish.garbled,
    "language": rubbish.other_language,
}
_DISGUISES: dict[str, tuple[disguises.Disguise, int]] = {  # with weights; `boilerplate` and `contact` add lines
    "none": (disguises.plain, 45),
    "markup": (disguises.markup, 15),
    "boilerplate": (disguises.boilerplate, 12),
    "spacing": (disguises.spacing, 8),
    "traditional": (disguises.traditional, 8),
    "mojibake": (disguises.mojibake, 7),
    "contact": (disguises.contact, 5),
}
_COPY_DISGUISES = ("none", "spacing", "traditional", "markup", "mojibake")
_TRIES = 200


@dataclass(frozen=True)
class RawDocument:
    """A raw text and the truth about it.

    Attributes:
        reason: why it is to be dropped; "" when it is to be kept.
        noise: the name of its disguise.
        original: the place of its original among the documents (itself when it is one); None for rubbish.
        clean: the text under the disguise; "" for what is to be dropped.
    """

    text: str
    reason: str = ""
    noise: str = "none"
    domain: str = ""
    original: int | None = None
    clean: str = ""


def count_reasons(documents: int) -> dict[str, int]:
    """How many documents of each reason a corpus of that size has, "" (kept) included."""
    dropped = {reason: round(documents * share) for reason, share in DROPPED_SHARES.items()}
    return {"": documents - sum(dropped.values()), **dropped}


def build_corpus(documents: int, seed: int) -> list[RawDocument]:
    """`documents` raw documents, originals first.

    Raises:
        ConfigError: more distinct documents are needed than can be put together.
    """
    counts = count_reasons(documents)
    rng = Random(f"{seed}:corpus")
    originals = compose_originals(counts.pop(""), seed)
    corpus = [_original(place, original, rng) for place, original in enumerate(originals)]
    texts = [original.text for original in originals]
    for reason, count in counts.items():
        if reason in _RUBBISH:
            corpus.extend(RawDocument(_RUBBISH[reason](rng, texts), reason=reason) for _ in range(count))
        else:
            corpus.extend(_duplicate(reason, originals, rng) for _ in range(count))
    return corpus


def _original(place: int, original: Original, rng: Random) -> RawDocument:
    weights = [weight for _, weight in _DISGUISES.values()]
    text, noise = _disguise(original.text, rng.choices(list(_DISGUISES), weights)[0], rng)
    return RawDocument(text, noise=noise, domain=original.domain, original=place, clean=original.text)


def _disguise(text: str, noise: str, rng: Random) -> tuple[str, str]:
    """The text under a disguise, and the disguise's name: "none" where it left the text as it was."""
    disguised = _DISGUISES[noise][0](text, rng)
    return disguised, noise if disguised != text else "none"


def _duplicate(reason: str, originals: Sequence[Original], rng: Random) -> RawDocument:
    makers: dict[str, Callable[[str, Random], tuple[str, str] | None]] = {
        "exact": _copy,
        "near": _near,
        "paraphrase": _paraphrase,
    }
    for _ in range(_TRIES):
        place = rng.randrange(len(originals))
        made = makers[reason](originals[place].text, rng)
        if made is not None:
            text, noise = made
            return RawDocument(text, reason=reason, noise=noise, domain=originals[place].domain, original=place)
    raise AssertionError(f"no {reason} duplicate in {_TRIES} tries: the rules no longer fit the sentence banks")


def _copy(text: str, rng: Random) -> tuple[str, str]:
    return _disguise(text, rng.choice(_COPY_DISGUISES), rng)


def _near(text: str, rng: Random) -> tuple[str, str] | None:
    variant = variants.near_duplicate(text, rng)
    if variant is None:
        return None
    return _disguise(variant, rng.choice(("none", "none", "none", "spacing", "traditional")), rng)


def _paraphrase(text: str, rng: Random) -> tuple[str, str] | None:
    variant = variants.paraphrase(text, rng)
    return None if variant is None else (variant, "none")
