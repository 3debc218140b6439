"""`danlu chat` with a running gateway."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray import serve

from cluster.chat import Chat
from danlu.errors import InputError, NotAvailableError, ResourceError, RunError
from serve_apps.config import ModelSettings
from serve_apps.gateway.app import build
from serve_apps.gateway.keys import new_key
from serve_apps.language_model import app_name
from serve_apps.models import application

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """An API key, and the file that knows it."""
    file = tmp_path_factory.mktemp("keys") / "keys.txt"
    key, hashed = new_key()
    file.write_text(f"tester {hashed}\n")
    return key, file


@pytest.fixture(scope="module")
def url(
    ray_local: None, port: int, tmp_path_factory: pytest.TempPathFactory, echo_engine: type, key: tuple[str, Path]
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("echo")
    (folder / "config.json").write_text("{}")
    echo = ModelSettings.model_validate(
        {"name": "echo", "path": str(folder), "cpus": 0.1, "options": {"delay_s": 0.01}}
    )
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run_many(
        [
            serve.RunTarget(application(echo, echo_engine), app_name("echo"), None),
            serve.RunTarget(build({"models": ["echo"], "keys_file": str(key[1])}), "gateway", "/v1"),
        ]
    )
    yield f"http://127.0.0.1:{port}/v1"
    serve.shutdown()


def test_a_conversation_remembers_what_was_said(url: str, key: tuple[str, Path]) -> None:
    chat = Chat(url, key=key[0])
    assert chat.model == "echo"
    assert "".join(chat.answer("你好")) == "你好"
    assert "".join(chat.answer("再见")) == "再见"
    assert [turn["content"] for turn in chat.turns] == ["你好", "你好", "再见", "再见"]


def test_an_answer_that_is_stopped_is_kept_and_one_that_failed_is_not(url: str, key: tuple[str, Path]) -> None:
    chat = Chat(url, key=key[0])
    answer = chat.answer("0123456789" * 3)
    said = next(answer)
    answer.close()
    assert chat.turns[-1]["content"] == said
    with pytest.raises(RunError, match="the answer broke off"):
        list(chat.answer("ab☠cd"))
    assert len(chat.turns) == 2
    with pytest.raises(RunError, match="the gateway answers 400"):
        list(chat.answer("x" * 300))
    assert len(chat.turns) == 2


def test_what_is_wrong_is_said_before_the_first_question(url: str, key: tuple[str, Path]) -> None:
    with pytest.raises(InputError, match=r"wants an API key: DANLU_API_KEY is not set\n.*DANLU_API_KEY="):
        Chat(url)
    with pytest.raises(InputError, match=r"refuses the API key in DANLU_API_KEY: .*not known"):
        Chat(url, key=key[0] + "x")
    with pytest.raises(NotAvailableError, match=r"--model is 'gpt': served at .*: echo"):
        Chat(url, model="gpt", key=key[0])
    with pytest.raises(ResourceError, match=r"no gateway answers at http://127\.0\.0\.1:1/v1"):
        Chat("http://127.0.0.1:1/v1")


def command(url: str, key: str) -> tuple[list[str], dict[str, str]]:
    return (
        [sys.executable, "-m", "cluster.command", "chat", "--url", url],
        {**os.environ, "PYTHONPATH": str(ROOT), "DANLU_API_KEY": key},
    )


def test_a_question_may_come_through_a_pipe(url: str, key: tuple[str, Path]) -> None:
    run, environment = command(url, key[0])
    done = subprocess.run(run, input="你好\n", env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "你好\n"), done.stderr


def test_on_a_terminal_it_reads_lines_until_the_end(url: str, key: tuple[str, Path]) -> None:
    run, environment = command(url, key[0])
    ours, theirs = pty.openpty()
    with subprocess.Popen(run, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        for line in ("ab\\\r", "cd\r", "/new\r", "/exit\r"):
            time.sleep(0.2)
            os.write(ours, line.encode())
        shown = b""
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # the terminal's other end is closed
                break
        assert process.wait(timeout=60) == 0
    text = shown.decode()
    assert f"echo at {url}" in text and "\r\ncd" in text and "(a new conversation)" in text
