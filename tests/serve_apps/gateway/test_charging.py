"""Limits of keys in the applications beside the gateway."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from serve_apps.gateway.charging import demand_keys, settle
from serve_apps.gateway.keys import new_key
from serve_apps.gateway.ledger import LocalLedger
from serve_apps.gateway.settings import LimitSettings
from serve_apps.request_record import current_record


def application() -> FastAPI:
    app = FastAPI()

    @app.post("/ask")
    async def ask(tokens: int) -> int:
        """Asks a model that takes `tokens`, as ServedModel notes it."""
        record = current_record()
        assert record is not None
        record.begin_answer(tokens // 2)
        record.piece("", tokens - tokens // 2, "stop")
        return tokens

    @app.get("/look")
    async def look() -> None:
        assert current_record() is None

    return app


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    made = {name: new_key() for name in ("poor", "few", "free")}
    limits = {"poor": "budget=100", "few": "requests_per_minute=2", "free": ""}
    lines = [f"{name} {hashed} {limits[name]}\n" for name, (_, hashed) in made.items()]
    (tmp_path / "keys").write_text("".join(lines))
    return {name: key for name, (key, _) in made.items()}


def test_calls_of_models_are_charged_to_the_key(tmp_path: Path, keys: dict[str, str]) -> None:
    app = application()
    demand_keys(app, str(tmp_path / "keys"), LimitSettings(), LocalLedger(None, 600))
    with TestClient(app) as client:

        def ask(name: str, tokens: int = 60) -> int:
            headers = {"Authorization": f"Bearer {keys[name]}"}
            status = client.post("/ask", params={"tokens": tokens}, headers=headers).status_code
            assert client.portal is not None
            client.portal.call(settle, app)
            return status

        assert [ask("poor") for _ in range(4)] == [200, 200, 429, 429]
        assert [ask("few") for _ in range(3)] == [200, 200, 429]
        assert [ask("free") for _ in range(5)] == [200] * 5
        headers = {"Authorization": f"Bearer {keys['poor']}"}
        assert client.get("/look", headers=headers).status_code == 200
        assert client.post("/ask", params={"tokens": 1}).status_code == 401


def test_without_a_file_everybody_may_ask() -> None:
    app = application()
    demand_keys(app, None, LimitSettings())
    assert not app.user_middleware


def test_a_full_bucket_is_told_in_openais_words(tmp_path: Path, keys: dict[str, str]) -> None:
    app = application()
    demand_keys(app, str(tmp_path / "keys"), LimitSettings(requests_per_minute=1), LocalLedger(None, 600))
    with TestClient(app) as client:
        headers = {"Authorization": f"Bearer {keys['free']}"}
        answers = [client.post("/ask", params={"tokens": 1}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(answers[1].headers["retry-after"]) <= 60
