"""What `danlu train` can be told."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from actors.networks.sizes import Architecture, Sizes, preset
from danlu.config import JobConfig
from danlu.errors import ConfigError, NotAvailableError
from pipelines.training.compression.settings import (
    Compression,
    CompressionSettings,
    resolved_compression,
)
from pipelines.training.layout import Batching, Layout
from pipelines.training.mixture import whole_parts
from pipelines.training.planner.cluster import Cluster
from pipelines.training.planner.config import ClusterSettings, preset_of
from pipelines.training.planner.explain import nothing_fits
from pipelines.training.planner.found import find_cluster
from pipelines.training.planner.search import Limits, search, search_fewer
from pipelines.training.planner.workload import Choice, Workload
from pipelines.training.rules import check_keys
from pipelines.training.settings import (
    BatchSettings,
    LoraSettings,
    OptimizerSettings,
    ParallelSettings,
    TokenizerSettings,
)
from pipelines.training.spikes import OnSpike

_DEFAULT_STEPS = 200


class TrainConfig(JobConfig):
    """Train a language model on clean text, or fine-tune one on conversations.

    Text (`text` in parquet or jsonl) is packed into sequences; conversations (`messages` in jsonl) are trained on the
    assistant's turns only.
    """

    # The data of a step does not depend on these, nor the update from it, rounding apart; but for `on_spike`, and for
    # `gradient_compression`, which a run must be able to leave when it has lost all replicas but one.
    changeable: ClassVar[frozenset[str]] = frozenset(
        {
            "parallel",
            "batch.micro",
            "recompute",
            "offload",
            "gradient_compression",
            "checkpoint_every",
            "device",
            "on_spike",
            "tensorboard",
        }
    )

    input: str | list[str] | dict[str, str | list[str]] = Field(
        description="a cleaning run, or parquet/jsonl files, folders or globs; {name: ...} names them for `mixture`"
    )
    mixture: dict[str, float] | None = Field(
        default=None,
        description="weight of each domain (column `domain`) or named input, '*' for all others; null = as the data is",
    )
    architecture: Architecture | None = Field(
        default=None,
        description="dense (Qwen3), moe (Qwen3-MoE) or sparse (slices of the feed-forward layers, chosen per token); "
        "null = what `sizes` or `from` is, or dense",
    )
    size: str | None = Field(default=None, description="a preset: tiny, small, 0.6b, ...; null = tiny without `sizes`")
    sizes: Sizes | None = Field(default=None, description="explicit sizes instead of a preset")
    from_: str | None = Field(
        default=None,
        alias="from",
        description="start at this checkpoint: a training run, a folder, or a Hugging Face name",
    )
    lora: LoraSettings | None = Field(
        default=None, description="train adapters of low rank instead of all weights of `from`; {} takes the defaults"
    )
    steps: int | None = Field(
        default=None, ge=1, description=f"optimizer steps; null = {_DEFAULT_STEPS}, or as `tokens` says"
    )
    tokens: int | None = Field(default=None, ge=1, description="token budget instead of `steps` (text only)")
    batch: BatchSettings = Field(default_factory=BatchSettings, description="data of one step")
    parallel: ParallelSettings = Field(default_factory=ParallelSettings, description="how the work is spread")
    cluster: ClusterSettings | None = Field(
        default=None, description="what `parallel: auto` plans for, as in `danlu plan`; null = this machine"
    )
    precision: Literal["fp32", "bf16"] = Field(default="fp32", description="bf16 keeps fp32 master weights")
    recompute: bool = Field(
        default=False, description="recompute activations in the backward pass: less memory, more time"
    )
    gradient_compression: Compression = Field(
        default_factory=CompressionSettings, description="none, onebit, or a block: how replicas send gradients"
    )
    offload: Literal["none", "optimizer"] = Field(
        default="none",
        description="optimizer: its states lie and are stepped in host memory (cuda with parallel.zero >= 1): slower",
    )
    optimizer: OptimizerSettings = Field(default_factory=OptimizerSettings, description="AdamW and its schedule")
    tokenizer: TokenizerSettings = Field(default_factory=TokenizerSettings, description="the tokenizer to train")
    on_spike: OnSpike = Field(
        default="skip",
        description="a loss far above the last ones, or no number: skip the step (5 in a row at most), stop, or ignore "
        "(no number stops all the same)",
    )
    tensorboard: bool = Field(default=True, description="write event files into `tensorboard/` of the run")
    checkpoint_every: int = Field(default=100, ge=1, description="steps between checkpoints (and validations)")
    validation_share: float = Field(
        default=0.01, ge=0, le=0.5, description="share of documents held out, chosen by content"
    )
    seed: int = Field(default=0, ge=0, description="of the initial weights and of the order of the data")
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto: cuda where the machine that starts the job has it"
    )

    _preset_of = field_validator("cluster", mode="before")(preset_of)

    @field_validator("parallel", mode="before")
    @classmethod
    def _automatic(cls, value: Any) -> Any:
        return {"auto": True} if value == "auto" else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_keys(self)
        wanted = None if self.tokens is None else self._steps_for(self.tokens)
        if wanted is not None and self.steps not in (None, wanted):
            raise ValueError(f"steps is {self.steps} and tokens is {self.tokens} (= {wanted} steps): give one of them")
        return self

    def resolved(self) -> Self:
        """The config with layout, architecture, sizes, steps, warm-up and micro-batch filled in."""
        if self.parallel.auto:
            return self.planned(self.cluster.cluster() if self.cluster else find_cluster(self.device)).resolved()
        steps = self.total_steps
        optimizer = self.optimizer.model_copy(update={"warmup_steps": self.rate_warmup_steps})
        batch = self.batch.model_copy(update={"micro": self.micro_sequences})
        update: dict[str, Any] = {"steps": steps, "optimizer": optimizer, "batch": batch}
        update["gradient_compression"] = resolved_compression(self.gradient_compression, steps, self.rate_warmup_steps)
        if self.from_ is None:
            update |= {"architecture": self.fresh_architecture(), "sizes": self.fresh_sizes()}
        return self.model_copy(update=update)

    def planned(self, cluster: Cluster) -> Self:
        """The same with the planner's best layout on as many of the cluster's cards as this config can use.

        Raises:
            ConfigError: no layout fits.
        """
        micro, recompute = self.batch.micro, "full" if self.recompute else "none"
        limits = Limits(micro=micro, recompute=recompute)  # type: ignore[arg-type]
        plan = search_fewer(self.workload(), cluster, limits, lambda plan: self._spread(plan.choice) is not None)
        spread = None if plan is None else self._spread(plan.choice)
        if spread is None:
            found = search(self.workload(), cluster, limits)
            rule, fix = nothing_fits(found, cluster)
            raise ConfigError("parallel is auto", rule=rule, fix=f"recompute=true, or {fix}")
        return spread

    def workload(self) -> Workload:
        """What is trained, as the planner sees it."""
        return Workload(
            sizes=self.fresh_sizes(),
            vocabulary=self.tokenizer.vocabulary,
            sequences=self.batch.sequences,
            length=self.batch.length,
            precision=self.precision,
        )

    def _spread(self, choice: Choice) -> Self | None:
        """The same with this choice, or None where it is refused."""
        axes = {axis: getattr(choice, axis) for axis in ("data", "pipeline", "tensor", "expert", "zero")}
        values = self.model_dump(by_alias=True) | {"parallel": axes, "cluster": None}
        values["batch"] |= {"micro": choice.micro}
        try:
            return type(self).model_validate(values)
        except (ValueError, NotAvailableError):
            return None

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        if self.steps is not None:
            return self.steps
        return _DEFAULT_STEPS if self.tokens is None else self._steps_for(self.tokens)

    @property
    def rate_warmup_steps(self) -> int:
        """Steps in which the learning rate rises."""
        given = self.optimizer.warmup_steps
        return max(1, self.total_steps // 20) if given is None else given

    @property
    def layout(self) -> Layout:
        """The grid of workers."""
        axes = self.parallel
        return Layout(axes.data, axes.pipeline, axes.tensor, axes.expert)

    @property
    def micro_sequences(self) -> int:
        """Sequences per replica and forward pass."""
        return Batching(self.batch.sequences, self.batch.micro).micro_sequences(self.layout)

    @property
    def micro_batches(self) -> int:
        """Forward passes per replica and step."""
        return self.batch.sequences // (self.parallel.data * self.micro_sequences)

    @property
    def mixture_parts(self) -> list[int]:
        """A whole number for each group of the mixture, in its order; [1] without one."""
        return [1] if self.mixture is None else whole_parts(list(self.mixture.values()))

    def _steps_for(self, tokens: int) -> int:
        per_step = self.batch.sequences * self.batch.length
        return -(-tokens // per_step)

    def fresh_sizes(self) -> Sizes:
        """The sizes of a network that starts from random weights."""
        return self.sizes or preset(self.fresh_architecture(), self.size or "tiny")

    def fresh_architecture(self) -> Architecture:
        """The architecture of a network that starts from random weights."""
        return self.architecture or (self.sizes.architecture if self.sizes else "dense")
