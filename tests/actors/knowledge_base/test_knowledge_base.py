import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from actors.knowledge_base.knowledge_base import KnowledgeBase
from danlu.config import load_config
from danlu.errors import InputError
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.knowledge import job
from pipelines.knowledge.config import IndexConfig


def build(output: Path, *overrides: str) -> KnowledgeBase:
    config = load_config(IndexConfig, None, [f"output={output}", *overrides])
    with RunDirectory.open("index", config, job.inputs(config)) as run:
        run.finish(job.run(config, run, Progress()))
    return KnowledgeBase(output)


@pytest.fixture(scope="module")
def knowledge(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    yield build(tmp_path_factory.mktemp("knowledge") / "run", f"input={examples / 'knowledge'}")


def test_a_question_finds_its_article(knowledge: KnowledgeBase) -> None:
    passages = knowledge.search("借记卡丢了要怎么冻结？")
    assert passages[0].document_id == "bank-card-loss"
    assert passages[0].title == "借记卡挂失与补办"
    assert passages[0].relevant


def test_a_question_as_it_is_written_finds_its_pair(knowledge: KnowledgeBase) -> None:
    best = knowledge.search("借记卡正式挂失补新卡要多少钱？", limit=1)[0]
    assert (best.kind, best.question) == ("faq", "借记卡正式挂失补新卡要多少钱？")
    assert best.score > 0.6
    assert "手续费 10 元" in best.answer


def test_passages_quote_their_document(knowledge: KnowledgeBase, examples: Path) -> None:
    for passage in knowledge.search("挂失手续费", limit=10):
        text = (examples / "knowledge" / f"{passage.document_id}.md").read_text(encoding="utf-8")
        assert text[passage.start : passage.end] == passage.text


def test_what_is_not_there_scores_low(knowledge: KnowledgeBase) -> None:
    assert not any(passage.relevant for passage in knowledge.search("珠穆朗玛峰有多高"))


@pytest.mark.parametrize("query", ["", "  ", "？！……", "🙂"])
def test_a_query_without_words_finds_nothing(knowledge: KnowledgeBase, query: str) -> None:
    assert knowledge.search(query) == []


@pytest.mark.parametrize("query", ['"卡" AND (OR', "挂失'; DROP TABLE", "卡*~^:", "a" * 5000, "挂失" * 3000])
def test_any_text_is_a_query(knowledge: KnowledgeBase, query: str) -> None:
    assert len(knowledge.search(query, limit=3)) <= 3


def test_limit_bounds_the_passages(knowledge: KnowledgeBase) -> None:
    assert [len(knowledge.search("手续费", limit=n)) for n in (0, 1, 7)] == [0, 1, 7]


def test_many_threads_find_the_same(knowledge: KnowledgeBase) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: knowledge.search("挂失手续费"), range(32)))
    assert all(passages == found[0] for passages in found)


def test_no_index_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no index lies there"):
        KnowledgeBase(tmp_path)


def test_another_layout_is_refused(knowledge: KnowledgeBase, tmp_path: Path) -> None:
    facts = json.loads((knowledge.path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps({**facts, "version": 99}))
    with pytest.raises(InputError, match="it has layout 99"):
        KnowledgeBase(tmp_path)


@pytest.mark.realdata
@pytest.mark.slow
def test_cmrc2018_questions_find_their_paragraph(public_data: Path, tmp_path: Path) -> None:
    """848 paragraphs, uncut, 644 of the 3,219 questions; BM25 on bigrams alone has recall@1 .958, recall@5 .995."""
    articles = json.loads((public_data / "cmrc2018" / "cmrc2018_dev.json").read_text(encoding="utf-8"))
    rows, questions = [], []
    for article in articles["data"] if isinstance(articles, dict) else articles:
        for paragraph in article.get("paragraphs", [article]):
            name = f"p{len(rows)}"
            rows.append({"id": name, "text": paragraph.get("context") or paragraph["context_text"]})
            questions += [(qa.get("question") or qa["query_text"], name) for qa in paragraph["qas"]]
    file = tmp_path / "cmrc.jsonl"
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    knowledge = build(tmp_path / "run", f"input={file}", "chunk.characters=2000")
    asked = questions[::5]
    found = [[p.document_id for p in knowledge.search(question)] for question, _ in asked]
    at_1 = sum(ids[:1] == [name] for ids, (_, name) in zip(found, asked, strict=True)) / len(asked)
    at_5 = sum(name in ids for ids, (_, name) in zip(found, asked, strict=True)) / len(asked)
    assert at_1 >= 0.96
    assert at_5 >= 0.99
