"""What `danlu serve` is told: which models, which applications, where to listen, who may ask."""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from danlu.config import MODEL_NAME, Settings
from serve_apps.gateway.settings import AuditSettings, AuthSettings, TracingSettings
from serve_apps.model_settings import ModelSettings, Replicas

__all__ = ["AppName", "EmbeddingSettings", "GatewaySettings", "ModelSettings", "Replicas", "ServeConfig", "is_loopback"]

AppName = Literal["customer_service", "code_generation"]

_PLANNED_APPS = ("console",)


class EmbeddingSettings(Settings):
    """One embedding model: any sentence-transformers model, or one that `danlu index` has fitted."""

    name: str = Field(description="what clients write as `model`", pattern=MODEL_NAME)
    path: str = Field(description="folder or Hugging Face name of the model", min_length=1)
    replicas: int = Field(default=1, ge=1, description="how many copies run")
    max_queued: int = Field(default=64, ge=1, description="requests that may wait at a gateway before it answers 429")
    cpus: float = Field(default=0.5, gt=0, description="CPUs that Ray reserves for a replica (it may use more)")
    gpus: float = Field(default=0.0, ge=0, description="GPUs that Ray gives to a replica")


class GatewaySettings(Settings):
    """The OpenAI-compatible front."""

    replicas: int = Field(default=1, ge=1, description="gateway processes")
    proxy: Literal["haproxy", "serve"] = Field(
        default="haproxy",
        description="who takes HTTP connections: HAProxy (on Linux, in a Ray that danlu starts), or Serve's own proxy",
    )
    max_body_bytes: int = Field(default=4 << 20, ge=1024, description="largest request body; more is answered 413")
    body_timeout_s: float = Field(default=30.0, gt=0, description="seconds a body may take to arrive; then 408")
    timeout_s: float = Field(
        default=600.0, gt=0, description="seconds for an answer; less by the header x-request-timeout; then 504"
    )
    drain_s: float = Field(default=30.0, ge=0, description="seconds that open requests may go on for at a stop")
    audit: AuditSettings = Field(default_factory=AuditSettings, description="a line for each request, in files")
    tracing: TracingSettings = Field(default_factory=TracingSettings, description="OpenTelemetry spans")


class ServeConfig(Settings):
    """Everything that `danlu serve` runs until it is stopped."""

    schema_of: ClassVar[str] = "serve"

    models: list[ModelSettings] = Field(description="language models to serve", min_length=1)
    embeddings: list[EmbeddingSettings] = Field(default_factory=list, description="embedding models to serve")
    apps: list[AppName] = Field(default_factory=list, description="applications to serve beside the gateway")
    customer_service: dict[str, Any] = Field(default_factory=dict, description="settings of that application")
    code_generation: dict[str, Any] = Field(default_factory=dict, description="settings of that application")
    gateway: GatewaySettings = Field(default_factory=GatewaySettings, description="the OpenAI-compatible front")
    host: str = Field(default="127.0.0.1", description="address to listen on; any but loopback demands auth.keys_file")
    port: int = Field(default=8000, ge=1, le=65535, description="TCP port")
    auth: AuthSettings = Field(default_factory=AuthSettings, description="who may ask")

    @field_validator("apps", mode="before")
    @classmethod
    def _planned(cls, apps: object) -> object:
        planned = [app for app in _PLANNED_APPS if isinstance(apps, list) and app in apps]
        if planned:
            raise ValueError(f"{planned[0]} is not available yet; leave it out of apps")
        return apps

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [*(model.name for model in self.models), *(model.name for model in self.embeddings)]
        names += [name for model in self.models for name in model.adapters]
        for kind, given in (("models, adapters and embeddings", names), ("apps", self.apps)):
            repeated = sorted(name for name, count in Counter(given).items() if count > 1)
            if repeated:
                raise ValueError(f"{kind} name {', '.join(repeated)} more than once: each must differ")
        for app in ("customer_service", "code_generation"):
            if getattr(self, app) and app not in self.apps:
                raise ValueError(f"{app} has settings, but apps does not list it: add it there, or take them out")
        if self.auth.keys_file is None and self.auth != AuthSettings():
            raise ValueError("auth has limits or a usage_file, but no keys_file: limits are those of keys")
        if not is_loopback(self.host) and self.auth.keys_file is None:
            raise ValueError(f"host is {self.host!r}, which others can reach: set auth.keys_file, or host=127.0.0.1")
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`. A name other than localhost counts as reachable."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
