"""The sample a tokenizer is learnt from: all of a small corpus, an even and bounded part of a large one."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.training.text_sample import LEAST_CHARACTERS, MOST_CHARACTERS, TextSample, sample_size


def corpus(folder: Path, files: int, documents: int) -> list[str]:
    names = [str(folder / f"{i}.jsonl") for i in range(files)]
    for i, name in enumerate(names):
        rows = (json.dumps({"text": f"第{i}卷第{j}篇：" + "长" * 40}, ensure_ascii=False) for j in range(documents))
        Path(name).write_text("\n".join(rows), encoding="utf-8")
    return names


def test_a_small_corpus_is_taken_whole(tmp_path: Path) -> None:
    sample = TextSample(corpus(tmp_path, 2, 10), "text", 0, 100_000)
    assert len(list(sample)) == 20
    assert (
        sample.description() == f"all {sum(map(len, TextSample(corpus(tmp_path, 2, 10), 'text', 0, 10**6)))} characters"
    )


def test_a_large_corpus_is_sampled_evenly_and_within_bounds(tmp_path: Path) -> None:
    files = corpus(tmp_path, 8, 400)
    sample = TextSample(files, "text", 0, 16_000, shard_bytes=20_000)
    texts = list(sample)
    assert 12_000 < sum(map(len, texts)) <= 16_000
    whole = [text for text in texts if text.endswith("长" * 40)]  # a shard's last one may be cut
    assert {text[1] for text in whole} == set("01234567")
    places = [int(text.split("第")[2].split("篇")[0]) for text in whole]
    assert min(places) < 60 and max(places) > 340
    assert "a sample of" in sample.description() and "seed 0" in sample.description()
    assert texts == list(TextSample(files, "text", 0, 16_000, shard_bytes=20_000))
    assert texts != list(TextSample(files, "text", 1, 16_000, shard_bytes=20_000))


def test_one_huge_document_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({"text": "长" * 10_000}))
    assert sum(map(len, TextSample([str(file)], "text", 0, 500))) == 500


def test_larger_vocabularies_get_larger_samples_within_bounds() -> None:
    sizes = [sample_size(vocabulary) for vocabulary in (300, 8000, 150_000)]
    assert sizes == [LEAST_CHARACTERS, 8_000_000, MOST_CHARACTERS]
