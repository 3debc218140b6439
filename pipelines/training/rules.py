"""Which keys of `danlu train` exclude each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from actors.networks.build import check_sizes
from actors.networks.sizes import preset
from pipelines.training.compression.settings import check_compression
from pipelines.training.layout import Batching, check_batching, check_network, check_stages
from pipelines.training.mixture import OTHERS, whole_parts
from pipelines.training.settings import FINAL_SHARE, TokenizerSettings

if TYPE_CHECKING:
    from pipelines.training.config import TrainConfig


def check_keys(config: TrainConfig) -> None:
    """Raise ValueError naming the keys, their values and the rule."""
    _check_mixture(config)
    _check_network(config)
    _check_automatic(config)
    _check_lora(config)
    _check_offload(config)
    check_stages(config.layout, config.parallel.zero)
    if not config.parallel.auto:
        check_batching(config.layout, Batching(config.batch.sequences, config.batch.micro))
        check_compression(config)
    _check_precision(config)
    _check_schedule(config)


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
    given = "final_share" in settings.model_fields_set and settings.final_share != FINAL_SHARE
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
