"""A BERT-sized embedder on CPU and on a CUDA GPU: texts per second by batch size.

    python -m benchmarks gpu.embedder [--write docs/gpu.md]

A random encoder of 12 layers and width 768 (what its weights say changes nothing in the cost) behind
sentence-transformers, as `danlu clean semantic.embedder=...` loads one; the example documents, cut to 512 characters.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.device import describe_device
from benchmarks.machine import REPOSITORY, describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, publish

_CHARACTERS, _ROUNDS = 512, 5
_CASES = (("cpu", 16, 16), ("cuda", 16, 512), ("cuda", 64, 1024), ("cuda", 256, 1024))


def example_texts(count: int) -> list[str]:
    """`count` texts; documents are cut to pieces and come again."""
    pieces: list[str] = []
    for file in sorted(REPOSITORY.glob("examples/knowledge/*.md")):
        text = file.read_text(encoding="utf-8")
        pieces += [text[at : at + _CHARACTERS] for at in range(0, len(text), _CHARACTERS)]
    return (pieces * (count // len(pieces) + 1))[:count]


def write_encoder(folder: Path) -> Path:
    """A random encoder with a tokenizer of single characters."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    characters = sorted({character for text in example_texts(2000) for character in text if not character.isspace()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    bert = folder / "bert"
    bert.mkdir(parents=True)
    (bert / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast(str(bert / "vocab.txt"), model_max_length=512).save_pretrained(bert)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(vocabulary))
    BertModel(config).save_pretrained(bert)
    modules: list[Any] = [Transformer(str(bert)), Pooling(config.hidden_size), Normalize()]
    SentenceTransformer(modules=modules).save(str(folder / "embedder"))
    return folder / "embedder"


def speeds(folder: Path, device: str, batch: int, count: int) -> list[float]:
    """Texts per second of each round."""
    from actors.embedder.embedder import Embedder

    embedder = Embedder(str(folder), device, batch_size=batch)
    texts, found = example_texts(count), []
    embedder.encode(texts[:batch])
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        embedder.encode(texts)
        found.append(count / (time.perf_counter() - began))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_write_option(parser)
    arguments = parser.parse_args()
    described = describe_device()
    rows: list[list[Cell]] = []
    base = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_encoder(Path(temporary))
        for device, batch, count in _CASES:
            middle = statistics.median(speeds(folder, device, batch, count))
            base = base or middle
            rows.append([f"{device}, batch {batch}", f"{middle:,.0f}", f"{middle / base:.1f}x"])
            print(rows[-1], flush=True)
    note = f"fp32. {described}. {describe_measurement('python -m benchmarks gpu.embedder')}"
    publish("gpu.embedder", f"{markdown_table(['', 'texts/s', 'ratio'], rows)}\n\n{note}", arguments.write)


if __name__ == "__main__":
    main()
