from __future__ import annotations

from pathlib import Path

import pytest

from danlu.config import JobConfig
from danlu.errors import InputError
from danlu.inputs import find_artifact, find_files
from danlu.report import Check, Report
from danlu.run_directory import RunDirectory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jsonl", "a.jsonl", "sub/c.jsonl", "notes.md", ".hidden.jsonl", "_state/d.jsonl"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("{}\n")
    return tmp_path


def test_a_folder_gives_its_visible_files_sorted(folder: Path) -> None:
    found = find_files(str(folder), [".jsonl"])
    assert [Path(f).relative_to(folder).as_posix() for f in found] == ["a.jsonl", "b.jsonl", "sub/c.jsonl"]


def test_globs_lists_and_files_are_united_without_repetition(folder: Path) -> None:
    found = find_files([str(folder / "*.jsonl"), str(folder / "a.jsonl"), str(folder / "notes.md")], [".jsonl"])
    assert [Path(f).name for f in found] == ["a.jsonl", "b.jsonl", "notes.md"]


def test_uris_keep_their_protocol(folder: Path) -> None:
    assert find_files(f"file://{folder}/a.jsonl", [".jsonl"]) == [f"file://{folder}/a.jsonl"]


@pytest.mark.parametrize("name", ["nowhere", "*.parquet", "notes-folder"])
def test_what_is_not_there_is_named(folder: Path, name: str) -> None:
    (folder / "notes-folder").mkdir()
    with pytest.raises(InputError, match="input is"):
        find_files(str(folder / name), [".parquet"])


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    with pytest.raises(InputError, match="empty"):
        find_files(str(tmp_path / "a.jsonl"), [".jsonl"])


def test_an_artifact_is_found_in_its_run_or_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    inside = str(tmp_path / "checkpoint")
    assert find_artifact(str(tmp_path), "checkpoint") == inside
    assert find_artifact(inside, "checkpoint") == inside


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("inside", [False, True])
def test_a_runs_artifact_is_taken_once_it_has_ended(folder: Path, inside: bool, held: bool) -> None:
    output = folder / "run"
    location = str(output / "checkpoint") if inside else str(output)
    config, source = JobConfig(output=str(output)), [str(folder / "a.jsonl")]
    with RunDirectory.open("train", config, source) as run:
        run.write_text("checkpoint/config.json", "{}")
        with pytest.raises(InputError, match=r"from is .*not finished(.|\n)*the same command finishes it"):
            find_artifact(location, "checkpoint", "from")
        run.finish(Report(job="train", checks=[Check(name="the loss falls", held=held)]))
    assert find_artifact(location, "checkpoint", "from") == str(output / "checkpoint")


def test_a_run_that_tries_again_is_under_way(folder: Path) -> None:
    config, source = JobConfig(output=str(folder / "run")), [str(folder / "a.jsonl")]
    with RunDirectory.open("train", config, source) as run:
        run.write_text("checkpoint/config.json", "{}")
        run.finish(Report(job="train", checks=[Check(name="the loss falls", held=False)]))
    with RunDirectory.open("train", config, source), pytest.raises(InputError, match="not finished"):
        find_artifact(config.output, "checkpoint")


def test_other_files_of_an_unfinished_run_are_taken(folder: Path) -> None:
    # The demo's own stages read what its earlier ones left, and runs lie inside its run.
    with RunDirectory.open("demo", JobConfig(output=str(folder / "demo")), [str(folder / "a.jsonl")]) as run:
        run.write_text("pairs.jsonl", "{}")
        with RunDirectory.open("clean", JobConfig(output=run.child("clean")), [str(folder / "a.jsonl")]) as stage:
            stage.write_text("clean/part.txt", "text")
            stage.finish(Report(job="clean"))
        assert find_artifact(run.child("pairs.jsonl"), "clean") == run.child("pairs.jsonl")
        assert find_artifact(run.child("clean"), "clean") == run.child("clean", "clean")
