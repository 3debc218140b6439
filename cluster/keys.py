"""API keys for `danlu serve`: making one, and what there is of them."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console
from rich.table import Table

from danlu.errors import ConfigError, InputError
from serve_apps.gateway.keys import format_limits, new_key, parse_keys
from serve_apps.gateway.limits import Limits
from serve_apps.gateway.usage import UsageFile, usage_path

# What a line of the keys file can hold as its first word: no white space and no #, which begins a comment.
_NAME = re.compile(r"\w[\w.@-]*")


def add_key(name: str, file: Path, limits: Limits | None = None) -> str:
    """Make a key, append its hash to `file` (made readable for its owner only), and return the key.

    Args:
        limits: what stands behind the hash; None leaves the key to the defaults in `auth.limits`.

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
        if any(name == key.name for key in parse_keys(text, str(file)).values()):
            raise ConfigError(
                f"key name {name!r}", rule=f"{file} has it already", fix="take another name, or delete its line"
            )
        key, hashed = new_key()
        file.touch(mode=0o600)
        with file.open("a", encoding="utf-8") as lines:
            line = f"{name} {hashed} {format_limits(limits or Limits())}".strip()
            lines.write(f"{'' if text.endswith(chr(10)) or not text else chr(10)}{line}\n")
    except UnicodeDecodeError:
        raise InputError(f"--file is {str(file)!r}", rule="it is not UTF-8, so no keys file") from None
    except OSError as error:
        raise InputError(f"--file is {str(file)!r}", rule=error.strerror or str(error)) from None
    return key


def print_keys(file: Path, usage_file: Path | None, console: Console | None = None) -> None:
    """A table of the keys: their limits, and what each has taken.

    Args:
        usage_file: None for the one beside the keys file.

    Raises:
        InputError: a file is missing, malformed or can't be read.
    """
    try:
        keys = parse_keys(file.read_text(encoding="utf-8"), str(file))
    except UnicodeDecodeError:
        raise InputError(f"--file is {str(file)!r}", rule="it is not UTF-8, so no keys file") from None
    except OSError as error:
        raise InputError(f"--file is {str(file)!r}", rule=error.strerror or str(error)) from None
    uses = UsageFile(usage_file or usage_path(str(file))).read()
    table = Table("name", "requests/min", "tokens/min", "budget", "tokens", "requests", "last used (UTC)", box=None)
    for key in sorted(keys.values(), key=lambda key: key.name):
        limits, use = key.limits, uses.get(key.name)
        numbers = (limits.requests_per_minute, limits.tokens_per_minute, limits.budget)
        taken = ("0", "0", "never") if use is None else (f"{use.tokens:,}", f"{use.requests:,}", use.last_used)
        table.add_row(key.name, *("-" if number is None else f"{number:,}" for number in numbers), *taken)
    (console or Console()).print(table)
