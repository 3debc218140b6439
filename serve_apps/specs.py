"""From a ServeConfig to the Serve applications that it means, and to the file that `serve deploy` takes."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from actors.engines.adapters import find_adapter
from actors.engines.model_folders import ARTIFACTS, find_model
from actors.engines.select import check_options
from actors.engines.tokenizer import check_tokenizer
from danlu.config import Settings, apply_override, validate
from danlu.errors import ConfigError
from serve_apps import embedding_model
from serve_apps.config import AppName, ModelSettings, ServeConfig
from serve_apps.gateway.keys import KeyFile
from serve_apps.gateway.ledger import APPLICATION as LEDGER
from serve_apps.gateway.ledger import lost_after_s
from serve_apps.gateway.usage import usage_path
from serve_apps.model_apps import canary_shares, gateway_models, version_apps, versions_of
from serve_apps.preflight import check_embedder

LOGGING = {"enable_access_log": False, "log_level": "WARNING"}


@dataclass(frozen=True)
class AppSpec:
    """One Serve application, in the words of Serve's own config file.

    Args:
        user_config: arguments that may change while it runs, of the deployment that is named as the application is.
    """

    name: str
    route_prefix: str | None
    import_path: str
    args: dict[str, Any]
    user_config: dict[str, Any] | None = None

    def build(self) -> Any:
        """The `serve.Application`."""
        module, _, function = self.import_path.partition(":")
        return getattr(importlib.import_module(module), function)({**self.args, **(self.user_config or {})})

    def deploy(self) -> dict[str, Any]:
        """The entry for `serve deploy`, which restarts what has other `args` but not another `user_config`."""
        entry = {name: value for name, value in asdict(self).items() if name != "user_config"}
        if self.user_config is None:
            return entry
        return {**entry, "deployments": [{"name": self.name, "user_config": self.user_config}]}


def app_specs(config: ServeConfig) -> list[AppSpec]:
    """Every Serve application that a config means: one for each model, the gateway, and the apps it lists.

    Raises:
        ConfigError: the settings of an app, or the options of a model's engine, are wrong.
    """
    for model in config.models:
        _check_engine(model)
    gateway = {
        "models": [entry for model in config.models for entry in gateway_models(model)],
        "embeddings": [model.name for model in config.embeddings],
        **config.auth.model_dump(),
        "gateway": config.gateway.model_dump(),
    }
    shares = {"canary_shares": canary_shares(config.models)}
    return [
        *(
            _model_spec(app, "serve_apps.models", version)
            for model in config.models
            for app, version in version_apps(model)
        ),
        *(
            _model_spec(embedding_model.app_name(model.name), "serve_apps.embedding_model", model)
            for model in config.embeddings
        ),
        *_ledger_spec(config),
        AppSpec("gateway", "/v1", "serve_apps.gateway.app:build", gateway, shares),
        *(_app_spec(name, config) for name in config.apps),
    ]


def to_deploy_config(config: ServeConfig) -> dict[str, Any]:
    """The same applications as the mapping that `serve deploy` reads. Paths are those of the cluster."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": config.host, "port": config.port},
        "logging_config": dict(LOGGING),
        "applications": [spec.deploy() for spec in app_specs(config)],
    }


def config_for_folder(folder: str, overrides: Sequence[str] = ()) -> ServeConfig:
    """All defaults for one model, given by its folder or by the run directory that holds it.

    Args:
        overrides: `key=value`; the keys of the model may be written alone (`engine=openvino`, `replicas.max=4`).

    Raises:
        InputError: there is no model in the folder.
        ConfigError: an override is wrong.
    """
    find_model(folder)
    place = Path(folder).resolve()
    # What jobs call the model in their run directory says less than the run's own name.
    named = place.parent.name if place.name in ARTIFACTS else place.name
    model: dict[str, Any] = {"name": re.sub(r"[^A-Za-z0-9._-]+", "-", named).strip("-._") or "model", "path": folder}
    values: dict[str, Any] = {}
    for override in overrides:
        key = override.partition("=")[0].split(".")[0].strip()
        apply_override(model if key in ModelSettings.model_fields else values, override)
    return validate(ServeConfig, {"models": [model], **values})


def checked(config: ServeConfig) -> ServeConfig:
    """The config with absolute paths, as replicas need not run in the caller's working directory.

    Raises:
        InputError: a model, its tokenizer, an adapter, an embedding model or the keys file is missing or damaged.
    """
    for model in versions_of(config.models):
        found = find_model(model.path)
        folder = found.checkpoint or found.openvino
        assert folder is not None
        check_tokenizer(folder)
        for name, adapter in model.adapters.items():
            find_adapter(adapter, f"adapters.{name}")
    for embedder in config.embeddings:
        check_embedder(embedder)
    if config.auth.keys_file is not None:
        KeyFile(config.auth.keys_file)
    auth, audit = config.auth, config.gateway.audit
    gateway = {"audit": audit.model_copy(update={"folder": _resolved(audit.folder)})}
    return config.model_copy(
        update={
            "models": [_anywhere(model) for model in config.models],
            "embeddings": [m.model_copy(update={"path": _absolute(m.path)}) for m in config.embeddings],
            "auth": auth.model_copy(
                update={"keys_file": _resolved(auth.keys_file), "usage_file": _resolved(auth.usage_file)}
            ),
            "gateway": config.gateway.model_copy(update=gateway),
        }
    )


def _anywhere(model: ModelSettings) -> ModelSettings:
    update: dict[str, Any] = {"path": _absolute(model.path)}
    update["adapters"] = {name: _absolute(path) for name, path in model.adapters.items()}
    if model.canary is not None:
        update["canary"] = model.canary.model_copy(update={"path": _absolute(model.canary.path)})
    return model.model_copy(update=update)


def _resolved(path: str | None) -> str | None:
    return None if path is None else str(Path(path).resolve())


def _absolute(path: str) -> str:
    """An existing path made absolute; anything else (a model's Hugging Face name) as it is."""
    return str(Path(path).resolve()) if Path(path).exists() else path


def _model_spec(name: str, module: str, model: Settings) -> AppSpec:
    return AppSpec(name, None, f"{module}:build", model.model_dump())


def _ledger_spec(config: ServeConfig) -> list[AppSpec]:
    """What keeps count of the keys, where there are any."""
    auth = config.auth
    if auth.keys_file is None:
        return []
    args = {
        "usage_file": auth.usage_file or usage_path(auth.keys_file),
        "lifetime_s": lost_after_s(config.gateway.timeout_s),
    }
    return [AppSpec(LEDGER, None, "serve_apps.gateway.ledger:build", args)]


def _check_engine(model: ModelSettings) -> None:
    """Options are checked before anything starts: a replica would say the same a minute later."""
    try:
        check_options("transformers" if model.adapters else model.engine, model.options)
    except ConfigError as error:
        raise ConfigError(f"in options of the model {model.name}:\n{error.what}", rule=error.rule) from None


def _app_spec(name: AppName, config: ServeConfig) -> AppSpec:
    """An app's spec, its settings checked by the app's own config module."""
    block = getattr(config, name)
    if config.auth.keys_file is not None:
        block = {**block, "keys_file": config.auth.keys_file, "key_limits": config.auth.limits.model_dump()}
    module = importlib.import_module(f"serve_apps.{name}.config")
    try:
        settings = validate(module.Settings, block)
    except ConfigError as error:
        fix = "`danlu serve --help` lists every key"
        raise ConfigError(f"in the block {name}:\n{error.what}", rule=error.rule, fix=fix) from None
    names = [model.name for model in config.models]
    if settings.model is not None and settings.model not in names:
        raise ConfigError(f"{name}.model is {settings.model!r}", rule=f"models has {', '.join(names)}")
    return AppSpec(name, f"/{name.replace('_', '-')}/v1", f"serve_apps.{name}.app:build", block)
