import pytest

from cluster.demo.summary import headline, print_summary
from danlu.report import Check, Report


def test_the_table_names_what_broke_and_what_did_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    broken = Report(
        job="clean", figures={"kept_documents": 1800}, checks=[Check(name="rows add up", held=False)], seconds=3
    )
    print_summary({"clean": [broken], "train": None}, "runs/demo/report.html")
    text = capsys.readouterr().out
    assert "rows add up" in text and "not run" in text and "runs/demo/report.html" in text


def test_headline_shows_the_first_figures() -> None:
    assert (
        headline(Report(job="a", figures={"kept_documents": 1800, "share": 0.5})) == "kept documents 1,800, share 0.5"
    )
