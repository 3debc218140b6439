"""The gateway as a Serve application; `serve_apps.gateway.app:build` is Serve's entry point."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI
from pydantic import Field, field_validator
from ray import serve
from ray.serve.config import BackpressureConfig

from danlu import __version__
from danlu.config import Settings, validate
from serve_apps.config import GatewaySettings
from serve_apps.embedding_model import EmbeddingModel
from serve_apps.gateway import errors
from serve_apps.gateway.accounts import Accounts
from serve_apps.gateway.audit import AuditLog
from serve_apps.gateway.keys import KeyFile
from serve_apps.gateway.ledger import LedgerService, LocalLedger, RemoteLedger, lost_after_s
from serve_apps.gateway.metrics import GatewayMetrics
from serve_apps.gateway.middleware import LimitBody, RequireKey
from serve_apps.gateway.openapi import document
from serve_apps.gateway.recording import Record, admit
from serve_apps.gateway.routes import Served, embedding_router, router
from serve_apps.gateway.settings import LimitSettings
from serve_apps.gateway.versions import NameVersion, Versions
from serve_apps.language_model import LanguageModel, app_name, canary_app_name
from serve_apps.tracing import Tracing

CPUS = 0.2
# Open streams that one gateway process holds; what is above waits, then gets 429 from Serve itself.
_MAX_ONGOING = 1024


class GatewayModel(Settings):
    """What the gateway knows of a language model."""

    name: str = Field(description="what clients call it")
    version: str = Field(default="stable", description="its name in x-model-version")
    canary: str | None = Field(default=None, description="the same of its second version; null where there is none")
    base: str | None = Field(default=None, description="the model whose adapter it is; null for a model of its own")
    wake_within_s: float | None = Field(default=None, description="seconds to wait for it where it may be asleep")


class GatewayConfig(Settings):
    """What the gateway is built from."""

    models: list[GatewayModel] = Field(description="the served language models; a name alone is one with all defaults")
    embeddings: list[str] = Field(default_factory=list, description="names of the served embedding models")
    canary_shares: dict[str, float] = Field(
        default_factory=dict, description="model -> share of its canary; for `serve deploy` it is user_config instead"
    )
    keys_file: str | None = Field(default=None, description="API keys; without a file everybody may ask")
    limits: LimitSettings = Field(default_factory=LimitSettings, description="of keys that have none of their own")
    usage_file: str | None = Field(default=None, description="where the tokens that keys took are kept")
    gateway: GatewaySettings = Field(default_factory=GatewaySettings, description="size and limits")

    @field_validator("models", mode="before")
    @classmethod
    def _by_name(cls, models: object) -> object:
        return [{"name": m} if isinstance(m, str) else m for m in models] if isinstance(models, list) else models


class Services:
    """What the gateway's layers share beside the models; to be closed at the end.

    Args:
        ledger: None keeps one in this process.
    """

    def __init__(self, config: GatewayConfig, ledger: LedgerService | None = None) -> None:
        gateway = config.gateway
        self.metrics = GatewayMetrics()
        self.versions = Versions({model.name: _canary(model) for model in config.models if model.canary})
        self.keys = None if config.keys_file is None else KeyFile(config.keys_file)
        self.accounts: Accounts | None = None
        if self.keys is not None:
            self.accounts = Accounts(
                ledger or LocalLedger(None, lost_after_s(gateway.timeout_s)), config.limits.limits()
            )
        self.audit = None if gateway.audit.folder is None else AuditLog(gateway.audit)
        self.tracing = Tracing.of(gateway.tracing.endpoint, "danlu-gateway", gateway.tracing.sample)

    async def close(self) -> None:
        """Charge and write what is waiting."""
        if self.accounts is not None:
            await self.accounts.flush()
        if self.audit is not None:
            await asyncio.to_thread(self.audit.close)
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.close)


def create_app(config: GatewayConfig, services: Services | None = None) -> FastAPI:
    """The gateway's HTTP side. Middleware added later stands further out."""
    services, settings = services or Services(config), config.gateway
    app = FastAPI(title="danlu gateway", version=__version__, docs_url=None, redoc_url=None)
    app.state.served = Served(
        models={model.name: _language_model(model) for model in config.models},
        embeddings={name: EmbeddingModel(name) for name in config.embeddings},
        meter=services.metrics,
        versions=services.versions,
    )
    app.include_router(router, dependencies=[Depends(admit)])
    if config.embeddings:
        app.include_router(embedding_router, dependencies=[Depends(admit)])
    errors.install(app)
    app.openapi = partial(document, app)  # type: ignore[method-assign]
    app.add_middleware(NameVersion)
    app.add_middleware(LimitBody, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s)
    if services.keys is not None:
        app.add_middleware(RequireKey, keys=services.keys)
    app.add_middleware(
        Record,
        metrics=services.metrics,
        accounts=services.accounts,
        audit=services.audit,
        tracing=services.tracing,
        timeout_s=settings.timeout_s,
        keep_text=settings.audit.include_text,
    )
    return app


@serve.ingress()
class Gateway:
    """The deployment; Serve asks it for its ASGI app once the constructor is through."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = validate(GatewayConfig, config)
        self._services = Services(self._config, None if self._config.keys_file is None else RemoteLedger())

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_app(self._config, self._services)

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Serve's own hook: a changed `user_config` comes here, without a restart."""
        self._services.versions.reconfigure(user_config)

    async def __del__(self) -> None:
        """Serve's own hook, after the last request has been answered."""
        if hasattr(self, "_services"):
            await self._services.close()


def _language_model(model: GatewayModel) -> LanguageModel:
    app = None if model.base is None else app_name(model.base)
    adapter = None if model.base is None else model.name
    return LanguageModel(model.name, app=app, version=model.version, adapter=adapter, wake_within_s=model.wake_within_s)


def _canary(model: GatewayModel) -> LanguageModel:
    assert model.canary is not None
    app = canary_app_name(model.name)
    return LanguageModel(model.name, app=app, version=model.canary, wake_within_s=model.wake_within_s)


def build(config: dict[str, Any]) -> serve.Application:
    """The Serve application; `config` holds the keys of GatewayConfig."""
    settings = validate(GatewayConfig, config)
    deployment = serve.deployment(
        name="gateway",
        num_replicas=settings.gateway.replicas,
        max_ongoing_requests=_MAX_ONGOING,
        max_queued_requests=_MAX_ONGOING,
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=1),
        ray_actor_options={"num_cpus": CPUS},
        graceful_shutdown_timeout_s=settings.gateway.drain_s,
        user_config={"canary_shares": settings.canary_shares},
    )(Gateway)
    return deployment.bind(config)
