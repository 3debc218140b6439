"""The gateway as a Serve application; `serve_apps.gateway.app:build` is Serve's entry point."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import FastAPI
from pydantic import Field
from ray import serve
from ray.serve.config import BackpressureConfig

from danlu import __version__
from danlu.config import Settings, validate
from serve_apps.config import GatewaySettings
from serve_apps.embedding_model import EmbeddingModel
from serve_apps.gateway import errors
from serve_apps.gateway.keys import KeyFile
from serve_apps.gateway.metrics import GatewayMetrics
from serve_apps.gateway.middleware import LimitBody, Measure, RequireKey
from serve_apps.gateway.openapi import document
from serve_apps.gateway.routes import Served, embedding_router, router
from serve_apps.language_model import LanguageModel

CPUS = 0.2
# Open streams that one gateway process holds; what is above waits, then gets 429 from Serve itself.
_MAX_ONGOING = 1024


class GatewayConfig(Settings):
    """What the gateway is built from."""

    models: list[str] = Field(description="names of the served language models")
    embeddings: list[str] = Field(default_factory=list, description="names of the served embedding models")
    keys_file: str | None = Field(default=None, description="API keys; without a file everybody may ask")
    gateway: GatewaySettings = Field(default_factory=GatewaySettings, description="size and limits")


def create_app(config: GatewayConfig) -> FastAPI:
    """The gateway's HTTP side. Middleware added later stands further out."""
    metrics = GatewayMetrics()
    app = FastAPI(title="danlu gateway", version=__version__, docs_url=None, redoc_url=None)
    app.state.served = Served(
        models={name: LanguageModel(name) for name in config.models},
        embeddings={name: EmbeddingModel(name) for name in config.embeddings},
        meter=metrics,
    )
    app.include_router(router)
    if config.embeddings:
        app.include_router(embedding_router)
    errors.install(app)
    app.openapi = partial(document, app)  # type: ignore[method-assign]
    app.add_middleware(LimitBody, max_bytes=config.gateway.max_body_bytes)
    if config.keys_file is not None:
        app.add_middleware(RequireKey, keys=KeyFile(config.keys_file))
    app.add_middleware(Measure, metrics=metrics)
    return app


@serve.ingress()
class Gateway:
    """The deployment; Serve asks it for its ASGI app once the constructor is through."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = validate(GatewayConfig, config)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_app(self._config)


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
        graceful_shutdown_timeout_s=30.0,
    )(Gateway)
    return deployment.bind(config)
