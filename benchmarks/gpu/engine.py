"""The transformers engine on a CUDA GPU: tokens per second with 1 to 64 clients, beside transformers' own `generate`.

    python -m benchmarks gpu.engine [--size 0.6b --write docs/gpu.md]

A random dense network in bf16 (what its tokens say changes nothing in the cost), prompts of 128 tokens, answers of 64.
`generate` answers one request after the other; the two take turns, medians of five rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from actors.engines.protocol import GenerationRequest, SamplingParams
from benchmarks.gpu.device import describe_device
from benchmarks.machine import REPOSITORY, describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, publish

_PROMPT, _ANSWER, _ROUNDS = 128, 64, 5
_CLIENTS = (1, 4, 16, 64)


def write_model(folder: Path, size: str) -> Path:
    """A random checkpoint with a tokenizer trained on the example documents."""
    import torch
    from transformers import AutoModelForCausalLM

    from actors.networks.build import build_config
    from actors.networks.sizes import preset
    from pipelines.training.tokenizer import train_tokenizer

    texts = [file.read_text(encoding="utf-8") for file in sorted(REPOSITORY.glob("examples/knowledge/*.md"))]
    tokenizer = train_tokenizer(texts, 4096)
    tokenizer.save_pretrained(folder)
    config = build_config("dense", preset("dense", size), 32_000)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    return folder


async def _ask(engine: Any, number: int, prompt: str) -> int:
    sampling = SamplingParams(max_tokens=_ANSWER, temperature=0.0, ignore_eos=True)
    tokens = 0
    async for delta in engine.generate(GenerationRequest(str(number), prompt, sampling)):
        tokens = delta.completion_tokens
    return tokens


async def engine_speed(engine: Any, prompt: str, clients: int) -> float:
    """Tokens per second of all clients together."""
    began = time.perf_counter()
    counts = await asyncio.gather(*(_ask(engine, number, prompt) for number in range(clients)))
    return sum(counts) / (time.perf_counter() - began)


def generate_speed(model: Any, prompt_ids: Any) -> float:
    """Tokens per second of one `generate`."""
    began = time.perf_counter()
    found = model.generate(prompt_ids, max_new_tokens=_ANSWER, min_new_tokens=_ANSWER, do_sample=False)
    return (found.shape[1] - prompt_ids.shape[1]) / (time.perf_counter() - began)


async def measure(folder: Path) -> tuple[dict[int, list[float]], list[float]]:
    """Speeds by number of clients, and those of `generate`."""
    import torch
    from transformers import AutoModelForCausalLM

    from actors.engines.transformers_engine import TransformersEngine

    engine = TransformersEngine(folder, device="cuda", sequences=max(_CLIENTS))
    await engine.start()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).to("cuda").eval()
    text = (REPOSITORY / "README.zh-CN.md").read_text(encoding="utf-8")
    prompt = engine.tokenizer.decode(engine.tokenizer.encode(text)[:_PROMPT])
    prompt_ids = torch.tensor([engine.tokenizer.encode(prompt)], device="cuda")
    speeds: dict[int, list[float]] = {clients: [] for clients in _CLIENTS}
    peer: list[float] = []
    for round_number in range(_ROUNDS + 1):  # the first one warms up
        for clients in _CLIENTS:
            speed = await engine_speed(engine, prompt, clients)
            if round_number:
                speeds[clients].append(speed)
        speed = generate_speed(model, prompt_ids)
        if round_number:
            peer.append(speed)
    await engine.shutdown()
    return speeds, peer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="0.6b", help="preset of the dense network [0.6b]")
    add_write_option(parser)
    arguments = parser.parse_args()
    described = describe_device()
    with tempfile.TemporaryDirectory() as temporary:
        speeds, peer = asyncio.run(measure(write_model(Path(temporary, "model"), arguments.size)))
    base = statistics.median(peer)
    rows: list[list[Cell]] = [["`generate`, 1 request", f"{base:,.0f}", "1.00x"]]
    for clients, found in speeds.items():
        middle = statistics.median(found)
        rows.append([f"engine, {clients} clients", f"{middle:,.0f}", f"{middle / base:.2f}x"])
    note = f"Network {arguments.size}. {described}. {describe_measurement('python -m benchmarks gpu.engine')}"
    table = markdown_table(["", "tokens/s", "ratio"], rows)
    publish("gpu.engine", f"{table}\n\n{note}", arguments.write)


if __name__ == "__main__":
    main()
