import io
import json
import re
import shutil
from pathlib import Path

import pytest

from cluster.family import describe_report, dropped_by_reason, print_lineage
from cluster.jobs import JOBS
from cluster.runner import run_job
from danlu.config import JobConfig, validate
from danlu.errors import InputError
from danlu.progress import Progress
from danlu.report import Check, Report, Table
from danlu.run_directory import RunDirectory


def test_the_tree_names_runs_inputs_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "raw.txt"
    source.write_text("text")
    with RunDirectory.open("clean", JobConfig(output=str(tmp_path / "a")), [str(source)]) as run:
        run.write_text("clean/part.txt", "text")
        run.finish(Report(job="clean", figures={"kept_documents": 1}))
    RunDirectory.open(
        "train", JobConfig(output=str(tmp_path / "b")), [str(tmp_path / "a" / "clean" / "part.txt")]
    ).close()
    print_lineage(str(tmp_path / "b"))
    text = capsys.readouterr().out
    assert text.index("train  ") < text.index("clean  ")
    assert "not finished" in text and "kept_documents=1" in text and str(source) in text


def test_a_removed_parent_is_one_line_and_the_walk_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(name)
        with RunDirectory.open("clean", JobConfig(output=str(tmp_path / name)), [str(tmp_path / f"{name}.txt")]) as run:
            run.write_text("part.txt", name)
            run.finish(Report(job="clean", figures={"kept": name}))
    files = [str(tmp_path / name / "part.txt") for name in ("a", "b")]
    RunDirectory.open("train", JobConfig(output=str(tmp_path / "child")), files).close()
    shutil.rmtree(tmp_path / "a")
    print_lineage(str(tmp_path / "child"))
    text = capsys.readouterr().out
    [line] = [line for line in text.splitlines() if line.lstrip().startswith(str(tmp_path / "a "))]
    assert "removed" in line and "kept=b" in text


def test_a_run_that_two_came_from_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("text")
    files = [str(tmp_path / "a.txt")]
    for name in ("first", "second", "third"):
        with RunDirectory.open("clean", JobConfig(output=str(tmp_path / name)), files) as run:
            run.write_text("part.txt", name)
            run.finish(Report(job="clean", figures={"kept": name}))
            files = [*files, run.child("part.txt")]
    print_lineage(str(tmp_path / "third"))
    text = capsys.readouterr().out
    assert text.count("kept=first") == 1 and f"{tmp_path / 'first'}  (see above)" in text


def test_broken_checks_and_drops_are_told() -> None:
    drops = [["filters", "too_short", 812, "27%"], ["near", "similar", 40, "1%"]]
    report = Report(
        job="clean",
        figures={"documents": 3000},
        checks=[Check(name="nothing is lost", held=False, detail="1 missing"), Check(name="left", held=True)],
        sections=[Table(title="Why", columns=["stage", "reason", "documents", "share"], rows=drops)],
    )
    assert dropped_by_reason(report) == [("filters", "too_short", 812), ("near", "similar", 40)]
    assert dropped_by_reason(Report(job="train")) == []
    lines = describe_report(report)
    assert "  ✗ nothing is lost  1 missing" in lines and not any("left" in line for line in lines)
    assert [line.split() for line in lines[-2:]] == [
        ["dropped", "812", "filters:", "too_short"],
        ["dropped", "40", "near:", "similar"],
    ]


def test_the_drops_of_a_real_run_are_found(ray_local: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = [
        "短",
        *(f"第{n}位客户在第{n * 7}号柜台办理了业务，等候约{n}分钟，评价为满意，建议增加自助设备。" for n in range(20)),
    ]
    rows = [json.dumps({"id": str(n), "text": text}) for n, text in enumerate(texts)]
    (tmp_path / "raw.jsonl").write_text("\n".join(rows))
    values = {"input": str(tmp_path / "raw.jsonl"), "output": str(tmp_path / "run"), "semantic": None, "domain": None}
    run_job(JOBS["clean"], validate(JOBS["clean"].config_class(), values), Progress(io.StringIO()))
    print_lineage(str(tmp_path / "run"))
    assert re.search(r"dropped +1  filters: ", capsys.readouterr().out)


def test_a_path_in_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run directory"):
        print_lineage(str(tmp_path))


def test_a_path_that_is_not_there_is_not_the_run_above_it(tmp_path: Path) -> None:
    (tmp_path / "lineage.json").write_text("{}")
    with pytest.raises(InputError, match="nowhere does not exist"):
        print_lineage(str(tmp_path / "nowhere"))
