"""Learn the domain classifier from its seed texts, in the space of the run's embedder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from actors.domain_classifier import OTHER, DomainClassifier, read_seeds
from danlu.errors import ConfigError
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import store
from pipelines.cleaning.config import CleanConfig, DomainConfig
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


def learn_domains(
    embedding: Embedding, config: CleanConfig, run: RunDirectory, progress: Progress
) -> DomainClassifier | None:
    """The classifier, fitted and saved; None when the domain stage is switched off."""
    if config.domain is None:
        return None
    uri = Layout(run.uri).domain_classifier
    if run.done("domains") is None:
        from actors.embedder import Embedder

        seeds = read_seeds(config.domain.seeds)
        with progress.stage("learn domains", sum(map(len, seeds.values())), "seed texts") as stage:
            with store.local_folder(embedding.model) as folder:
                embedder = Embedder(folder, config.embedder.device or "cpu", batch_size=config.embedder.batch_size)
            prepared = {domain: embedding.prepare(texts) for domain, texts in seeds.items()}
            classifier = DomainClassifier.fit(prepared, embedder.encode, config.seed)
            right = f"{classifier.held_out.accuracy:.0%}"
            stage.update(sum(map(len, seeds.values())), note=f"{right} of held-out seeds right")
        with tempfile.TemporaryDirectory() as folder:
            classifier.save(folder)
            store.put_folder(Path(folder), uri)
        run.mark_done("domains")
    with store.local_folder(uri) as folder:
        return DomainClassifier.load(folder)
