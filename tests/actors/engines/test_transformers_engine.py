from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from actors.engines.protocol import GenerationRequest, SamplingParams
from actors.engines.transformers_engine import TransformersEngine, draw
from danlu.errors import InputError, NotAvailableError

LOGITS = torch.tensor([[0.0, 1.0, 2.0, 3.0]])


def drawn(count: int = 4000, **sampling: Any) -> Counter[int]:
    generator = torch.Generator().manual_seed(0)
    return Counter(draw(LOGITS, SamplingParams(**sampling), generator) for _ in range(count))


def test_draws_follow_the_distribution() -> None:
    """Within 4 standard deviations of the expected counts."""
    counts, chances = drawn(temperature=2.0), (LOGITS[0] / 2.0).softmax(-1)
    for token, chance in enumerate(chances.tolist()):
        assert abs(counts[token] - 4000 * chance) < 4 * (4000 * chance * (1 - chance)) ** 0.5


def test_top_k_and_top_p_leave_tokens_out() -> None:
    assert set(drawn(temperature=5.0, top_k=2)) == {2, 3}
    assert set(drawn(temperature=1.0, top_p=0.5)) == {3}
    assert set(drawn(temperature=0.0)) == {3}


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
