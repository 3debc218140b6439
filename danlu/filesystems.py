"""Where a path or URI lies: its fsspec file system, or what is missing to reach it."""

from __future__ import annotations

import re
from typing import Any

import fsspec
from fsspec.registry import known_implementations

from danlu.errors import InputError, NotAvailableError


def filesystem_of(location: str, key: str = "input") -> tuple[Any, str]:
    """The file system of a local path or any fsspec URI, and the path inside it.

    Args:
        key: the config key that named the location, for messages.

    Raises:
        NotAvailableError: the library of that kind of storage is not installed, or does not load.
        InputError: fsspec knows no such kind of storage.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(location)
    except ImportError as error:
        raise NotAvailableError(f"{key} is {location!r}", rule=str(error), fix=_install(location)) from None
    except ValueError as error:
        fix = "write a local path, or a URI such as s3://bucket/folder"
        raise InputError(f"{key} is {location!r}", rule=str(error), fix=fix) from None
    except OSError as error:
        raise NotAvailableError(f"{key} is {location!r}", rule=str(error).partition("\n")[0]) from None
    return filesystem, path


def _install(location: str) -> str:
    """The pip command for a URI's storage, from fsspec's own list: `pip install s3fs`."""
    entry = known_implementations.get(location.partition("://")[0], {"class": "", "err": ""})
    package = entry["class"].partition(".")[0]
    if package == "fsspec":  # fsspec has the class, and needs another library for it, which its message quotes
        named = re.search(r"\"([\w-]+)\"", entry["err"])
        package = named[1] if named else ""
    return f"pip install {package}" if package else ""
