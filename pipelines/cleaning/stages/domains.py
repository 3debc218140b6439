"""Learn the domain classifier from its seed texts: from their terms, or in the space of the embedder that was named."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.domain_classifier import OTHER, DomainClassifier, Terms, read_seeds
from danlu.errors import ConfigError
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import store
from pipelines.cleaning.config import CleanConfig, DomainConfig
from pipelines.cleaning.keys import comparison_key
from pipelines.cleaning.layout import Layout
from pipelines.cleaning.stages.vectors import Embedding


def check_domains(config: DomainConfig) -> None:
    """Read the seeds early, so that a wrong name is known before hours of work.

    Raises:
        ConfigError: `keep` names a domain that the seeds do not have.
        InputError: the seeds can't be used.
    """
    known = [*read_seeds(config.seeds), OTHER]
    unknown = [] if config.keep == "all" else [domain for domain in config.keep if domain not in known]
    if unknown:
        raise ConfigError(f"domain.keep is {config.keep}", rule=f"{unknown[0]!r} is none of {', '.join(known)}")


@dataclass(frozen=True)
class DomainModel:
    """A classifier, and what it looks at: `terms` of the texts, or their vectors where there are none."""

    classifier: DomainClassifier
    terms: Terms | None

    def encode(self, texts: Sequence[str]) -> Any:
        """(n_texts, n_terms), of texts as they stand in the corpus."""
        assert self.terms is not None
        return self.terms([comparison_key(text) for text in texts])


def learn_domains(
    embedding: Embedding | None, config: CleanConfig, run: RunDirectory, progress: Progress
) -> DomainModel | None:
    """The classifier, fitted and saved; None when the domain stage is switched off.

    Args:
        embedding: of the embedder that the config names; not needed without one.
    """
    if config.domain is None:
        return None
    uri = Layout(run.uri).domain_classifier
    if run.done("domains") is None:
        seeds = read_seeds(config.domain.seeds)
        with progress.stage("learn domains", sum(map(len, seeds.values())), "seed texts") as stage:
            model = _fit(seeds, embedding, config)
            right = f"{model.classifier.held_out.accuracy:.0%}"
            stage.update(sum(map(len, seeds.values())), note=f"{right} of held-out seeds right")
        with tempfile.TemporaryDirectory() as folder:
            model.classifier.save(folder)
            if model.terms is not None:
                model.terms.save(folder)
            store.put_folder(Path(folder), uri)
        run.mark_done("domains")
    with store.local_folder(uri) as folder:
        return DomainModel(DomainClassifier.load(folder), Terms.load(folder))


def _fit(seeds: Mapping[str, Sequence[str]], embedding: Embedding | None, config: CleanConfig) -> DomainModel:
    if config.embedder.model is None or embedding is None:
        keys = {domain: [comparison_key(text) for text in texts] for domain, texts in seeds.items()}
        terms = Terms.fit([key for texts in keys.values() for key in texts])
        return DomainModel(DomainClassifier.fit(keys, terms, config.seed), terms)
    from actors.embedder import Embedder

    with store.local_folder(embedding.model) as folder:
        settings = config.embedder
        device, backend = settings.device or "cpu", settings.backend
        embedder = Embedder(folder, device, batch_size=settings.batch_size, backend=backend)
    prepared = {domain: embedding.prepare(texts) for domain, texts in seeds.items()}
    return DomainModel(DomainClassifier.fit(prepared, embedder.encode, config.seed), None)
