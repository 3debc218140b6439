"""One language model as a Serve application: the deployment `engine` of the application `model-<name>`."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import warnings
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any, cast

from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy, BackpressureConfig

from actors.engines.protocol import (
    Delta,
    Engine,
    EngineDownError,
    GenerationRequest,
    Message,
    SamplingParams,
    Tool,
)
from danlu.config import validate
from danlu.errors import DanluError
from serve_apps.autoscaling import FIRST_TOKEN_S, KV_USE, FirstTokens
from serve_apps.engine_gauges import EngineGauges
from serve_apps.model_settings import ModelSettings, Replicas, Routing
from serve_apps.routing import router_config
from serve_apps.served_model import RETRY_AFTER_S
from serve_apps.tracing import TraceContext, traced

log = logging.getLogger("ray.serve")

DEPLOYMENT = "engine"
_GAUGE_PERIOD_S = 2.0
_MEASUREMENTS = 5  # in the window that load is averaged over
# A replica that is to go takes no more requests and ends with its last one, or after this time.
DRAIN_S = 600.0

EngineFactory = Callable[[ModelSettings], Engine]


class EngineReplica:
    """A loaded engine, reached over Serve's handles.

    Errors that a user can mend (a prompt too long) are *returned*, not raised: Serve would log a traceback for
    each of them. `ServedModel` raises them again at the caller.
    """

    async def __init__(self, model: dict[str, Any], factory: EngineFactory | None = None) -> None:  # type: ignore[misc]
        settings = validate(ModelSettings, model)
        self._name = settings.name
        self._why = _reason(settings) if factory is None else "made by its caller"
        self._engine = (factory or _create)(settings)
        self._first_tokens = FirstTokens(settings.replicas.window_s)
        await self._engine.start()
        self._gauges = asyncio.create_task(self._report())

    async def stream(
        self, request: GenerationRequest, trace: TraceContext | None = None
    ) -> AsyncGenerator[Delta | DanluError, None]:
        """The answer piece by piece. Cancelling the call or closing the generator frees the sequence in the engine."""
        ticket = self._first_tokens.asked(time.monotonic())
        try:
            # The engine's generate() is an async generator; the protocol promises no more than an iterator.
            made = cast(AsyncGenerator[Delta, None], self._engine.generate(request))
            seen = made if trace is None else traced(made, trace, f"danlu-{self._name}")
            async with aclosing(made), aclosing(seen) as deltas:
                async for delta in deltas:
                    self._first_tokens.begun(ticket, time.monotonic())
                    yield delta
        except EngineDownError as error:
            self._end(error)
        except DanluError as error:
            yield error
        finally:
            self._first_tokens.ended(ticket)

    async def stream_chat(
        self,
        request_id: str,
        messages: Sequence[Message],
        sampling: SamplingParams,
        adapter: str | None = None,
        tools: Sequence[Tool] = (),
        trace: TraceContext | None = None,
    ) -> AsyncGenerator[Delta | DanluError, None]:
        """`render_chat` and `stream` in one call across processes."""
        try:
            request = GenerationRequest(request_id, self._prompt(messages, tools), sampling, adapter)
        except DanluError as error:
            yield error
            return
        async with aclosing(self.stream(request, trace)) as parts:
            async for part in parts:
                yield part

    async def render_chat(self, messages: Sequence[Message]) -> str | DanluError:
        """The prompt that the model's chat template makes of a conversation."""
        try:
            return self._engine.render_chat(messages)
        except DanluError as error:
            return error

    def _prompt(self, messages: Sequence[Message], tools: Sequence[Tool]) -> str:
        return self._engine.render_chat(messages, tools) if tools else self._engine.render_chat(messages)

    async def describe(self) -> str:
        """Which engine runs the model, and why, in words."""
        return f"{type(self._engine).__name__} ({self._why}), context of {self._engine.context_length} tokens"

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Serve's own hook: what ReplicaPolicy reads beside the number of requests."""
        told = {
            KV_USE: self._engine.stats().kv_cache_use,
            FIRST_TOKEN_S: self._first_tokens.typical_s(time.monotonic()),
        }
        return {name: value for name, value in told.items() if value is not None}

    async def check_health(self) -> None:
        """Serve's own hook: a replica that raises here is replaced."""
        try:
            await self._engine.health()
        except EngineDownError as error:
            self._end(error)

    def _end(self, why: EngineDownError) -> None:
        """End this process, for Serve to start another replica.

        One that lived on until Serve had asked for its health three times would fail all that is sent to it, and as it
        fails quickly, most would be. Those who ask see a dead replica, and ask another.
        """
        log.error("%s: %s; its replica ends, and another is started", self._name, why)
        logging.shutdown()
        os._exit(1)

    async def __del__(self) -> None:
        """Serve's own hook, after the last request has been answered."""
        if hasattr(self, "_gauges"):  # else the constructor failed
            self._gauges.cancel()
            with suppress(asyncio.CancelledError):
                await self._gauges
            await self._engine.shutdown()

    async def _report(self) -> None:
        gauges = EngineGauges(self._name)
        while True:
            gauges.show(self._engine.stats())
            await asyncio.sleep(_GAUGE_PERIOD_S)


def application(model: ModelSettings, factory: EngineFactory | None = None) -> serve.Application:
    """The Serve application of one model.

    Args:
        factory: makes the engine in the replica; None takes the one that `model.engine` names.
    """
    deployment = serve.deployment(
        name=DEPLOYMENT,
        health_check_period_s=5.0,
        graceful_shutdown_timeout_s=DRAIN_S,
        max_ongoing_requests=model.replicas.max_ongoing,
        max_queued_requests=model.max_queued,
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=RETRY_AFTER_S),
        ray_actor_options={"num_cpus": model.cpus, "num_gpus": model.gpus},
        **_scale(model.replicas),
        **_route(model.routing),
    )(EngineReplica)
    return deployment.bind(model.model_dump(), factory)


def build(config: dict[str, Any]) -> serve.Application:
    """Serve's entry point (`serve_apps.models:build`): `config` holds the keys of ModelSettings."""
    return application(validate(ModelSettings, config))


def _create(model: ModelSettings) -> Engine:
    from actors.engines.select import create_engine

    adapters = {"adapters": model.adapters} if model.adapters else {}
    return create_engine(model.path, engine=_engine(model), **{"name": model.name, **model.options, **adapters})


def _reason(model: ModelSettings) -> str:
    from actors.engines.model_folders import find_model
    from actors.engines.select import explain_choice

    reason = explain_choice(find_model(model.path), _engine(model), model.options)[1]
    return "it serves adapters" if model.adapters and model.engine == "auto" else reason


def _engine(model: ModelSettings) -> str:
    return "transformers" if model.adapters else model.engine


def _scale(replicas: Replicas) -> dict[str, Any]:
    if replicas.min == replicas.max:
        return {"num_replicas": replicas.min}
    policy = AutoscalingPolicy(
        policy_function="serve_apps.autoscaling:ReplicaPolicy",
        policy_kwargs={
            "ongoing": replicas.target_ongoing,
            "window_s": replicas.window_s,
            "kv_use": replicas.target_kv_use,
            "first_token_s": replicas.target_first_token_s,
        },
    )
    with warnings.catch_warnings():
        # Ray announces that metrics_interval_s will go. Its default of 10 s is what every decision would wait for.
        warnings.simplefilter("ignore", DeprecationWarning)
        config = AutoscalingConfig(
            min_replicas=replicas.min,
            max_replicas=replicas.max,
            target_ongoing_requests=replicas.target_ongoing,
            look_back_period_s=replicas.window_s,
            metrics_interval_s=replicas.window_s / _MEASUREMENTS,
            upscale_delay_s=replicas.up_after_s,
            downscale_delay_s=replicas.down_after_s,
            downscale_to_zero_delay_s=replicas.zero_after_s,
            policy=policy,
        )
    return {"autoscaling_config": config}


def _route(routing: Routing) -> dict[str, Any]:
    if routing.by == "balanced":
        return {"request_router_config": router_config()}
    return {"request_router_config": router_config(routing.most_ahead, routing.remembered)}
