"""The audit log's file: whole lines, turned by size, shared by processes, and honest about what was lost."""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from serve_apps.gateway import audit as audit_module
from serve_apps.gateway.audit import AuditLog, audit_line
from serve_apps.gateway.settings import AuditSettings
from serve_apps.request_record import RequestRecord


def settings(folder: Path, **values: Any) -> AuditSettings:
    return AuditSettings(folder=str(folder), **values)


def lines(folder: Path) -> list[dict[str, Any]]:
    """Of all files, oldest first."""
    files = sorted(folder.glob("audit.jsonl*"), key=lambda f: -int(f.suffix[1:]) if f.suffix[1:].isdigit() else 0)
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def test_lines_are_json_and_in_order(tmp_path: Path) -> None:
    audit = AuditLog(settings(tmp_path))
    for number in range(1000):
        audit.write({"number": number, "text": "丹\n炉\ud800"})
    audit.close()
    assert [line["number"] for line in lines(tmp_path)] == list(range(1000))


def test_files_are_turned_by_size_and_the_oldest_go(tmp_path: Path) -> None:
    audit = AuditLog(settings(tmp_path, max_mib=1000 / 2**20, files=2))
    for number in range(30):
        audit.write({"number": number, "padding": "x" * 400})
        while audit._lines.qsize():
            pass
    audit.close()
    names = sorted(file.name for file in tmp_path.glob("audit.jsonl*"))
    assert names == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    assert all(file.stat().st_size <= 1000 for file in tmp_path.glob("audit.jsonl*"))
    numbers = [line["number"] for line in lines(tmp_path)]
    assert numbers == list(range(numbers[0], 30)) and len(numbers) <= 6


def write_many(folder: Path, name: str) -> None:
    audit = AuditLog(settings(folder, max_mib=4000 / 2**20, files=500))
    for number in range(300):
        audit.write({"name": name, "number": number, "padding": "x" * 50})
    audit.close()


def test_processes_share_a_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(tmp_path, name)) for name in ("a", "b", "c")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    written = lines(tmp_path)
    for name in ("a", "b", "c"):
        assert sorted(line["number"] for line in written if line["name"] == name) == list(range(300))


def test_a_disk_that_fails_is_told_later(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    audit = AuditLog(settings(folder))
    (folder / "audit.jsonl").mkdir()  # nothing can be appended to a folder
    audit.write({"number": 1})
    while not audit._lost:
        pass
    (folder / "audit.jsonl").rmdir()
    audit.write({"number": 2})
    audit.close()
    first, second = lines(folder)
    assert first["lost_lines"] == 1 and second == {"number": 2}


def test_a_stuck_disk_holds_no_request_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = threading.Event()
    append = AuditLog._append
    monkeypatch.setattr(AuditLog, "_append", lambda audit, texts: (stuck.wait(), append(audit, texts))[1])
    audit = AuditLog(settings(tmp_path))
    for number in range(12_000):
        audit.write({"number": number})
    assert audit._lost > 0
    stuck.set()
    audit.close()
    written = lines(tmp_path)
    told = sum(line.get("lost_lines", 0) for line in written)
    assert told + sum("number" in line for line in written) == 12_000


@pytest.mark.parametrize("waiting", [1, 12_000])
def test_an_end_does_not_wait_for_a_stuck_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: int) -> None:
    """It did for ever, and the gateway with it, whether there was room in the queue or not."""
    stuck = threading.Event()
    monkeypatch.setattr(AuditLog, "_append", lambda audit, texts: stuck.wait())
    monkeypatch.setattr(audit_module, "_CLOSE_WITHIN_S", 0.1)
    audit = AuditLog(settings(tmp_path))
    for number in range(waiting):
        audit.write({"number": number})
    closing = threading.Thread(target=audit.close, daemon=True)
    closing.start()
    closing.join(20)
    ended = not closing.is_alive()
    stuck.set()
    assert ended


def test_text_is_written_only_when_it_is_asked_for() -> None:
    record = RequestRecord("r", key="alice", question=[{"content": "secret"}])
    record.answer.append("hidden")
    assert "secret" not in json.dumps(audit_line(record, 1.0)) and "hidden" not in json.dumps(audit_line(record, 1.0))
    record.keep_text = True
    line = audit_line(record, 1.0)
    assert (line["question"], line["answer"]) == ([{"content": "secret"}], "hidden")


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    audit = AuditLog(AuditSettings(folder=str(tmp_path)))
    audit.write({"request_id": "a"})
    audit.close()
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_line_that_cannot_be_written_does_not_end_the_log(tmp_path: Path) -> None:
    audit = AuditLog(AuditSettings(folder=str(tmp_path)))
    audit.write({"request_id": object()})
    while not audit._lost:
        time.sleep(0.01)
    audit.write({"request_id": "b"})
    audit.close()
    lost, line = [json.loads(text) for text in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert lost["lost_lines"] == 1 and line == {"request_id": "b"}
