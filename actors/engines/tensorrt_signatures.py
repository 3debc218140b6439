"""What TensorRT-LLM 1.2 documents of the interfaces that danlu calls, and how an installed package differs from it.

A test binds every call of the engine to this table without a GPU; `scripts/check_tensorrt_llm.py` holds the table
against the real package where there is one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# Parameters by callable, in order. LLM's further keywords are fields of the model that validates them.
SIGNATURES: dict[str, list[str]] = {
    "LLM": [
        *("model", "tokenizer", "tokenizer_mode", "skip_tokenizer_init", "trust_remote_code", "tensor_parallel_size"),
        *("dtype", "revision", "tokenizer_revision", "pipeline_parallel_size", "context_parallel_size"),
        *("moe_tensor_parallel_size", "moe_expert_parallel_size", "enable_lora", "lora_config", "kv_cache_config"),
        *("enable_chunked_prefill", "guided_decoding_backend", "batched_logits_processor", "speculative_config"),
        *("max_batch_size", "max_input_len", "max_seq_len", "max_beam_width", "max_num_tokens", "load_format"),
        "stream_interval",
    ],
    "LLM.generate_async": [
        *("inputs", "sampling_params", "lora_request", "prompt_adapter_request", "streaming"),
        *("kv_cache_retention_config", "disaggregated_params", "_postproc_params", "scheduling_params", "cache_salt"),
    ],
    "LLM.shutdown": [],
    "RequestOutput.abort": [],
    "RequestOutput.aborted": [],
    "KvCacheConfig": [
        *("enable_block_reuse", "max_tokens", "max_attention_window", "sink_token_length"),
        *("free_gpu_memory_fraction", "host_cache_size", "onboard_blocks", "cross_kv_cache_fraction"),
        *("secondary_offload_min_priority", "event_buffer_max_size", "attention_dp_events_gather_period_ms"),
        *("enable_partial_reuse", "copy_on_partial_reuse", "use_uvm", "max_gpu_total_bytes", "dtype"),
        *("mamba_ssm_cache_dtype", "tokens_per_block"),
    ],
    "SamplingParams": [
        *("end_id", "pad_id", "max_tokens", "bad", "bad_token_ids", "stop", "stop_token_ids"),
        *("include_stop_str_in_output", "embedding_bias", "logits_processor", "apply_batched_logits_processor", "n"),
        *("best_of", "use_beam_search", "top_k", "top_p", "top_p_min", "top_p_reset_ids", "top_p_decay", "seed"),
        *("temperature", "min_tokens", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"),
        *("length_penalty", "no_repeat_ngram_size", "logprobs", "prompt_logprobs", "return_context_logits"),
        *("return_generation_logits", "exclude_input_from_output", "return_encoder_output", "ignore_eos"),
        *("detokenize", "add_special_tokens", "truncate_prompt_tokens", "skip_special_tokens"),
        *("spaces_between_special_tokens", "guided_decoding", "lookahead_config", "return_perf_metrics"),
        "additional_model_outputs",
    ],
}
# Of those, what the engines pass: a difference here breaks a call, elsewhere it is merely news.
USED: dict[str, set[str]] = {
    "LLM": {
        *("model", "tensor_parallel_size", "pipeline_parallel_size", "max_batch_size", "max_seq_len"),
        *("enable_chunked_prefill", "kv_cache_config"),
    },
    "LLM.generate_async": {"inputs", "sampling_params", "streaming"},
    "KvCacheConfig": {"enable_block_reuse", "free_gpu_memory_fraction"},
    "SamplingParams": {"max_tokens", "ignore_eos", "stop", "top_k", "temperature", "top_p", "seed"},
}
# What the engines read of answers, by class.
READ: dict[str, set[str]] = {
    "RequestOutput": {"outputs", "finished"},
    "CompletionOutput": {"text_diff", "token_ids", "finish_reason"},
}
# Of a request to /v1/completions, and on the command line of trtllm-serve.
COMPLETION_FIELDS = {
    *("model", "prompt", "max_tokens", "ignore_eos", "stream", "stream_options", "temperature", "top_p", "top_k"),
    *("stop", "seed"),
}
SERVE_OPTIONS = {
    *("--host", "--port", "--backend", "--tp_size", "--pp_size", "--max_batch_size", "--max_seq_len"),
    "--kv_cache_free_gpu_memory_fraction",
}


def parameters(callable_: Callable[..., Any]) -> set[str]:
    """Names that a callable takes: those of its signature, and the fields of a pydantic or dataclass model."""
    names = {name for name in inspect.signature(callable_).parameters if name != "self"}
    return names | set(getattr(callable_, "model_fields", {}))


def attributes(class_: type) -> set[str]:
    """Names that objects of a class have, as far as the class tells: members, slots, and annotated fields."""
    annotated = (vars(base).get("__annotations__", {}) for base in class_.__mro__)
    return set(dir(class_)).union(*annotated)


def differences(name: str, found: Iterable[str]) -> tuple[list[str], list[str]]:
    """What is wrong for the engines, and what is news, in words.

    Args:
        name: a callable of SIGNATURES.
        found: names that the installed one takes.
    """
    documented, known = set(SIGNATURES[name]), set(found)
    gone = sorted(documented - known)
    broken = [f"{name} has no {parameter}, which danlu passes" for parameter in gone if parameter in USED.get(name, ())]
    news = [f"{name} has no {parameter} any more" for parameter in gone if parameter not in USED.get(name, ())]
    return broken, news + [
        f"{name} has {parameter} now" for parameter in sorted(known - documented - {"args", "kwargs"})
    ]


def compare(installed: Mapping[str, Iterable[str]]) -> tuple[list[str], list[str]]:
    """`differences` of all callables in SIGNATURES, and what objects of READ lack; what is not there is wrong."""
    broken: list[str] = []
    news: list[str] = []
    for name in SIGNATURES:
        if name not in installed:
            broken.append(f"there is no {name}")
            continue
        wrong, new = differences(name, installed[name])
        broken += wrong
        news += new
    for name, read in READ.items():
        lacking = sorted(read - set(installed.get(name, ())))
        broken += [f"{name} has no {attribute}, which danlu reads" for attribute in lacking]
    return broken, news
