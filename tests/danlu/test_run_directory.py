from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import Field

from danlu.config import JobConfig
from danlu.errors import ConfigError, InputError, NotAvailableError, ResourceError
from danlu.inputs import find_artifact
from danlu.lineage import Lineage, ancestors, read_lineage, run_directory_of, trace
from danlu.report import Check, Report
from danlu.run_directory import RunDirectory, read_report


class Trial(JobConfig):
    size: int = 1


@pytest.fixture
def source(tmp_path: Path) -> str:
    file = tmp_path / "source.txt"
    file.write_text("text")
    return str(file)


def open_run(tmp_path: Path, source: str, job: str = "trial", size: int = 1, fresh: bool = False) -> RunDirectory:
    return RunDirectory.open(job, Trial(output=str(tmp_path / "run"), size=size), [source], fresh=fresh)


def begin_run(tmp_path: Path, source: str) -> None:
    """A run that has done something."""
    with open_run(tmp_path, source) as run:
        run.mark_done("first")


def test_finished_steps_and_report_are_found_again(tmp_path: Path, source: str) -> None:
    with open_run(tmp_path, source) as run:
        assert run.done("a") is None
        run.mark_done("a", rows=3)
        run.finish(Report(job="trial", figures={"rows": 3}))
    with open_run(tmp_path, source) as run:
        assert run.done("a") == {"rows": 3}
        finished = run.finished()
        assert finished is not None and finished.figures == {"rows": 3}
    assert (tmp_path / "run" / "report.html").read_text().startswith("<!doctype html>")


def test_a_run_whose_checks_broke_is_not_finished(tmp_path: Path, source: str) -> None:
    with open_run(tmp_path, source) as run:
        run.finish(Report(job="trial", checks=[Check(name="a", held=False)]))
        assert run.finished() is None
    report = read_report(str(tmp_path / "run"))
    assert report is not None and not report.held


def test_other_settings_are_refused_and_named(tmp_path: Path, source: str) -> None:
    begin_run(tmp_path, source)
    with pytest.raises(ConfigError, match=r"size was 1 and is now 2(.|\n)*--fresh"):
        open_run(tmp_path, source, size=2)


class Spread(Trial):
    changeable = frozenset({"workers", "place.cores"})
    workers: int = 1
    place: dict[str, int] = Field(default_factory=dict)


def test_a_stopped_run_goes_on_with_other_values_of_changeable_keys(tmp_path: Path, source: str) -> None:
    first = Spread(output=str(tmp_path / "run"), place={"cores": 1, "racks": 1})
    with RunDirectory.open("trial", first, [source]) as run:
        run.mark_done("first")
        assert run.changes == ""
    second = first.model_copy(update={"workers": 2, "place": {"cores": 2, "racks": 1}})
    with RunDirectory.open("trial", second, [source]) as run:
        assert run.changes == "workers was 1 and is now 2, place.cores was 1 and is now 2"
        assert run.done("first") is not None
        run.finish(Report(job="trial"))
    assert "workers: 2" in (tmp_path / "run" / "config.yaml").read_text()
    third = second.model_copy(update={"workers": 3})
    with RunDirectory.open("trial", third, [source]) as run:
        assert run.finished() is not None
    assert "workers: 2" in (tmp_path / "run" / "config.yaml").read_text()  # with these it was finished
    with pytest.raises(ConfigError, match=r"place\.racks was 1 and is now 2"):
        RunDirectory.open("trial", first.model_copy(update={"place": {"cores": 1, "racks": 2}}), [source])


def test_other_input_content_is_refused(tmp_path: Path, source: str) -> None:
    begin_run(tmp_path, source)
    Path(source).write_text("changed")
    with pytest.raises(ConfigError, match="input has changed"):
        open_run(tmp_path, source)


def test_another_jobs_folder_is_refused(tmp_path: Path, source: str) -> None:
    begin_run(tmp_path, source)
    with pytest.raises(ConfigError, match="holds a run of `danlu trial`"):
        open_run(tmp_path, source, job="other")


def test_fresh_removes_the_earlier_run(tmp_path: Path, source: str) -> None:
    with open_run(tmp_path, source) as run:
        run.write_text("artifact/a.txt", "old")
    with open_run(tmp_path, source, size=2, fresh=True) as run:
        assert run.read_text("artifact/a.txt") is None


def test_fresh_never_removes_what_is_no_run(tmp_path: Path, source: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("precious")
    with pytest.raises(ConfigError, match="other files"):
        open_run(tmp_path, source, fresh=True)
    assert (tmp_path / "run" / "thesis.txt").exists()


def test_fresh_takes_a_config_file_for_no_run(tmp_path: Path, source: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("mine: 1")
    (tmp_path / "run" / "thesis.txt").write_text("precious")
    with pytest.raises(ConfigError, match=r"other files and no lineage\.json"):
        open_run(tmp_path, source, fresh=True)
    assert {file.name for file in (tmp_path / "run").iterdir()} == {".lock", "config.yaml", "thesis.txt"}


@pytest.mark.parametrize("lineage", ["", "{}", "half a li"])
def test_fresh_takes_an_unreadable_lineage_for_no_run(tmp_path: Path, source: str, lineage: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lineage.json").write_text(lineage)
    with pytest.raises(ConfigError, match="other files"):
        open_run(tmp_path, source, fresh=True)
    assert (tmp_path / "run" / "lineage.json").read_text() == lineage


def test_fresh_never_removes_another_jobs_run(tmp_path: Path, source: str) -> None:
    with open_run(tmp_path, source) as run:
        run.write_text("artifact/a.txt", "precious")
    with pytest.raises(ConfigError, match="holds a run of `danlu trial`"):
        open_run(tmp_path, source, job="other", fresh=True)
    assert (tmp_path / "run" / "artifact" / "a.txt").exists()


@pytest.mark.parametrize("link", [False, True])
def test_fresh_never_removes_the_input(tmp_path: Path, source: str, link: bool) -> None:
    with open_run(tmp_path, source) as run:
        run.write_text("clean/a.txt", "precious")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    inside = tmp_path / ("link" if link else "run") / "clean" / "a.txt"
    with pytest.raises(InputError, match=r"--fresh would remove the input .*a\.txt"):
        open_run(tmp_path, str(inside), fresh=True)
    assert inside.read_text() == "precious"


def test_an_input_elsewhere_is_not_taken_for_one_inside(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_run(tmp_path, source).close()
    monkeypatch.chdir(tmp_path / "run")
    RunDirectory("memory://bucket", "trial").write_text("a.txt", "text")
    RunDirectory.open("trial", Trial(output=str(tmp_path / "run")), ["memory://bucket/a.txt"], fresh=True).close()


def test_fresh_never_removes_the_input_of_an_object_store(source: str) -> None:
    config = Trial(output="memory://bucket/whole")
    with RunDirectory.open("trial", config, [source]) as run:
        run.write_text("clean/a.txt", "precious")
    with pytest.raises(InputError, match="would remove the input"):
        RunDirectory.open("trial", config, ["memory://bucket/whole/clean/a.txt"], fresh=True)
    assert run.read_text("clean/a.txt") == "precious"
    RunDirectory.open("trial", config, [source], fresh=True).close()
    assert run.read_text("clean/a.txt") is None


def test_fresh_removes_nothing_when_an_input_is_gone(tmp_path: Path, source: str) -> None:
    with open_run(tmp_path, source) as run:
        run.write_text("artifact/a.txt", "precious")
    with pytest.raises((OSError, InputError)):
        open_run(tmp_path, str(tmp_path / "gone.txt"), fresh=True)
    assert run.read_text("artifact/a.txt") == "precious"


def test_a_users_own_config_is_not_overwritten(tmp_path: Path, source: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("mine: 1")
    with pytest.raises(ConfigError, match=r"overwrite the config\.yaml"):
        open_run(tmp_path, source)
    assert (tmp_path / "run" / "config.yaml").read_text() == "mine: 1"


def left_after(tmp_path: Path, source: str, removals: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """A finished run of size 1, then a --fresh one of size 2 that is stopped after some removals: how many it did."""
    with open_run(tmp_path, source) as run:
        run.write_text("artifact/a.txt", "old")
        run.mark_done("a")
        run.finish(Report(job="trial"))
    remove, done = run.filesystem.rm, []

    def rm(path: str, recursive: bool = False) -> None:
        if len(done) == removals:
            raise KeyboardInterrupt
        remove(path, recursive=recursive)
        done.append(path)

    with monkeypatch.context() as patch:
        patch.setattr(type(run.filesystem), "rm", lambda self, path, recursive=False: rm(path, recursive))
        try:
            open_run(tmp_path, source, size=2, fresh=True).close()
        except KeyboardInterrupt:
            return len(done)
    return -1


@pytest.mark.parametrize("removals", range(7))
def test_a_stopped_fresh_never_mixes_two_runs(
    tmp_path: Path, source: str, removals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = left_after(tmp_path, source, removals, monkeypatch)
    entries = 6  # _state, artifact, two reports, config, lineage
    assert done == (removals if removals < entries else -1)
    if 2 <= removals < entries:  # artifacts are being removed
        with pytest.raises(InputError, match="not finished"):
            find_artifact(str(tmp_path / "run"), "artifact")
    try:
        with open_run(tmp_path, source, size=2) as run:
            assert run.done("a") is None and run.finished() is None and run.read_text("artifact/a.txt") is None
    except ConfigError as error:
        assert "size was 1 and is now 2" in str(error)
    with open_run(tmp_path, source, size=2, fresh=True) as run:
        assert {path.name for path in (tmp_path / "run").iterdir()} == {".lock", "config.yaml", "lineage.json"}


@pytest.mark.parametrize(("lost", "fix"), [("config.yaml", "add --fresh"), ("lineage.json", "empty the folder")])
def test_steps_of_a_run_that_is_not_whole_are_refused(tmp_path: Path, source: str, lost: str, fix: str) -> None:
    with open_run(tmp_path, source) as run:
        run.mark_done("a")
    (tmp_path / "run" / lost).unlink()
    (tmp_path / "run" / "config.yaml").unlink(missing_ok=True)
    with pytest.raises(ConfigError, match=rf"finished steps(.|\n)*{fix}"):
        open_run(tmp_path, source, size=2)


def test_swapped_files_are_other_inputs(tmp_path: Path) -> None:
    files = [tmp_path / "in" / name for name in ("a.txt", "b.txt")]
    files[0].parent.mkdir()
    for file in files:
        file.write_text(file.name)
    config = Trial(output=str(tmp_path / "run"))
    with RunDirectory.open("trial", config, [str(f) for f in files]) as run:
        run.mark_done("first")
    files[0].write_text("b.txt")
    files[1].write_text("a.txt")
    with pytest.raises(ConfigError, match="input has changed"):
        RunDirectory.open("trial", config, [str(f) for f in files])


def test_a_folder_that_moved_holds_the_same_inputs(tmp_path: Path) -> None:
    before = trace_of(tmp_path / "in")
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    assert before.same_inputs(trace_of(tmp_path / "elsewhere"))


def trace_of(folder: Path) -> Lineage:
    for name in ("a/1.txt", "b.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return trace("trial", [str(folder / "a" / "1.txt"), str(folder / "b.txt")])


def test_another_version_of_the_code_is_noticed(tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_run(tmp_path, source) as run:
        assert run.began_with is None
        began = read_lineage(run.uri).code_version
        run.mark_done("first")
    monkeypatch.setattr("danlu.lineage.code_version", lambda: "9.9.9")
    with open_run(tmp_path, source) as run:
        assert run.began_with == began


@pytest.mark.parametrize(("now", "kept"), [("1.0", True), ("1.1", False)])
def test_a_job_without_inputs_runs_again_with_other_code(
    tmp_path: Path, now: str, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Trial(output=str(tmp_path / "run"))
    monkeypatch.setattr("danlu.lineage.code_version", lambda: "1.0")
    with RunDirectory.open("trial", config, []) as run:
        run.finish(Report(job="trial"))
    monkeypatch.setattr("danlu.lineage.code_version", lambda: now)
    for _ in range(2):
        with RunDirectory.open("trial", config, []) as run:
            assert (run.finished() is not None) is kept
    assert read_lineage(run.uri).code_version == now


def test_a_changed_checkout_is_never_the_same_code(tmp_path: Path) -> None:
    lineage = trace_of(tmp_path)
    clean, changed = (lineage.model_copy(update={"code_version": f"1.0 (abc{mark})"}) for mark in ("", "+changes"))
    assert clean.same_code(clean) and not clean.same_code(changed) and not changed.same_code(changed)


def test_two_writers_are_kept_apart(tmp_path: Path, source: str) -> None:
    code = (
        "import sys; from danlu.run_directory import RunDirectory; from danlu.config import JobConfig;"
        "run = RunDirectory.open('trial', JobConfig(output=sys.argv[1]), [sys.argv[2]]);"
        "print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run"), source]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        with pytest.raises(ResourceError, match="another danlu run"):
            open_run(tmp_path, source)
        other.kill()
    RunDirectory.open(
        "trial", JobConfig(output=str(tmp_path / "run")), [source]
    ).close()  # the lock died with its holder


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, source: str) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ConfigError, match="output is"):
        open_run(tmp_path, source)


def test_object_stores_hold_runs_too(source: str) -> None:
    config = Trial(output="memory://bucket/run")
    with RunDirectory.open("trial", config, [source]) as run:
        run.mark_done("a")
        run.finish(Report(job="trial"))
        with pytest.raises(NotAvailableError, match="mounted folder"):
            run.local("model")
    with RunDirectory.open("trial", config, [source]) as run:
        assert run.done("a") == {} and run.finished() is not None


def test_lineage_walks_to_the_parents(tmp_path: Path, source: str) -> None:
    with open_run(tmp_path, source) as parent:
        parent.write_text("clean/a.txt", "text")
        artifact = parent.child("clean", "a.txt")
    child = tmp_path / "child"
    RunDirectory.open("next", Trial(output=str(child)), [artifact]).close()
    assert run_directory_of(str(child)) == str(child)
    walked = [(depth, Path(run).name, lineage and lineage.job) for depth, run, lineage in ancestors(str(child))]
    assert walked == [(0, "child", "next"), (1, "run", "trial")]
    assert [file.path for file in read_lineage(str(tmp_path / "run")).inputs] == [source]


def test_a_removed_parent_does_not_end_the_walk(tmp_path: Path, source: str) -> None:
    for name in ("a", "b"):
        with RunDirectory.open("trial", Trial(output=str(tmp_path / name)), [source]) as run:
            run.write_text("clean.txt", name)
    files = [str(tmp_path / name / "clean.txt") for name in ("a", "b")]
    RunDirectory.open("next", Trial(output=str(tmp_path / "child")), files).close()
    shutil.rmtree(tmp_path / "a")
    walked = [(Path(run).name, lineage is None) for _, run, lineage in ancestors(str(tmp_path / "child"))]
    assert walked == [("child", False), ("a", True), ("b", False)]


def test_a_run_that_read_its_own_files_is_walked_once(tmp_path: Path, source: str) -> None:
    with open_run(tmp_path, source) as run:
        run.write_text("a.txt", "text")
    lineage = trace("trial", [run.child("a.txt")])
    run.write_text("lineage.json", lineage.model_dump_json())
    assert lineage.parents == [run.uri] and len(list(ancestors(run.uri))) == 1


def test_a_run_that_was_refused_before_it_did_anything_gives_way(tmp_path: Path, source: str) -> None:
    """The fix that an error names has to work: the refused attempt must not stand in its way."""
    open_run(tmp_path, source, size=8).close()
    with open_run(tmp_path, source, size=2) as run:
        assert "size: 2" in (run.read_text("config.yaml") or "")


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_with_files_of_the_users_own_is_refused(tmp_path: Path, source: str, fresh: bool) -> None:
    mine = tmp_path / "run" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("years of work")
    with pytest.raises(ConfigError, match=r"other files|thesis\.txt"):
        open_run(tmp_path, source, fresh=fresh)
    assert mine.read_text() == "years of work"
    assert not (mine.parent / "lineage.json").exists()
