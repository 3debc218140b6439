"""What each engine can be told about the machine. No library is imported for it, so it is checked before a start."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from danlu.config import Settings

GROUP_SIZE = 64  # weights that share a scale in int4, unless told otherwise
StoredWeights = Literal["auto", "fp32", "bf16", "int8", "int4"]


class OpenVinoSettings(Settings):
    """The CPU engine's settings."""

    threads: int = Field(default=0, ge=0, description="CPU threads; 0 takes every core")
    weights: StoredWeights = Field(
        default="auto",
        description="how weights are stored; auto takes the folder as it is, the others convert the checkpoint once "
        "(int8 a quarter of float32, int4 a seventh, both with errors that only `danlu compress` measures)",
    )
    precision: Literal["auto", "fp32"] = Field(
        default="auto",
        description="of activations and the KV cache; auto lets OpenVINO take bf16 and an INT8 cache where the "
        "processor has them, fp32 computes as transformers does",
    )
    sequences: int = Field(default=32, ge=1, description="requests that are decoded together; more wait")
    kv_cache_gib: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="upper limit of the KV cache, GiB; less is taken when `sequences` full contexts need less",
    )
    prefix_cache: bool = Field(
        default=True, description="keep the KV cache of finished requests for prompts that begin alike"
    )
    step_tokens: int = Field(
        default=256,
        ge=32,
        description="tokens that one step computes at most, of prompts and answers together; more reads prompts "
        "sooner, and keeps answers under way waiting longer",
    )
    prompt_lookup: int = Field(
        default=0,
        ge=0,
        le=32,
        description="tokens that are guessed ahead wherever the last ones stand in prompt or answer already, and "
        "checked in one step; answers stay the same, and those that repeat their prompt come sooner; 0 guesses none",
    )


class TransformersSettings(Settings):
    """The reference engine's settings."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto takes CUDA where there is a device"
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="of weights and activations; auto is the checkpoint's own"
    )
    threads: int = Field(default=0, ge=0, description="CPU threads of torch; 0 leaves torch's default")
    sequences: int = Field(default=16, ge=1, description="requests that are decoded together; more wait")


class TensorRtSettings(Settings):
    """The GPU engine's settings."""

    tensor_parallel: int = Field(default=1, ge=1, description="GPUs that share every layer")
    pipeline_parallel: int = Field(default=1, ge=1, description="groups of GPUs that hold consecutive layers")
    sequences: int = Field(default=256, ge=1, description="largest batch")
    kv_cache_share: float = Field(
        default=0.9, gt=0, le=1, description="share of the free GPU memory that the KV cache takes"
    )
    executable: str | None = Field(
        default=None,
        min_length=1,
        description="trtllm-serve of an environment of its own, run as a child process; without it, TensorRT-LLM runs "
        "in this process where it imports, else trtllm-serve is looked for on PATH",
    )
    start_timeout_s: float = Field(
        default=1800, gt=0, allow_inf_nan=False, description="child process: how long loading may take, seconds"
    )
    restarts: int = Field(default=3, ge=0, description="child process: failures in a row after which it is given up")
