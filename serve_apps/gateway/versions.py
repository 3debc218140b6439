"""Two versions of a model behind one name: who answers, and how the client and the operator learn of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import Field
from ray.serve import metrics
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from danlu.config import Settings, validate
from danlu.errors import ConfigError
from danlu.metrics import GATEWAY_VERSION_REQUESTS, GATEWAY_VERSION_SECONDS, LATENCY_BUCKETS_S
from serve_apps.canary import goes_to_canary
from serve_apps.language_model import LanguageModel

HEADER = "x-model-version"


class Shares(Settings):
    """What may change while the gateway runs: Serve's `user_config` of the deployment `gateway`."""

    canary_shares: dict[str, float] = Field(default_factory=dict, description="model -> share of its canary, 0 to 1")


class Versions:
    """The canaries of the served models.

    Args:
        canaries: model -> its second version.
    """

    def __init__(self, canaries: Mapping[str, LanguageModel]) -> None:
        self._canaries = dict(canaries)
        self._shares: dict[str, float] = {}

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Other shares from now on.

        Raises:
            ConfigError: a share is none, or the model has no canary.
        """
        shares = validate(Shares, config).canary_shares
        for name, share in shares.items():
            if name not in self._canaries:
                raise ConfigError(
                    f"canary_shares has {name!r}", rule=f"models with a canary: {', '.join(self._canaries)}"
                )
            if not 0 <= share <= 1:
                raise ConfigError(f"canary_shares.{name} is {share}", rule="it must be from 0 to 1")
        self._shares = shares

    def choose(self, model: LanguageModel, conversation: str) -> LanguageModel:
        """The version of a model that answers a conversation."""
        share = self._shares.get(model.name, 0.0)
        if share and goes_to_canary(model.name, conversation, share):
            return self._canaries[model.name]
        return model


class NameVersion:
    """Say in the header x-model-version which version answered, and count it; a route notes it in `request.state`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        # Ray's annotation of tag_keys says one label, and means any number.
        labels: Any = GATEWAY_VERSION_REQUESTS.labels
        self._requests = metrics.Counter(
            GATEWAY_VERSION_REQUESTS.name, description=GATEWAY_VERSION_REQUESTS.help, tag_keys=labels
        )
        labels = GATEWAY_VERSION_SECONDS.labels
        self._seconds = metrics.Histogram(
            GATEWAY_VERSION_SECONDS.name,
            description=GATEWAY_VERSION_SECONDS.help,
            boundaries=LATENCY_BUCKETS_S,
            tag_keys=labels,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began = time.perf_counter()
        state = scope.setdefault("state", {})

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start" and "version" in state:
                MutableHeaders(scope=message)[HEADER] = state["version"]
                labels = {"model": state["model"], "version": state["version"]}
                self._requests.inc(tags={**labels, "code": str(message["status"])})
                if message["status"] == HTTPStatus.OK:
                    self._seconds.observe(time.perf_counter() - began, tags=labels)
            await send(message)

        await self.app(scope, receive, named)
