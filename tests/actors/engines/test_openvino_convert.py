from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
from transformers import AutoModelForCausalLM

from actors.engines.model_folders import find_model
from actors.engines.openvino_convert import convert_model
from actors.engines.signal_stack import kept_signal_stack
from danlu.errors import InputError, NotAvailableError

MIXTURE = {"num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 48, "norm_topk_prob": True}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
CASES: dict[str, dict[str, Any]] = {
    "qwen3 with tied heads": {"architecture": "qwen3", "tie_word_embeddings": True},
    "qwen3 with its own head and wide heads": {"architecture": "qwen3", "tie_word_embeddings": False, "head_dim": 32},
    "qwen3 without grouped queries": {"architecture": "qwen3", "num_key_value_heads": 4},
    "qwen3 with attention biases": {"architecture": "qwen3", "attention_bias": True},
    "llama": {"architecture": "llama", "tie_word_embeddings": False},
    "llama with biases": {"architecture": "llama", "attention_bias": True, "mlp_bias": True},
    "llama with another base": {
        "architecture": "llama",
        "rope_parameters": {"rope_type": "default", "rope_theta": 5e5},
    },
    "llama 3 scaling": {
        "architecture": "llama",
        "rope_parameters": {**LLAMA3, "rope_theta": 1e4, "original_max_position_embeddings": 32},
    },
    "linear scaling": {
        "architecture": "llama",
        "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4},
    },
    "yarn scaling": {
        "architecture": "qwen3",
        "rope_parameters": {
            "rope_type": "yarn",
            "factor": 4.0,
            "rope_theta": 1e4,
            "original_max_position_embeddings": 64,
        },
    },
    "dynamic scaling within the context": {
        "architecture": "llama",
        "rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4},
    },
    "qwen2, whose queries have biases": {"architecture": "qwen2", "tie_word_embeddings": True},
    "mixture": {"architecture": "qwen3_moe", **MIXTURE},
    "mixture with shares as they are": {"architecture": "qwen3_moe", **MIXTURE, "norm_topk_prob": False},
    "mixture in some layers": {
        "architecture": "qwen3_moe",
        **MIXTURE,
        "num_hidden_layers": 4,
        "decoder_sparse_step": 2,
        "mlp_only_layers": [3],
        "tie_word_embeddings": True,
    },
    "mixture in bfloat16": {"architecture": "qwen3_moe", "dtype": "bfloat16", **MIXTURE},
    "bfloat16": {"architecture": "qwen3", "dtype": "bfloat16"},
    "float16": {"architecture": "llama", "dtype": "float16"},
}


class Runner:
    """A converted model, run step by step in float32."""

    def __init__(self, folder: Path) -> None:
        precise = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "INFERENCE_NUM_THREADS": 1}
        with kept_signal_stack():
            self.request = ov.Core().compile_model(convert_model(folder), "CPU", precise).create_infer_request()
        self.seen = 0

    def logits(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> np.ndarray:
        batch, new = ids.shape
        positions = np.arange(self.seen, self.seen + new, dtype=np.int64)[None].repeat(batch, 0)
        self.seen += new
        inputs = {
            "input_ids": ids.numpy(),
            "attention_mask": np.ones((batch, self.seen), np.int64) if mask is None else mask.numpy(),
            "position_ids": positions,
            "beam_idx": np.arange(batch, dtype=np.int32),
        }
        return self.request.infer(inputs)["logits"].copy()


def reference(folder: Path, ids: torch.Tensor, mask: torch.Tensor | None = None) -> np.ndarray:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        positions = torch.arange(ids.shape[1])[None].expand(len(ids), -1)
        return model(ids, attention_mask=mask, position_ids=positions).logits.numpy()


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("case", CASES)
def test_logits_equal_those_of_transformers(case: str, write_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    """A prompt of 90 tokens at once, then tokens one by one from the cache."""
    folder = write_checkpoint(tmp_path, **CASES[case])
    ids = torch.randint(3, 300, (2, 93), generator=torch.Generator().manual_seed(1))
    expected, runner = reference(folder, ids), Runner(folder)
    assert_close(runner.logits(ids[:, :90]), expected[:, :90])
    for at in range(90, 93):
        assert_close(runner.logits(ids[:, at : at + 1]), expected[:, at : at + 1])


@pytest.mark.parametrize("case", ["llama 3 scaling", "llama with another base", "yarn scaling", "linear scaling"])
def test_configs_of_older_transformers_mean_the_same(
    case: str, write_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    """Most published checkpoints keep the base and the scaling apart."""
    folder = write_checkpoint(tmp_path / "model", **CASES[case])
    rope = dict(json.loads((folder / "config.json").read_text())["rope_parameters"])
    base = rope.pop("rope_theta")
    scaling = rope if rope["rope_type"] != "default" else None
    old = edited(folder, tmp_path / "old", {"rope_parameters": None, "rope_theta": base, "rope_scaling": scaling})
    ids = torch.randint(3, 300, (1, 90), generator=torch.Generator().manual_seed(3))
    expected = reference(folder, ids)
    assert_close(Runner(old).logits(ids), expected)
    plain = edited(folder, tmp_path / "plain", {"rope_parameters": {"rope_type": "default", "rope_theta": 123.0}})
    assert np.abs(Runner(plain).logits(ids) - expected).max() > 1e-2 * np.abs(expected).max(), "the base was to matter"


def test_a_config_that_leaves_the_norms_epsilon_out_means_that_of_transformers(
    write_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    """Weights are so small that it matters."""
    folder = write_checkpoint(tmp_path / "model", initializer_range=1e-3)
    other = edited(folder, tmp_path / "other", {"rms_norm_eps": 1e-4})
    config = json.loads((folder / "config.json").read_text())
    del config["rms_norm_eps"]
    (folder / "config.json").write_text(json.dumps(config))
    assert not find_model(folder).unconvertible
    ids = torch.randint(3, 300, (1, 20), generator=torch.Generator().manual_seed(5))
    expected = reference(folder, ids)
    assert_close(Runner(folder).logits(ids), expected)
    assert np.abs(Runner(other).logits(ids) - expected).max() > 1e-2 * np.abs(expected).max()


def test_shards_are_read_together(write_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model", tie_word_embeddings=False)
    sharded = tmp_path / "sharded"
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.save_pretrained(sharded, max_shard_size="100KB")
    assert len(list(sharded.glob("model-*.safetensors"))) > 2
    ids = torch.randint(3, 300, (1, 20), generator=torch.Generator().manual_seed(4))
    assert_close(Runner(sharded).logits(ids), reference(folder, ids))


def test_masked_tokens_are_not_looked_at(checkpoint: Path) -> None:
    ids = torch.randint(3, 300, (1, 20), generator=torch.Generator().manual_seed(2))
    mask = torch.ones_like(ids)
    mask[:, :5] = 0
    expected = reference(checkpoint, ids, mask)
    assert_close(Runner(checkpoint).logits(ids, mask)[:, 5:], expected[:, 5:])
    assert np.abs(reference(checkpoint, ids)[:, 5:] - expected[:, 5:]).max() > 0.1, "the mask was to matter"


def test_half_precision_stays_half_in_the_file(write_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    sizes = {}
    for dtype in ("float32", "bfloat16"):
        model = convert_model(write_checkpoint(tmp_path / dtype, dtype=dtype))
        ov.save_model(model, tmp_path / f"{dtype}.xml", compress_to_fp16=False)
        sizes[dtype] = (tmp_path / f"{dtype}.bin").stat().st_size
    assert sizes["bfloat16"] < 0.55 * sizes["float32"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"architectures": ["GptOssForCausalLM"]}, "GptOssForCausalLM"),
        ({"architectures": None}, "architectures"),
        ({"rope_parameters": {"rope_type": "proportional"}}, "proportional"),
        ({"rope_scaling": {"type": "longrope"}, "rope_parameters": None}, "longrope"),
        ({"hidden_act": "gelu"}, "gelu"),
        ({"use_sliding_window": True}, "use_sliding_window"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "use_sliding_window"),
        ({"quantization_config": {"quant_method": "awq"}}, "awq"),
    ],
)
def test_what_can_not_be_rebuilt_is_refused_by_name(
    change: dict[str, Any], named: str, checkpoint: Path, tmp_path: Path
) -> None:
    folder = edited(checkpoint, tmp_path / "model", change)
    with pytest.raises(NotAvailableError, match=named):
        convert_model(folder)


def test_experts_are_read_only_when_a_token_uses_them(write_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    """The processor's plugin gathers the matrices that are used: three operations a layer, and no full product."""
    model = convert_model(write_checkpoint(tmp_path, "qwen3_moe", **MIXTURE))
    with kept_signal_stack():
        compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1})
    kinds = [node.get_rt_info()["layerType"].astype(str) for node in compiled.get_runtime_model().get_ops()]
    assert kinds.count("GatherMatmul") == 2 * 3


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"hidden_size": float("nan")}, "hidden_size is nan: it must be a whole number above zero"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"vocab_size": "many"}, "vocab_size is 'many'"),
        ({"intermediate_size": True}, "intermediate_size is True"),
        ({"num_key_value_heads": 3}, "num_key_value_heads is 3: the 4 heads"),
        ({"head_dim": 15}, "head_dim is 15"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps is nan"),
        ({"num_attention_heads": None}, "the key num_attention_heads is missing"),
        ({"rope_parameters": {"rope_type": "linear"}}, "rope_type is 'linear': transformers can't read"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": float("nan")}}, "no numbers"),
        ({"intermediate_size": 256}, r"shape is \(128, 64\), by config.json it is \(256, 64\)"),
        ({"attention_bias": True}, r"q_proj\.bias in .* missing from the checkpoint"),
    ],
)
def test_a_wrong_config_is_one_clear_error(
    change: dict[str, Any], problem: str, checkpoint: Path, tmp_path: Path
) -> None:
    folder = edited(checkpoint, tmp_path / "model", change)
    with pytest.raises(InputError, match=problem):
        convert_model(folder)


def test_more_experts_for_a_token_than_there_are_is_refused(
    write_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "model", "qwen3_moe", **MIXTURE)
    wrong = edited(folder, tmp_path / "wrong", {"num_experts_per_tok": 7})
    with pytest.raises(InputError, match="num_experts_per_tok is 7"):
        convert_model(wrong)


def test_a_tensor_without_a_place_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = edited(checkpoint, tmp_path / "model", {"num_hidden_layers": 1})
    with pytest.raises(NotAvailableError, match=r"model\.layers\.1\."):
        convert_model(folder)


def test_a_missing_tensor_is_named(checkpoint: Path, tmp_path: Path) -> None:
    folder = edited(checkpoint, tmp_path / "model", {"num_hidden_layers": 3})
    with pytest.raises(InputError, match=r"model\.layers\.2\."):
        convert_model(folder)


def test_a_missing_shard_is_named(checkpoint: Path, tmp_path: Path) -> None:
    folder = edited(checkpoint, tmp_path / "model", {})
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(InputError, match="lacks model-00002-of-00002"):
        convert_model(folder)


def test_a_torn_weights_file_is_named(checkpoint: Path, tmp_path: Path) -> None:
    folder = edited(checkpoint, tmp_path / "model", {})
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"model\.safetensors can't be read"):
        convert_model(folder)


def edited(checkpoint: Path, folder: Path, change: dict[str, Any]) -> Path:
    """A copy of the checkpoint with changed config keys."""
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    return folder
