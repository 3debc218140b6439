"""datatrove on a jsonl file (id, text). Runs in an environment of its own: imports nothing of this project.

    python peer_datatrove.py INPUT.jsonl OUTCOME.json [--characters] [--filters]

Its defaults: 14 buckets of 8 hashes over word 5-grams, 64-bit xxhash, its own text normalisation. Words are those of
its Chinese tokenizer (spaCy with jieba). `--characters` puts a tokenizer of single characters in its place, which
datatrove does not offer, but which suits Chinese better. One worker, the steps of its own example.

OUTCOME.json: kept (ids), filtered (ids), work_cpu_s (without imports).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.filters import GopherRepetitionFilter, LambdaFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

LANGUAGE = "zh"


class CharacterTokenizer:
    """Each character but white space is a word."""

    def word_tokenize(self, text: str) -> list[str]:
        return [character for character in text if not character.isspace()]


def run(steps: list, folder: Path, name: str, tasks: int = 1) -> None:
    LocalPipelineExecutor(pipeline=steps, tasks=tasks, workers=1, logging_dir=str(folder / "logs" / name)).run()


def filter_documents(source: Path, folder: Path) -> Path:
    """Length and repetition, the nearest to what danlu filters."""
    run(
        [
            JsonlReader(str(source)),
            LambdaFilter(lambda document: len(document.text) >= 20),
            GopherRepetitionFilter(language=LANGUAGE),
            JsonlWriter(str(folder / "filtered"), output_filename="${rank}.jsonl", compression=None),
        ],
        folder,
        "filter",
    )
    return folder / "filtered"


def deduplicate(source: Path, folder: Path, characters: bool) -> list[str]:
    """The ids that stay."""
    config = MinhashConfig()
    signature = MinhashDedupSignature(str(folder / "signatures"), config=config, language=LANGUAGE)
    if characters:
        signature.word_tokenizer = CharacterTokenizer()
    kept: list[str] = []

    def collect(data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        for document in data:
            kept.append(document.id)
            yield document

    run([JsonlReader(str(source)), signature], folder, "signature")
    buckets = MinhashDedupBuckets(str(folder / "signatures"), str(folder / "buckets"), config=config)
    run([buckets], folder, "buckets", tasks=config.num_buckets)
    run([MinhashDedupCluster(str(folder / "buckets"), str(folder / "remove"), config=config)], folder, "cluster")
    run([JsonlReader(str(source)), MinhashDedupFilter(str(folder / "remove")), collect], folder, "drop")
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path)
    parser.add_argument("outcome", type=Path)
    parser.add_argument("--characters", action="store_true")
    parser.add_argument("--filters", action="store_true")
    arguments = parser.parse_args()
    began = time.process_time()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = folder / "input"
        source.mkdir()
        (source / "corpus.jsonl").symlink_to(arguments.input.resolve())
        source = filter_documents(source, folder) if arguments.filters else source
        left = {json.loads(line)["id"] for file in source.glob("*.jsonl") for line in file.open(encoding="utf-8")}
        kept = deduplicate(source, folder, arguments.characters)
    work = time.process_time() - began
    ids = [json.loads(line)["id"] for line in arguments.input.open(encoding="utf-8")]
    outcome = {"kept": kept, "filtered": [one for one in ids if one not in left], "work_cpu_s": work}
    arguments.outcome.write_text(json.dumps(outcome), encoding="utf-8")


if __name__ == "__main__":
    main()
