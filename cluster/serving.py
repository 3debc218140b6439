"""`danlu serve`: the config's applications on a Ray of their own until Ctrl-C."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path

import click
import yaml

from actors.engines.model_files import WEIGHTS_INDEX
from actors.engines.model_folders import refuse_hub_name
from cluster.local_ray import local_cpus, prepare_environment, ray_session
from cluster.serve_proxy import haproxy, own_proxy, why_not_haproxy
from danlu.config import load_config
from danlu.errors import ConfigError
from danlu.progress import Progress
from serve_apps.config import ServeConfig

_POLL_S = 1.0
_MODEL_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".xml")


def resolve_serve_config(target: str | None, overrides: list[str]) -> ServeConfig:
    """The config in a YAML file, or the one that serves a model folder with all defaults.

    Raises:
        ConfigError: neither is given, or the config is wrong.
        InputError: it is the name of a model at Hugging Face.
    """
    if target is not None and Path(target).is_dir():
        from serve_apps.specs import config_for_folder

        return config_for_folder(target, overrides)
    if target is not None:
        _check_target(Path(target))
    if target is None and not overrides:
        raise ConfigError("danlu serve", rule="needs a config or a model folder", fix="danlu serve runs/compress")
    return load_config(ServeConfig, target, overrides)


def _check_target(file: Path) -> None:
    """Refuse what is no config file at first sight."""
    what = f"danlu serve {file}"
    if not file.exists():
        refuse_hub_name(str(file), what)
        rule = "there is neither a config file nor a model folder of that name"
        raise ConfigError(what, rule=rule, fix="check the path, e.g. danlu serve runs/compress")
    if file.name == WEIGHTS_INDEX or file.name in _MODEL_FILES or file.suffix in _WEIGHTS:
        raise ConfigError(what, rule="it is a file of a model", fix=f"give the folder: danlu serve {file.parent}")


def print_deploy_config(config: ServeConfig) -> None:
    """Print the YAML that `serve deploy` takes for the same applications."""
    from serve_apps.specs import to_deploy_config

    click.echo(yaml.safe_dump(to_deploy_config(config), allow_unicode=True, sort_keys=False), nl=False)


def check_start(config: ServeConfig, *, ray_address: str | None = None, cpus: int | None = None) -> None:
    """Raise what a start would, as far as it is known before there is a Ray. Nothing is started.

    Raises:
        ConfigError, InputError: an option or setting is wrong, a model, an adapter or the keys file is missing; a KV
            cache is larger than this machine's memory, or audit lines can't be written.
        ResourceError: a local Ray of so many CPUs can't hold the applications.
    """
    if ray_address is None:
        prepare_environment(lasting=True)
    import ray

    from serve_apps.launch import require_room
    from serve_apps.preflight import check_here
    from serve_apps.specs import app_specs, checked

    config = checked(config)
    app_specs(config)
    if ray_address is None:
        check_here(config)
    if ray_address is None and not ray.is_initialized():
        require_room(config, {"CPU": cpus or local_cpus()})


def proxy_context(config: ServeConfig, ray_address: str | None) -> AbstractContextManager[None]:
    """What a Ray is started in, so that the config's proxy stands before it."""
    if config.gateway.proxy != "haproxy":
        return own_proxy()
    reason = why_not_haproxy(config.host, ray_address)
    if reason and "proxy" in config.gateway.model_fields_set:
        click.echo(f"gateway.proxy is haproxy, but Serve's own proxy is used: {reason}", err=True)
    return own_proxy() if reason else haproxy()


def serve_until_interrupted(config: ServeConfig, *, ray_address: str | None = None, cpus: int | None = None) -> None:
    """Start the applications, print their addresses, and wait; Ctrl-C or SIGTERM ends them in order.

    Raises:
        DanluError: see `start_apps`, which leaves nothing of its own running then; nor does it touch what ran before.
    """
    from serve_apps.launch import start_apps, stop_apps

    check_start(config, ray_address=ray_address, cpus=cpus)
    progress = Progress()
    with proxy_context(config, ray_address), ray_session(ray_address, cpus):
        routes = start_apps(config, progress)
        try:
            for route in routes:
                click.echo(route)
            click.echo("Ctrl-C ends.", err=True)
            while True:
                time.sleep(_POLL_S)
        finally:
            stop_apps()
