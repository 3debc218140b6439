"""What a config may hold: as JSON schema for editors, and as a table of keys for people."""

from __future__ import annotations

from importlib import import_module
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from danlu.config import inner_model


def key_table(model: type[BaseModel], prefix: str = "") -> list[tuple[str, str, str]]:
    """(dotted key, default, description) of every key, blocks opened; `models[].path` is a key of each list entry."""
    rows: list[tuple[str, str, str]] = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        block = inner_model(field.annotation)
        if block is None:
            rows.append((key, _default(field), field.description or ""))
        elif _is_list(field):
            rows.append((key, _default(field), field.description or ""))
            rows.extend(key_table(block, f"{key}[]."))
        else:
            rows.append((key, "", field.description or ""))
            rows.extend(key_table(block, f"{key}."))
    return rows


def serve_key_table() -> list[tuple[str, str, str]]:
    """The keys of `danlu serve`, with those of each application, which its own config module has."""
    from serve_apps.config import AppName, ServeConfig

    rows: list[tuple[str, str, str]] = []
    for row in key_table(ServeConfig):
        rows.append(row)
        if row[0] in get_args(AppName):
            rows.extend(key_table(import_module(f"serve_apps.{row[0]}.config").Settings, f"{row[0]}."))
    return rows


def _is_list(field: FieldInfo) -> bool:
    return "list" in str(field.annotation)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default: Any = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return ""
    return "null" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
