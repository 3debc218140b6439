"""Starting the applications of a ServeConfig, watching them come up, and ending them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import math
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar, get_args

from danlu import errors
from danlu.errors import DanluError, ResourceError, RunError
from danlu.progress import Progress
from danlu.resources import require_free_port, require_resources
from serve_apps.config import AppName, ServeConfig
from serve_apps.gateway.ledger import APPLICATION as LEDGER
from serve_apps.model_apps import running_versions, versions_of
from serve_apps.specs import LOGGING, AppSpec, app_specs, checked

AnswerT = TypeVar("AnswerT")

log = logging.getLogger(__name__)

_POLL_S = 0.2
_TOLD_WITHIN_S = 20.0  # takes milliseconds, on a busy machine seconds
# Serve says so once a replica has waited half a minute for a place.
_NO_PLACE = "to be scheduled"
_APP_CPUS = 0.5
# The applications that clients reach; all others are models, which these ask.
_FRONTS = ("gateway", *get_args(AppName))


def start_apps(config: ServeConfig, progress: Progress | None = None) -> list[str]:
    """Start everything on the Ray that the caller has initialised; returns the base URLs once all of it answers.

    Raises:
        ConfigError, InputError: a setting is wrong, a model or the keys file is missing.
        ResourceError: the port is taken, Serve runs already, or the cluster has too few CPUs or GPUs.
        RunError: an application could not start. Nothing is left running then.
    """
    import ray
    from ray import serve

    config, progress = checked(config), progress or Progress()
    specs = app_specs(config)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # the progress line says the same, shorter
    if _serve_runs():
        raise ResourceError(
            "Ray Serve runs on this cluster already", fix="use `serve deploy`, or `serve shutdown` first"
        )
    require_free_port(config.host, config.port)
    # A resource that a cluster has none of is not among those that Ray tells.
    require_room(config, {"CPU": 0.0, "GPU": 0.0, **ray.available_resources()})
    try:
        targets = [serve.RunTarget(s.build(), s.name, s.route_prefix, dict(LOGGING)) for s in specs]
        serve.start(
            proxy_location="EveryNode",
            http_options={"host": config.host, "port": config.port},
            logging_config=dict(LOGGING),
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

    A Ray that has ended before, as one does where a signal goes to the whole process group, is left as it is.
    """
    from ray import serve
    from ray.exceptions import RayError

    # Ray prints, from a thread, that calls to the controller end with the controller: that is what was asked for.
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            for group in (_FRONTS, (LEDGER,)):  # the ledger charges what ends last
                present = set(group) & set(_told(serve.status).applications)
                for name in present:
                    _told(partial(serve.delete, name, _blocking=False))
                while present & set(_told(serve.status).applications):
                    time.sleep(_POLL_S)
        except (TimeoutError, RayError) as error:
            log.warning("Ray has ended already, and all requests with it (%s)", error or "it tells nothing any more")
            return
        serve.shutdown()


def _told(ask: Callable[[], AnswerT]) -> AnswerT:
    """What Serve's controller answers. Serve itself waits for ever where Ray's processes have gone.

    Raises:
        TimeoutError: it has had its time.
    """
    answer: Future[AnswerT] = Future()

    def wait() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=wait, daemon=True).start()
    return answer.result(_TOLD_WITHIN_S)


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


def require_room(config: ServeConfig, available: Mapping[str, float]) -> None:
    """Raise when the applications want more than there is.

    Args:
        available: in Ray's resource names; one that is not among them is not looked at.

    Raises:
        ResourceError: names what is wanted and what there is.
    """
    from serve_apps.gateway.app import CPUS

    held = [(m.cpus * m.replicas.min, m.gpus * m.replicas.min) for m in versions_of(config.models)]
    held += [(m.cpus * m.replicas, m.gpus * m.replicas) for m in config.embeddings]
    held += [(CPUS * config.gateway.replicas, 0.0), (_APP_CPUS * len(config.apps), 0.0)]
    wanted = {"CPU": sum(cpus for cpus, _ in held), "GPU": sum(gpus for _, gpus in held)}
    enough = f"--cpus {math.ceil(wanted['CPU'] - 1e-9)} where danlu starts it"
    fix = f"lower models.cpus or replicas.min, leave apps out, or give Ray more ({enough})"
    known = {name: amount for name, amount in wanted.items() if name in available}
    require_resources(known, available, "danlu serve", fix)
