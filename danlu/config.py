"""Strict job configs: a YAML file plus dotted overrides become one immutable pydantic model."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from danlu.errors import ConfigError, InputError

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
MODEL_NAME = rf"{NAME[:-1]}(/{NAME[1:-1]})?$"
HTTP = r"^https?://"
# What a value must look like, in words, for keys that have one of these patterns.
_PATTERNS = {
    NAME: "a name has letters (a to z), digits and ._- only, and begins with a letter or digit",
    MODEL_NAME: "a model's name has letters (a to z), digits, ._- and one / at most, which stands between others, and "
    "begins with a letter or digit",
    HTTP: "an address begins with http:// or https://",
}


class Settings(BaseModel):
    """A block of config keys: unknown keys, wrong types, NaN and infinity are refused, values never change afterwards.

    `schema_of` is what `danlu schema` takes for a whole config that is no job's.
    """

    schema_of: ClassVar[str] = ""
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True, allow_inf_nan=False)


class JobConfig(Settings):
    """What every job's config has. Subclasses add `input` and their own keys.

    `changeable` are keys, or blocks of keys, that do not change what the job makes: a stopped run goes on with other
    values of them.
    """

    changeable: ClassVar[frozenset[str]] = frozenset()

    output: str = Field(description="run directory: everything the job writes (a path or any fsspec URI)", min_length=1)

    def resolved(self) -> Self:
        """The same config with every derived value filled in; what `--dry-run` prints and `config.yaml` keeps."""
        return self


ConfigT = TypeVar("ConfigT", bound=Settings)


class _RepeatedKeyError(yaml.YAMLError):
    """A mapping has a key twice."""


class _Loader(yaml.SafeLoader):
    """YAML in which a date is a text, and `1e9` and `2e-3` are numbers.

    No key holds a date, and `output: 2024-12-05` names a folder. PyYAML follows YAML 1.1, which wants a dot and a sign
    (`1.0e+9`). A whole number comes as one, so that it serves counts as well.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse a key that stands twice; PyYAML would take the last one without a word.

        Here keys that `<<` brings in, which may be given again, are not among the mapping's own yet.
        """
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if (key.tag, key.value) in seen:
                before = seen[key.tag, key.value]
                raise _RepeatedKeyError(f"the key {key.value} stands twice, in line {before} and in line {line}")
            seen[key.tag, key.value] = line
        return node


_EXPONENT = "tag:danlu,2026:exponent"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _EXPONENT, re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]{1,3}$"), list("-+.0123456789")
)


def _exponent(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | float:
    value = float(loader.construct_scalar(node))
    return int(value) if value.is_integer() and abs(value) < 1e18 else value


_Loader.add_constructor(_EXPONENT, _exponent)
# PyYAML lets some malformed numbers (`0b_`) through to int(), which then raises a plain ValueError.
_YAML_ERRORS = (yaml.YAMLError, ValueError)


def load_config(
    model: type[ConfigT], path: str | Path | None = None, overrides: list[str] | tuple[str, ...] = ()
) -> ConfigT:
    """Read `path` (YAML, optional), lay `overrides` (`dotted.key=value`) over it, and validate.

    Raises:
        InputError: the file is missing or no YAML mapping.
        ConfigError: an unknown key (the nearest known one is named), a wrong type, a missing key, or a broken rule.
    """
    values = read_yaml(path) if path is not None else {}
    for override in overrides:
        apply_override(values, override)
    return validate(model, values)


def validate(model: type[ConfigT], values: dict[str, Any]) -> ConfigT:
    """Build `model` from plain values; all problems are reported in one ConfigError."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [_describe(model, detail) for detail in error.errors(include_url=False)]
        raise ConfigError("\n".join(problems), fix=_schema_hint(model)) from None


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file; an InputError names what else was found."""
    file = Path(path)
    if not file.is_file():
        raise InputError(f"config file {file} does not exist", fix="check the path, or leave the file out")
    try:
        values = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except _YAML_ERRORS as error:  # text that is not UTF-8 is a ValueError too
        what, fix = yaml_problem(error)
        raise InputError(f"config file {file} is not valid YAML", rule=what, fix=fix) from None
    if values is None:
        raise InputError(f"config file {file} is empty", fix="write at least one `key: value`")
    if not isinstance(values, dict):
        raise InputError(f"config file {file} holds a {type(values).__name__}", rule="it must be a mapping of keys")
    return values


def yaml_problem(error: Exception) -> tuple[str, str]:
    """What is wrong with a text of YAML and where, and the fix where it is known ("" where it is not)."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error), ""
    mark, problem = error.problem_mark, error.problem or error.context or "it can't be read"
    # The parser's own text names the place as `in "<unicode string>"`.
    where = f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
    if error.problem and error.context and error.context_mark:
        where += f" ({error.context} of line {error.context_mark.line + 1})"
    return where, "indent with spaces, not with tabs" if r"'\t'" in problem else ""


def apply_override(values: dict[str, Any], override: str) -> None:
    """Set `a.b=c` inside nested dicts; the value is read as YAML (`true`, `3`, `[a, b]`, text)."""
    key, separator, text = override.partition("=")
    parts = key.strip().split(".")
    if not separator or not all(parts):
        raise ConfigError(f"argument {override!r}", rule="an override is written key=value", fix="e.g. output=runs/a")
    try:
        value = yaml.load(text, _Loader) if text else ""
    except _YAML_ERRORS as error:
        rule = f"{text!r} is not valid YAML ({yaml_problem(error)[0]})"
        raise ConfigError(f"the value of {key}", rule=rule) from None
    block = values
    for depth, part in enumerate(parts[:-1], start=1):
        inner = block.setdefault(part, {})
        if not isinstance(inner, dict):
            name = ".".join(parts[:depth])
            fix = f"give all of {name} as keys ({name}.KEY=VALUE), in place of {name}={inner}"
            raise ConfigError(f"{key}", rule=f"{name} is {inner!r}, not a block of keys", fix=fix)
        block = inner
    block[parts[-1]] = value


def to_yaml(config: Settings) -> str:
    """The config as YAML that `load_config` reads back to an equal config."""
    values = config.model_dump(mode="json", by_alias=True)
    return yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=110)


def _schema_hint(model: type[Settings]) -> str:
    job = model.__name__.removesuffix("Config").lower() if issubclass(model, JobConfig) else model.schema_of
    return f"`danlu schema {job}` lists every key" if job else ""


def _describe(model: type[BaseModel], detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"] if not _is_union_tag(part)) or "config"
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        known = known_keys(model, detail["loc"][:-1])
        near = difflib.get_close_matches(str(detail["loc"][-1]), known, n=1, cutoff=0.5)
        block = ".".join(str(part) for part in detail["loc"][:-1] if not _is_union_tag(part))
        meant = f"did you mean {block + '.' if block else ''}{near[0]}?" if near else f"known keys: {', '.join(known)}"
        return f"unknown key {key}: {meant}"
    if kind == "missing":
        return f"missing key {key}: it has no default; add {key}=..."
    message = detail["msg"].removeprefix("Value error, ")
    if kind == "value_error":  # a rule of our own, which names its keys itself
        if isinstance(value, dict):  # the rule of a whole block, of which the message tells what matters
            return message if key == "config" else f"in {key}: {message}"
        return f"{key} is {value!r}: {message}"
    if kind == "string_pattern_mismatch" and (rule := _PATTERNS.get(detail["ctx"]["pattern"])):
        return f"{key} is {value!r}: {rule}"
    if kind == "string_type" and isinstance(value, bool):
        words = "yes, on, true" if value else "no, off, false"
        return f"{key} is {value!r}: it must be a text, and YAML reads {words} as a truth value; put it in quotes"
    if kind == "string_type" and isinstance(value, int | float):
        return f'{key} is {value!r}: it must be a text; put it in quotes ({key.rpartition(".")[2]}: "{value}")'
    return f"{key} is {value!r}: {in_sentence(message)}"


def in_sentence(message: str) -> str:
    """A message as the part of a sentence after a colon: its first letter small, unless an abbreviation begins it."""
    return message if message[1:2].isupper() else message[:1].lower() + message[1:]


def _is_union_tag(part: int | str) -> bool:
    return isinstance(part, str) and (part in ("str", "int", "float", "bool") or "[" in part)


def known_keys(model: type[BaseModel], location: tuple[int | str, ...] = ()) -> list[str]:
    """The keys (as written in YAML) of the block at `location` inside `model`."""
    block: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int) or block is None:
            continue
        by_name = {field.alias or name: field for name, field in block.model_fields.items()}
        block = inner_model(by_name[part].annotation) if part in by_name else block
    return [field.alias or name for name, field in block.model_fields.items()] if block else []


def inner_model(annotation: Any) -> type[BaseModel] | None:
    """The settings block inside an annotation such as `Block | None` or `list[Block]`, or None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := inner_model(part)) is not None), None)
