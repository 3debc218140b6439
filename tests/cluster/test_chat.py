"""`danlu chat` and what it is given to read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from cluster.chat import Chat, check_text
from danlu.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


class Gateway(BaseHTTPRequestHandler):
    """Says the question back, in one piece."""

    def do_GET(self) -> None:
        if not self.path.startswith("/v1/"):
            return self._send("text/plain", f"Path '{self.path}' not found.", 404)
        self._send("application/json", json.dumps({"object": "list", "data": [{"id": "echo", "object": "model"}]}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        delta = {"index": 0, "delta": {"content": body["messages"][-1]["content"]}, "finish_reason": None}
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "echo", "choices": [delta]}
        self._send("text/event-stream", f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n")

    def log_message(self, format: str, *args: object) -> None:
        """Not on the test's output."""

    def _send(self, kind: str, text: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def chat(url: str, given: bytes, **variables: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "cluster.command", "chat", "--url", url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(command, input=given, capture_output=True, timeout=120, env=environment)


def test_input_in_another_encoding_is_one_error(url: str) -> None:
    """Python lets such bytes through as surrogates, which nothing can send."""
    ended = chat(url, "答：你好".encode("gbk"), LC_ALL="C.UTF-8")
    assert ended.returncode == 2
    said = ended.stderr.decode()
    assert "the input is not UTF-8: byte 1 (0xb4)" in said and "iconv -f GBK -t UTF-8" in said
    assert "Traceback" not in said


def test_input_is_utf_8_whatever_the_locale_says(url: str) -> None:
    ended = chat(url, "你好".encode(), PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stdout) == (0, "你好\n".encode()), ended.stderr.decode()


def test_an_address_without_v1_is_told_with_it(url: str) -> None:
    ended = chat(url.removesuffix("/v1") + "/", "你好".encode())
    said = ended.stderr.decode()
    assert ended.returncode != 0 and "Path '/models' not found." in said
    assert f"Fix: --url {url}\n" in said


def test_a_character_that_the_output_lacks_ends_no_answer(url: str) -> None:
    ended = chat(url, "😀 你好".encode(), PYTHONIOENCODING="gbk")
    assert (ended.returncode, ended.stdout) == (0, "? 你好\n".encode("gbk")), ended.stderr.decode()


def test_what_is_typed_or_told_in_another_encoding_is_one_error(url: str) -> None:
    with pytest.raises(InputError, match="--system is not UTF-8: character 2 "):
        Chat(url, system="h\udce9")
    with pytest.raises(InputError, match="the question is not UTF-8: character 1 "):
        list(Chat(url).answer("\udce9"))
    check_text("h\xe9", "the question")
