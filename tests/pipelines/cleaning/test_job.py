"""The whole job on real files and a real Ray."""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from danlu.config import load_config
from danlu.errors import ConfigError, InputError
from danlu.progress import Progress
from danlu.report import Report
from danlu.run_directory import RunDirectory
from examples.raw_documents import generate
from pipelines.cleaning import job
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.score import score_against_truth

pytestmark = pytest.mark.usefixtures("ray_local")

SENTENCES = [
    "银行卡丢失后请先在手机上挂失以免被人盗用。", "随后带着身份证到任意网点补办并填写申请表。",
    "新卡大约三个工作日寄到而旧卡立即失效。", "余额和定期存款会自动转到新卡上不用操心。",
    "手机流量用完以后网速会降低直到下个月。", "套餐可以在应用里随时更换而次月才生效。",
    "出国前记得开通漫游并查询当地的资费标准。", "宽带师傅上门之前会打电话约好时间地点。",
    "账单每月一号发出并且支持自动扣款功能。", "积分可以换话费也可以换商城里的小礼物。",
]  # fmt: skip


def document(number: int) -> str:
    """One of 90 different texts that share no more than a sentence in three."""
    picks = [SENTENCES[(number * step + shift) % 10] for step, shift in ((1, 0), (3, 1), (7, 2))]
    return "".join(picks) + f"本条编号{number * 7919}，由客服{number % 7}组整理于{2000 + number}年。"


def clean(output: Path, *settings: str, **kwargs: Any) -> Report:
    config = load_config(CleanConfig, None, [f"output={output}", *settings])
    stream = kwargs.get("stream") or io.StringIO()
    with RunDirectory.open("clean", config, job.inputs(config)) as run:
        report = job.run(config, run, Progress(stream))
        run.finish(report)
    return report


def rows(run: Path, folder: str) -> dict[str, dict[str, Any]]:
    found = [row for file in sorted((run / folder).glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
    assert len({row["id"] for row in found}) == len(found)
    return {row["id"]: row for row in found}


def contents(run: Path) -> dict[str, bytes]:
    return {str(p.relative_to(run)): p.read_bytes() for f in ("clean", "dropped") for p in sorted((run / f).iterdir())}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("corpus") / "raw"
    return folder, generate(folder, documents=400, seed=3)


@pytest.fixture(scope="module")
def whole_run(corpus: tuple[Path, Path], examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole") / "run"
    seeds = f"domain.seeds={examples / 'domains.yaml'}"
    clean(output, f"input={corpus[0]}", "workers=2", "shard_documents=60", seeds)
    return output


def test_it_drops_what_the_truth_says(corpus: tuple[Path, Path], whole_run: Path) -> None:
    score = score_against_truth(str(whole_run), str(corpus[1]))
    assert score["precision"] >= 0.99
    assert score["recall"] >= 0.95
    assert min(score["recall_by_reason"].values()) >= 0.8
    assert score["dropped_by_stage"]["semantic"] > 0


def test_every_survivor_of_a_duplicate_is_kept(whole_run: Path) -> None:
    kept, dropped = rows(whole_run, "clean"), rows(whole_run, "dropped")
    assert not kept.keys() & dropped.keys()
    survivors = [row["survivor_id"] for row in dropped.values() if row["stage"] in ("exact", "near", "semantic")]
    assert survivors
    assert set(survivors) <= kept.keys()
    assert all(row["similarity"] >= 0.5 for row in dropped.values() if row["survivor_id"])


def test_an_exact_duplicate_names_the_document_between_it_and_its_survivor(tmp_path: Path) -> None:
    """b equals a but for a space; a is near c, which is better."""
    a, c = document(3), document(3) + "以上内容供参考。"
    texts = {"a": a, "b": a.replace("，", "， "), "c": c}
    lines = [json.dumps({"id": i, "text": t}) for i, t in texts.items()]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    clean(tmp_path / "run", f"input={tmp_path / 'a.jsonl'}", "semantic=null")
    dropped = rows(tmp_path / "run", "dropped")
    exact, near = sorted(dropped.values(), key=lambda row: row["stage"])
    assert (exact["stage"], near["stage"]) == ("exact", "near")
    assert exact["via_id"] == near["id"] and near["via_id"] is None
    assert exact["survivor_id"] == near["survivor_id"] and exact["survivor_id"] in rows(tmp_path / "run", "clean")


def test_what_is_kept_has_a_domain_and_a_quality(whole_run: Path) -> None:
    kept = rows(whole_run, "clean").values()
    assert all(0 <= row["quality"] <= 1 and 0 <= row["domain_score"] <= 1 and row["domain"] for row in kept)
    assert len(Counter(row["domain"] for row in kept)) >= 5


def test_the_report_says_what_happened(whole_run: Path) -> None:
    report = json.loads((whole_run / "report.json").read_text(encoding="utf-8"))
    assert all(check["held"] for check in report["checks"])
    assert report["figures"]["documents"] == 400
    assert report["figures"]["unknown_token_share"] < 0.1
    titles = {section["title"] for section in report["sections"]}
    assert {"Documents left after each stage", "Why documents were dropped", "Duplicates side by side"} <= titles
    assert {"Quality of the kept documents", "Domain scores of the kept documents"} <= titles
    assert 0 < report["figures"]["domain_macro_f1"] <= 1 and 0 <= report["figures"]["domain_calibration_error"] <= 1


def test_the_report_counts_what_the_run_wrote(whole_run: Path) -> None:
    """It is drawn from facts of the shards, and the files must say the same."""
    sections = {s["title"]: s for s in json.loads((whole_run / "report.json").read_text(encoding="utf-8"))["sections"]}
    kept, dropped = rows(whole_run, "clean"), rows(whole_run, "dropped")
    reasons = Counter((row["stage"], row["reason"]) for row in dropped.values())
    shown = {(stage, reason): count for stage, reason, count, _ in sections["Why documents were dropped"]["rows"]}
    assert shown == dict(reasons)
    assert dict(sections["Domains of the kept documents"]["bars"]) == Counter(row["domain"] for row in kept.values())
    for title in ("Quality of the kept documents", "Domain scores of the kept documents"):
        assert sum(count for _, count in sections[title]["bars"]) == len(kept)
    passed = len(kept) + sum(row["stage"] not in ("read", "filters") for row in dropped.values())
    assert sum(count for _, count in sections["Lengths of the documents that passed the filters"]["bars"]) == passed
    seeds = sections["How well the domains are told apart"]
    assert seeds["columns"] == ["domain", "precision", "recall", "F1", "seeds"] and len(seeds["rows"]) >= 5
    for _, _, identifier, beginning, survivor, _ in sections["Duplicates side by side"]["rows"]:
        assert dropped[identifier]["survivor_id"] == survivor
        assert beginning[:20] in " ".join(dropped[identifier]["text"].split())
    assert (whole_run / "report.html").stat().st_size > 5000


@pytest.mark.parametrize("how", [("workers=1",), ("workers=4", "exchange_documents=100")])
def test_workers_and_shuffles_do_not_change_a_byte(
    how: tuple[str, ...], corpus: tuple[Path, Path], whole_run: Path, examples: Path, tmp_path: Path
) -> None:
    """Fewer workers; more of them, with every comparison of documents through a shuffle on the cluster."""
    seeds = f"domain.seeds={examples / 'domains.yaml'}"
    clean(tmp_path / "run", f"input={corpus[0]}", *how, "shard_documents=60", seeds)
    assert contents(tmp_path / "run") == contents(whole_run)


def test_neither_names_nor_order_of_files_choose_survivors(
    corpus: tuple[Path, Path], whole_run: Path, tmp_path: Path
) -> None:
    lines = [line for file in sorted(corpus[0].glob("*.jsonl")) for line in file.read_text("utf-8").splitlines()]
    assert len(lines) > 100
    for name, part in (("b", lines[::2]), ("a", lines[1::2])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(reversed(part)), encoding="utf-8")
    one = tmp_path / "one.jsonl"
    one.write_text("\n".join(lines), encoding="utf-8")
    for run, given in (("whole", str(one)), ("parts", f"[{tmp_path / 'a.jsonl'},{tmp_path / 'b.jsonl'}]")):
        clean(tmp_path / run, f"input={given}", "shard_documents=50")
    verdicts = [
        {name: (row["stage"], row["survivor_id"]) for name, row in rows(tmp_path / run, "dropped").items()}
        for run in ("whole", "parts")
    ]
    assert verdicts[0] == verdicts[1]


def test_cleaning_a_clean_corpus_finds_no_more_duplicates(whole_run: Path, tmp_path: Path) -> None:
    clean(tmp_path / "run", f"input={whole_run / 'clean'}", "semantic=null")
    again = rows(tmp_path / "run", "dropped")
    assert not [row for row in again.values() if row["stage"] in ("exact", "near")]


def test_bad_rows_are_dropped_with_their_reason_and_none_is_lost(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    good = [{"id": f"g{n}", "text": document(n)} for n in range(12)]
    bad = ['{"id": "null", "text": null}', "{broken", '{"id": "g3", "text": "' + document(30) + '"}']
    (raw / "a.jsonl").write_text("\n".join([*map(json.dumps, good), *bad]), encoding="utf-8")
    (raw / "empty.txt").write_bytes(b"")
    (raw / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01" * 30)
    (raw / "old.txt").write_bytes(document(40).encode("gb18030"))
    packed = gzip.compress("".join(json.dumps({"text": document(n)}) + "\n" for n in range(50, 60)).encode())
    (raw / "cut.jsonl.gz").write_bytes(packed[:-40])
    report = clean(tmp_path / "run", f"input={raw}", "semantic=null", "near=null")
    kept, dropped = rows(tmp_path / "run", "clean"), rows(tmp_path / "run", "dropped")
    reasons = {row["id"]: (row["reason"], row["detail"]) for row in dropped.values()}
    assert reasons["null"] == ("unreadable", "'text' is null")
    assert "not JSON" in reasons["a.jsonl#13"][1]
    assert "encoding" in reasons["picture.txt#0"][1]
    assert any("damaged" in detail for _, detail in reasons.values())
    assert kept["g3~2"]["text"] == document(30)
    assert kept["old.txt#0"]["text"] == document(40)
    assert report.figures["renamed_ids"] == 1
    assert report.held


def test_archives_pages_and_whole_files_make_a_corpus(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    (raw / "book").mkdir(parents=True)
    (raw / "book" / "a.txt").write_text(f"{document(1)}\n\n{document(2)}\n", encoding="utf-8")
    (raw / "文.txt").write_bytes(document(3).encode("gb18030"))
    page = "<html><head><meta charset=gbk></head><body><article><p>{}</p></article></body></html>"
    (raw / "b.html.gz").write_bytes(gzip.compress(page.format(document(4)).encode("gb18030")))
    with (raw / "crawl.warc.gz").open("wb") as stream:
        writer = WARCWriter(stream)
        for body in (document(5), document(6), ""):
            http = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
            payload = io.BytesIO(page.format(body).encode("gb18030"))
            writer.write_record(
                writer.create_warc_record("http://a.cn/", "response", payload=payload, http_headers=http)
            )
    report = clean(tmp_path / "run", f"input={raw}", "text_files=whole", "semantic=null", "near=null")
    kept, dropped = rows(tmp_path / "run", "clean"), rows(tmp_path / "run", "dropped")
    assert kept["book/a.txt"]["text"] == f"{document(1)}\n\n{document(2)}"
    assert {key: kept[key]["text"] for key in ("文.txt", "b.html.gz", "http://a.cn/", "http://a.cn/~2")} == {
        "文.txt": document(3), "b.html.gz": document(4), "http://a.cn/": document(5), "http://a.cn/~2": document(6),
    }  # fmt: skip
    assert dropped["http://a.cn/~3"]["detail"] == "no main text found in the page"
    assert report.held


def test_when_nothing_is_left_a_check_says_why(tmp_path: Path) -> None:
    english = "Please keep the receipt, because the warranty is only valid with the proof of purchase of this month."
    (tmp_path / "a.txt").write_text(f"{english}\n{english} Thank you for that.\n", encoding="utf-8")
    report = clean(tmp_path / "run", f"input={tmp_path / 'a.txt'}")
    assert not report.held
    (failed,) = [check for check in report.checks if not check.held]
    assert "language" in failed.detail
    assert "filters.languages is ['zh']" in failed.detail
    assert rows(tmp_path / "run", "clean") == {}


def test_the_starter_domains_need_no_seeds_of_ones_own(tmp_path: Path) -> None:
    law = "原告起诉请求法院判令被告返还借款，被告辩称诉讼时效已经届满，法院审理后驳回了原告的诉讼请求。"
    medicine = "患者因发热咳嗽入院，医生查体后安排胸部影像检查和抽血化验，诊断为肺炎并给予抗感染治疗。"
    (tmp_path / "a.txt").write_text(f"{law}\n{medicine}\n", encoding="utf-8")
    clean(tmp_path / "run", f"input={tmp_path / 'a.txt'}", "domain.keep=[law]")
    assert [row["text"] for row in rows(tmp_path / "run", "clean").values()] == [law]
    (dropped,) = rows(tmp_path / "run", "dropped").values()
    assert dropped["stage"] == "domain" and dropped["detail"].startswith("medicine")


def test_only_the_domains_asked_for_are_kept(tmp_path: Path, examples: Path) -> None:
    texts = [document(n) for n in range(20)]
    (tmp_path / "a.txt").write_text("\n".join(texts), encoding="utf-8")
    settings = [f"domain.seeds={examples / 'domains.yaml'}", "domain.keep=[banking]", "near=null", "semantic=null"]
    clean(tmp_path / "run", f"input={tmp_path / 'a.txt'}", *settings)
    kept, dropped = rows(tmp_path / "run", "clean"), rows(tmp_path / "run", "dropped")
    assert len(kept) + len(dropped) == 20
    assert {row["domain"] for row in kept.values()} <= {"banking"}
    assert {row["stage"] for row in dropped.values()} <= {"domain"}
    assert all("domain.keep" in row["detail"] for row in dropped.values())


def test_personal_data_is_masked_before_duplicates_are_compared(tmp_path: Path) -> None:
    texts = [document(1) + f"联系人电话是1381234{number:04d}。" for number in range(3)] + [document(2)]
    (tmp_path / "a.txt").write_text("\n".join(texts), encoding="utf-8")
    report = clean(tmp_path / "run", f"input={tmp_path / 'a.txt'}", "pii={}", "near=null", "semantic=null")
    kept, dropped = rows(tmp_path / "run", "clean"), rows(tmp_path / "run", "dropped")
    assert {row["text"] for row in kept.values()} == {document(1) + "联系人电话是<手机号>。", document(2)}
    assert {row["stage"] for row in dropped.values()} == {"exact"}
    assert report.figures["masked_documents"] == 3
    assert report.figures["masked_mobile_matches"] == 3
    assert report.figures["masked_email_matches"] == 0


def test_dropped_personal_data_is_nowhere_in_what_is_shown(tmp_path: Path) -> None:
    texts = [document(1) + "联系人电话是13812345678。", document(2), "电话13912345678"]
    (tmp_path / "a.txt").write_text("\n".join(texts), encoding="utf-8")
    settings = ["pii.action=drop", "order=[filters, pii, decontaminate]", "semantic=null"]
    clean(tmp_path / "run", f"input={tmp_path / 'a.txt'}", *settings)
    dropped = rows(tmp_path / "run", "dropped")
    assert {(row["stage"], row["reason"]) for row in dropped.values()} == {("pii", "mobile"), ("filters", "short")}
    shown = str(dropped) + (tmp_path / "run" / "report.json").read_text(encoding="utf-8")
    assert "12345678" not in shown
    assert "<手机号>" in shown


def test_documents_that_hold_a_benchmark_go(tmp_path: Path) -> None:
    question = "手机流量用完以后怎样才能让网速在下个月之前恢复正常"
    (tmp_path / "bench.jsonl").write_text(json.dumps({"question": question}), encoding="utf-8")
    texts = [document(1), document(2) + question + "？" + document(3), document(4)]
    (tmp_path / "a.txt").write_text("\n".join(texts), encoding="utf-8")
    against = f"decontaminate.against={tmp_path / 'bench.jsonl'}"
    report = clean(tmp_path / "run", f"input={tmp_path / 'a.txt'}", against, "near=null", "semantic=null")
    (dropped,) = rows(tmp_path / "run", "dropped").values()
    assert (dropped["id"], dropped["stage"], dropped["reason"]) == ("a.txt#1", "decontaminate", "benchmark")
    assert "bench.jsonl#0 question" in dropped["detail"]
    assert report.figures["decontaminate_dropped_documents"] == 1
    assert report.figures["benchmark_passages"] == 1
    lineage = json.loads((tmp_path / "run" / "lineage.json").read_text(encoding="utf-8"))
    assert {Path(file["path"]).name for file in lineage["inputs"]} == {"a.txt", "bench.jsonl"}
    (tmp_path / "bench.jsonl").write_text(json.dumps({"question": question[1:]}), encoding="utf-8")
    with pytest.raises(ConfigError):
        clean(tmp_path / "run", f"input={tmp_path / 'a.txt'}", against, "near=null", "semantic=null")


def _write_csv(folder: Path) -> list[str]:
    (folder / "a.csv").write_text("id,content\n1,甲\n", encoding="utf-8")
    return [f"input={folder / 'a.csv'}"]


def _write_docx(folder: Path) -> list[str]:
    (folder / "a.docx").write_bytes(b"x")
    return [f"input={folder}"]


def _write_blank(folder: Path) -> list[str]:
    (folder / "a.txt").write_bytes(b"\n\n")
    return [f"input={folder}"]


def _write_dead_link(folder: Path) -> list[str]:
    (folder / "a.txt").write_text(document(1), encoding="utf-8")
    (folder / "gone.txt").symlink_to(folder / "nowhere")
    return [f"input={folder}"]


def _write_lone_dead_link(folder: Path) -> list[str]:
    (folder / "gone.txt").symlink_to(folder / "nowhere")
    return [f"input={folder}"]


def _write_numbers(folder: Path) -> list[str]:
    pq.write_table(pa.table({"text": [1, 2]}), folder / "a.parquet")
    return [f"input={folder}"]


def _write_domains(folder: Path) -> list[str]:
    (folder / "a.txt").write_text(document(1), encoding="utf-8")
    (folder / "seeds.yaml").write_text("a: [x, y]\nb: [z, w]\n", encoding="utf-8")
    return [f"input={folder / 'a.txt'}", f"domain.seeds={folder / 'seeds.yaml'}", "domain.keep=[c]"]


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (_write_csv, InputError, r"text_field is 'text'.*'id', 'content'"),
        (_write_docx, InputError, r"no file ending with .*\.jsonl"),
        (_write_blank, InputError, "hold no document"),
        (_write_dead_link, InputError, r"gone\.txt: it can't be read \(No such file"),
        (_write_lone_dead_link, InputError, r"gone\.txt can't be read \(No such file"),
        (_write_numbers, InputError, "holds int64, not text"),
        (_write_domains, ConfigError, "'c' is none of a, b, other"),
    ],
)
def test_input_that_cannot_work_is_refused(
    write: Callable[[Path], list[str]], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        clean(tmp_path / "run", *write(tmp_path))


def test_progress_has_a_line_for_each_stage(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n".join(document(n) for n in range(5)), encoding="utf-8")
    stream = io.StringIO()
    clean(tmp_path / "run", f"input={tmp_path / 'a.txt'}", "semantic=null", stream=stream)
    for line in (
        "read · 1 files",
        "filter · 5 documents",
        "exact duplicates",
        "near duplicates",
        "write · 5 documents",
    ):
        assert line in stream.getvalue()


def test_a_run_in_an_object_store(tmp_path: Path) -> None:
    """Ray's workers are other processes, so the store is a folder that is addressed by a URI."""
    (tmp_path / "a.txt").write_text("\n".join(document(n) for n in range(5)), encoding="utf-8")
    config = load_config(
        CleanConfig, None, [f"input=file://{tmp_path}/a.txt", f"output=file://{tmp_path}/run", "semantic=null"]
    )
    with RunDirectory.open("clean", config, job.inputs(config)) as run:
        assert job.run(config, run, Progress(io.StringIO())).held
    assert len(rows(tmp_path / "run", "clean")) == 5


def test_a_model_that_does_not_know_the_script_is_warned_of(tmp_path: Path, tiny_encoder: Path) -> None:
    source = tmp_path / "raw.jsonl"
    source.write_text("".join(json.dumps({"text": document(n)}, ensure_ascii=False) + "\n" for n in range(6)))
    stream = io.StringIO()
    settings = (f"input={source}", f"embedder.model={tiny_encoder}", "embedder.backend=openvino")
    report = clean(tmp_path / "run", *settings, stream=stream)
    assert "does not know" in stream.getvalue() and "% of the tokens of this corpus" in stream.getvalue()
    assert report.figures["unknown_token_share"] > 0.9
    assert len(rows(tmp_path / "run", "clean")) + len(rows(tmp_path / "run", "dropped")) == 6


def test_a_model_that_is_not_there_is_known_before_any_work(tmp_path: Path) -> None:
    source = tmp_path / "raw.jsonl"
    source.write_text(json.dumps({"text": document(1)}, ensure_ascii=False) + "\n")
    with pytest.raises(InputError, match=r"embedder\.model is /nowhere/model: there is no such folder"):
        clean(tmp_path / "run", f"input={source}", "embedder.model=/nowhere/model")
    assert not (tmp_path / "run" / "_work").exists()
