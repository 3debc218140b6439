import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actors.knowledge_base.knowledge_base import KnowledgeBase
from danlu.config import load_config
from danlu.errors import ConfigError, RunError
from danlu.progress import Progress
from danlu.report import Report
from danlu.run_directory import RunDirectory
from pipelines.knowledge import job
from pipelines.knowledge.config import IndexConfig


def index(*overrides: str) -> Report:
    config = load_config(IndexConfig, None, overrides)
    with RunDirectory.open("index", config, job.inputs(config)) as run:
        report = job.run(config, run, Progress())
        run.finish(report)
    return report


def test_example_articles_find_themselves(examples: Path, tmp_path: Path) -> None:
    report = index(f"input={examples / 'knowledge'}", f"output={tmp_path / 'run'}")
    assert report.held
    assert report.figures["self_recall_at_1"] >= 0.98
    assert report.figures["held_out_recall_at_5"] >= 0.85
    assert report.figures["chunk_characters_max"] <= 400
    assert (tmp_path / "run" / "knowledge" / "embedder").is_dir()
    assert not (tmp_path / "run" / "_chunks").exists()


def test_a_weight_that_is_given_is_measured_and_used(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# 挂失\n\n**问：** 挂失要钱吗？\n**答：** 不要钱。", encoding="utf-8")
    report = index(f"input={tmp_path / 'a.md'}", f"output={tmp_path / 'run'}", "dense_weight=0.7")
    assert report.figures["dense_weight"] == 0.7
    assert report.figures["self_recall_at_1"] == 1.0
    assert KnowledgeBase(tmp_path / "run").facts.dense_weight == 0.7


def test_unreadable_documents_are_listed_not_lost(tmp_path: Path) -> None:
    documents = tmp_path / "in"
    documents.mkdir()
    (documents / "good.md").write_text("# 挂失\n\n立即生效。", encoding="utf-8")
    (documents / "headings.md").write_text("# 只有标题\n", encoding="utf-8")
    (documents / "bad.pdf").write_bytes(b"no pdf")
    report = index(f"input={documents}", f"output={tmp_path / 'run'}")
    assert (report.figures["documents"], report.figures["rejected_documents"]) == (1, 2)
    lines = (tmp_path / "run" / "rejected" / "00000.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["id"]: json.loads(line)["reason"].split(":")[0] for line in lines} == {
        "bad": "unreadable pdf",
        "headings": "headings only",
    }


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.pdf").write_bytes(b"no pdf")
    with pytest.raises(RunError, match="no document could be indexed: bad: unreadable pdf"):
        index(f"input={tmp_path / 'bad.pdf'}", f"output={tmp_path / 'run'}")


def test_ids_that_repeat_over_files_fail_the_check(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"id": 7, "text": f"{name}甲乙丙"}), encoding="utf-8")
    report = index(f"input={tmp_path}", f"output={tmp_path / 'run'}")
    failed = [check for check in report.checks if not check.held]
    assert len(failed) == 1
    assert "fields.id" in failed[0].detail


def test_out_of_scope_questions_set_the_threshold(examples: Path, tmp_path: Path) -> None:
    questions = ["今天天气怎么样", "给我讲个笑话", "推荐一部科幻电影", "红烧肉怎么做", "珠穆朗玛峰有多高"] * 4
    file = tmp_path / "out.jsonl"
    file.write_text("\n".join(json.dumps({"text": q}, ensure_ascii=False) for q in questions), encoding="utf-8")
    report = index(f"input={examples / 'knowledge'}", f"output={tmp_path / 'run'}", f"out_of_scope={file}")
    assert report.figures["out_of_scope_answered_share"] <= 0.05
    knowledge = KnowledgeBase(tmp_path / "run")
    assert knowledge.facts.threshold == report.figures["threshold"] != job.DEFAULT_THRESHOLD
    assert not any(p.relevant for p in knowledge.search("红烧肉怎么做"))
    assert knowledge.search("借记卡丢了怎么马上冻结")[0].relevant


def test_an_approximate_index_finds_the_same(tmp_path: Path) -> None:
    topics = [
        f"{a}{b}业务办理说明"
        for a in "挂失转账缴费开户理财贷款"
        for b in "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥春夏"
    ]
    rows = [json.dumps({"id": f"d{i}", "text": f"{t}，编号{i}。"}, ensure_ascii=False) for i, t in enumerate(topics)]
    (tmp_path / "in.jsonl").write_text("\n".join(rows), encoding="utf-8")
    report = index(
        f"input={tmp_path / 'in.jsonl'}", f"output={tmp_path / 'run'}", "vector_index_chunks=256", "dense_weight=1"
    )
    assert report.held
    arms = KnowledgeBase(tmp_path / "run").arms(topics[33])
    assert arms.dense[0]["document_id"] == "d33"


def test_overlap_above_half_a_chunk_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"chunk\.overlap is 300: it may be half of chunk\.characters \(400\)"):
        load_config(IndexConfig, None, ["input=a", "output=b", "chunk.overlap=300"])


KILLED = """
import sys
from danlu.config import load_config
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.knowledge import job, shards
from pipelines.knowledge.config import IndexConfig
config = load_config(IndexConfig, None, sys.argv[1:])
job.group_files = lambda files: shards.group_files(files, max_files=2)
with RunDirectory.open("index", config, job.inputs(config)) as run:
    run.finish(job.run(config, run, Progress()))
"""


def test_a_killed_run_continues(tmp_path: Path) -> None:
    """kill -9 between two shards; the same command then skips what is done and holds every chunk once."""
    documents = tmp_path / "in"
    documents.mkdir()
    for i in range(8):
        (documents / f"d{i}.md").write_text(f"# 主题{i}\n\n" + f"第{i}号说明。" * 30, encoding="utf-8")
    output = tmp_path / "run"
    command = [sys.executable, "-c", KILLED, f"input={documents}", f"output={output}", "batch_size=1"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not (output / "_state" / "embed-1.json").exists() and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (output / "report.json").exists()
    done_before = (output / "_state" / "embed-0.json").stat().st_mtime_ns
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert (output / "_state" / "embed-0.json").stat().st_mtime_ns == done_before
    report = Report.model_validate_json((output / "report.json").read_text(encoding="utf-8"))
    assert report.held
    assert report.figures["documents"] == 8
