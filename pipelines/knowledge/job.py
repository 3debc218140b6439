"""`danlu index`: read and cut documents, embed the chunks, build the index, and ask it its own questions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec

from actors.embedder import Embedder, fit_embedder, load_embedder
from actors.knowledge_base import layout
from danlu.errors import RunError
from danlu.inputs import find_files
from danlu.progress import Progress
from danlu.report import Report
from danlu.run_directory import RunDirectory
from pipelines.knowledge import chunk_files, report, retrieval, self_check
from pipelines.knowledge.config import IndexConfig
from pipelines.knowledge.documents import SUFFIXES, Rejected, document_ids
from pipelines.knowledge.sampling import sample
from pipelines.knowledge.shards import group_files
from pipelines.knowledge.table import ChunkTable

if TYPE_CHECKING:
    from actors.knowledge_base.knowledge_base import KnowledgeBase

DEFAULT_THRESHOLD = 0.3
# Without enough questions to measure by: a fitted embedder only breaks ties, a trained one counts like full text.
_FITTED_WEIGHT, _TRAINED_WEIGHT = 0.0, 1.0
_FIT_TEXTS = 3_000
_WORK = "_chunks"


def inputs(config: IndexConfig) -> list[str]:
    """The documents, and the out-of-scope questions where they are given."""
    files = find_files(config.input, SUFFIXES)
    return [*files, config.out_of_scope] if config.out_of_scope else files


def resources(config: IndexConfig) -> dict[str, float]:
    """Nothing: the job runs in one process, some thousand chunks in memory at a time."""
    return {}


def run(config: IndexConfig, run: RunDirectory, progress: Progress) -> Report:
    """Build `knowledge/` and report how well it finds its own documents.

    Raises:
        RunError: not a single document could be read.
    """
    folder = run.local("knowledge")
    out_of_scope = self_check.read_out_of_scope(config.out_of_scope) if config.out_of_scope else []
    facts = _cut_documents(config, run, progress)
    embedder = _prepare_embedder(config, run, progress, len(facts))
    table = _fill_table(config, run, progress, embedder, len(facts))
    frequencies = _build_indexes(config, run, progress, table)
    documents = sum(fact["documents"] for fact in facts)
    knowledge = _open(folder, config, documents, table, _default_weight(config), DEFAULT_THRESHOLD)
    findings = _check(config, knowledge, table, out_of_scope, progress)
    _open(folder, config, documents, table, findings.dense_weight, findings.threshold)
    result = report.build(facts, table, frequencies, findings, _rejected(run, len(facts)))
    shutil.rmtree(run.local(_WORK), ignore_errors=True)
    return result


def _cut_documents(config: IndexConfig, run: RunDirectory, progress: Progress) -> list[dict[str, Any]]:
    """One Parquet file of chunks for each group of files; returns what was counted in each."""
    files = find_files(config.input, SUFFIXES)
    names = document_ids(files)
    groups = group_files([(file, _size(file)) for file in files])
    with progress.stage("read and cut", total=len(files), unit="files") as stage:
        for shard, group in enumerate(groups):
            if run.done(f"cut-{shard}") is None:
                _cut_group(config, run, shard, [(file, names[file]) for file in group])
            stage.advance(len(group))
    facts = [run.done(f"cut-{shard}") or {} for shard in range(len(groups))]
    if not any(fact["chunks"] for fact in facts):
        reasons = "; ".join(f"{r.id}: {r.reason}" for r in _rejected(run, len(groups))[:5])
        raise RunError("no document could be indexed", rule=reasons, fix="see rejected/ in the run directory")
    return facts


def _cut_group(config: IndexConfig, run: RunDirectory, shard: int, group: Sequence[tuple[str, str]]) -> None:
    rejected: list[Rejected] = []
    counts = {"documents": 0, "characters": 0}
    rows = chunk_files.chunk_rows(group, config, shard, rejected, counts)
    chunks = chunk_files.write_chunks(rows, _chunk_file(run, shard))
    lines = [json.dumps({"id": r.id, "reason": r.reason}, ensure_ascii=False) for r in rejected]
    run.write_text(f"rejected/{shard:05d}.jsonl", "".join(f"{line}\n" for line in lines))
    run.mark_done(f"cut-{shard}", chunks=chunks, rejected=len(rejected), **counts)


def _prepare_embedder(config: IndexConfig, run: RunDirectory, progress: Progress, shards: int) -> Embedder:
    """The embedder, saved inside the index so that a reader needs nothing else."""
    folder = run.local("knowledge", layout.EMBEDDER_FOLDER)
    if run.done("embedder") is None:
        with progress.stage(f"embedder: {config.embedder}"):
            if config.embedder == "fitted":
                texts = sample((_chunk_file(run, shard) for shard in range(shards)), _FIT_TEXTS, config.seed)
                model = fit_embedder(texts, config.dimensions, config.seed)
            else:
                model = load_embedder(config.embedder)
            model.save(str(folder))
        run.mark_done("embedder")
    return Embedder(str(folder), batch_size=config.batch_size)


def _fill_table(
    config: IndexConfig, run: RunDirectory, progress: Progress, embedder: Embedder, shards: int
) -> ChunkTable:
    dimensions = embedder.model.get_embedding_dimension()
    assert dimensions is not None, "sentence-transformers models know their dimension"
    table = ChunkTable(run.local("knowledge"), dimensions)
    total = sum((run.done(f"cut-{shard}") or {})["chunks"] for shard in range(shards))
    with progress.stage("embed", total=total, unit="chunks") as stage:
        for shard in range(shards):
            if run.done(f"embed-{shard}") is None:
                for count in table.replace_shard(shard, _chunk_file(run, shard), embedder):
                    stage.advance(count)
                run.mark_done(f"embed-{shard}")
    return table


def _build_indexes(config: IndexConfig, run: RunDirectory, progress: Progress, table: ChunkTable) -> dict[str, int]:
    with progress.stage("build indexes"):
        table.finish(config.vector_index_chunks)
        return table.write_term_frequencies()


def _check(
    config: IndexConfig, knowledge: KnowledgeBase, table: ChunkTable, out_of_scope: list[str], progress: Progress
) -> report.Findings:
    questions = table.questions(config.check_questions, config.seed)
    with progress.stage("self-retrieval", total=len(questions), unit="questions") as stage:
        check = self_check.ask_own_questions(knowledge, questions, stage.advance, _weights_to_try(config))
    weight = _choose_weight(config, check, len(questions))
    with progress.stage("out-of-scope questions", total=len(out_of_scope), unit="questions") as stage:
        scores = []
        for question in out_of_scope:
            scores.append(self_check.best_score(knowledge, question, weight))
            stage.advance()
    threshold = config.threshold
    if threshold is None:
        threshold = retrieval.choose_threshold(scores) if scores else DEFAULT_THRESHOLD
    return report.Findings(check, questions, weight, threshold, scores)


def _choose_weight(config: IndexConfig, check: self_check.SelfCheck, questions: int) -> float:
    if config.dense_weight is not None:
        return config.dense_weight
    if questions < retrieval.ENOUGH_QUESTIONS:
        return _default_weight(config)
    return retrieval.choose_dense_weight(check.by_weight())


def _weights_to_try(config: IndexConfig) -> list[float]:
    return sorted({*retrieval.DENSE_WEIGHTS, *([] if config.dense_weight is None else [config.dense_weight])})


def _default_weight(config: IndexConfig) -> float:
    return _FITTED_WEIGHT if config.embedder == "fitted" else _TRAINED_WEIGHT


def _open(
    folder: Path, config: IndexConfig, documents: int, table: ChunkTable, weight: float, threshold: float
) -> KnowledgeBase:
    """Write `index.json` and open the index as its users will."""
    from actors.knowledge_base.knowledge_base import KnowledgeBase

    facts = layout.IndexFacts(
        documents=documents,
        chunks=table.count(),
        dimensions=table.dimensions,
        embedder=config.embedder,
        dense_weight=weight,
        threshold=threshold,
    )
    file = folder / layout.INDEX_FILE
    part = file.with_suffix(".part")
    part.write_text(facts.model_dump_json(indent=2), encoding="utf-8")
    part.replace(file)
    return KnowledgeBase(folder, unfinished=True)


def _rejected(run: RunDirectory, shards: int) -> list[Rejected]:
    files = [run.local("rejected", f"{shard:05d}.jsonl") for shard in range(shards)]
    lines = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [Rejected(line["id"], line["reason"]) for line in lines]


def _chunk_file(run: RunDirectory, shard: int) -> Path:
    return run.local(_WORK, f"{shard:05d}.parquet")


def _size(file: str) -> int:
    filesystem, path = fsspec.core.url_to_fs(file)
    return int(filesystem.size(path) or 0)
