"""`danlu evaluate` against a small server that speaks OpenAI's protocol over real sockets."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from danlu.config import validate
from danlu.errors import ConfigError, DanluError, InputError, NotAvailableError, ResourceError, RunError
from danlu.progress import Progress
from danlu.report import Report
from danlu.run_directory import RunDirectory
from pipelines.evaluation import job
from pipelines.evaluation.config import EvaluateConfig
from pipelines.evaluation.questions import read_questions


class Server(ThreadingHTTPServer):
    """Answers a question with what stands behind its `=`; `400`, `429` and `500` in a question are obeyed."""

    key: str | None = None
    delay_s = 0.0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.bodies: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        if self.server.key and self.headers["Authorization"] != f"Bearer {self.server.key}":
            self.reply(401, {"error": {"message": "unknown key"}})
        elif self.path == "/v1/models":
            self.reply(200, {"object": "list", "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "x"}]})
        else:
            self.reply(404, {"error": {"message": "no such route"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = body["messages"][0]["content"]
        first_time = question not in self.server.asked
        self.server.asked.append(question)
        self.server.bodies.append(body)
        time.sleep(self.server.delay_s)
        if "400" in question:
            self.reply(400, {"error": {"message": "the prompt is too long"}})
        elif "500" in question:
            self.reply(500, {"error": {"message": "broken"}})
        elif "429" in question and first_time:
            self.reply(429, {"error": {"message": "busy"}}, {"Retry-After-Ms": "10"})
        else:
            message = {"role": "assistant", "content": question.partition("=")[2]}
            choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
            self.reply(200, {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]})

    def reply(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def evaluate(folder: Path, url: str, rows: list[Any], **keys: Any) -> Report:
    """Run the job as `danlu evaluate` does."""
    file = folder / "questions.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    values = {"input": str(file), "output": str(folder / "run"), "base_url": url, "model": "m", **keys}
    config = validate(EvaluateConfig, values)
    with RunDirectory.open("evaluate", config, job.inputs(config)) as run:
        return job.run(config, run, Progress())


def rows(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"question": question, "answer": answer} for question, answer in pairs]


def answers(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "run" / "answers.jsonl").read_text(encoding="utf-8").splitlines()]


def test_scores_and_report(server: Server, tmp_path: Path) -> None:
    report = evaluate(
        tmp_path,
        server.url,
        rows(("甲=每月59元", "每月 59 元。"), ("乙=每月58元", "每月59元"), ("丙429=好", "好")),
        max_tokens=33,
    )
    assert report.held
    assert report.figures == {
        "questions": 3,
        "failed_questions": 0,
        "rouge_l_mean": pytest.approx((1 + 0.75 + 1) / 3),
        "rouge_l_median": 1.0,
        "right_threshold": 0.9,
        "right_questions": 2,
        "right_share": pytest.approx(2 / 3),
        "exact_match_share": pytest.approx(2 / 3),
    }
    bars, worst = report.sections
    assert sum(count for _, count in bars.bars) == 3 and bars.bars[7] == ("0.7 - 0.8", 1.0)
    assert worst.rows[0] == ["乙=每月58元", "每月59元", "每月58元", 0.75]
    assert [row["question"] for row in answers(tmp_path)] == ["甲=每月59元", "乙=每月58元", "丙429=好"]
    assert all((body["temperature"], body["max_tokens"]) == (0, 33) for body in server.bodies)


def test_a_refused_question_is_a_row_and_a_failed_check(server: Server, tmp_path: Path) -> None:
    report = evaluate(tmp_path, server.url, rows(("400", "x"), ("a=b", "b")))
    assert not report.held
    assert (report.figures["failed_questions"], report.figures["right_share"]) == (1, 0.5)
    assert answers(tmp_path)[0]["error"] == "the prompt is too long"


def test_a_stopped_run_asks_only_what_is_left(server: Server, tmp_path: Path) -> None:
    questions = rows(*((f"{i}=b", "b") for i in range(30)))
    server.delay_s = 0.05
    command = [sys.executable, __file__, str(tmp_path), server.url, json.dumps(questions)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        file = tmp_path / "run" / "answers.jsonl"
        while not file.exists() or file.read_bytes().count(b"\n") < 5:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    with file.open("ab") as stream:
        stream.write(b'{"number": 29, "quest')  # what a kill may leave
    kept = {row["question"] for row in map(json.loads, file.read_text(encoding="utf-8").splitlines()[:-1])}
    server.asked.clear()
    report = evaluate(tmp_path, server.url, questions, concurrency=2)
    assert set(server.asked) == {row["question"] for row in questions} - kept
    assert report.figures["right_questions"] == 30
    assert [row["number"] for row in answers(tmp_path)] == list(range(30))


@pytest.mark.parametrize(
    ("url", "model", "error", "message"),
    [
        ("http://127.0.0.1:9/v1", "m", ResourceError, "nothing answers there"),
        ("{server}/wrong", "m", ResourceError, "no OpenAI-compatible server"),
        ("{server}", "other", NotAvailableError, "the server at .* has m"),
        ("ftp://x", "m", ConfigError, "base_url is"),
    ],
)
def test_wrong_server(
    server: Server, tmp_path: Path, url: str, model: str, error: type[DanluError], message: str
) -> None:
    with pytest.raises(error, match=message):
        evaluate(tmp_path, url.replace("{server}", server.url), rows(("a", "b")), model=model)


def test_a_failing_server_ends_the_run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.evaluation.asking._RETRIES", 0)
    with pytest.raises(RunError, match=r"failed at question 1 \(broken\)"):
        evaluate(tmp_path, server.url, rows(("a=b", "b"), ("500", "x")), concurrency=1)
    assert [row["answer"] for row in answers(tmp_path)] == ["b"]


def test_key(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.key = "secret"
    with pytest.raises(ConfigError, match="environment variable MY_KEY"):
        evaluate(tmp_path, server.url, rows(("a=b", "b")), api_key_env="MY_KEY")
    monkeypatch.setenv("MY_KEY", "secret")
    assert evaluate(tmp_path, server.url, rows(("a=b", "b")), api_key_env="MY_KEY").held


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "a"}, "line 2: `answer` must be"),
        ({"question": " ", "answer": "b"}, "line 2: `question`"),
        (3, "line 2"),
    ],
)
def test_wrong_questions(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(tmp_path, "http://127.0.0.1:9/v1", [*rows(("a", "b")), row])


@pytest.mark.parametrize("damage", ["cut off", "no gzip", "not UTF-8"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    line = json.dumps({"question": os.urandom(3000).hex(), "answer": "b"}).encode() + b"\n"
    content = {"cut off": gzip.compress(line)[:1000], "no gzip": line, "not UTF-8": gzip.compress(b"\xff" + line)}
    (tmp_path / "questions.jsonl.gz").write_bytes(content[damage])
    with pytest.raises(InputError, match=r"questions\.jsonl\.gz can't be read"):
        read_questions([str(tmp_path / "questions.jsonl.gz")])


if __name__ == "__main__":
    evaluate(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), concurrency=2)
    os._exit(0)
