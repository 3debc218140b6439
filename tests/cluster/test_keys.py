from pathlib import Path

import pytest

from cluster.keys import add_key
from danlu.errors import ConfigError
from serve_apps.gateway.keys import hash_key, parse_keys


def test_the_key_is_shown_and_only_its_hash_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    keys = {name: add_key(name, file) for name in ("app", "office")}
    text = file.read_text()
    assert parse_keys(text, "keys") == {hash_key(key): name for name, key in keys.items()}
    assert not any(key in text for key in keys.values())
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["app", "two words", "", "#x"])
def test_names_are_single_words_used_once(tmp_path: Path, name: str) -> None:
    file = tmp_path / "keys.txt"
    add_key("app", file)
    with pytest.raises(ConfigError, match="key name"):
        add_key(name, file)
