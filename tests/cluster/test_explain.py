"""`danlu explain` on a real cleaning run."""

from __future__ import annotations

import io
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.cells import cell_len
from rich.console import Console

from cluster.explain import print_explanation
from danlu.config import JobConfig, load_config
from danlu.errors import InputError, RunError
from danlu.progress import Progress
from danlu.report import Report
from danlu.run_directory import RunDirectory
from pipelines.cleaning import job
from pipelines.cleaning.config import CleanConfig

SENTENCES = [
    "银行卡丢失后，请先在手机上挂失以免被人盗用。", "随后带着身份证到任意网点补办，并填写申请表。",
    "新卡大约三个工作日寄到，而旧卡立即失效。", "余额和定期存款会自动转到新卡上，不用操心。",
    "手机流量用完以后，网速会降低直到下个月。", "套餐可以在应用里随时更换，而次月才生效。",
    "出国前记得开通漫游，并查询当地的资费标准。", "宽带师傅上门之前，会打电话约好时间地点。",
    "账单每月一号发出，并且支持自动扣款功能。", "积分可以换话费，也可以换商城里的小礼物。",
    "房贷利率每年一月重新定价，短信会提前通知。", "宠物不能带进营业厅，导盲犬除外并有饮水处。",
]  # fmt: skip
LONG = "".join(SENTENCES)
TEXTS = {
    "doc-1": LONG,
    "doc-2": LONG.replace("，", ""),
    "doc-3": LONG + "本说明自发布之日起执行，由客户服务部负责解释，如有疑问请致电网点。",
    "doc-4": "太短",
    "other": "山上的松树在春天抽出了许多新芽，鸟雀飞来筑巢，溪水一直流到村口的石桥下面。",
    "[b]x": "[bold]方括号不是标记[/bold]，" + "河边第三座磨坊每年秋天都要换上新的水轮，村里的人都来帮忙抬木头。",
}


@pytest.fixture(scope="module")
def run(ray_local: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    lines = [json.dumps({"id": identifier, "text": text}) for identifier, text in TEXTS.items()]
    (folder / "raw.jsonl").write_text("\n".join(lines), encoding="utf-8")
    settings = [f"input={folder / 'raw.jsonl'}", f"output={folder / 'run'}", "semantic=null", "shard_documents=2"]
    config = load_config(CleanConfig, None, settings)
    with RunDirectory.open("clean", config, job.inputs(config)) as directory:
        directory.finish(job.run(config, directory, Progress(io.StringIO())))
    return folder / "run"


def explained(run: Path, identifier: str, **settings: Any) -> str:
    stream = io.StringIO()
    print_explanation(str(run), identifier, Console(file=stream, highlight=False, soft_wrap=True, **settings))
    return stream.getvalue()


def test_a_chain_leads_to_the_survivor_with_both_texts_whole(run: Path) -> None:
    dropped = {r["id"]: r for f in (run / "dropped").iterdir() for r in pq.read_table(f).to_pylist()}
    exact = next(row for row in dropped.values() if row["stage"] == "exact")
    text = explained(run, exact["id"])
    near = exact["via_id"]
    assert f"{exact['id']} → {near} (exact, 1.00) → doc-3 (near, {dropped[near]['similarity']:.2f})" in text
    assert "✗ exact         dropped  exact duplicate of" in text
    assert TEXTS[exact["id"]] in text and TEXTS["doc-3"] in text
    assert len(exact["text"]) == 200  # dropped/ itself keeps a sample


def test_without_the_work_folder_the_sample_is_shown(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("_work"))
    text = explained(tmp_path / "run", "doc-1")
    assert "the beginning; the rest went with _work/" in text
    assert LONG[:100] in text
    assert (text.count(LONG), explained(run, "doc-1").count(LONG)) == (1, 2)  # the survivor begins with it


def test_a_kept_document_says_what_it_stands_for(run: Path) -> None:
    text = explained(run, "doc-3")
    assert "\nkept\n" in text and "quality: " in text
    assert "Stands for 2 documents" in text and "doc-1" in text and "doc-2" in text


def test_a_filter_says_why(run: Path) -> None:
    text = explained(run, "doc-4")
    assert "dropped by filters: short" in text and "filters.min_characters is 20" in text and "太短" in text


def test_brackets_are_text(run: Path) -> None:
    assert "[bold]方括号不是标记[/bold]" in explained(run, "[b]x")


@pytest.mark.parametrize(("width", "columns"), [(120, 2), (81, 2), (79, 1)])
def test_texts_stand_side_by_side_where_there_is_room(run: Path, width: int, columns: int) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system=None, width=width)
    print_explanation(str(run), "doc-1", console)
    lines = stream.getvalue().split("\n")
    title = next(place for place, line in enumerate(lines) if "doc-1 (dropped)" in line)
    assert ("kept in its place" in lines[title]) == (columns == 2)
    texts = lines[title + 1 :]
    assert max(map(cell_len, texts)) <= width
    if columns == 2:  # a Chinese character takes two cells: both texts begin in the middle or at the left of their line
        begun = next(line for line in texts if LONG[:10] in line)
        assert begun.count(LONG[:10]) == 2
        assert cell_len(begun[: begun.rindex(LONG[:10])]) == pytest.approx(width / 2, abs=2)


def test_it_is_quick_on_many_documents(run: Path, tmp_path: Path) -> None:
    """50 shards of 2,000 documents."""
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("_work", "clean"))
    (tmp_path / "run" / "clean").mkdir()
    table = pq.read_table(next(file for file in sorted((run / "clean").iterdir()) if pq.read_table(file).num_rows))
    row = table.slice(0, 1).to_pylist()[0]
    for shard in range(50):
        rows = [{**row, "id": f"n{shard}-{n}"} for n in range(2000)]
        pq.write_table(table.from_pylist(rows, table.schema), tmp_path / "run" / "clean" / f"part-{shard:05}.parquet")
    began = time.monotonic()
    assert "kept" in explained(tmp_path / "run", "n49-1999")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("identifier", "message"),
    [("doc", "4 documents have an id that begins so"), ("dco-1", "no document.*\n.*doc-1"), ("zzz", "list the ids")],
)
def test_an_id_that_is_not_there_is_an_error(run: Path, identifier: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        print_explanation(str(run), identifier)


def test_only_a_cleaning_run_that_came_to_its_end_is_explained(run: Path, tmp_path: Path) -> None:
    with RunDirectory.open("train", JobConfig(output=str(tmp_path / "train")), []) as train:
        train.finish(Report(job="train"))
    with pytest.raises(InputError, match="run of `danlu train`"):
        print_explanation(str(tmp_path / "train"), "a")
    RunDirectory.open("clean", JobConfig(output=str(tmp_path / "half")), []).close()
    with pytest.raises(RunError, match="not finished"):
        print_explanation(str(tmp_path / "half"), "a")
    with pytest.raises(InputError, match="nowhere does not exist"):
        print_explanation(str(tmp_path / "nowhere"), "a")
