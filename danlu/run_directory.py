"""The run directory: the one folder that a job writes, and the only thing that passes between jobs."""

from __future__ import annotations

import fcntl
import json
import posixpath
from pathlib import Path
from typing import Any, Self

import fsspec
import yaml

from danlu.config import JobConfig, to_yaml
from danlu.errors import ConfigError, NotAvailableError, ResourceError
from danlu.lineage import LINEAGE_FILE, Lineage, trace
from danlu.report import Report

CONFIG_FILE = "config.yaml"
_STATE = "_state"


class RunDirectory:
    """A job's output folder, locked while the run is open (locally; object stores have no locks).

    Steps that are finished leave a marker, so the same command continues where a stopped run ended.
    """

    def __init__(self, output: str, job: str) -> None:
        self.job = job
        self.filesystem, root = fsspec.core.url_to_fs(output)
        self.is_local = "file" in (self.filesystem.protocol if isinstance(self.filesystem.protocol, tuple) else ())
        self.uri = root if self.is_local else output.rstrip("/")
        self._root = root
        self._lock: Any = None

    @classmethod
    def open(cls, job: str, config: JobConfig, inputs: list[str], *, fresh: bool = False) -> Self:
        """Create or continue the run of `config` in `config.output`.

        Args:
            inputs: the files that the job reads; their content is compared with the stopped run's.
            fresh: remove what an earlier run left there first.

        Raises:
            ConfigError: the folder holds a run of another job, other settings or other inputs.
            ResourceError: another process is writing there.
        """
        run = cls(config.output, job)
        run._make_folder()
        run._acquire()
        try:
            if fresh:
                run._clear()
            run._adopt(config, trace(job, inputs))
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
        file = posixpath.join(self._root, _STATE, f"{step}.json")
        return json.loads(self.filesystem.cat_file(file)) if self.filesystem.exists(file) else None

    def mark_done(self, step: str, **facts: Any) -> None:
        """Mark a step as finished, with facts (plain JSON values) that a continued run needs."""
        self.write_text(f"{_STATE}/{step}.json", json.dumps(facts, ensure_ascii=False))

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

    def finish(self, report: Report) -> None:
        """Write report.json and report.html.

        When the report's checks held, the run is finished and the same command returns this report at once;
        otherwise the same command tries again.
        """
        from danlu.html import render_html

        self.write_text("report.html", render_html([report], title=f"danlu {self.job}", subtitle=self.uri))
        self.write_text("report.json", report.model_dump_json(indent=2))
        if report.held:
            self.mark_done("run")

    def finished(self) -> Report | None:
        """The report of a finished run, else None."""
        return None if self.done("run") is None else read_report(self.uri)

    def _make_folder(self) -> None:
        try:
            self.filesystem.makedirs(self._root, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"output is {self.uri!r}", rule=f"the folder can't be made ({error})") from None

    def _acquire(self) -> None:
        if not self.is_local:
            return
        self._lock = open(Path(self._root, ".lock"), "w")  # noqa: SIM115  # held until close()
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise ResourceError(
                f"output is {self.uri!r}",
                rule="another danlu run is writing there",
                fix="wait, or choose another output",
            ) from None

    def _clear(self) -> None:
        if self.finished() is None and not self.read_text(CONFIG_FILE) and self._foreign():
            raise ConfigError(
                f"output is {self.uri!r}", rule="--fresh removes earlier runs only, and this folder holds other files"
            )
        for entry in self.filesystem.ls(self._root, detail=False):
            if posixpath.basename(entry) != ".lock":
                self.filesystem.rm(entry, recursive=True)

    def _foreign(self) -> bool:
        return any(posixpath.basename(e) != ".lock" for e in self.filesystem.ls(self._root, detail=False))

    def _adopt(self, config: JobConfig, lineage: Lineage) -> None:
        text = to_yaml(config.resolved())
        before, traced = self.read_text(CONFIG_FILE), self.read_text(LINEAGE_FILE)
        if before is None or traced is None:
            self.write_text(CONFIG_FILE, text)
            self.write_text(LINEAGE_FILE, lineage.model_dump_json(indent=2))
            return
        earlier = Lineage.model_validate_json(traced)
        fix = "choose another output, or add --fresh to remove what is there and start anew"
        if earlier.job != self.job:
            raise ConfigError(f"output is {self.uri!r}", rule=f"it holds a run of `danlu {earlier.job}`", fix=fix)
        changed = _differences(yaml.safe_load(before), yaml.safe_load(text))
        if changed:
            raise ConfigError(f"output is {self.uri!r}", rule=f"it holds a run with other settings: {changed}", fix=fix)
        if not earlier.same_inputs(lineage):
            raise ConfigError(f"output is {self.uri!r}", rule="the input has changed since that run began", fix=fix)


def read_report(run: str) -> Report | None:
    """The report of a run directory, or None when it has none."""
    filesystem, path = fsspec.core.url_to_fs(run)
    file = posixpath.join(path, "report.json")
    return Report.model_validate_json(filesystem.cat_file(file)) if filesystem.exists(file) else None


def _differences(before: Any, after: Any, prefix: str = "") -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [k for k in {**before, **after} if k != "output" or prefix]
        found = [_differences(before.get(k), after.get(k), f"{prefix}{k}.") for k in keys]
        return ", ".join(text for text in found if text)
    return "" if before == after else f"{prefix.rstrip('.')} was {before!r} and is now {after!r}"
