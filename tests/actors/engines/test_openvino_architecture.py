"""What the converter reads of a config.json, beside what transformers reads of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, PretrainedConfig, Qwen2Config, Qwen3Config, Qwen3MoeConfig, Qwen3MoeForCausalLM

from actors.engines.openvino_architecture import ARCHITECTURES, ROPE_TYPES, Experts, read_architecture, rope_type
from danlu.errors import DanluError, InputError, NotAvailableError

SIZES: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 100,
    "rms_norm_eps": 1e-5,
}
MIXTURE = {"num_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 24}
CLASSES: dict[str, type[PretrainedConfig]] = {
    "Qwen3ForCausalLM": Qwen3Config,
    "Qwen3MoeForCausalLM": Qwen3MoeConfig,
    "Qwen2ForCausalLM": Qwen2Config,
    "LlamaForCausalLM": LlamaConfig,
}


def config(name: str = "Qwen3ForCausalLM", **changed: Any) -> dict[str, Any]:
    """A config.json; a value of None leaves the key out."""
    keys = {"architectures": [name], **SIZES, **(MIXTURE if "Moe" in name else {}), **changed}
    return {key: value for key, value in keys.items() if value is not None}


@pytest.mark.parametrize("name", ARCHITECTURES)
@given(data=st.data())
@settings(max_examples=30)
def test_sizes_are_those_of_transformers(name: str, data: st.DataObject) -> None:
    """Whichever sizes a file has, as transformers writes it."""
    size = st.integers(1, 4)
    kv_heads = data.draw(size)
    heads = kv_heads * data.draw(size)
    ours = {
        "hidden_size": data.draw(size) * 8 * heads,
        "intermediate_size": data.draw(size) * 7,
        "num_hidden_layers": data.draw(size),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": 2 * data.draw(size),
        "vocab_size": data.draw(size) * 50,
        "rms_norm_eps": data.draw(st.sampled_from([1e-5, 1e-6])),
        "tie_word_embeddings": data.draw(st.booleans()),
    }
    theirs = CLASSES[name](**ours, architectures=[name])
    found = read_architecture(theirs.to_dict())
    assert (found.layers, found.hidden, found.inner) == (
        theirs.num_hidden_layers,
        theirs.hidden_size,
        theirs.intermediate_size,
    )
    assert (found.heads, found.kv_heads) == (theirs.num_attention_heads, theirs.num_key_value_heads)
    assert (found.head_size, found.vocabulary, found.rms_eps) == (
        theirs.head_dim,
        theirs.vocab_size,
        theirs.rms_norm_eps,
    )
    assert (found.tied, found.rope_type) == (theirs.tie_word_embeddings, "default")


@pytest.mark.parametrize("key", ["rms_norm_eps", "tie_word_embeddings", "attention_bias", "rope_parameters"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_key_that_is_left_out_means_what_transformers_takes(name: str, key: str) -> None:
    theirs = CLASSES[name](**{name: value for name, value in SIZES.items() if name != key})
    found = read_architecture(config(name, **{key: None}))
    assert found.rms_eps == theirs.rms_norm_eps
    assert found.tied == theirs.tie_word_embeddings
    assert found.attention_bias == getattr(theirs, "attention_bias", name == "Qwen2ForCausalLM")
    assert found.rope_type == theirs.rope_parameters["rope_type"]


def test_each_architecture_has_its_parts() -> None:
    read = {name: read_architecture(config(name)) for name in ARCHITECTURES}
    assert {name for name, found in read.items() if found.head_norms} == {"Qwen3ForCausalLM", "Qwen3MoeForCausalLM"}
    assert {name for name, found in read.items() if found.attention_bias} == {"Qwen2ForCausalLM"}
    assert {name for name, found in read.items() if found.experts} == {"Qwen3MoeForCausalLM"}


def test_old_configs_that_leave_head_sizes_out_are_read() -> None:
    found = read_architecture(config("LlamaForCausalLM", head_dim=None, num_key_value_heads=None))
    assert (found.head_size, found.kv_heads) == (48 // 6, 6)


@given(
    layers=st.integers(1, 6),
    step=st.integers(1, 4),
    plain=st.lists(st.integers(0, 7)),
    normalised=st.booleans(),
)
@settings(max_examples=30)
def test_the_layers_with_experts_are_those_of_transformers(
    layers: int, step: int, plain: list[int], normalised: bool
) -> None:
    changed = {
        "num_hidden_layers": layers,
        "decoder_sparse_step": step,
        "mlp_only_layers": plain,
        "norm_topk_prob": normalised,
    }
    found = read_architecture(config("Qwen3MoeForCausalLM", **changed))
    assert found.experts == Experts(8, 3, 24, normalised)
    with torch.device("meta"):
        theirs = Qwen3MoeForCausalLM(Qwen3MoeConfig(**{**SIZES, **MIXTURE, **changed}))
    expected = [hasattr(layer.mlp, "experts") for layer in theirs.model.layers]
    assert [found.has_experts(layer) for layer in range(layers)] == expected


def test_a_number_of_layers_that_no_network_has_takes_no_memory() -> None:
    """Weights that are missing tell of it; a list of its layers would have ended the process."""
    found = read_architecture(config("Qwen3MoeForCausalLM", num_hidden_layers=10**15, decoder_sparse_step=2))
    assert found.has_experts(10**14 + 1) and not found.has_experts(10**14)


def test_a_dense_network_has_no_experts_whatever_its_config_says() -> None:
    found = read_architecture(config(**MIXTURE, mlp_only_layers=[0]))
    assert found.experts is None and not found.has_experts(1)


def test_older_names_of_keys_are_read() -> None:
    moe = config("Qwen3MoeForCausalLM", num_experts=None, num_local_experts=8)
    experts = read_architecture(moe).experts
    assert experts is not None and experts.count == 8
    assert rope_type({"rope_scaling": {"type": "yarn"}}) == "yarn"
    assert rope_type({"rope_scaling": {"rope_type": "yarn", "type": "linear"}}) == "yarn"
    assert rope_type({"rope_parameters": {"rope_type": "llama3"}, "rope_scaling": {"type": "yarn"}}) == "llama3"
    assert rope_type({"rope_parameters": None, "rope_scaling": None}) == rope_type({}) == "default"


@pytest.mark.parametrize(
    ("changed", "what", "rule"),
    [
        ({"architectures": ["GptOss"]}, "architectures is 'GptOss'", ", ".join(ARCHITECTURES)),
        ({"architectures": []}, "architectures is 'none'", ", ".join(ARCHITECTURES)),
        ({"rope_scaling": {"type": "longrope"}}, "rope_type is 'longrope'", ", ".join(ROPE_TYPES)),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'", "silu"),
        ({"use_sliding_window": True}, "use_sliding_window is True", "full attention only"),
        ({"quantization_config": {"bits": 4}}, "quantization_config is 'unknown'", "unquantized weights only"),
    ],
)
def test_a_network_of_another_kind_is_refused_with_what_serves_it(
    changed: dict[str, Any], what: str, rule: str
) -> None:
    with pytest.raises(NotAvailableError) as refused:
        read_architecture(config(**changed))
    assert refused.value.what == f"config.json: {what}"
    assert refused.value.rule.startswith("the OpenVINO converter can't rebuild that; it ")
    assert refused.value.rule.endswith(rule)
    assert refused.value.fix == "serve it with engine=transformers"


@pytest.mark.parametrize(
    ("changed", "what", "rule"),
    [
        ({"num_key_value_heads": 4}, "num_key_value_heads is 4", "the 6 heads of num_attention_heads can't be shared"),
        ({"head_dim": 7}, "head_dim is 7", "rotary embeddings need an even one"),
        ({"hidden_size": 3, "head_dim": None}, "head_dim is 0", "it must be a whole number above zero"),
        ({"rms_norm_eps": -1e-6}, "rms_norm_eps is -1e-06", "it must be a small positive number"),
        ({"rms_norm_eps": True}, "rms_norm_eps is True", "it must be a small positive number"),
        ({"rms_norm_eps": 10**400}, f"rms_norm_eps is {10**400}", "it must be a small positive number"),
        ({"num_experts_per_tok": 9}, "num_experts_per_tok is 9", "num_experts is 8"),
        ({"architectures": "Qwen3ForCausalLM"}, "architectures is 'Qwen3ForCausalLM'", "it must be a list"),
        ({"rope_scaling": "yarn"}, "rope_scaling is 'yarn'", "it must be a JSON object"),
        ({"quantization_config": "awq"}, "quantization_config is 'awq'", "it must be a JSON object"),
        ({"layer_types": 3}, "layer_types is 3", "it must be a list"),
        ({"mlp_only_layers": 3}, "mlp_only_layers is 3", "it must be a list"),
        ({"mlp_only_layers": [[3]]}, "mlp_only_layers is [[3]]", "it must be a list of whole numbers"),
    ],
)
def test_a_config_that_can_not_be_is_one_clear_error(changed: dict[str, Any], what: str, rule: str) -> None:
    with pytest.raises(InputError) as refused:
        read_architecture(config("Qwen3MoeForCausalLM", **changed))
    assert refused.value.what == f"config.json: {what}"
    assert refused.value.rule.startswith(rule)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=5), parts, max_size=3),
    max_leaves=5,
)
KEYS = sorted(
    {
        *config("Qwen3MoeForCausalLM"),
        *("rope_parameters", "rope_scaling", "hidden_act", "use_sliding_window", "layer_types", "quantization_config"),
        *("tie_word_embeddings", "attention_bias", "norm_topk_prob", "decoder_sparse_step", "mlp_only_layers"),
    }
)


@given(changed=st.dictionaries(st.sampled_from(KEYS), JSON, min_size=1, max_size=2))
@settings(max_examples=300)
def test_any_json_is_read_or_refused_in_our_terms(changed: dict[str, Any]) -> None:
    """A config.json comes from anywhere."""
    try:
        found = read_architecture({**config("Qwen3MoeForCausalLM"), **changed})
    except DanluError as error:
        assert error.what.startswith("config.json") and error.rule
    else:
        assert found.heads % found.kv_heads == 0 and found.head_size % 2 == 0
        assert isinstance(found.has_experts(found.layers - 1), bool)
