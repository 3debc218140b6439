"""Settings of the customer-service application."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from danlu import config
from serve_apps.customer_service.decisions import DialogueLimits
from serve_apps.gateway.settings import LimitSettings


class BackOfficeConfig(config.Settings):
    """Who carries out what the flows decide."""

    kind: Literal["simulated", "http"] = Field(
        default="simulated", description="`simulated` does nothing and tells the customer so; `http` asks `url`"
    )
    url: str | None = Field(default=None, description="where actions are sent: POST {url}/{action}")
    timeout_s: float = Field(default=10.0, gt=0, description="seconds before an action counts as unconfirmed")

    @model_validator(mode="after")
    def _url_where_it_is_used(self) -> Self:
        if (self.kind == "http") != (self.url is not None):
            raise ValueError(f"back_office.kind is {self.kind!r}: url goes with kind http, and only with it")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"back_office.url is {self.url!r}: it must begin with http:// or https://")
        return self


class CustomerServiceConfig(config.Settings):
    """One assistant: what it knows, what it can do, and where it keeps its conversations."""

    knowledge: str = Field(min_length=1, description="run directory of `danlu index`")
    understanding: str = Field(min_length=1, description="run directory of `danlu understand`")
    flows: str = Field(min_length=1, description="folder of dialogue flows (*.yaml)")
    model: str | None = Field(
        default=None, description="served language model that phrases answers; null gives the documents' own sentences"
    )
    model_timeout_s: float = Field(default=10.0, gt=0, description="seconds that an answer waits for better words")
    folder: str = Field(default="runs/customer_service", min_length=1, description="where the SQLite file lies")
    database: str | None = Field(
        default=None,
        description="database URL, e.g. postgresql+pg8000://user@host/name; null: SQLite in `folder`, for one machine",
    )
    back_office: BackOfficeConfig = Field(default=BackOfficeConfig(), description="who carries out actions")
    dialogue: DialogueLimits = Field(default=DialogueLimits(), description="when the intent model is trusted")
    passages: int = Field(default=5, ge=1, le=50, description="passages that are looked at for an answer")
    max_characters: int = Field(default=500, ge=1, description="longest message; longer ones are answered 400")
    max_turns: int = Field(default=500, ge=2, description="turns of a conversation, after which a new one is due")
    max_body_bytes: int = Field(default=64 << 10, ge=1024, description="largest request body; more is answered 413")
    replicas: int = Field(default=1, ge=1, description="processes that answer")
    cpus: float = Field(default=0.3, gt=0, description="CPUs that Ray reserves for each")
    keys_file: str | None = Field(default=None, description="file of API keys; without one everybody may ask")
    key_limits: LimitSettings = Field(
        default_factory=LimitSettings, description="of keys; set by the server's auth.limits"
    )


# The name under which `danlu serve` finds an application's settings.
Settings = CustomerServiceConfig
