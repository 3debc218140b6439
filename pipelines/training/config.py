"""What `danlu train` can be told."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from actors.networks.build import check_sizes
from actors.networks.sizes import Architecture, Sizes, preset
from danlu.config import JobConfig, Settings
from danlu.errors import ConfigError, NotAvailableError
from pipelines.training.compression.settings import (
    Compression,
    CompressionSettings,
    check_compression,
    resolved_compression,
)
from pipelines.training.layout import Batching, Layout, check_batching, check_network, check_stages
from pipelines.training.mixture import OTHERS, whole_parts
from pipelines.training.planner.cluster import Cluster
from pipelines.training.planner.config import ClusterSettings, preset_of
from pipelines.training.planner.explain import nothing_fits
from pipelines.training.planner.found import find_cluster
from pipelines.training.planner.search import Limits, search, search_fewer
from pipelines.training.planner.workload import Choice, Workload
from pipelines.training.spikes import OnSpike

_DEFAULT_STEPS = 200
_FINAL_SHARE = 0.1


def _number(value: Any) -> Any:
    # YAML 1.1 reads 2e-3 (without a dot) as text.
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


Number = Annotated[float, BeforeValidator(_number)]


class BatchSettings(Settings):
    """One optimizer step's data, over all workers together."""

    sequences: int = Field(default=16, ge=1, description="sequences per step, over all workers")
    length: int = Field(default=256, ge=8, description="tokens per packed sequence; longer conversations are cut")
    micro: int | None = Field(
        default=None,
        ge=1,
        description="sequences per replica and forward pass; less needs less memory; null = all at once, or with "
        "a pipeline so many that each stage has four batches",
    )


class ParallelSettings(Settings):
    """How the work is spread: data * pipeline * tensor workers, each with one CPU (and one GPU on cuda)."""

    data: int = Field(default=1, ge=1, description="replicas of the network, which share each batch")
    pipeline: int = Field(default=1, ge=1, description="stages that share the layers; ZeRO 0 or 1")
    tensor: int = Field(default=1, ge=1, description="workers that share each layer; divides heads and widths")
    expert: int = Field(
        default=1, ge=1, description="replicas that share out each layer's experts (moe); divides `data`"
    )
    zero: int = Field(
        default=0, ge=0, le=3, description="ZeRO stage: shard 1 optimizer states, 2 gradients too, 3 parameters too"
    )
    auto: bool = Field(default=False, description="`parallel: auto` lets the planner choose all of these for `cluster`")

    @model_validator(mode="after")
    def _nothing_beside_auto(self) -> Self:
        given = sorted(self.model_fields_set - {"auto"}) if self.auto else []
        if given:
            raise ValueError(f"parallel.auto is true and parallel.{given[0]} is given: the planner chooses it")
        return self


class OptimizerSettings(Settings):
    """AdamW and its schedule."""

    learning_rate: Number = Field(
        default=2e-3, gt=0, description="peak; 1e-3..3e-3 for small networks, 1e-5..1e-4 for large"
    )
    schedule: Literal["cosine", "constant"] = Field(default="cosine", description="after the warm-up")
    warmup_steps: int | None = Field(
        default=None, ge=0, description="linear rise to the peak; null = a twentieth of the steps"
    )
    final_share: Number = Field(default=_FINAL_SHARE, ge=0, le=1, description="cosine ends at this share of the peak")
    weight_decay: Number = Field(default=0.01, ge=0, description="on matrices; norms have none")
    gradient_clipping: Number = Field(
        default=1.0, ge=0, description="largest norm of a step's gradient; 0 = no clipping"
    )


class TokenizerSettings(Settings):
    """The byte-level BPE that is trained on the input. With `from`, the checkpoint's tokenizer is used."""

    vocabulary: int = Field(default=4096, ge=300, le=1_000_000, description="most tokens that the tokenizer may have")


class LoraSettings(Settings):
    """Adapters of low rank beside the linear layers of `from`, which itself is not changed."""

    rank: int = Field(default=16, ge=1, description="width of the adapters; more can learn more")
    alpha: int | None = Field(default=None, ge=1, description="adapters count alpha / rank; null = twice the rank")
    dropout: Number = Field(default=0.0, ge=0, lt=1, description="share of an adapter's inputs dropped in training")
    targets: list[str] | None = Field(
        default=None, min_length=1, description="names of layers; null = those of attention and feed-forward networks"
    )

    @property
    def scaled_alpha(self) -> int:
        """`alpha`, or its default."""
        return 2 * self.rank if self.alpha is None else self.alpha


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
    mixture: dict[str, Number] | None = Field(
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
    validation_share: Number = Field(
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
        _check_mixture(self)
        _check_network(self)
        _check_automatic(self)
        _check_lora(self)
        _check_offload(self)
        check_stages(self.layout, self.parallel.zero)
        if not self.parallel.auto:
            check_batching(self.layout, Batching(self.batch.sequences, self.batch.micro))
            check_compression(self)
        _check_precision(self)
        _check_schedule(self)
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


def _check_network(config: TrainConfig) -> None:
    if config.from_ is not None:
        for key in ("architecture", "size", "sizes"):
            if getattr(config, key) is not None:
                raise ValueError(f"{key} and from are both given: the checkpoint in `from` decides the network")
        if config.tokenizer != TokenizerSettings():
            raise ValueError("tokenizer and from are both given: the checkpoint's tokenizer is used")
        return
    kind = config.fresh_architecture()
    sizes = config.fresh_sizes()
    if config.size is not None and sizes != preset(kind, config.size):
        raise ValueError(f"size is {config.size!r} and sizes differ from that preset: give one of them")
    check_sizes(kind, sizes)
    check_network(config.layout, sizes)
    if config.batch.length > sizes.context:
        raise ValueError(f"batch.length is {config.batch.length}: the network's context is {sizes.context} tokens")


def _check_automatic(config: TrainConfig) -> None:
    if config.cluster is not None and not config.parallel.auto:
        raise ValueError("cluster is given and parallel is not auto: only the planner needs to know the cluster")
    kind = config.gradient_compression.kind
    if config.parallel.auto and kind != "none":
        raise ValueError(
            f"parallel is auto and gradient_compression is {kind!r}: the planner counts whole gradients and picks ZeRO "
            "stages, which exclude compression; say parallel.data (2 or more), or leave gradient_compression out"
        )
    if config.parallel.auto and config.from_ is not None:
        raise ValueError("parallel is auto and from is given: the planner needs sizes; say parallel.data and so on")


def _check_mixture(config: TrainConfig) -> None:
    mixture = config.mixture
    if mixture is None:
        if isinstance(config.input, dict):
            raise ValueError("input has names and there is no mixture: give mixture={name: weight, ...}, or a list")
        return
    for key, weight in mixture.items():
        if not 0 <= weight < math.inf:
            raise ValueError(f"mixture.{key} is {weight}: weights are 0 or more")
    whole_parts(list(mixture.values()))
    if isinstance(config.input, dict):
        unknown = [key for key in mixture if key not in config.input and key != OTHERS]
        if unknown:
            raise ValueError(f"mixture.{unknown[0]} names no input: they are {', '.join(config.input)}")
        missing = [name for name in config.input if name not in mixture]
        if missing and OTHERS not in mixture:
            raise ValueError(f"input.{missing[0]} has no weight: add it to the mixture, or '*' for all others")


def _check_lora(config: TrainConfig) -> None:
    if config.lora is None:
        return
    if config.from_ is None:
        raise ValueError("lora is given and from is not: adapters belong to a trained checkpoint, named in `from`")
    for axis in ("pipeline", "tensor", "expert"):
        if getattr(config.parallel, axis) > 1:
            raise ValueError(
                f"lora is given and parallel.{axis} is {getattr(config.parallel, axis)}: adapters are trained with "
                "data parallelism and ZeRO (parallel.zero=3 shards the network too)"
            )


def _check_offload(config: TrainConfig) -> None:
    if config.offload == "none":
        return
    if config.parallel.zero == 0 and not config.parallel.auto:
        raise ValueError("offload is 'optimizer' and parallel.zero is 0: ZeRO does it, from parallel.zero=1 on")
    if config.device == "cpu":
        raise ValueError("offload is 'optimizer' and device is 'cpu': the optimizer is in host memory already")


def _check_precision(config: TrainConfig) -> None:
    if config.precision == "bf16" and config.parallel.zero == 0 and not config.parallel.auto:
        # Measured: small updates are lost in bf16 weights. DeepSpeed keeps fp32 copies from stage 1 on.
        raise ValueError("precision is bf16 and parallel.zero is 0: fp32 master weights need parallel.zero=1 or more")


def _check_schedule(config: TrainConfig) -> None:
    settings = config.optimizer
    # A resolved config gives every key, so the default passes for one that was left out.
    given = "final_share" in settings.model_fields_set and settings.final_share != _FINAL_SHARE
    if given and settings.schedule == "constant":
        raise ValueError(
            f"optimizer.final_share is {settings.final_share} and optimizer.schedule is 'constant': the rate stays at "
            "its peak; leave final_share out, or take schedule=cosine"
        )
    if config.rate_warmup_steps > config.total_steps:
        raise ValueError(
            f"optimizer.warmup_steps is {settings.warmup_steps} and steps is {config.total_steps}: the rate never "
            "reaches its peak; optimizer.warmup_steps must be no more than steps"
        )
