"""The folder of flows: read, validated, and checked against each other and against what the intent model knows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from danlu.config import read_yaml, validate
from danlu.errors import ConfigError, InputError
from serve_apps.customer_service.flows import Flow
from serve_apps.customer_service.phrases import Phrases

PHRASES_FILE = "phrases.yaml"

ModelT = TypeVar("ModelT", Flow, Phrases)


@dataclass(frozen=True)
class FlowBook:
    """All flows by name, and the texts that belong to none of them."""

    flows: dict[str, Flow]
    phrases: Phrases

    def started_by(self, intent: str) -> Flow | None:
        """The flow that an intent starts, if any."""
        return next((flow for flow in self.flows.values() if intent in flow.starts_on), None)


def load_flows(folder: str | Path) -> FlowBook:
    """Read every `*.yaml` of a folder: one flow each, and `phrases.yaml`, which is optional.

    Raises:
        InputError: the folder has no flow, or a file is no YAML.
        ConfigError: a flow is broken (file, key and rule are named), or two flows start on the same intent.
    """
    place = Path(folder)
    files = sorted(place.glob("*.yaml")) if place.is_dir() else []
    flows: dict[str, Flow] = {}
    for file in files:
        if file.name != PHRASES_FILE:
            flow = _read(file, Flow)
            if flow.flow in flows:
                raise ConfigError(f"{file}: flow is {flow.flow!r}", rule="another file has a flow of this name")
            flows[flow.flow] = flow
    if not flows:
        raise InputError(f"flows is {str(folder)!r}", rule="there is no flow (*.yaml) in this folder")
    _check_intents(flows)
    phrases = place / PHRASES_FILE
    return FlowBook(flows, _read(phrases, Phrases) if phrases.is_file() else Phrases())


def check_against_model(book: FlowBook, intents: Collection[str], slots: Collection[str]) -> None:
    """Refuse flows that wait for what the intent model never says.

    Raises:
        ConfigError: a flow starts on an unknown intent, or collects a slot that the model does not know.
    """
    for flow in book.flows.values():
        for kind, names, known in (("starts_on", flow.starts_on, intents), ("slots", flow.slots, slots)):
            unknown = sorted(set(names) - set(known))
            if unknown:
                rule = f"the intent model knows {', '.join(sorted(known))}"
                raise ConfigError(f"flow {flow.flow}: {kind} names {', '.join(unknown)}", rule=rule)


def _read(file: Path, model: type[ModelT]) -> ModelT:
    try:
        return validate(model, read_yaml(file))
    except ConfigError as error:
        raise ConfigError(f"{file}: {error.what}", rule=error.rule) from None


def _check_intents(flows: dict[str, Flow]) -> None:
    owners: dict[str, str] = {}
    for flow in flows.values():
        for intent in flow.starts_on:
            if intent in owners:
                rule = f"flow {owners[intent]} starts on it too"
                raise ConfigError(f"flow {flow.flow}: starts_on has {intent!r}", rule=rule)
            owners[intent] = flow.flow
