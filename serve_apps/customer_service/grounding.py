"""Whether a language model's wording says only what the passages say. Pure.

The check is lexical: it catches sentences, figures and names that come from nowhere. It does not catch a sentence
that uses the passages' words to say the opposite, which is why an answer is phrased by a model only when asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from actors.knowledge_base.knowledge_base import Passage
from actors.knowledge_base.sentences import sentences
from actors.knowledge_base.terms import normalized, search_terms
from serve_apps.customer_service.answers import Answer, Citation

# Share of a sentence's terms that one passage has to hold. Chinese function words in between cost some bigrams.
SUPPORTED = 0.75
_MOST_CHARACTERS = 400
_FIGURES = re.compile(r"[a-z]*\d+(?:\.\d+)?%?|[a-z]{2,}")
_NEGATIONS = re.compile(r"不|没|无|未|非|禁|勿")


def grounded(text: str, passages: Sequence[Passage]) -> Answer | None:
    """The text as an answer with a citation for each sentence, or None when a sentence lacks support.

    A sentence is supported by a passage that holds at least `SUPPORTED` of its terms, every figure and Latin word in
    it, and a negation wherever the sentence has one.
    """
    body = text.strip()
    spans = sentences(body)
    if not spans or len(body) > _MOST_CHARACTERS:
        return None
    citations = [_citation(body[a:b], passages) for a, b in spans]
    if any(citation is None for citation in citations):
        return None
    return Answer(body, tuple(citation for citation in citations if citation is not None))


def _citation(sentence: str, passages: Sequence[Passage]) -> Citation | None:
    shares = [(_support(sentence, passage.text), passage) for passage in passages]
    best = max(shares, key=lambda pair: pair[0], default=None)
    if best is None or best[0] < SUPPORTED:
        return None
    passage = best[1]
    quotes = [passage.text[a:b] for a, b in sentences(passage.text)]
    quote = max(quotes, key=lambda part: _share(sentence, part))
    return Citation(sentence, passage.document_id, passage.title, quote)


def _support(sentence: str, source: str) -> float:
    """The share of the sentence's terms in `source`; 0 when it has figures or negations that the source lacks."""
    known = set(_FIGURES.findall(normalized(source)))
    if not set(_FIGURES.findall(normalized(sentence))) <= known:
        return 0.0
    if _NEGATIONS.search(sentence) and not _NEGATIONS.search(source):
        return 0.0
    return _share(sentence, source)


def _share(sentence: str, source: str) -> float:
    wanted = set(search_terms(sentence))
    return len(wanted & set(search_terms(source))) / len(wanted) if wanted else 0.0
