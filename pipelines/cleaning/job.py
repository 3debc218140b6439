"""`danlu clean`: the stages in their order.

    read      files to documents, mended; unreadable rows become dropped documents
    judge     boilerplate lines out, filters, quality
    exact     equal but for spaces, punctuation, width, case and script
    near      most character 5-grams in common
    embed     vectors
    semantic  the same in other words
    domains   a domain for each document
    output    clean/ and dropped/

A stage that is finished is not done again, and within a stage no finished shard is: the same command after a crash
goes on where it was and writes the same bytes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from actors.embedder.embedder import UNKNOWN_SHARE_WARNING
from danlu.inputs import find_files
from danlu.progress import Progress
from danlu.report import Report, Scalar
from danlu.run_directory import RunDirectory
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.formats import SUFFIXES

if TYPE_CHECKING:
    from pipelines.cleaning.index import DocumentIndex
    from pipelines.cleaning.stages.vectors import Embedding
    from pipelines.cleaning.survivors import Removal


def inputs(config: CleanConfig) -> list[str]:
    """The raw files, and the domain seeds when there are any.

    Raises:
        InputError: something named is missing, or nothing fits.
    """
    files = raw_files(config)
    return [*files, config.domain.seeds] if config.domain is not None else files


def raw_files(config: CleanConfig) -> list[str]:
    """The files that hold documents."""
    return find_files(config.input, SUFFIXES)


def estimate(config: CleanConfig, cpus: int | None = None) -> list[str]:
    """What the run will take, from a sample of the input.

    Raises:
        ConfigError, InputError: what the run itself would raise for these files and seeds.
    """
    from pipelines.cleaning.estimate import estimate as estimate_run
    from pipelines.cleaning.stages.domains import check_domains

    if config.domain is not None:
        check_domains(config.domain)
    return estimate_run(raw_files(config), config, cpus)


def resources(config: CleanConfig) -> dict[str, float]:
    """What Ray must offer: a CPU for each worker that was asked for, at least one."""
    return {"CPU": float(config.workers or 1)}


def run(config: CleanConfig, run: RunDirectory, progress: Progress) -> Report:
    """Clean the corpus; Ray is already there."""
    from pipelines.cleaning.index import load_index
    from pipelines.cleaning.layout import Layout
    from pipelines.cleaning.sections import build_report
    from pipelines.cleaning.stages import domains, judge, output, read

    began, continued = time.monotonic(), run.done("read") is not None
    layout = Layout(run.uri)
    if config.domain is not None:
        domains.check_domains(config.domain)
    shards = read.read(raw_files(config), config, run, progress)
    renamed = judge.judge(shards, config, run, progress)
    index = load_index(shards, layout)
    removals, embedding = _find_duplicates(index, config, run, progress)
    classifier = domains.learn_domains(embedding, config, run, progress) if embedding else None
    output.write_output(shards, index, removals, classifier, config, run, progress)
    documents = sum(shard.documents for shard in shards)
    facts: dict[str, Scalar] = {"renamed_ids": renamed, "boilerplate_lines": (run.done("read") or {})["repeated_lines"]}
    if embedding is not None:
        facts["unknown_token_share"] = round(embedding.unknown_token_share, 4)
    if classifier is not None:
        facts["domain_seed_accuracy"] = round(classifier.accuracy, 4)
    if not continued:  # the time of a stopped run is not known
        facts["documents_per_s"] = round(documents / (time.monotonic() - began), 1)
    return build_report(shards, index.length, facts, config, layout)


def _find_duplicates(
    index: DocumentIndex, config: CleanConfig, run: RunDirectory, progress: Progress
) -> tuple[dict[str, list[Removal]], Embedding | None]:
    """What each stage dropped, and the embedding of the rest (None when no stage needs it)."""
    import numpy as np

    from pipelines.cleaning.stages import duplicates, semantic, vectors

    left = np.arange(len(index))
    removals = {"exact": duplicates.drop_exact(index, config, run, progress)}
    left = duplicates.without(left, removals["exact"])
    removals["near"] = duplicates.drop_near(index, left, config, run, progress)
    left = duplicates.without(left, removals["near"])
    stand_ins = frozenset(removal.survivor for removal in removals["near"])
    if not len(left) or (config.semantic is None and config.domain is None):
        return removals, None
    embedding = vectors.embed(index, left, config, run, progress)
    if embedding.unknown_token_share > UNKNOWN_SHARE_WARNING:
        share = f"{embedding.unknown_token_share:.0%}"
        progress.say(f"warning: the embedder {embedding.model} does not know {share} of the tokens of this corpus")
    removals["semantic"] = semantic.drop_semantic(index, left, stand_ins, config, run, progress)
    return removals, embedding
