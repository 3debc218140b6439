"""API keys: the file, the check of each request, and revocation while the gateway runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from danlu.errors import InputError
from serve_apps.gateway.app import GatewayConfig, create_app
from serve_apps.gateway.keys import ApiKey, KeyFile, format_limits, hash_key, new_key, parse_keys
from serve_apps.gateway.limits import Limits


def test_new_keys_are_long_and_differ() -> None:
    keys = {new_key()[0] for _ in range(50)}
    assert len(keys) == 50
    assert all(key.startswith("danlu-") and len(key) >= 48 for key in keys)


def test_a_file_holds_hashes_only() -> None:
    key, digest = new_key()
    assert key not in digest
    assert parse_keys(f"# team\n\nalice  {digest}  # since May\n", "keys") == {hash_key(key): ApiKey("alice")}
    text = f"alice  {digest} budget=0 requests_per_minute=60\ttokens_per_minute=9  # since May"
    assert parse_keys(text, "keys") == {hash_key(key): ApiKey("alice", Limits(60, 9, 0))}
    assert parse_keys(f"alice {digest} {format_limits(Limits(60, 9, 0))}", "keys") == parse_keys(text, "keys")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no key"),
        ("# only a comment\n", "holds no key"),
        ("alice\n", "line 1: a line is written"),
        (f"a {new_key()[1]}\nalice danlu-plain-text-key\n", "line 2: a line is written"),
        (f"a {new_key()[1]}\na {new_key()[1]}\n", "line 2: its name or its key"),
        ("a {0}\nb {0}\n".format(new_key()[1]), "line 2: its name or its key"),
        (f"a {new_key()[1]} bugdet=1\n", "line 1: 'bugdet=1': behind the hash stand"),
        (f"a {new_key()[1]} budget=1 budget=1\n", "behind the hash stand, once each"),
        (f"a {new_key()[1]} budget=1e6\n", "a limit is a whole number"),
        (f"a {new_key()[1]} budget=-1\n", "a limit is a whole number"),
        (f"a {new_key()[1]} requests_per_minute=0\n", "to lock a key out, delete its line"),
    ],
)
def test_wrong_files_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(InputError, match=message):
        KeyFile(str(tmp_path / "keys"))


def test_a_file_of_comments_has_no_keys_yet() -> None:
    assert parse_keys("# for the office\n\n", "keys") == {}


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="it can't be read"):
        KeyFile(str(tmp_path / "keys"))


def test_a_file_that_comes_back_unchanged_is_read_again(tmp_path: Path) -> None:
    key, digest = new_key()
    file, away = tmp_path / "keys", tmp_path / "away"
    file.write_text(f"a {digest}\n")
    keys = KeyFile(str(file))
    file.rename(away)
    assert keys.find(key) is None
    away.rename(file)
    assert keys.find(key) == ApiKey("a")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        KeyFile(str(tmp_path / "keys"))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_requests_need_a_known_key(keys: Path) -> None:
    key, digest = new_key()
    keys.write_text(f"alice {digest}\n")
    client = TestClient(create_app(GatewayConfig(models=["m"], keys_file=str(keys))))
    assert client.get("/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert client.get("/models", headers={"Authorization": f"bearer {key} "}).status_code == 200
    for header in (None, "", "Bearer", "Bearer ", f"Basic {key}", f"Bearer {key}x", f"Bearer {digest}", "Bearer \xff"):
        headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]
        response = client.get("/models", headers=headers)
        assert response.status_code == 401, header
        assert response.json()["error"]["code"] == "invalid_api_key"
        assert response.headers["www-authenticate"] == "Bearer"
    # Without a key nobody learns which routes there are, nor gets a body read.
    assert client.get("/nothing").status_code == 401
    assert client.post("/completions", content=b"x" * 10_000_000).status_code == 401


def test_a_key_is_revoked_without_a_restart(keys: Path) -> None:
    (first, digest), (second, other) = new_key(), new_key()
    keys.write_text(f"alice {digest}\n")
    file = KeyFile(str(keys))

    def owner(key: str) -> str | None:
        found = file.find(key)
        return None if found is None else found.name

    assert (owner(first), owner(second)) == ("alice", None)
    keys.write_text(f"alice {digest}\nbob   {other}\n")
    assert (owner(first), owner(second)) == ("alice", "bob")
    keys.write_text("half a li")
    assert (owner(first), owner(second)) == (None, None)
    keys.write_text(f"bob {other}\n")
    assert (owner(first), owner(second)) == (None, "bob")
    keys.unlink()
    assert owner(second) is None
