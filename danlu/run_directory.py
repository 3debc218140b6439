"""The run directory: the one folder that a job writes, and the only thing that passes between jobs."""

from __future__ import annotations

import fcntl
import json
import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from danlu.config import JobConfig, to_yaml
from danlu.continuing import (
    CONFIG_FILE,
    REPORT_FILE,
    STATE_FOLDER,
    has_done_nothing,
    removal_order,
    require_same_job,
    require_same_run,
    require_unused,
)
from danlu.errors import ConfigError, InputError, NotAvailableError, ResourceError
from danlu.filesystems import filesystem_of
from danlu.lineage import LINEAGE_FILE, Lineage, trace
from danlu.report import Report

_FINISHED = "run"
_LOCK = ".lock"


class RunDirectory:
    """A job's output folder, locked while the run is open (locally; object stores have no locks).

    Steps that are finished leave a marker, so the same command continues where a stopped run ended.

    Attributes:
        began_with: the code version that began this run, when it is another one than now; else None.
        changes: the settings that are others than when this run was stopped, in words; else empty.
    """

    def __init__(self, output: str, job: str) -> None:
        self.job = job
        self.filesystem, root = filesystem_of(output, "output")
        self.is_local = "file" in (self.filesystem.protocol if isinstance(self.filesystem.protocol, tuple) else ())
        self.uri = root if self.is_local else output.rstrip("/")
        self.began_with: str | None = None
        self.changes = ""
        self._again: str | None = None  # the settings of a run that is to be tried again
        self._root = root
        self._lock: Any = None

    @classmethod
    def open(
        cls, job: str, config: JobConfig, inputs: list[str], *, fresh: bool = False, deferred: bool = False
    ) -> Self:
        """Create or continue the run of `config` in `config.output`.

        Args:
            inputs: the files that the job reads; their content is compared with the stopped run's.
            fresh: remove what an earlier run of this job left there first.
            deferred: leave an earlier run's report and settings as they are until `go_on`.

        Raises:
            ConfigError: the folder holds a run of another job, other settings or other inputs, or no run but files
                that a run would overwrite or `fresh` would remove.
            InputError: an input is gone, or lies in the folder that `fresh` would empty.
            ResourceError: another process is writing there.
        """
        run = cls(config.output, job)
        run._make_folder()
        run._acquire()
        try:
            lineage = trace(job, inputs)  # before anything is removed: it reads every input
            if fresh:
                run._spare(inputs)
                run._clear()
            run._adopt(config, lineage)
            if not deferred:
                run.go_on()
        except BaseException:
            run.close()
            raise
        return run

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def go_on(self) -> None:
        """Try a run again that has ended or stopped: until it ends, nobody shall take what it writes for whole."""
        if self._again is None:
            return
        self._remove(REPORT_FILE)
        if self.changes:
            self.write_text(CONFIG_FILE, self._again)
        self._again = None

    def child(self, *parts: str) -> str:
        """The URI (or local path) of something inside the run directory."""
        return posixpath.join(self.uri, *parts)

    def local(self, *parts: str) -> Path:
        """The same as a Path, for libraries that only write to local or mounted folders."""
        if not self.is_local:
            raise NotAvailableError(
                f"output is {self.uri!r}",
                rule=f"`danlu {self.job}` writes through libraries that need a mounted folder",
                fix="give a local or shared path, and copy the finished run to the object store",
            )
        return Path(self.uri, *parts)

    def done(self, step: str) -> dict[str, Any] | None:
        """The facts that a finished step left, or None while it is not finished."""
        file = posixpath.join(self._root, STATE_FOLDER, f"{step}.json")
        return json.loads(self.filesystem.cat_file(file)) if self.filesystem.exists(file) else None

    def mark_done(self, step: str, **facts: Any) -> None:
        """Mark a step as finished, with facts (plain JSON values) that a continued run needs."""
        self.write_text(f"{STATE_FOLDER}/{step}.json", json.dumps(facts, ensure_ascii=False))

    def write_text(self, name: str, text: str) -> None:
        """Write a file whole or not at all."""
        path = posixpath.join(self._root, name)
        self.filesystem.makedirs(posixpath.dirname(path), exist_ok=True)
        if not self.is_local:
            self.filesystem.pipe_file(path, text.encode())
            return
        part = Path(path + ".part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)

    def read_text(self, name: str) -> str | None:
        """The text of a file inside the run directory, or None when it is not there."""
        path = posixpath.join(self._root, name)
        return self.filesystem.cat_file(path).decode() if self.filesystem.exists(path) else None

    def finish(self, report: Report, shown: Sequence[Report] = ()) -> None:
        """Write report.json and report.html.

        When the report's checks held, the run is finished and the same command returns this report at once;
        otherwise the same command tries again.

        Args:
            shown: what the page shows, where `report` only sums it up.
        """
        from danlu.html import render_html

        self.write_text("report.html", render_html(shown or [report], title=f"danlu {self.job}", subtitle=self.uri))
        self.write_text(REPORT_FILE, report.model_dump_json(indent=2))
        if report.held:
            self.mark_done(_FINISHED)

    def finished(self) -> Report | None:
        """The report of a finished run, else None."""
        return None if self.done(_FINISHED) is None else read_report(self.uri)

    def _make_folder(self) -> None:
        try:
            self.filesystem.makedirs(self._root, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"output is {self.uri!r}", rule=f"the folder can't be made ({error})") from None

    def _acquire(self) -> None:
        if not self.is_local:
            return
        self._lock = open(Path(self._root, _LOCK), "w")  # noqa: SIM115  # held until close()
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise ResourceError(
                f"output is {self.uri!r}",
                rule="another danlu run is writing there",
                fix="wait, or choose another output",
            ) from None

    def _spare(self, inputs: list[str]) -> None:
        """Refuse to empty a folder that holds what the job is about to read."""
        inside = [file for file in inputs if self._holds(file)]
        if inside:
            raise InputError(
                f"output is {self.uri!r}",
                rule=f"--fresh would remove the input {inside[0]}, which lies in it",
                fix="choose another output, or move the input out of it",
            )

    def _holds(self, file: str) -> bool:
        filesystem, path = filesystem_of(file)
        if filesystem != self.filesystem:
            return False
        if self.is_local:
            return Path(path).resolve().is_relative_to(Path(self._root).resolve())
        return path.startswith(f"{self._root.rstrip('/')}/")

    def _clear(self) -> None:
        names, earlier = self._names(), self._earlier()
        if names and earlier is None:
            rule = f"--fresh removes earlier runs only, and this folder holds other files and no {LINEAGE_FILE}"
            raise ConfigError(f"output is {self.uri!r}", rule=rule, fix="choose another output, or empty the folder")
        if earlier is not None:
            require_same_job(self.uri, self.job, earlier)
        for name in removal_order(names):
            self.filesystem.rm(posixpath.join(self._root, name), recursive=True)

    def _names(self) -> list[str]:
        """What lies in the folder, the lock apart."""
        if not self.filesystem.exists(self._root):  # object stores have no empty folders
            return []
        names = [posixpath.basename(entry.rstrip("/")) for entry in self.filesystem.ls(self._root, detail=False)]
        return [name for name in names if name != _LOCK]

    def _earlier(self) -> Lineage | None:
        """The lineage of the run that lies here, or None when there is no readable one."""
        text = self.read_text(LINEAGE_FILE)
        try:
            return None if text is None else Lineage.model_validate_json(text)
        except ValidationError:
            return None

    def _adopt(self, config: JobConfig, lineage: Lineage) -> None:
        text = to_yaml(config.resolved())
        before, earlier = self.read_text(CONFIG_FILE), self._earlier()
        if earlier is not None and has_done_nothing(self._names()):
            self._begin(text, lineage)
            return
        if earlier is not None:
            require_same_job(self.uri, self.job, earlier)
        if before is None or earlier is None:
            require_unused(self.uri, before, earlier, self._names())
            self._begin(text, lineage)
            return
        self.changes = require_same_run(self.uri, before, earlier, text, lineage, config.changeable)
        if lineage.inputs:
            self.began_with = earlier.code_version if earlier.code_version != lineage.code_version else None
        elif not earlier.same_code(lineage):  # nothing but the code decides what such a job makes
            self._remove(STATE_FOLDER)
            self._begin(text, lineage)
        if self.done(_FINISHED) is None:
            self._again = text

    def _begin(self, config: str, lineage: Lineage) -> None:
        # The lineage comes first: a folder that has one is a run, so --fresh may remove what a crash left.
        self.write_text(LINEAGE_FILE, lineage.model_dump_json(indent=2))
        self.write_text(CONFIG_FILE, config)

    def _remove(self, name: str) -> None:
        if name in self._names():
            self.filesystem.rm(posixpath.join(self._root, name), recursive=True)


def has_ended(run: str) -> bool:
    """Whether the run in a run directory came to its end, whatever its checks say: then its artifacts are whole."""
    filesystem, path = filesystem_of(run, "run")
    return bool(filesystem.exists(posixpath.join(path, REPORT_FILE)))


def read_report(run: str) -> Report | None:
    """The report of a run directory, or None when it has none."""
    filesystem, path = filesystem_of(run, "run")
    file = posixpath.join(path, REPORT_FILE)
    return Report.model_validate_json(filesystem.cat_file(file)) if filesystem.exists(file) else None
