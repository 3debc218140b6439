"""LoRA adapters of the transformers engine: rows of one batch with different ones, as peft alone answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from actors.engines.adapters import Adapters, find_adapter
from actors.engines.openvino_engine import OpenVinoEngine
from actors.engines.protocol import GenerationRequest, SamplingParams
from actors.engines.select import create_engine
from actors.engines.tokenizer import ModelTokenizer
from actors.engines.transformers_engine import TransformersEngine
from danlu.errors import InputError

PROMPTS = ["云杉银行", "挂失", "套餐变更次月生效", "a"]


@pytest.fixture(scope="module")
def adapters(
    checkpoint: Path, write_adapter: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Two adapters; one lies in the run directory that trained it, and its name has a dot."""
    folder = tmp_path_factory.mktemp("adapters")
    write_adapter(checkpoint, folder / "run" / "adapter", 1)
    write_adapter(checkpoint, folder / "b", 2, ("v_proj", "down_proj"))
    return {"poet-1.5": str(folder / "run"), "clerk": str(folder / "b")}


def alone(checkpoint: Path, prompt: str, adapter: str | None) -> str:
    """The greedy answer of transformers and peft themselves."""
    tokenizer = ModelTokenizer(checkpoint)
    model: Any = AutoModelForCausalLM.from_pretrained(checkpoint)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, find_adapter(adapter)).merge_and_unload()
    ids = torch.tensor([tokenizer.encode(prompt)])
    with torch.inference_mode():
        out = model.eval().generate(input_ids=ids, max_new_tokens=12, do_sample=False, eos_token_id=None)
    return tokenizer.decode(out[0, ids.shape[1] :].tolist())


def test_a_batch_of_different_adapters(checkpoint: Path, adapters: dict[str, str], ask: Callable[..., Any]) -> None:
    engine = create_engine(checkpoint, engine="transformers", adapters=adapters)
    assert isinstance(engine, TransformersEngine)
    greedy = SamplingParams(max_tokens=12, temperature=0, ignore_eos=True)
    asked = [(prompt, adapter) for prompt in PROMPTS for adapter in (None, *adapters)]
    answers = ask(engine, *(GenerationRequest(f"{p}{a}", p, greedy, a) for p, a in asked))
    texts = {pair: "".join(delta.text for delta in deltas) for pair, deltas in zip(asked, answers, strict=True)}
    assert texts == {(p, a): alone(checkpoint, p, a and adapters[a]) for p, a in asked}
    assert len({texts[PROMPTS[0], adapter] for adapter in (None, *adapters)}) == 3, "the adapters change the answer"


def test_unknown_adapters_are_refused(checkpoint: Path, adapters: dict[str, str], ask: Callable[..., Any]) -> None:
    request = GenerationRequest("1", "a", SamplingParams(max_tokens=1), "painter")
    with pytest.raises(InputError, match=r"adapter 'painter': .* has loaded: clerk, poet-1\.5"):
        ask(TransformersEngine(checkpoint, adapters=adapters), request)
    with pytest.raises(InputError, match=r"adapter 'painter': .* has loaded: none"):
        ask(OpenVinoEngine(checkpoint), request)


def test_a_folder_without_an_adapter(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"adapters\.a is .*: it holds no adapter"):
        Adapters({"a": str(tmp_path)})
    with pytest.raises(InputError, match=r"adapters\.a is .*: no such folder"):
        Adapters({"a": str(tmp_path / "b")})


def test_adapters_that_do_not_fit(
    checkpoint: Path, adapters: dict[str, str], tmp_path: Path, write_checkpoint: Callable[..., Path], ask: Any
) -> None:
    other = write_checkpoint(tmp_path / "other", hidden_size=96)
    torn = Path(shutil.copytree(adapters["clerk"], tmp_path / "torn"))
    tensors = load_file(torn / "adapter_model.safetensors")
    del tensors[min(tensors)]
    save_file(tensors, torn / "adapter_model.safetensors", metadata={"format": "pt"})
    for model, adapter in ((other, adapters["clerk"]), (checkpoint, str(torn))):
        with pytest.raises(InputError, match=r"the adapter a in .* does not load"):
            ask(TransformersEngine(model, adapters={"a": adapter}))
