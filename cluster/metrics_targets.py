"""Telling Prometheus where the metrics of a local Ray are, in a file that its file-based discovery reads.

Ray's own head writes such a file from its dashboard, which takes a dozen processes; a local Ray of ours has none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import psutil

from danlu.metrics import TARGETS_FOLDER, TARGETS_NAME


@contextmanager
def announced(folder: Path = TARGETS_FOLDER) -> Iterator[Path]:
    """Keep a file with the nodes of this process's Ray in `folder` as long as the block runs.

    Where the folder can't be written, that is said and the work goes on without being watched.
    """
    file = folder / TARGETS_NAME.format(pid=os.getpid())
    try:
        _write(file)
    except OSError as error:
        click.echo(f"warning: Prometheus will not find this Ray: {file} can't be written ({error.strerror})", err=True)
    try:
        yield file
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _write(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    _remove_orphans(file.parent)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(_targets()), encoding="utf-8")
    part.replace(file)


def _targets() -> list[dict[str, object]]:
    """Where each node's agent answers `/metrics`, as Prometheus' `file_sd_configs` has it."""
    import ray

    nodes = [node for node in ray.nodes() if node["Alive"]]
    addresses = [f"{_host(node['NodeManagerAddress'])}:{node['MetricsExportPort']}" for node in nodes]
    return [{"labels": {"job": "ray"}, "targets": addresses}]


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _remove_orphans(folder: Path) -> None:
    """Remove the files of processes that were killed before they could."""
    for file in folder.glob(TARGETS_NAME.format(pid="*")):
        pid = file.stem.rpartition("-")[2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            with suppress(OSError):
                file.unlink(missing_ok=True)
