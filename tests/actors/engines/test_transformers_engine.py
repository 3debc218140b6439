from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from actors.engines.model_files import context_length, read_config
from actors.engines.protocol import GenerationRequest, SamplingParams
from actors.engines.select import create_engine
from actors.engines.settings import TransformersSettings
from actors.engines.text_sizes import with_text_sizes
from actors.engines.transformers_engine import TransformersEngine, TransformersModel
from danlu.errors import InputError, NotAvailableError


def test_missing_weights_are_refused_instead_of_drawn_at_random(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 1 tensors, model\.layers\.1\.mlp\.up_proj\.weight"):
        load(folder)


def test_a_torn_checkpoint_says_so(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(InputError, match="does not load"):
        load(folder)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_is_refused(checkpoint: Path) -> None:
    with pytest.raises(NotAvailableError, match="no CUDA device"):
        load(checkpoint, device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_answer_of_the_cpu(checkpoint: Path, ask: Any) -> None:
    request = GenerationRequest("a", "云杉银行", SamplingParams(max_tokens=20, temperature=0, ignore_eos=True))
    answers = [ask(TransformersEngine(checkpoint, device=device), request)[0] for device in ("cpu", "cuda")]
    assert answers[0][-1].completion_tokens == answers[1][-1].completion_tokens == 20
    assert "".join(d.text for d in answers[0]) == "".join(d.text for d in answers[1])


def load(folder: Path, **settings: Any) -> None:
    import asyncio

    async def session() -> None:
        await TransformersEngine(folder, **settings).start()

    asyncio.run(session())


LENGTHS = (5, 40, 1, 23, 11, 5)


def requests_for_a_batch() -> list[tuple[list[int], SamplingParams]]:
    """Prompts of different lengths, answers of different lengths, greedy and drawn."""
    generator = torch.Generator().manual_seed(3)
    prompts = [torch.randint(3, 400, (length,), generator=generator).tolist() for length in LENGTHS]
    return [
        (prompt, SamplingParams(max_tokens=8 + 9 * (i % 3), temperature=float(i % 2), seed=i, ignore_eos=True))
        for i, prompt in enumerate(prompts)
    ]


def model_of(folder: Path, **settings: Any) -> TransformersModel:
    config = with_text_sizes(folder, read_config(folder))
    model = TransformersModel(folder, config, TransformersSettings(device="cpu", **settings))
    model.load()
    return model


def run_out(model: TransformersModel, answers: dict[int, list[int]], steps: int = 1000) -> None:
    for _ in range(steps):
        new = model.step()
        assert len({tokens.request_id for tokens in new}) == len(new) == model.running()
        if not new:
            return
        for tokens in new:
            answers.setdefault(tokens.request_id, []).extend(tokens.token_ids)


def alone(folder: Path) -> dict[int, list[int]]:
    answers: dict[int, list[int]] = {}
    for i, (prompt, sampling) in enumerate(requests_for_a_batch()):
        model = model_of(folder)
        model.add(i, prompt, sampling)
        run_out(model, answers)
    return answers


@pytest.mark.parametrize("at_once", [1, 3, 16])
def test_requests_that_share_a_batch_get_the_answers_they_get_alone(checkpoint: Path, at_once: int) -> None:
    model, answers = model_of(checkpoint, sequences=at_once), {}
    for i, (prompt, sampling) in enumerate(requests_for_a_batch()):
        model.add(i, prompt, sampling)
        run_out(model, answers, steps=2)  # the next one joins while these are under way
    run_out(model, answers)
    assert answers == alone(checkpoint)


def test_a_cancelled_request_leaves_the_batch_and_the_others_go_on(checkpoint: Path) -> None:
    model, answers = model_of(checkpoint), {}
    for i, (prompt, sampling) in enumerate(requests_for_a_batch()):
        model.add(i, prompt, sampling)
    run_out(model, answers, steps=8)
    model.cancel(1)
    cut = list(answers.pop(1))
    run_out(model, answers)
    expected = alone(checkpoint)
    assert expected.pop(1)[: len(cut)] == cut and answers == expected


def test_a_model_with_a_sliding_window_is_decoded_one_request_after_the_other(tmp_path: Path) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = MistralConfig(vocab_size=420, num_key_value_heads=1, sliding_window=8, initializer_range=0.3, **shape)
    network = MistralForCausalLM(config).eval()
    network.save_pretrained(tmp_path)
    model, answers = model_of(tmp_path), {}
    prompts = [[5, 9, 17, 200, 31], [7] * 12]
    for i, prompt in enumerate(prompts):
        model.add(i, prompt, SamplingParams(max_tokens=20, temperature=0, seed=0, ignore_eos=True))
    run_out(model, answers)
    for i, prompt in enumerate(prompts):
        whole = network.generate(torch.tensor([prompt]), max_new_tokens=20, min_new_tokens=20, do_sample=False)
        assert answers[i] == whole[0, len(prompt) :].tolist()


@pytest.mark.parametrize(
    "kind", ["mamba", "rwkv", "bamba", "gemma3_text", "bloom", "mpt", "opt", "falcon", "bart", "roberta"]
)
def test_networks_without_the_usual_positions_or_caches_are_decoded(tmp_path: Path, kind: str) -> None:
    """Mamba and RWKV keep states under names of their own, Bamba in some layers, Gemma a window in some; the others
    learn positions or count distances.
    """
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocab_size": 420, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {"tie_word_embeddings": False}  # else a random network says one token again and again
    more = {
        "bamba": {
            "num_key_value_heads": 2,
            "mamba_n_heads": 8,
            "mamba_d_head": 8,
            "mamba_n_groups": 1,
            "attn_layer_indices": [1],
        },
        "gemma3_text": {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 8},
        "falcon": {"alibi": True},
        "bart": {"is_decoder": True, "is_encoder_decoder": False, "decoder_layers": 2, "forced_eos_token_id": None},
        "roberta": {"is_decoder": True, "intermediate_size": 64},
        "opt": {"word_embed_proj_dim": 32, "ffn_dim": 64},
    }
    config = AutoConfig.for_model(kind, **sizes, **more.get(kind, {}))
    config.eos_token_id = None
    network = AutoModelForCausalLM.from_config(config).eval()
    for weights in (one for one in network.parameters() if one.dim() == 2):
        torch.nn.init.normal_(weights, std=0.3)
    network.save_pretrained(tmp_path)
    assert_answers(tmp_path, network)


def test_the_language_model_of_a_network_that_sees_is_decoded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    text = {"vocab_size": 420, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 8}
    text |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 96}
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 28, "patch_size": 14}
    config = AutoConfig.for_model("gemma3", text_config=text, vision_config=vision)
    config.eos_token_id = None
    network = AutoModelForCausalLM.from_config(config).eval()
    network.save_pretrained(tmp_path)
    assert_answers(tmp_path, network)


def assert_answers(folder: Path, network: Any) -> None:
    """Two requests at once have the answers that transformers' own `generate` gives to each."""
    model, answers = model_of(folder), dict[int, list[int]]()
    prompts = [[5, 9, 17, 200, 31], [7] * 12]
    for i, prompt in enumerate(prompts):
        model.add(i, prompt, SamplingParams(max_tokens=20, temperature=0, seed=0, ignore_eos=True))
    run_out(model, answers)
    for i, prompt in enumerate(prompts):
        whole = network.generate(torch.tensor([prompt]), max_new_tokens=20, do_sample=False, pad_token_id=0)
        assert answers[i] == whole[0, len(prompt) :].tolist()
        assert len(set(answers[i])) > 1, "else anything would do"


def test_the_share_of_the_kv_cache_that_is_taken(checkpoint: Path) -> None:
    model = model_of(checkpoint, sequences=2)
    full = 2 * context_length(read_config(checkpoint))
    assert model.kv_cache_use() == 0
    for request_id, length in enumerate((10, 30)):
        model.add(request_id, [5] * length, SamplingParams(max_tokens=9, temperature=0, seed=0, ignore_eos=True))
    model.step()
    assert model.kv_cache_use() == 10 / full
    model.step()
    assert model.kv_cache_use() == 2 * 30 / full, "the shorter row is padded to the longer one"
    model.cancel(1)
    assert model.kv_cache_use() == 11 / full


def test_a_network_with_other_names_for_its_sizes_is_served(checkpoint: Path, tmp_path: Path, ask: Any) -> None:
    """GPT-2 says n_positions where others say max_position_embeddings."""
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(checkpoint / name, tmp_path)
    vocabulary = read_config(checkpoint)["vocab_size"]
    config = GPT2Config(vocab_size=vocabulary, n_positions=96, n_embd=32, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    assert "max_position_embeddings" not in read_config(tmp_path)
    engine = create_engine(tmp_path, threads=1)
    assert isinstance(engine, TransformersEngine) and engine.context_length == 96
    asked = SamplingParams(max_tokens=5, temperature=0.0, ignore_eos=True)
    answer = ask(engine, GenerationRequest("a", "云杉", asked))[0]
    assert answer[-1].completion_tokens == 5
