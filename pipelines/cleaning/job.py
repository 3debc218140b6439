"""`danlu clean`: the stages in their order.

    read      files to documents, mended; unreadable rows become dropped documents
    judge     boilerplate lines out, personal data masked, filters, benchmark texts, quality
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
from pipelines.cleaning.config import CleanConfig, PiiConfig
from pipelines.cleaning.formats import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.cleaning.layout import Shard
    from pipelines.cleaning.stages.vectors import Embedding
    from pipelines.cleaning.survivors import Removal


def inputs(config: CleanConfig) -> list[str]:
    """The raw files, and the domain seeds and the benchmark files when there are any.

    Raises:
        InputError: something named is missing, or nothing fits.
    """
    files = raw_files(config)
    if config.domain is not None:
        from actors.domain_classifier.seeds import seed_files

        files = [*files, *seed_files(config.domain.seeds)]
    if config.decontaminate is not None:
        from pipelines.cleaning.benchmark_files import benchmark_files

        files = [*files, *benchmark_files(config.decontaminate.against)]
    return files


def raw_files(config: CleanConfig) -> list[str]:
    """The files that hold documents."""
    return find_files(config.input, SUFFIXES)


def estimate(config: CleanConfig, cpus: int | None = None) -> list[str]:
    """What the run will take, from a sample of the input.

    Raises:
        ConfigError, InputError, NotAvailableError: what the run itself would raise for these files, seeds and model.
    """
    from pipelines.cleaning.estimate import estimate as estimate_run
    from pipelines.cleaning.stages.domains import check_domains
    from pipelines.cleaning.stages.vectors import check_embedder

    check_embedder(config.embedder)
    if config.domain is not None:
        check_domains(config.domain)
    return estimate_run(raw_files(config), config, cpus)


def resources(config: CleanConfig) -> dict[str, float]:
    """What Ray must offer: a CPU for each worker that was asked for, at least one."""
    return {"CPU": float(config.workers or 1)}


def run(config: CleanConfig, run: RunDirectory, progress: Progress) -> Report:
    """Clean the corpus; Ray is already there."""
    from pipelines.cleaning.layout import Layout
    from pipelines.cleaning.sections import build_report
    from pipelines.cleaning.stages import benchmark, domains, judge, output, read, vectors

    began, continued = time.monotonic(), run.done("read") is not None
    layout = Layout(run.uri)
    vectors.check_embedder(config.embedder)
    if config.domain is not None:
        domains.check_domains(config.domain)
    held_back = benchmark.index_benchmark(config.decontaminate, run, progress) if config.decontaminate else {}
    shards = read.read(raw_files(config), config, run, progress)
    judged = judge.judge(shards, config, run, progress)
    removals, embedding = _find_duplicates(shards, judged.passed, config, run, progress)
    model = domains.learn_domains(embedding, config, run, progress)
    outcome = output.write_output(shards, removals, model, config, run, progress)
    documents = sum(shard.documents for shard in shards)
    lines = (run.done("read") or {})["repeated_lines"]
    facts: dict[str, Scalar] = {"renamed_ids": judged.renamed, "boilerplate_lines": lines}
    facts |= {f"benchmark_{name}": count for name, count in held_back.items()}
    if config.pii is not None:
        facts |= _masked_figures(config.pii, judged.masked)
    if embedding is not None:
        facts["unknown_token_share"] = round(embedding.unknown_token_share, 4)
    held_out = model.classifier.held_out if model is not None else None
    if held_out is not None:
        facts["domain_seed_accuracy"] = round(held_out.accuracy, 4)
        facts["domain_macro_f1"] = round(held_out.macro_f1, 4)
        facts["domain_calibration_error"] = round(held_out.calibration_error, 4)
    if not continued:  # the time of a stopped run is not known
        facts["documents_per_s"] = round(documents / (time.monotonic() - began), 1)
    return build_report(documents, outcome, facts, config, layout, held_out)


def _masked_figures(config: PiiConfig, masked: dict[str, int]) -> dict[str, Scalar]:
    """Documents with masked personal data, and how many matches of each kind that was looked for."""
    kinds: dict[str, Scalar] = {f"masked_{kind}_matches": masked.get(kind, 0) for kind in config.kinds}
    return {"masked_documents": masked.get("documents", 0), **kinds}


def _find_duplicates(
    shards: Sequence[Shard], passed: int, config: CleanConfig, run: RunDirectory, progress: Progress
) -> tuple[dict[str, list[Removal]], Embedding | None]:
    """What each stage dropped, and the embedding of the rest (None when no stage needs it)."""
    from pipelines.cleaning.stages import exact, near, semantic, vectors

    exact_ = exact.drop_exact(shards, passed, config, run, progress)
    near_ = near.drop_near(shards, passed - len(exact_), exact_, config, run, progress)
    removals = {"exact": exact_, "near": near_}
    left = passed - len(exact_) - len(near_)
    if not left or not config.needs_vectors:
        return removals, None
    embedding = vectors.embed(shards, left, [exact_, near_], config, run, progress)
    if embedding.unknown_token_share > UNKNOWN_SHARE_WARNING:
        share = f"{embedding.unknown_token_share:.0%}"
        progress.say(f"warning: the embedder {embedding.model} does not know {share} of the tokens of this corpus")
    removals["semantic"] = semantic.drop_semantic(shards, left, near_, config, run, progress)
    return removals, embedding
