"""The labelled texts that a domain classifier learns from: a YAML file {domain: [texts]}."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import yaml

from danlu.errors import InputError
from danlu.filesystems import filesystem_of

LEAST_SEEDS = 2
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def read_seeds(uri: str) -> dict[str, list[str]]:
    """The seeds of each domain, in the order of the file.

    Raises:
        InputError: no such file, or not at least two domains with at least two texts each.
    """
    filesystem, path = filesystem_of(uri, "domain seeds")
    if not filesystem.isfile(path):
        raise InputError(f"domain seeds {uri!r}", rule="no such file", fix="give a YAML file {domain: [texts]}")
    try:
        values = yaml.safe_load(filesystem.cat_file(path).decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"domain seeds {uri!r}", rule=f"not valid YAML ({error})") from None
    if not isinstance(values, dict):
        raise InputError(f"domain seeds {uri!r}", rule=f"a {type(values).__name__}, not a mapping {{domain: [texts]}}")
    check_seeds(values, uri)
    return values


def check_seeds(seeds: Mapping[str, Sequence[str]], what: str) -> None:
    """Raise InputError unless there are at least two domains, well named, with at least two texts each."""
    if len(seeds) < 2:
        raise InputError(f"domain seeds {what!r}", rule=f"{len(seeds)} domains, a classifier needs at least 2")
    for domain, texts in seeds.items():
        if not isinstance(domain, str) or not _NAME.fullmatch(domain):
            raise InputError(f"domain seeds {what!r}", rule=f"domain {domain!r} is not a lower-case ASCII name")
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) and text.strip() for text in texts):
            raise InputError(f"domain seeds {what!r}", rule=f"domain {domain} does not hold a list of texts")
        if len(texts) < LEAST_SEEDS:
            raise InputError(
                f"domain seeds {what!r}",
                rule=f"domain {domain} has {len(texts)} texts, at least {LEAST_SEEDS} are needed",
            )
