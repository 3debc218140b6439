"""Making API keys for `danlu serve`."""

from __future__ import annotations

import re
from pathlib import Path

from danlu.errors import ConfigError, InputError
from serve_apps.gateway.keys import new_key, parse_keys

# What a line of the keys file can hold as its first word: no white space and no #, which begins a comment.
_NAME = re.compile(r"\w[\w.@-]*")


def add_key(name: str, file: Path) -> str:
    """Make a key, append its hash to `file` (made readable for its owner only), and return the key.

    Raises:
        ConfigError: the name is no plain word, or is taken.
        InputError: the file is malformed, or can't be read or written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"key name {name!r}", rule="it must be one word of letters, digits and . _ @ -", fix="e.g. team-1"
        )
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        if name in parse_keys(text, str(file)).values():
            raise ConfigError(
                f"key name {name!r}", rule=f"{file} has it already", fix="take another name, or delete its line"
            )
        key, hashed = new_key()
        file.touch(mode=0o600)
        with file.open("a", encoding="utf-8") as lines:
            lines.write(f"{'' if text.endswith(chr(10)) or not text else chr(10)}{name} {hashed}\n")
    except UnicodeDecodeError:
        raise InputError(f"--file is {str(file)!r}", rule="it is not UTF-8, so no keys file") from None
    except OSError as error:
        raise InputError(f"--file is {str(file)!r}", rule=error.strerror or str(error)) from None
    return key
