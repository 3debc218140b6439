"""Making API keys for `danlu serve`."""

from __future__ import annotations

import re
from pathlib import Path

from danlu.errors import ConfigError
from serve_apps.gateway.keys import new_key, parse_keys


def add_key(name: str, file: Path) -> str:
    """Make a key, append its hash to `file` (made readable for its owner only), and return the key.

    Raises:
        ConfigError: the name holds white space or is taken.
    """
    if not re.fullmatch(r"\S+", name) or name.startswith("#"):
        raise ConfigError(f"key name {name!r}", rule="it must be one word that does not start with #")
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    if text.strip() and name in parse_keys(text, str(file)).values():
        raise ConfigError(
            f"key name {name!r}", rule=f"{file} has it already", fix="take another name, or delete its line"
        )
    key, hashed = new_key()
    file.touch(mode=0o600)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(f"{'' if text.endswith(chr(10)) or not text else chr(10)}{name} {hashed}\n")
    return key
