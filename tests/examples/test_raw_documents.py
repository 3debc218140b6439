"""The generator of raw documents: what its files hold is what its truth says."""

from __future__ import annotations

import csv
import gzip
import hashlib
import html
import json
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import ftfy
import numpy as np
import opencc
import pytest
import scipy.sparse
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.errors import ConfigError
from examples.raw import disguises, variants
from examples.raw.corpus import count_reasons
from examples.raw.originals import DOMAINS, MAX_CHARACTERS, MIN_CHARACTERS, Original, compose_originals
from examples.raw.sentences import TEXTS, fill, read_lines, read_topics
from examples.raw.similarity import jaccard, shingles
from examples.raw_documents import GB18030_FILE, LINES_FILE, PAGES, generate

DOCUMENTS, SEED = 800, 3
_HAN = re.compile(r"[\u4e00-\u9fff]")
seeds = st.integers(min_value=0, max_value=10**6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("corpus") / "raw"
    generate(target, DOCUMENTS, SEED)
    return target


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict[str, dict[str, str]]:
    rows = [json.loads(line) for line in (folder.parent / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row for row in rows}


@pytest.fixture(scope="module")
def texts(folder: Path) -> dict[str, str]:
    """Every raw text by its id, read in the plainest way."""
    rows = list(_read(folder))
    assert len({identifier for identifier, _ in rows}) == len(rows)
    return dict(rows)


@pytest.fixture(scope="module")
def originals() -> list[Original]:
    """The distinct documents of the default corpus."""
    return compose_originals(count_reasons(3000)[""], 7)


def _read(folder: Path) -> Iterator[tuple[str, str]]:
    import pyarrow.parquet as pq

    for path in sorted(folder.rglob("*.jsonl*")):
        data = path.read_bytes()
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8").split("\n")
        yield from ((row["id"], row["text"]) for row in map(json.loads, filter(None, lines)))
    with open(folder / "export.csv", encoding="utf-8", newline="") as file:
        yield from ((row["id"], row["text"]) for row in csv.DictReader(file))
    yield from ((row["id"], row["text"]) for row in pq.read_table(folder / "warehouse.parquet").to_pylist())
    for name, encoding in ((GB18030_FILE, "gb18030"), (LINES_FILE, "utf-8")):
        lines = (folder / name).read_bytes().decode(encoding).splitlines()
        yield from ((f"{name}#{number}", line) for number, line in enumerate(lines))
    for path in (folder / PAGES).glob("*.html"):
        yield path.name, path.read_text(encoding="utf-8")


def _digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.parent.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder.parent)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _key(text: str) -> str:
    """What is left of a text when encoding, mark-up, script, width, white space and punctuation do not count."""
    text = re.sub(r"<script>.*?</script>|<[^>]*>", "", ftfy.fix_encoding(text))
    text = unicodedata.normalize("NFKC", opencc.OpenCC("t2s").convert(html.unescape(text)))
    return "".join(character for character in text if character.isalnum())


def test_every_raw_document_is_in_the_truth_once(texts: dict[str, str], truth: dict[str, dict[str, str]]) -> None:
    assert len(texts) == DOCUMENTS
    assert texts.keys() == truth.keys()


def test_counts_by_reason(truth: dict[str, dict[str, str]]) -> None:
    found = Counter(row.get("reason", "") for row in truth.values())
    assert found == count_reasons(DOCUMENTS)
    assert 0.55 <= found[""] / DOCUMENTS <= 0.65
    assert all((row["expected"] == "keep") == ("reason" not in row) for row in truth.values())


def test_documented_counts_are_those_of_the_defaults() -> None:
    expected = {"": 1710, "exact": 240, "near": 360, "paraphrase": 150, "short": 90, "symbols": 75}
    assert count_reasons(3000) == expected | {"repetition": 75, "advertisement": 120, "garbled": 90, "language": 90}


def test_duplicates_name_a_kept_original_and_resemble_it(
    texts: dict[str, str], truth: dict[str, dict[str, str]]
) -> None:
    checked = Counter[str]()
    for identifier, row in truth.items():
        if "survivor_of" not in row:
            continue
        original = truth[row["survivor_of"]]
        assert original["expected"] == "keep" and original["domain"] == row["domain"]
        if identifier.endswith(".html"):
            continue
        checked[row["reason"]] += 1
        text = texts[identifier]
        if row["reason"] == "exact":
            assert _key(text) == _key(original["text"])
        elif row["noise"] == "none":
            low, high = variants.NEAR_SIMILARITY if row["reason"] == "near" else variants.PARAPHRASE_SIMILARITY
            assert low <= jaccard(shingles(text), shingles(original["text"])) <= high
    assert min(checked[reason] for reason in ("exact", "near", "paraphrase")) > 20


def test_kept_documents_say_the_clean_text_under_their_noise(
    texts: dict[str, str], truth: dict[str, dict[str, str]]
) -> None:
    noises = Counter[str]()
    for identifier, row in truth.items():
        if row["expected"] == "keep":
            noises[row["noise"]] += 1
            assert _key(row["text"]) in _key(texts[identifier])
            if not identifier.endswith(".html"):
                assert (texts[identifier] == row["text"]) == (row["noise"] == "none")
    assert set(noises) == {"none", "markup", "boilerplate", "spacing", "traditional", "mojibake", "contact"}


def test_rubbish_is_what_its_reason_says(texts: dict[str, str], truth: dict[str, dict[str, str]]) -> None:
    by_reason: dict[str, list[str]] = {}
    for identifier, row in truth.items():
        by_reason.setdefault(row.get("reason", ""), []).append(texts[identifier])
    assert all(len(text) < 20 for text in by_reason["short"])
    assert all(len(_HAN.findall(text)) < 0.02 * len(text) for text in by_reason["symbols"])
    assert all(len(shingles(text)) < 0.5 * len(text) for text in by_reason["repetition"])
    assert all(len(_HAN.findall(text)) < 0.6 * len(text) for text in by_reason["language"])
    kept = "\n".join(row["text"] for row in truth.values() if "text" in row)
    assert all(ftfy.fix_encoding(text) not in kept for text in by_reason["garbled"])


def test_one_file_is_gb18030_and_no_utf8(folder: Path) -> None:
    data = (folder / GB18030_FILE).read_bytes()
    with pytest.raises(UnicodeDecodeError):
        data.decode("utf-8")
    assert len(_HAN.findall(data.decode("gb18030"))) > 1000


def test_all_kinds_of_files(folder: Path) -> None:
    kinds = Counter("".join(path.suffixes) for path in folder.rglob("*") if path.is_file())
    assert set(kinds) == {".jsonl", ".jsonl.gz", ".csv", ".parquet", ".txt", ".html"}
    assert kinds[".html"] > 10


def test_same_seed_same_bytes(folder: Path, tmp_path: Path) -> None:
    generate(tmp_path / "raw", DOCUMENTS, SEED)
    assert _digests(tmp_path / "raw") == _digests(folder)
    generate(tmp_path / "raw", DOCUMENTS, SEED + 1)
    assert _digests(tmp_path / "raw") != _digests(folder)


def test_a_smaller_corpus_replaces_a_larger_one(tmp_path: Path) -> None:
    generate(tmp_path / "raw", 400, 1)
    truth = generate(tmp_path / "raw", 100, 1)
    assert len(list(_read(tmp_path / "raw"))) == 100 == len(truth.read_text(encoding="utf-8").splitlines())


def test_other_peoples_files_are_never_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("十年心血", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"thesis\.txt"):
        generate(tmp_path, 100)
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "十年心血"


@pytest.mark.parametrize(("documents", "rule"), [(99, "at least 100"), (100_000, "sentence bank holds")])
def test_sizes_that_cannot_be_are_refused(tmp_path: Path, documents: int, rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        generate(tmp_path / "raw", documents)


def test_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.raw_documents", "--output", str(tmp_path / "raw"), "--documents", "100"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=60)
    assert "100 raw documents" in done.stdout
    assert len(list(_read(tmp_path / "raw"))) == 100
    refused = subprocess.run([*command[:-1], "5"], cwd=root, capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0 and "documents is 5" in refused.stderr and "Traceback" not in refused.stderr


def test_originals_are_distinct_chinese_documents_of_all_domains(originals: list[Original]) -> None:
    assert Counter(original.domain for original in originals) == dict.fromkeys(DOMAINS, len(originals) // len(DOMAINS))
    for original in originals:
        assert MIN_CHARACTERS <= len(original.text) <= MAX_CHARACTERS
        # A half only, since a price list is full of figures.
        assert len(_HAN.findall(original.text)) > 0.5 * len("".join(original.text.split())), original.text
        assert not re.search(r"[{}$|]|。。|，，|，。", original.text), original.text


def test_no_two_originals_are_near_duplicates(originals: list[Original]) -> None:
    grams = [sorted(shingles(original.text)) for original in originals]
    columns = {gram: number for number, gram in enumerate(sorted({gram for row in grams for gram in row}))}
    rows = np.repeat(np.arange(len(grams)), [len(row) for row in grams])
    places = np.array([columns[gram] for row in grams for gram in row])
    matrix = scipy.sparse.csr_matrix((np.ones(len(rows)), (rows, places)), shape=(len(grams), len(columns)))
    common = scipy.sparse.triu(matrix @ matrix.T, k=1).tocoo()
    sizes = np.asarray(matrix.sum(axis=1)).ravel()
    similarity = common.data / (sizes[common.row] + sizes[common.col] - common.data)
    assert similarity.max() < 0.3


def test_domain_seed_texts(examples: Path, originals: list[Original]) -> None:
    domains = yaml.safe_load((examples / "domains.yaml").read_text(encoding="utf-8"))
    assert set(domains) == set(DOMAINS)
    written = frozenset().union(*(shingles(original.text) for original in originals))
    for domain, labelled in domains.items():
        assert len(set(labelled)) == len(labelled) >= 12, domain
        for text in labelled:
            assert len(shingles(text) & written) < 0.5 * len(shingles(text)), text


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_composed_text_has_no_open_slot(seed: int) -> None:
    rng = Random(seed)
    topic = rng.choice(read_topics(rng.choice(DOMAINS)))
    text = topic.compose(rng, Counter())
    assert text.endswith(("。", "？", "！", "……")) and not re.search(r"[{}$|]", text)
    line = rng.choice(read_lines(rng.choice(["advertisements", "remarks", "boilerplate", "service_notes"])))
    assert not re.search(r"[{}]", fill(line, rng))


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_disguises_keep_what_the_text_says(seed: int) -> None:
    rng = Random(seed)
    text = rng.choice(read_topics(rng.choice(DOMAINS))).compose(rng, Counter())
    for disguise in (disguises.markup, disguises.mojibake, disguises.traditional, disguises.spacing):
        assert _key(disguise(text, rng)) == _key(text)
    for disguise in (disguises.boilerplate, disguises.contact):
        assert text in disguise(text, rng)


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_variants_stay_within_their_similarity(seed: int) -> None:
    rng = Random(seed)
    text = rng.choice(read_topics(rng.choice(DOMAINS))).compose(rng, Counter())
    for make, (low, high) in (
        (variants.near_duplicate, variants.NEAR_SIMILARITY),
        (variants.paraphrase, variants.PARAPHRASE_SIMILARITY),
    ):
        variant = make(text, rng)
        assert variant is None or (variant != text and low <= jaccard(shingles(text), shingles(variant)) <= high)


def test_no_rule_of_the_paraphrases_replaces_a_word_by_itself() -> None:
    for line in read_lines("synonyms"):
        word, sign, others = line.partition("=")
        assert sign and word and word not in others.split("|"), line


def test_every_bank_has_its_topics() -> None:
    assert {path.stem for path in TEXTS.glob("*.txt")} >= set(DOMAINS)
    for domain in DOMAINS:
        titles = [topic.title for topic in read_topics(domain)]
        assert len(set(titles)) == len(titles) >= 3
        assert all(len(topic.body) >= 6 and topic.openings for topic in read_topics(domain)), domain
