"""What one model of the config becomes: Serve applications, and names at the gateway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from serve_apps.language_model import LanguageModel, app_name, canary_app_name
from serve_apps.model_settings import ModelSettings


def versions_of(models: Sequence[ModelSettings]) -> list[ModelSettings]:
    """Every version of every model that is to be started."""
    return [version for model in models for version in (model, model.of_canary()) if version is not None]


def version_apps(model: ModelSettings) -> Iterator[tuple[str, ModelSettings]]:
    """The applications of a model by name, and what each is told: itself, and its canary."""
    # The share is the gateway's affair: with it in here, another share would start all replicas anew.
    yield app_name(model.name), model.model_copy(update={"canary": None})
    if (canary := model.of_canary()) is not None:
        yield canary_app_name(model.name), canary


def running_versions(models: Sequence[ModelSettings]) -> list[LanguageModel]:
    """The versions that have a replica at all times, to be asked outside the gateway."""
    return [
        LanguageModel(version.name, app=app, version=version.version)
        for model in models
        for app, version in version_apps(model)
        if version.replicas.min
    ]


def gateway_models(model: ModelSettings) -> Iterator[dict[str, Any]]:
    """A model and its adapters as the gateway is told of them (GatewayModel)."""
    common: dict[str, Any] = {"version": model.version}
    if sleeping := [version.replicas for version in versions_of([model]) if version.replicas.min == 0]:
        common["wake_within_s"] = max(replicas.wake_within_s for replicas in sleeping)
    yield {"name": model.name, **common, **({"canary": model.canary.version} if model.canary else {})}
    for adapter in model.adapters:
        yield {"name": adapter, "base": model.name, **common}


def canary_shares(models: Sequence[ModelSettings]) -> dict[str, float]:
    """Model -> share of its canary, for those that have one."""
    return {model.name: model.canary.share for model in models if model.canary is not None}
