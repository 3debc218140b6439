"""Settings of the code-generation application."""

from __future__ import annotations

from pydantic import Field

from actors.sandbox.limits import Limits
from actors.sandbox.results import Level
from danlu import config
from serve_apps.gateway.settings import LimitSettings


class SandboxSettings(config.Settings):
    """How candidates are run."""

    minimum_level: Level = Field(
        default="rlimits", description="weakest isolation to start with; bubblewrap for code from untrusted users"
    )


class CodeGenerationConfig(config.Settings):
    """What `danlu serve` passes to the code-generation application."""

    model: str | None = Field(default=None, description="served language model that refines, or null for none")
    sandbox: SandboxSettings = Field(default_factory=SandboxSettings, description="isolation of candidates")
    limits: Limits = Field(default_factory=Limits, description="bounds for running one candidate on the examples")
    max_candidates: int = Field(default=24, ge=1, le=500, description="templates run on the examples at most")
    search_expressions: int = Field(
        default=60_000, ge=0, description="expressions tried when no template fits; 0 leaves the search out"
    )
    repair_rounds: int = Field(default=2, ge=0, le=2, description="times that the language model may mend its code")
    max_tokens: int = Field(default=768, ge=16, description="length of one answer of the language model")
    max_ongoing: int = Field(default=4, ge=1, description="requests under way at once; more wait, then get 429")
    replicas: int = Field(default=1, ge=1, description="copies of the application")
    keys_file: str | None = Field(default=None, description="file of API keys; set by the server's auth.keys_file")
    key_limits: LimitSettings = Field(
        default_factory=LimitSettings, description="of keys; set by the server's auth.limits"
    )


Settings = CodeGenerationConfig  # the name by which the server finds an application's settings
