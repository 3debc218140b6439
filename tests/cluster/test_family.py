from pathlib import Path

import pytest

from cluster.family import print_lineage
from danlu.config import JobConfig
from danlu.errors import InputError
from danlu.report import Report
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


def test_a_path_in_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run directory"):
        print_lineage(str(tmp_path))
