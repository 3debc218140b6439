"""The finished checkpoint in Hugging Face form, and the proof that it is the network that was trained."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actors.networks.build import register_networks
from danlu.errors import RunError
from pipelines.training.lora import merged, save_adapter, targets_of
from pipelines.training.losses import router_weight
from pipelines.training.plan import TrainingPlan
from pipelines.training.settings import LoraSettings
from pipelines.training.tokenizer import load_tokenizer, stop_tokens

if TYPE_CHECKING:
    import torch

    from pipelines.training.executor import Executor

_PROBE_TOKENS = 32
# Relative to the largest logit. CPU and GPU kernels round differently; bf16 keeps 8 bits.
_TOLERANCE = {"fp32": 1e-4, "bf16": 3e-2}


def export_checkpoint(executor: Executor, plan: TrainingPlan, probe: np.ndarray) -> None:
    """Write `checkpoint/`, `adapter/` and the probe's logits. Every worker takes part; the first one writes.

    Args:
        probe: (tokens,) int64, some real text.
    """
    logits = executor.logits(probe[:_PROBE_TOKENS])
    weights = executor.whole_weights()
    if logits is not None:
        part = plan.result.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        if plan.config.lora is not None:
            _save_adapter(weights, plan, plan.config.lora)
            weights = merged(weights, plan.config.lora)
        _save(executor, weights, plan, part)
        shutil.rmtree(plan.result, ignore_errors=True)
        part.replace(plan.result)
        np.savez(plan.probe, tokens=probe[:_PROBE_TOKENS], logits=logits)


def logit_difference(plan: TrainingPlan) -> tuple[float, float]:
    """Load `checkpoint/` in plain transformers: the largest difference of a logit from training, and what is allowed.

    In bf16, a token to which two experts are nearly alike may be sent to the other one after rounding, which changes
    its logits. So with experts in bf16 it is the difference that three quarters of the tokens stay below.

    Raises:
        RunError: transformers can't load it.
    """
    import torch
    from transformers import AutoModelForCausalLM

    register_networks()
    try:
        model = AutoModelForCausalLM.from_pretrained(plan.result).eval()
    except (OSError, ValueError, RuntimeError) as error:
        raise RunError(f"{plan.result} does not load in transformers", rule=str(error)) from error
    with np.load(plan.probe) as probe, torch.no_grad():
        found = model(input_ids=torch.from_numpy(probe["tokens"])[None]).logits.float().numpy()
        expected = probe["logits"]
    allowed = _TOLERANCE[plan.config.precision] * float(np.abs(expected).max())
    by_token = np.abs(found - expected).max(axis=-1)
    routed = plan.config.precision == "bf16" and router_weight(model.config) > 0
    return float(np.quantile(by_token, 0.75) if routed else by_token.max()), allowed


def _save_adapter(weights: dict[str, torch.Tensor], plan: TrainingPlan, settings: LoraSettings) -> None:
    part = plan.adapter.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    save_adapter(weights, settings, targets_of(weights), str(plan.checkpoint), part)
    shutil.rmtree(plan.adapter, ignore_errors=True)
    part.replace(plan.adapter)


def _save(executor: Executor, weights: dict[str, torch.Tensor], plan: TrainingPlan, folder: Path) -> None:
    """Save through a model of its own, which knows of no engine, no shards and no hooks."""
    import torch
    from transformers import AutoModelForCausalLM

    dtype = next(iter(weights.values())).dtype
    with torch.device("meta"):
        clean = AutoModelForCausalLM.from_config(executor.config, dtype=dtype)
    clean.load_state_dict(weights, strict=False, assign=True)
    clean.tie_weights()
    tokenizer = load_tokenizer(plan.tokenizer)
    clean.generation_config = executor.generation_config
    ends = clean.generation_config.eos_token_id
    known = ends if isinstance(ends, list) else [] if ends is None else [ends]
    clean.generation_config.eos_token_id = sorted({*known, *stop_tokens(tokenizer)})
    clean.generation_config.pad_token_id = tokenizer.pad_token_id
    clean.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
