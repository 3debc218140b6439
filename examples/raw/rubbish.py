"""Documents that a cleaner should drop for what they are. Every maker is a function (rng, originals) -> text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from examples.raw.disguises import split_sentences
from examples.raw.sentences import fill, read_lines, read_topics

Rubbish = Callable[[Random, Sequence[str]], str]
_SYMBOLS = "★☆◆◇■□▲△●○※→←↑↓~!@#$%^&*()_+-=[]{}|\\/<>?,.;:'\"0123456789abcdefghijklmnopqrstuvwxyz①②③④⑤♪♫"


def too_short(rng: Random, originals: Sequence[str]) -> str:
    """A remark of a few characters that tells nothing."""
    return fill(rng.choice(read_lines("remarks")), rng)


def symbol_soup(rng: Random, originals: Sequence[str]) -> str:
    """Ornaments, digits and punctuation with hardly a word."""
    blocks = ["".join(rng.choices(_SYMBOLS, k=rng.randint(4, 18))) for _ in range(rng.randint(8, 20))]
    return rng.choice([" ", "", "\n"]).join(blocks)


def repetition(rng: Random, originals: Sequence[str]) -> str:
    """One sentence, or one short word, over and over."""
    sentence = rng.choice(split_sentences(rng.choice(originals))).strip()
    if rng.random() < 0.3:
        return sentence[: rng.randint(2, 4)] * rng.randint(40, 80)
    return rng.choice(["", "\n"]).join([sentence] * rng.randint(8, 16))


def advertisement(rng: Random, originals: Sequence[str]) -> str:
    """A text that sells, begs for clicks or lures."""
    lines = rng.sample(read_lines("advertisements"), rng.randint(4, 6))
    return rng.choice(["", "\n"]).join(fill(line, rng) for line in lines)


def garbled(rng: Random, originals: Sequence[str]) -> str:
    """Text decoded with the wrong codec, bytes lost on the way: nothing can mend it."""
    text = rng.choice(originals)[: rng.randint(80, 200)]
    kind = rng.randrange(3)
    if kind == 0:  # GBK read as UTF-8: mostly replacement characters
        return text.encode("gb18030").decode("utf-8", "replace")
    if kind == 1:  # UTF-8 read as GBK: rare characters, every third byte pair torn apart
        return text.encode("utf-8").decode("gbk", "replace")
    lost = text.encode("gb18030").decode("utf-8", "replace").encode("utf-8")
    return lost.decode("gbk", "replace")  # both, one after the other


def other_language(rng: Random, originals: Sequence[str]) -> str:
    """A document in English, French, German, Spanish, Russian or Japanese."""
    topic = rng.choice(read_topics("foreign"))
    count = rng.randint(4, min(7, len(topic.body)))
    joint = "" if topic.title == "日本語" else " "
    return joint.join(fill(line, rng) for line in rng.sample(topic.body, count))
