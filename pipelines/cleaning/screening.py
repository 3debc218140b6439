"""The steps that judge each document by itself, in the order of `order`: personal data, filters, benchmark texts. Pure.

The order matters. By default personal data is masked first, so that no later step sees it; filters that come first
judge the raw text and spare the rest of the work; benchmarks are compared with what the steps before have left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from pipelines.cleaning.characters import to_text
from pipelines.cleaning.concatenation import Concatenation, in_runs
from pipelines.cleaning.config import CleanConfig, DecontaminateConfig, FilterConfig, PiiConfig
from pipelines.cleaning.filters import reject
from pipelines.cleaning.keys import comparison_keys
from pipelines.cleaning.matches import Match
from pipelines.cleaning.minhash import shingle_sets, sketch_all
from pipelines.cleaning.pii import count_kinds, find_pii, mask
from pipelines.cleaning.quality import quality
from pipelines.cleaning.statistics import TextStatistics, measure_all

# What a document with this comparison key holds of the benchmarks, in words; None when nothing.
FindBenchmark = Callable[[str], str | None]


@dataclass(frozen=True)
class Document:
    """A text and what is asked of it. sketch: (SKETCH_SIZE,) uint32 of the character 5-grams of its comparison key."""

    text: str
    key: str
    sketch: np.ndarray
    statistics: TextStatistics

    @cached_property
    def quality(self) -> float:
        return quality(self.statistics)


def documents_of(texts: Sequence[str]) -> list[Document]:
    """Texts with all that is known of them. They are held at once, with some 50 bytes for a character."""
    laid = Concatenation.of(texts)
    laid_keys = comparison_keys(texts, laid)
    keys = [to_text(points) for points in laid_keys.split()]
    grams = shingle_sets(laid_keys)
    statistics = measure_all(texts, laid, [len(key) for key in keys], [len(each) for each in grams])
    return [Document(*known) for known in zip(texts, keys, sketch_all(grams), statistics, strict=True)]


@dataclass(frozen=True)
class Verdict:
    """Why a document is dropped."""

    stage: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Screened:
    """A document after some steps. `masked`: matches that were masked, by kind; `verdict`: None while it is kept."""

    document: Document
    masked: Mapping[str, int] = field(default_factory=dict)
    verdict: Verdict | None = None


class Screening:
    """Takes texts through the steps that the config asks for, up to the one that drops it."""

    def __init__(self, config: CleanConfig, find_benchmark: FindBenchmark | None) -> None:
        self._pii = config.pii
        steps = {
            "pii": None if config.pii is None else _MaskPii(config.pii),
            "filters": None if config.filters is None else _Filter(config.filters),
            "decontaminate": None
            if config.decontaminate is None or find_benchmark is None
            else _Decontaminate(config.decontaminate, find_benchmark),
        }
        self._steps = [step for name in config.order if (step := steps[name]) is not None]

    def __call__(self, texts: Sequence[str]) -> Iterator[Screened]:
        """The texts in their order."""
        for run in in_runs(texts):
            yield from map(self._screen, documents_of(run))

    def _screen(self, document: Document) -> Screened:
        screened = Screened(document)
        for step in self._steps:
            screened = step(screened)
            if screened.verdict is not None:
                return self._shown(screened)
        return screened

    def _shown(self, screened: Screened) -> Screened:
        """Dropped documents are shown in reports: without personal data, even if a step before `pii` dropped them."""
        if self._pii is None:
            return screened
        text = screened.document.text
        matches = find_pii(text, self._pii.kinds)
        return replace(screened, document=_masked(text, matches)) if matches else screened


def _masked(text: str, matches: Sequence[Match]) -> Document:
    return documents_of([mask(text, matches)])[0]


@dataclass(frozen=True)
class _MaskPii:
    config: PiiConfig

    def __call__(self, screened: Screened) -> Screened:
        matches = find_pii(screened.document.text, self.config.kinds)
        if not matches:
            return screened
        kinds = count_kinds(matches)
        most = 0 if self.config.action == "drop" else self.config.max_matches
        if most is not None and len(matches) > most:
            key = "pii.action is drop" if self.config.action == "drop" else f"pii.max_matches is {most}"
            found = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
            return replace(screened, verdict=Verdict("pii", next(iter(kinds)), f"{found}; {key}"))
        return replace(screened, document=_masked(screened.document.text, matches), masked=kinds)


@dataclass(frozen=True)
class _Filter:
    config: FilterConfig

    def __call__(self, screened: Screened) -> Screened:
        document = screened.document
        rejection = reject(document.text, document.statistics, self.config)
        if rejection is None:
            return screened
        return replace(screened, verdict=Verdict("filters", rejection.reason, rejection.detail))


@dataclass(frozen=True)
class _Decontaminate:
    config: DecontaminateConfig
    find: FindBenchmark

    def __call__(self, screened: Screened) -> Screened:
        found = self.find(screened.document.key)
        if found is None:
            return screened
        limit = f"decontaminate.overlap is {self.config.overlap:.0%}"
        return replace(screened, verdict=Verdict("decontaminate", "benchmark", f"{found}; {limit}"))
