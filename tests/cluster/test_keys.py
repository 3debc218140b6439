import io
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from cluster.keys import add_key, print_keys
from danlu.errors import ConfigError, InputError
from serve_apps.gateway.charges import Entry
from serve_apps.gateway.keys import ApiKey, KeyFile, hash_key, parse_keys
from serve_apps.gateway.limits import Limits
from serve_apps.gateway.usage import UsageFile, usage_path


def test_the_key_is_shown_and_only_its_hash_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    keys = {name: add_key(name, file) for name in ("app", "office")}
    text = file.read_text()
    assert parse_keys(text, "keys") == {hash_key(key): ApiKey(name) for name, key in keys.items()}
    assert not any(key in text for key in keys.values())
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["app", "two words", "", "#x", "team#1", "a\x85b", "-f"])
def test_names_are_single_words_used_once(tmp_path: Path, name: str) -> None:
    file = tmp_path / "keys.txt"
    add_key("app", file)
    before = file.read_text()
    with pytest.raises(ConfigError, match="key name"):
        add_key(name, file)
    assert file.read_text() == before


@given(st.text(max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_locks_the_others_out(tmp_path: Path, name: str) -> None:
    file = tmp_path / "keys.txt"
    file.unlink(missing_ok=True)
    key = add_key("app", file)
    with suppress(ConfigError):
        add_key(name, file)
    assert parse_keys(file.read_text(encoding="utf-8"), "keys")[hash_key(key)].name == "app"


def test_a_file_with_only_a_comment_takes_its_first_key(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text("# for the office")
    key = add_key("客服-1", file)
    assert file.read_text(encoding="utf-8").startswith("# for the office\n")
    assert KeyFile(str(file)).find(key) == ApiKey("客服-1")


def test_a_malformed_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text("half a li")
    with pytest.raises(InputError, match="line 1"):
        add_key("app", file)
    assert file.read_text() == "half a li"


@pytest.mark.parametrize(("place", "reason"), [("nowhere/keys.txt", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, place: str, reason: str) -> None:
    with pytest.raises(InputError, match=f"--file is .*{reason}"):
        add_key("app", tmp_path / place)


def test_a_file_of_other_bytes_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        add_key("app", tmp_path / "keys.txt")


def test_limits_stand_behind_the_hash(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    key = add_key("app", file, Limits(requests_per_minute=60, budget=1000))
    add_key("office", file, Limits())
    assert KeyFile(str(file)).find(key) == ApiKey("app", Limits(requests_per_minute=60, budget=1000))
    assert file.read_text().splitlines()[0].endswith(" requests_per_minute=60 budget=1000")


def test_the_list_shows_limits_and_use(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    add_key("office", file)
    key = add_key("app", file, Limits(tokens_per_minute=20_000))
    UsageFile(usage_path(str(file))).add(
        [Entry("app", 2, 1000, "1"), Entry("app", 1, 234, "2"), Entry("gone", 1, 1, "3")]
    )
    shown = io.StringIO()
    print_keys(file, None, Console(width=120, file=shown))
    header, app, office = (line.split() for line in shown.getvalue().strip().splitlines())
    assert header[0] == "name"
    assert app[:6] == ["app", "-", "20,000", "-", "1,234", "3"]
    assert office[:7] == ["office", "-", "-", "-", "0", "0", "never"]
    assert key not in shown.getvalue()


def test_the_list_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--file is .*No such file"):
        print_keys(tmp_path / "keys.txt", None)
    (tmp_path / "keys.txt").write_text("")
    (tmp_path / "keys.txt.usage").write_text("no database, for it is a text of some length\n" * 50)
    with pytest.raises(InputError, match=r"usage file .*not a database"):
        print_keys(tmp_path / "keys.txt", None)
