"""What the gateway is told beside its size: who may ask how much, and what is written down."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from danlu.config import HTTP, Settings
from serve_apps.gateway.limits import Limits


class LimitSettings(Settings):
    """What every key may take whose line in the keys file says nothing else."""

    requests_per_minute: int | None = Field(default=None, ge=1, lt=10**15, description="requests of a key in a minute")
    tokens_per_minute: int | None = Field(
        default=None, ge=1, lt=10**15, description="tokens of a key in a minute, prompts and answers"
    )
    budget: int | None = Field(default=None, ge=0, lt=10**15, description="tokens of a key in all")

    def limits(self) -> Limits:
        return Limits(self.requests_per_minute, self.tokens_per_minute, self.budget)


class AuthSettings(Settings):
    """Who may ask, and how much."""

    keys_file: str | None = Field(default=None, description="file of API keys (hashed); without one everybody may ask")
    limits: LimitSettings = Field(
        default_factory=LimitSettings, description="for keys whose line in the keys file has none of its own"
    )
    usage_file: str | None = Field(
        default=None, description="SQLite file of the tokens that keys took; null: the keys file's name and .usage"
    )


class AuditSettings(Settings):
    """A line of JSON for each request that a model was asked with."""

    folder: str | None = Field(default=None, description="where audit.jsonl is written; null writes none")
    max_mib: float = Field(default=100.0, gt=0, allow_inf_nan=False, description="a file that grows beyond is turned")
    files: int = Field(default=10, ge=1, description="turned files that are kept")
    include_text: bool = Field(default=False, description="write questions and answers as well")

    @model_validator(mode="after")
    def _written(self) -> Self:
        if self.include_text and self.folder is None:
            raise ValueError("audit.include_text is true, but audit.folder is null: nothing would be written")
        return self


class TracingSettings(Settings):
    """OpenTelemetry spans of requests, sent by OTLP over HTTP."""

    endpoint: str | None = Field(
        default=None,
        pattern=HTTP,
        description="an OTLP collector (http://host:4318); null: what OTEL_EXPORTER_OTLP_ENDPOINT names, if anything",
    )
    sample: float = Field(
        default=1.0, ge=0, le=1, description="share of requests that begin a trace; a caller's own trace is followed"
    )
