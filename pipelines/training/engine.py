"""DeepSpeed: ZeRO, clipping and precision around a network."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Literal

from pipelines.training.config import TrainConfig
from pipelines.training.groups import Groups
from pipelines.training.planner.memory import bucket_elements, live_elements
from pipelines.training.precision import exact_positions
from pipelines.training.shards import expert_group_name

if TYPE_CHECKING:
    import torch
    from deepspeed import DeepSpeedEngine
    from transformers import PreTrainedModel


def deepspeed_config(config: TrainConfig, parameters: int) -> dict[str, Any]:
    """DeepSpeed's settings for a network of `parameters` parameters. Everything that changes results is explicit."""
    bucket = bucket_elements(parameters)
    return {
        "train_micro_batch_size_per_gpu": config.micro_sequences,
        "gradient_accumulation_steps": config.micro_batches,
        # Where compression is on, it clips: what it hands to the optimizer is no gradient. Without ZeRO, DeepSpeed
        # counts tied weights of a pipeline twice and forgets norms of later stages, so that the executors clip.
        "gradient_clipping": config.optimizer.gradient_clipping if _deepspeed_clips(config) else 0.0,
        "bf16": {"enabled": config.precision == "bf16"},
        "zero_optimization": {
            "stage": config.parallel.zero,
            "reduce_bucket_size": bucket,
            "allgather_bucket_size": bucket,
            **_gathering(config, parameters),
            **_offloading(config),
        },
        # DeepSpeed can split what passes between stages over the tensor parts, but only one tensor of one size.
        "pipeline": {"pipe_partitioned": False, "grad_partitioned": False},
        # torch's AdamW on every device: DeepSpeed's own must be compiled on the spot.
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": sys.maxsize,
    }


def _deepspeed_clips(config: TrainConfig) -> bool:
    return config.parallel.zero > 0 and not config.gradient_compression.is_on


def _gathering(config: TrainConfig, parameters: int) -> dict[str, Any]:
    """How much ZeRO-3 has whole at a time."""
    if config.parallel.zero < 3:
        return {}
    live = live_elements(parameters)
    return {
        "stage3_max_live_parameters": live,
        "stage3_max_reuse_distance": live,
        "stage3_prefetch_bucket_size": min(50_000_000, live // 2),
    }


def _offloading(config: TrainConfig) -> dict[str, Any]:
    if config.offload == "none":
        return {}
    return {"offload_optimizer": {"device": "cpu", "pin_memory": True}}


def start_engine(
    config: TrainConfig, model: PreTrainedModel, groups: Groups, device: Literal["cpu", "cuda"]
) -> DeepSpeedEngine:
    """Wrap `model`. The torch process group is up, and DS_ACCELERATOR was set before DeepSpeed was imported."""
    import deepspeed

    prepare_deepspeed()
    if config.parallel.zero == 3:
        _fetch_experts_together(model)
    if config.recompute:
        enable_recompute(model)
    count = sum(parameter.numel() for parameter in model.parameters())
    with exact_positions(model):
        engine, *_ = deepspeed.initialize(
            model=model,
            optimizer=make_optimizer(config, model, device),
            config=deepspeed_config(config, count),
            mpu=groups,  # also for data parallelism alone: DeepSpeed remembers that of an earlier engine
            dist_init_required=False,
        )
    if config.gradient_compression.is_on:
        engine.enable_backward_allreduce = False
    return engine


def enable_recompute(model: PreTrainedModel) -> None:
    """Each layer forgets what is inside it and computes it again in the backward pass."""
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def set_learning_rate(engine: DeepSpeedEngine, rate: float) -> None:
    """The rate of all weights from the next step on."""
    for group in engine.optimizer.param_groups:
        group["lr"] = rate


def discard_gradients(engine: DeepSpeedEngine) -> None:
    """Drop the gradients of a whole step, as DeepSpeed itself does where its loss scaling overflows."""
    optimizer = engine.optimizer
    engine.zero_grad()
    if hasattr(optimizer, "averaged_gradients"):  # ZeRO keeps its part of the reduced gradients beside the weights
        for group in optimizer.averaged_gradients:
            optimizer.averaged_gradients[group] = None
    if hasattr(optimizer, "all_grad_tensors"):
        for group in optimizer.all_grad_tensors:
            optimizer.all_grad_tensors[group] = None
    if engine.zero_optimization():
        optimizer.zero_grad()
    if getattr(optimizer, "cpu_offload", False):
        optimizer.reset_cpu_buffers()  # it remembers that a gradient was not finite
    if hasattr(optimizer, "micro_step_id"):
        optimizer.micro_step_id = -1 if engine.zero_optimization_stage() < 3 else 0
    engine.micro_steps += 1


def prepare_deepspeed() -> None:
    """Once per process, before anything of DeepSpeed's starts."""
    _use_plain_collectives()
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)


def parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay towards zero; norms, which are vectors, do not. Experts that are spread stand by themselves."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    common = [parameter for parameter in parameters if expert_group_name(parameter) is None]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in common if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in common if p.ndim < 2], "weight_decay": 0.0},
    ]
    spread = [parameter for parameter in parameters if expert_group_name(parameter) is not None]
    if spread:
        # DeepSpeed looks for these two keys to shard them among the workers that have the same experts.
        mark = {"moe": True, "name": expert_group_name(spread[0])}
        groups.append({"params": spread, "weight_decay": weight_decay, **mark})
    # Adapters are matrices alone, and ZeRO wants no empty group.
    return [group for group in groups if group["params"]]


def _fetch_experts_together(model: PreTrainedModel) -> None:
    """Make each mixture of experts one unit for ZeRO-3: workers visit different experts, so gathers must not be."""
    from deepspeed.utils import set_z3_leaf_modules
    from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeSparseMoeBlock

    if any(isinstance(module, Qwen3MoeSparseMoeBlock) for module in model.modules()):
        set_z3_leaf_modules(model, [Qwen3MoeSparseMoeBlock])


def make_optimizer(config: TrainConfig, model: torch.nn.Module, device: str) -> torch.optim.Optimizer:
    """AdamW for the parameters that this worker holds."""
    import torch

    settings = config.optimizer
    groups = parameter_groups(model, settings.weight_decay)
    kind: type[torch.optim.AdamW] = torch.optim.AdamW
    if config.gradient_compression.is_on:
        from pipelines.training.compression.optimizer import DirectedAdamW

        kind = DirectedAdamW
    fused = device == "cuda" and config.offload == "none"
    return kind(groups, lr=settings.learning_rate, betas=(0.9, 0.95), fused=fused)


def _use_plain_collectives() -> None:
    """Keep DeepSpeed from compiling a shared-memory all-reduce on the spot (a minute, and a compiler is needed).

    It builds `deepspeed_shm_comm` on CPUs whenever its table of buildable operations lists it; only inference calls
    the result. DeepSpeed keeps that table as one dict for edits like this one.
    """
    import deepspeed.ops

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
