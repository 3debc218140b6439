"""From a ServeConfig to running Serve applications, and to the file that `serve deploy` takes."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from actors.engines.adapters import find_adapter
from actors.engines.model_folders import ARTIFACTS, find_model
from actors.engines.select import check_options
from danlu import errors
from danlu.config import Settings, apply_override, validate
from danlu.errors import ConfigError, DanluError, ResourceError, RunError
from danlu.progress import Progress
from danlu.resources import require_free_port, require_resources
from serve_apps import embedding_model
from serve_apps.config import AppName, ModelSettings, ServeConfig
from serve_apps.gateway.keys import KeyFile
from serve_apps.model_apps import canary_shares, gateway_models, running_versions, version_apps, versions_of

_POLL_S = 0.2
_LOGGING = {"enable_access_log": False, "log_level": "WARNING"}
# Serve says so once a replica has waited half a minute for a place.
_NO_PLACE = "to be scheduled"
_APP_CPUS = 0.5
# The applications that clients reach; all others are models, which these ask.
_FRONTS = ("gateway", *get_args(AppName))


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
        AppSpec("gateway", "/v1", "serve_apps.gateway.app:build", gateway, shares),
        *(_app_spec(name, config) for name in config.apps),
    ]


def to_deploy_config(config: ServeConfig) -> dict[str, Any]:
    """The same applications as the mapping that `serve deploy` reads. Paths are those of the cluster."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": config.host, "port": config.port},
        "logging_config": dict(_LOGGING),
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


def start_apps(config: ServeConfig, progress: Progress | None = None) -> list[str]:
    """Start everything on the Ray that the caller has initialised; returns the base URLs once all of it answers.

    Raises:
        ConfigError, InputError: a setting is wrong, a model or the keys file is missing.
        ResourceError: the port is taken, Serve runs already, or the cluster has too few CPUs or GPUs.
        RunError: an application could not start. Nothing is left running then.
    """
    from ray import serve

    config, progress = _checked(config), progress or Progress()
    specs = app_specs(config)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # the progress line says the same, shorter
    if _serve_runs():
        raise ResourceError(
            "Ray Serve runs on this cluster already", fix="use `serve deploy`, or `serve shutdown` first"
        )
    require_free_port(config.host, config.port)
    _require_room(config)
    try:
        targets = [serve.RunTarget(s.build(), s.name, s.route_prefix, dict(_LOGGING)) for s in specs]
        serve.start(
            proxy_location="EveryNode",
            http_options={"host": config.host, "port": config.port},
            logging_config=dict(_LOGGING),
        )
        serve.run_many(targets, wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)
        _wait(specs, progress)
        _describe(config, progress)
    except BaseException:
        stop_apps()
        raise
    host = f"[{config.host}]" if ":" in config.host else config.host
    return [f"http://{host}:{config.port}{spec.route_prefix}" for spec in specs if spec.route_prefix]


def _serve_runs() -> bool:
    """Whether this cluster has a Serve, be it without applications or HTTP proxies."""
    import ray

    return any(actor["namespace"] == "serve" for actor in ray.util.list_named_actors(all_namespaces=True))


def stop_apps() -> None:
    """Take no more requests, let those under way finish, then stop all applications and Serve itself.

    `serve.shutdown` alone would close the HTTP proxies first, and with them every open stream. An application without
    its route gets no new request, and each of its replicas ends with its last one (gateway.drain_s at most).
    """
    from ray import serve

    # Ray prints, from a thread, that calls to the controller end with the controller: that is what was asked for.
    with contextlib.redirect_stdout(io.StringIO()):
        fronts = set(_FRONTS) & set(serve.status().applications)
        for name in fronts:
            serve.delete(name, _blocking=False)
        while fronts & set(serve.status().applications):
            time.sleep(_POLL_S)
        serve.shutdown()


def failure(message: str) -> DanluError | None:
    """The error of ours in a status message of Serve, which holds the replica's traceback as text."""
    found = re.findall(r"^danlu\.errors\.(\w+): (.+)(?:\nFix: (.+))?", message, flags=re.MULTILINE)
    if not found:
        return None
    kind, what, fix = found[-1]
    return getattr(errors, kind, RunError)(what, fix=fix)


def lacks_room(message: str) -> bool:
    """Whether Serve's warning of a replica that has not been placed for half a minute means that there is no room.

    On a busy machine a replica's process may take that long to start although there is room.
    """
    found = re.search(r"required for each replica: (\{.*?\}), total resources available: (\{.*?\})", message)
    if _NO_PLACE not in message or found is None:
        return False
    required, available = (dict(re.findall(r"[\"'](\w+)[\"']: ([\d.]+)", text)) for text in found.groups())
    return any(float(amount) > float(available.get(name, 0)) for name, amount in required.items())


def _wait(specs: Sequence[AppSpec], progress: Progress) -> None:
    """Wait until every application runs; raise for the first that can't."""
    from ray import serve

    with progress.stage("start applications", total=len(specs)) as stage:
        while True:
            status = serve.status()
            waiting = [spec.name for spec in specs if not is_running(spec.name, status.applications)]
            stage.update(len(specs) - len(waiting), note=f"waiting for {', '.join(waiting)}" if waiting else "")
            if not waiting and all(proxy == "HEALTHY" for proxy in status.proxies.values()):
                return
            time.sleep(_POLL_S)


def is_running(name: str, applications: Mapping[str, Any]) -> bool:
    """Whether an application is up, by the overviews in Serve's status.

    Raises:
        DanluError: the error that its replica raised.
        ResourceError: no node has room for a replica.
        RunError: it failed otherwise.
    """
    app = applications.get(name)
    if app is None:
        return False
    messages = [app.message, *(deployment.message for deployment in app.deployments.values())]
    for message in messages:
        # A mistake of the user's does not go away when Serve tries again, so it ends the start at once.
        if (error := failure(message)) is not None:
            raise error
        if lacks_room(message):
            raise ResourceError(f"application {name} finds no place", rule=message, fix="give Ray more CPUs or GPUs")
    if app.status in ("DEPLOY_FAILED", "UNHEALTHY"):
        reason = next((message.strip().splitlines()[-1] for message in reversed(messages) if message.strip()), "")
        raise RunError(f"application {name} did not start", rule=reason, fix="the replica's log has the traceback")
    return app.status == "RUNNING"


def _describe(config: ServeConfig, progress: Progress) -> None:
    """Say which engine runs each model; one that has scaled to zero is not woken for it."""
    for model in running_versions(config.models):
        progress.say(f"{model.name}: {asyncio.run(model.describe())}")


def _checked(config: ServeConfig) -> ServeConfig:
    """The config with absolute paths, as replicas need not run in the caller's working directory."""
    for model in versions_of(config.models):
        find_model(model.path)
        for name, folder in model.adapters.items():
            find_adapter(folder, f"adapters.{name}")
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


def _require_room(config: ServeConfig) -> None:
    import ray

    from serve_apps.gateway.app import CPUS

    held = [(m.cpus * m.replicas.min, m.gpus * m.replicas.min) for m in versions_of(config.models)]
    held += [(m.cpus * m.replicas, m.gpus * m.replicas) for m in config.embeddings]
    held += [(CPUS * config.gateway.replicas, 0.0), (_APP_CPUS * len(config.apps), 0.0)]
    wanted = {"CPU": sum(cpus for cpus, _ in held), "GPU": sum(gpus for _, gpus in held)}
    fix = "lower models.cpus or replicas.min, leave apps out, or give Ray more"
    require_resources(wanted, ray.available_resources(), "danlu serve", fix)


def _model_spec(name: str, module: str, model: Settings) -> AppSpec:
    return AppSpec(name, None, f"{module}:build", model.model_dump())


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
