"""Publishing, against a stand-in that answers as Grafana's HTTP API documents."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from danlu.errors import ConfigError, RunError
from dashboards.catalogue import DASHBOARDS
from dashboards.config import GrafanaConfig
from dashboards.publish import publish

TOKEN = "glsa_test"


class Grafana(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.saved: list[dict[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    server: Grafana

    def do_GET(self) -> None:
        if not self._authorized():
            return
        if self.path.startswith(("/api/folders", "/api/search")):
            nested = "parentUid=" in self.path
            self._answer(200, [] if nested else [{"id": 1, "uid": "folder-uid", "title": "danlu"}])
        else:
            self._answer(404, {"message": "Not found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._authorized():
            return
        self.server.saved.append(body)
        self._answer(200, {"id": 1, "uid": body["dashboard"]["uid"], "status": "success", "version": 1})

    def _authorized(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self._answer(401, {"message": "Invalid API key"})
        return False

    def _answer(self, status: int, body: object) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    with Grafana() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def settings(server: Grafana, folder: str = "danlu") -> GrafanaConfig:
    return GrafanaConfig(url=f"http://127.0.0.1:{server.server_port}", token_env="TEST_TOKEN", folder=folder)


def test_every_dashboard_arrives_in_its_folder(grafana: Grafana, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    titles = publish(settings(grafana))
    assert titles == [page.title for page in DASHBOARDS] == [body["dashboard"]["title"] for body in grafana.saved]
    assert all(body["overwrite"] and body["folderUid"] == "folder-uid" for body in grafana.saved)


def test_a_wrong_token_says_what_grafana_said(grafana: Grafana, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", "wrong")
    with pytest.raises(RunError, match=r"(?s)danlu / overview.*TEST_TOKEN"):
        publish(settings(grafana))
    assert not grafana.saved


def test_a_missing_folder_is_named(grafana: Grafana, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    with pytest.raises(RunError, match="folder 'elsewhere' exists"):
        publish(settings(grafana, folder="elsewhere"))


def test_a_missing_token_is_an_error(grafana: Grafana, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="TEST_TOKEN"):
        publish(settings(grafana))


def test_nobody_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    with pytest.raises(RunError, match=r"127\.0\.0\.1:9"):
        publish(GrafanaConfig(url="http://127.0.0.1:9", token_env="TEST_TOKEN", folder="danlu"))
