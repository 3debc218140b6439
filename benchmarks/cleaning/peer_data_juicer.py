"""Data-Juicer on a jsonl file (id, text). Runs in an environment of its own: imports nothing of this project.

    python peer_data_juicer.py INPUT.jsonl OUTCOME.json [--filters]

`document_minhash_deduplicator` with what it recommends for Chinese: character 5-grams, lower case, punctuation ignored
(as its recipes do), 256 permutations and a threshold of 0.7 (its defaults). One process. Its operators are called
directly: its own way to run them loads Ray and torch, which costs seconds and has nothing to do with the work.

OUTCOME.json: kept (ids), filtered (ids), work_cpu_s (without imports).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator
from data_juicer.ops.filter.character_repetition_filter import CharacterRepetitionFilter
from data_juicer.ops.filter.special_characters_filter import SpecialCharactersFilter
from data_juicer.ops.filter.text_length_filter import TextLengthFilter
from data_juicer.utils.constant import Fields
from data_juicer.utils.lazy_loader import LazyLoader
from datasets import Dataset, disable_caching


def refuse_to_install(loader: LazyLoader, *arguments: object, **settings: object) -> None:
    """Data-Juicer installs what it misses while it works, a CUDA build of torch for example."""
    raise ImportError(f"{loader._module_name} is not installed")


def filter_documents(dataset: Dataset) -> Dataset:
    """Length, special characters and repetition, the nearest to what danlu filters."""
    dataset = dataset.add_column(Fields.stats, [{}] * len(dataset))
    for operator in (
        TextLengthFilter(min_len=20, max_len=200_000),
        SpecialCharactersFilter(min_ratio=0.0, max_ratio=0.35),
        CharacterRepetitionFilter(rep_len=5, min_ratio=0.0, max_ratio=0.5),
    ):
        dataset = dataset.map(operator.compute_stats, batched=operator.is_batched_op())
        dataset = dataset.filter(operator.process, batched=operator.is_batched_op())
    return dataset


def deduplicate(dataset: Dataset) -> Dataset:
    operator = DocumentMinhashDeduplicator(tokenization="character", ignore_pattern=r"\p{P}")
    return operator.process(dataset.map(operator.compute_hash))[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path)
    parser.add_argument("outcome", type=Path)
    parser.add_argument("--filters", action="store_true")
    arguments = parser.parse_args()
    LazyLoader._install_package = refuse_to_install
    disable_caching()
    began = time.process_time()
    rows = [json.loads(line) for line in arguments.input.open(encoding="utf-8")]
    dataset = Dataset.from_list(rows)
    if arguments.filters:
        dataset = filter_documents(dataset)
    left = set(dataset["id"])
    kept = list(deduplicate(dataset)["id"])
    work = time.process_time() - began
    filtered = [row["id"] for row in rows if row["id"] not in left]
    arguments.outcome.write_text(json.dumps({"kept": kept, "filtered": filtered, "work_cpu_s": work}), encoding="utf-8")


if __name__ == "__main__":
    main()
