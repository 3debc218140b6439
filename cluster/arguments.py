"""Arguments of commands that take a config: a file, key=value pairs, and help that lists the keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from danlu.errors import ConfigError

_KEY = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z0-9_]+)*")


class KeyedCommand(click.Command):
    """A command whose help ends with the table of its config keys, read only when it is asked for."""

    def __init__(self, name: str, *, keys: Callable[[], list[tuple[str, str, str]]], **settings: Any) -> None:
        super().__init__(name, **settings)
        self._keys = keys

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(f"{key}  [{default}]" if default else key, text) for key, default, text in self._keys()]
        with formatter.section("Keys  [default]"):
            formatter.write_dl(rows, col_max=42)


def split_arguments(arguments: tuple[str, ...]) -> tuple[str | None, list[str]]:
    """Separate the config file (at most one, before the overrides) from the `key=value` overrides.

    Raises:
        ConfigError: two files, or an argument that is neither.
    """
    files = [a for a in arguments if "=" not in a]
    if len(files) > 1:
        for argument in files:
            if _KEY.fullmatch(argument) and not argument.endswith((".yaml", ".yml")) and not Path(argument).exists():
                rule = "there is no such file, and it looks like a key"
                raise ConfigError(f"argument {argument!r}", rule=rule, fix=f"write {argument}=VALUE")
        raise ConfigError(f"arguments {' and '.join(files)}", rule="at most one config file", fix="write key=value")
    return (files[0] if files else None), [a for a in arguments if "=" in a]
