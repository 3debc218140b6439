"""Config of one served language model: its versions, adapters, replicas and how requests find a replica."""

from __future__ import annotations

import math
import re
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from danlu.config import MODEL_NAME, NAME, Settings

EngineName = Literal["auto", "openvino", "transformers", "tensorrt_llm"]


class Replicas(Settings):
    """How many copies of a model run, and what makes Serve add one."""

    min: int = Field(default=1, ge=0, description="replicas always running; 0 lets an idle model leave memory")
    max: int = Field(default=1, ge=1, description="most replicas that load may start")
    target_ongoing: float = Field(default=8.0, gt=0, description="requests per replica that autoscaling aims at")
    target_kv_use: float | None = Field(
        default=None, gt=0, le=1, description="used share of a replica's KV cache to aim at; null leaves it out"
    )
    target_first_token_s: float | None = Field(
        default=None, gt=0, description="seconds until the first token to aim at; null leaves it out"
    )
    window_s: float = Field(default=10.0, gt=0, description="seconds that load is averaged over")
    up_after_s: float = Field(default=5.0, ge=0, description="seconds of too much load before replicas are added")
    down_after_s: float = Field(default=120.0, ge=0, description="seconds of too little before one is taken away")
    zero_after_s: float = Field(default=300.0, ge=0, description="seconds without a request before the last one goes")
    wake_within_s: float = Field(
        default=120.0, gt=0, description="seconds that a request waits for a model that is asleep; then 503"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"replicas.min is {self.min}: it may not exceed replicas.max ({self.max})")
        fixed = self.min == self.max
        for keys, without_effect, fix in (
            (("target_kv_use", "target_first_token_s", "window_s", "up_after_s", "down_after_s"), fixed, "raise max"),
            (("zero_after_s", "wake_within_s"), self.min > 0, "set min to 0"),
        ):
            for key in keys:
                if without_effect and getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(
                        f"replicas.{key} is {getattr(self, key)}, which does nothing with min {self.min} and max "
                        f"{self.max}: {fix}, or leave it out"
                    )
        return self

    @property
    def max_ongoing(self) -> int:
        """Requests that one replica takes at once: twice the target, so that load shows before it queues."""
        return max(1, math.ceil(2 * self.target_ongoing))


class Routing(Settings):
    """Which replica gets a request."""

    by: Literal["balanced", "prefix"] = Field(
        default="balanced",
        description="balanced: the less loaded of two at random; prefix: the one that has read the prompt's beginning",
    )
    most_ahead: int = Field(
        default=4, ge=0, description="prefix: requests that the chosen replica may have more than the idlest one"
    )
    remembered: int = Field(
        default=100_000, ge=1, description="prefix: blocks of prompts that a gateway remembers; the oldest go first"
    )

    @model_validator(mode="after")
    def _only_with_prefix(self) -> Self:
        for key in ("most_ahead", "remembered"):
            if self.by != "prefix" and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"routing.{key} does nothing with routing.by={self.by}: use prefix, or leave it out")
        return self


class Canary(Settings):
    """A second version of a model, which gets a share of its requests."""

    path: str = Field(description="run directory or model folder of that version", min_length=1)
    share: float = Field(ge=0, le=1, description="share of the conversations that it answers")
    version: str = Field(default="canary", pattern=NAME, description="its name in x-model-version and the metrics")
    replicas: Replicas | None = Field(default=None, description="how many copies run; null takes the model's")


class ModelSettings(Settings):
    """One language model: a checkpoint, the engine that runs it, and its share of the cluster."""

    name: str = Field(description="what clients write as `model`", pattern=MODEL_NAME)
    path: str = Field(description="run directory or model folder (Hugging Face form or OpenVINO)", min_length=1)
    version: str = Field(default="stable", pattern=NAME, description="its name in x-model-version and the metrics")
    canary: Canary | None = Field(default=None, description="a second version that gets a share of the requests")
    adapters: dict[str, str] = Field(
        default_factory=dict, description="LoRA adapters: what clients write as `model` -> folder in peft's form"
    )
    engine: EngineName = Field(
        default="auto", description="inference engine; auto chooses by hardware and architecture"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="options of the engine, as it names them")
    replicas: Replicas = Field(default_factory=Replicas, description="how many copies run")
    routing: Routing = Field(
        default_factory=Routing, description="which replica gets a request; `prefix` alone will do"
    )
    max_queued: int = Field(default=64, ge=1, description="requests that may wait at a gateway before it answers 429")
    cpus: float = Field(default=0.5, gt=0, description="CPUs that Ray reserves for a replica (it may use more)")
    gpus: float = Field(default=0.0, ge=0, description="GPUs that Ray gives to a replica")

    @field_validator("routing", mode="before")
    @classmethod
    def _by_name(cls, routing: object) -> object:
        return {"by": routing} if isinstance(routing, str) else routing

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.engine == "tensorrt_llm" and self.gpus == 0:
            raise ValueError("gpus is 0: engine tensorrt_llm needs at least one GPU for each replica")
        shares = [self.options.get(key, 1) for key in ("tensor_parallel", "pipeline_parallel")]
        if self.engine == "tensorrt_llm" and all(isinstance(n, int) for n in shares) and math.prod(shares) > self.gpus:
            rule = f"options.tensor_parallel x options.pipeline_parallel is {math.prod(shares)}"
            raise ValueError(f"gpus is {self.gpus:g}: {rule}, and each replica needs as many GPUs")
        if self.engine == "tensorrt_llm" and self.replicas.target_kv_use is not None:
            raise ValueError("replicas.target_kv_use: engine tensorrt_llm does not tell its KV use; leave it out")
        if self.adapters and self.engine not in ("auto", "transformers"):
            raise ValueError(f"adapters: engine {self.engine} can't serve them; use engine=transformers")
        for name in self.adapters:
            _check_name(name)
        if self.canary is not None and self.canary.version == self.version:
            raise ValueError(f"canary.version is {self.version!r}, as is version: name them apart")
        return self

    def of_canary(self) -> ModelSettings | None:
        """The same model as its canary runs it. Adapters stay with the version that they were trained on."""
        if self.canary is None:
            return None
        update = {
            "path": self.canary.path,
            "version": self.canary.version,
            "replicas": self.canary.replicas or self.replicas,
            "canary": None,
            "adapters": {},
        }
        return self.model_copy(update=update)


def _check_name(name: str) -> None:
    if not re.match(NAME, name):
        raise ValueError(f"adapters has the name {name!r}: letters, digits and ._- only")
