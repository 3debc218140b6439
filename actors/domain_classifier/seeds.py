"""The labelled texts that a domain classifier learns from.

A YAML file holds a mapping {domain: [texts]}, a .jsonl file rows {"text": ..., "label": domain}; a folder or a pattern
stands for all such files in it, put together. `starter` stands for the seeds that come with danlu.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from danlu.errors import InputError
from danlu.filesystems import filesystem_of
from danlu.inputs import find_files

STARTER = "starter"
LEAST_SEEDS = 2
_SUFFIXES = (".yaml", ".yml", ".jsonl")
_STARTER_FOLDER = Path(__file__).parent / "starter"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def seed_files(seeds: str) -> list[str]:
    """The files that `seeds` (`starter`, a file, folder or pattern) stands for, sorted.

    Raises:
        InputError: none is there.
    """
    return find_files(str(_STARTER_FOLDER) if seeds == STARTER else seeds, _SUFFIXES, key="domain.seeds")


def read_seeds(seeds: str) -> dict[str, list[str]]:
    """The seeds of each domain, in the order of the files; a text that is repeated in its domain counts once.

    Raises:
        InputError: no such file, not at least two domains with at least two texts each, or a text in two domains.
    """
    found: dict[str, list[str]] = {}
    for file in seed_files(seeds):
        for domain, texts in _read_file(file).items():
            check_texts(domain, texts, file)
            found[domain] = list(dict.fromkeys([*found.get(domain, []), *texts]))
    check_seeds(found, seeds)
    _check_disjoint(found, seeds)
    return found


def check_seeds(seeds: Mapping[str, Sequence[str]], what: str) -> None:
    """Raise InputError unless there are at least two domains, well named, with at least two texts each."""
    if len(seeds) < 2:
        raise InputError(f"domain seeds {what!r}", rule=f"{len(seeds)} domains, a classifier needs at least 2")
    for domain, texts in seeds.items():
        check_texts(domain, texts, what)
        if len(texts) < LEAST_SEEDS:
            raise InputError(
                f"domain seeds {what!r}",
                rule=f"domain {domain} has {len(texts)} texts, at least {LEAST_SEEDS} are needed",
            )


def check_texts(domain: Any, texts: Any, what: str) -> None:
    """Raise InputError unless `domain` is a name and `texts` are texts."""
    if not isinstance(domain, str) or not _NAME.fullmatch(domain):
        raise InputError(f"domain seeds {what!r}", rule=f"domain {domain!r} is not a lower-case ASCII name")
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise InputError(f"domain seeds {what!r}", rule=f"domain {domain} does not hold a list of texts")


def _check_disjoint(seeds: Mapping[str, Sequence[str]], what: str) -> None:
    owner: dict[str, str] = {}
    for domain, texts in seeds.items():
        for text in texts:
            if owner.setdefault(text, domain) != domain:
                raise InputError(
                    f"domain seeds {what!r}",
                    rule=f"the text {text[:30]!r} is in {owner[text]} and in {domain}",
                    fix="take it out of one of them",
                )


def _read_file(file: str) -> dict[Any, Any]:
    filesystem, path = filesystem_of(file, "domain.seeds")
    try:
        content = filesystem.cat_file(path).decode("utf-8")
        return _read_rows(content, file) if path.lower().endswith(".jsonl") else _read_mapping(content, file)
    except UnicodeDecodeError as error:
        raise InputError(f"domain seeds {file!r}", rule=f"not UTF-8 ({error})") from None
    except yaml.YAMLError as error:
        raise InputError(f"domain seeds {file!r}", rule=f"not valid YAML ({error})") from None


def _read_mapping(content: str, file: str) -> dict[Any, Any]:
    values = yaml.safe_load(content)
    if not isinstance(values, dict):
        raise InputError(f"domain seeds {file!r}", rule=f"a {type(values).__name__}, not a mapping {{domain: [texts]}}")
    return values


def _read_rows(content: str, file: str) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            found.setdefault(row["label"], []).append(row["text"])
        except (json.JSONDecodeError, KeyError, TypeError):
            raise InputError(
                f"domain seeds {file!r}", rule=f'line {number} is not a row {{"text": ..., "label": ...}}'
            ) from None
    return found
