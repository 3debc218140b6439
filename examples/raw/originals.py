"""The distinct documents: knowledge articles, notes from the service desk, and what the sentence banks give."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

from danlu.errors import ConfigError
from examples.raw.sentences import Topic, fill, read_lines, read_topics
from examples.raw.similarity import jaccard, shingles

KNOWLEDGE = Path(__file__).parent.parent / "knowledge"
DOMAINS = (
    "banking",
    "telecom",
    "health",
    "cooking",
    "travel",
    "technology",
    "law",
    "sports",
    "education",
    "agriculture",
)
MIN_CHARACTERS, MAX_CHARACTERS = 80, 600
MAX_SIMILARITY = 0.2  # between two documents of a topic; well under what counts as a near duplicate
_COMPANY = {"banking": "bank", "telecom": "mobile"}
_PAIR = re.compile(r"\*\*问：\*\* (.+)\n\*\*答：\*\* (.+)")
_TRIES = 60


@dataclass(frozen=True)
class Original:
    """A clean document that nothing else in the corpus repeats."""

    text: str
    domain: str


def compose_originals(count: int, seed: int) -> list[Original]:
    """`count` distinct documents, the domains in turn.

    Raises:
        ConfigError: the sentence banks do not hold so many distinct documents.
    """
    streams = {domain: _documents(domain, Random(f"{seed}:{domain}")) for domain in DOMAINS}
    originals: list[Original] = []
    for number, domain in enumerate(DOMAINS):
        wanted = count // len(DOMAINS) + (number < count % len(DOMAINS))
        texts = list(islice(streams[domain], wanted))
        if len(texts) < wanted:
            raise ConfigError(
                f"{wanted} distinct documents of domain {domain} are asked for",
                rule=f"its sentence bank holds {len(texts)}",
                fix="ask for fewer documents",
            )
        originals.extend(Original(text, domain) for text in texts)
    return originals


def _documents(domain: str, rng: Random) -> Iterator[str]:
    """Distinct documents of a domain until its bank is exhausted."""
    if domain in _COMPANY:
        articles, notes = read_articles(_COMPANY[domain])
        yield from rng.sample(articles, len(articles))
        yield from service_notes(notes, rng)
    streams = [_distinct(topic, rng) for topic in read_topics(domain)]
    while streams:
        for stream in list(streams):
            text = next(stream, None)
            if text is None:
                streams.remove(stream)
            else:
                yield text


def _distinct(topic: Topic, rng: Random) -> Iterator[str]:
    """Documents on a topic, each unlike all before it; ends after many failures in a row."""
    seen: list[frozenset[str]] = []
    used: Counter[str] = Counter()
    failures = 0
    while failures < _TRIES:
        text = topic.compose(rng, used)
        grams = shingles(text)
        if not MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS or any(jaccard(grams, s) >= MAX_SIMILARITY for s in seen):
            failures += 1
            continue
        failures = 0
        seen.append(grams)
        yield text


@cache
def read_articles(company: str) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The bodies of a company's knowledge articles, and their (question, answer) pairs."""
    bodies: list[str] = []
    pairs: list[tuple[str, str]] = []
    for path in sorted(KNOWLEDGE.glob(f"{company}-*.md")):
        body, _, questions = path.read_text(encoding="utf-8").partition("## 常见问题")
        bodies.append(body.partition("\n")[2].strip())
        pairs.extend(_PAIR.findall(questions))
    return tuple(bodies), tuple(pairs)


def service_notes(pairs: tuple[tuple[str, str], ...], rng: Random) -> Iterator[str]:
    """Notes from the service desk, each about two customers; every question is used once."""
    frames = read_lines("service_notes")
    shuffled = rng.sample(pairs, len(pairs))
    for first, second in zip(shuffled[::2], shuffled[1::2], strict=False):
        note = rng.choice(frames).replace("Q1", first[0]).replace("A1", first[1])
        yield fill(note.replace("Q2", second[0]).replace("A2", second[1]), rng)
