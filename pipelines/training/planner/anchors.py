"""Training speeds that others published, as data: to fit the constants of `time`, and to judge it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from actors.networks.sizes import Sizes
from pipelines.training.planner.cluster import PRESETS, Cluster
from pipelines.training.planner.workload import Choice, Workload

TORCHTITAN = "https://github.com/pytorch/torchtitan/blob/main/"
MEGATRON = "https://arxiv.org/abs/2104.04473"
LLAMA_3 = "https://arxiv.org/abs/2407.21783"
LLM_FOUNDRY = "https://github.com/mosaicml/llm-foundry/blob/main/scripts/train/benchmarking/README.md"
FMS_FSDP = "https://github.com/foundation-model-stack/fms-fsdp/blob/main/README.md"
SOURCES = {
    "torchtitan H100": f"{TORCHTITAN}benchmarks/llama3_h100_202412_torchtitan.md",
    "torchtitan H200": f"{TORCHTITAN}benchmarks/llama3_8b_h200_2025-06_torchtitan.md",
    "torchtitan A100": f"{TORCHTITAN}docs/performance.md",
    "Megatron-LM": f"{MEGATRON} table 1",
    "Megatron-LM, ZeRO-3": f"{MEGATRON} figure 10",
    "Llama 3": f"{LLAMA_3} table 4",
    "LLM Foundry": LLM_FOUNDRY,
    "fms-fsdp": FMS_FSDP,
}


@dataclass(frozen=True)
class PublishedRun:
    """One row of a published table.

    Attributes:
        tokens_per_s: measured, of one card.
        fitted: whether the constants were fitted to it.
        assumed: what the source does not say.
    """

    source: str
    name: str
    workload: Workload
    choice: Choice
    cluster: Cluster
    tokens_per_s: float
    fitted: bool = False
    assumed: str = ""

    @property
    def url(self) -> str:
        """Where the row stands."""
        return SOURCES[self.source]


def _llama(layers: int, hidden: int, intermediate: int, heads: int, kv_heads: int = 8) -> Sizes:
    return Sizes(
        layers=layers,
        hidden=hidden,
        intermediate=intermediate,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=hidden // heads,
        context=131072,
        tied_embeddings=False,
    )


def _gpt(layers: int, hidden: int, heads: int) -> Sizes:
    """A GPT's feed-forward part has two matrices of width 4 h; three of width 8 h / 3 hold and compute as much."""
    return _llama(layers, hidden, round(8 * hidden / 3), heads, heads).model_copy(update={"tied_embeddings": True})


LLAMA_8B = _llama(32, 4096, 14336, 32)
LLAMA_70B = _llama(80, 8192, 28672, 64)
LLAMA_405B = _llama(126, 16384, 53248, 128)
LLAMA2_13B = _llama(40, 5120, 13824, 40, 40)
LLAMA2_34B = _llama(48, 8192, 22016, 64)

# H100 with slower memory and 500 W instead of 700 W: what its arithmetic reaches is fitted for itself.
_H100_500W = replace(PRESETS["h100"].card, name="H100 500 W", memory_bytes_per_s=2.4e12, matmul_share=0.678)
_GRAND_TETON = replace(PRESETS["h100"], card=_H100_500W)
_A100, _H100, _H200 = PRESETS["a100"], PRESETS["h100"], PRESETS["h200"]


def _torchtitan() -> list[PublishedRun]:
    def run(cards: int, measured: float, fused: bool, fitted: bool = False) -> PublishedRun:
        name = f"8B, {cards} cards, FSDP{', compiled' if fused else ''}"
        workload = Workload(LLAMA_8B, 128256, 2 * cards, 8192)
        choice = Choice(data=cards, zero=3, micro=2, recompute="half", fused=fused)
        return PublishedRun("torchtitan H100", name, workload, choice, _GRAND_TETON.of(cards), measured, fitted)

    def old(name: str, sizes: Sizes, length: int, micro: int, recompute: Any, measured: float) -> PublishedRun:
        vocabulary = 128256 if length == 8192 else 32000
        workload = Workload(sizes, vocabulary, 64 * micro, length)
        choice = Choice(data=64, zero=3, micro=micro, recompute=recompute)
        assumed = "not compiled; 200 Gbit/s per card"
        return PublishedRun("torchtitan A100", name, workload, choice, _A100.of(64), measured, assumed=assumed)

    return [
        run(8, 5762, False, fitted=True),
        run(8, 6667, True, fitted=True),
        run(128, 5605, False),
        run(128, 6514, True),
        old("8B, 64 cards, FSDP", LLAMA_8B, 8192, 1, "half", 2904),
        old("70B, 64 cards, FSDP", LLAMA_70B, 8192, 1, "full", 331),
        old("Llama 2 13B, 64 cards, FSDP", LLAMA2_13B, 4096, 2, "none", 2162),
        old("Llama 2 13B, 64 cards, FSDP, half recomputed", LLAMA2_13B, 4096, 2, "half", 1914),
        old("Llama 2 70B, 64 cards, FSDP", LLAMA_70B, 4096, 2, "full", 353),
    ]


def _float8() -> list[PublishedRun]:
    """Float8 has no precision of its own here: its runs are compared with `FLOAT8_SPEED` times a bf16 run's speed."""

    def run(
        source: str, name: str, workload: Workload, choice: Choice, cluster: Cluster, tokens: float
    ) -> PublishedRun:
        return PublishedRun(source, f"{name}, float8", workload, choice, cluster, tokens / FLOAT8_SPEED)

    def big(sizes: Sizes, cards: int, sequences: int, choice: Choice, name: str, tokens: float) -> PublishedRun:
        workload = Workload(sizes, 128256, sequences, 8192)
        return run("torchtitan H100", name, workload, choice, _GRAND_TETON.of(cards), tokens)

    def small(cards: int, tokens: float) -> PublishedRun:
        choice = Choice(data=cards, zero=3, micro=2, recompute="half", fused=True)
        workload = Workload(LLAMA_8B, 128256, 2 * cards, 8192)
        return run("torchtitan H200", f"8B, {cards} cards, FSDP, compiled", workload, choice, _H200.of(cards), tokens)

    compiled = Choice(recompute="full", split_ends=True, fused=True)
    two = replace(compiled, data=32, tensor=8, zero=3, micro=16)
    # With a pipeline, weights stay gathered: ZeRO-1 with overlap.
    three = replace(compiled, data=8, tensor=8, pipeline=8, zero=1, micro=1, overlapped=True)
    return [
        big(LLAMA_70B, 256, 512, two, "70B, 256 cards, FSDP 32 x tensor 8", 829),
        big(LLAMA_405B, 512, 256, three, "405B, 512 cards, FSDP 8 x tensor 8 x pipeline 8, 1F1B", 100),
        big(LLAMA_405B, 512, 256, replace(three, chunks=2), "the same, interleaved", 128),
        small(32, 10938),
        small(64, 10753),
    ]


# Of torchtitan's table 1: 8,532 tokens/s in float8 over 6,667 in bf16, 8B on 8 cards.
FLOAT8_SPEED = 8532 / 6667


def _megatron() -> list[PublishedRun]:
    """Table 1 counts FLOPs with full recomputation (its equation 3), which gives tokens per second back."""
    rows = [
        # layers, hidden, heads, tensor, pipeline, cards, sequences, TFLOP/s per card
        (24, 2304, 24, 1, 1, 32, 512, 137),
        (30, 3072, 32, 2, 1, 64, 512, 138),
        (36, 4096, 32, 4, 1, 128, 512, 142),
        (40, 6144, 48, 8, 1, 256, 1024, 135),
        (48, 8192, 64, 8, 2, 512, 1536, 138),
        (60, 10240, 80, 8, 4, 1024, 1792, 140),
        (80, 12288, 96, 8, 8, 1536, 2304, 148),
        (96, 16384, 128, 8, 16, 1920, 2160, 155),
        (105, 20480, 128, 8, 35, 2520, 2520, 163),
        (128, 25600, 160, 8, 64, 3072, 3072, 163),
    ]
    runs = []
    for number, (layers, hidden, heads, tensor, pipeline, cards, sequences, tflops) in enumerate(rows):
        workload = Workload(_gpt(layers, hidden, heads), 51200, sequences, 2048)
        data = cards // (tensor * pipeline)
        chunks = 2 if pipeline > 1 and layers // pipeline > 1 else 1
        choice = Choice(
            data=data,
            pipeline=pipeline,
            tensor=tensor,
            recompute="full",
            chunks=chunks,
            micro=1 if pipeline > 1 else min(4, sequences // data),
            split_ends=True,
            fused=True,
            scores_in_memory=True,
        )
        flops = 96 * layers * hidden**2 * (1 + 2048 / (6 * hidden) + 51200 / (16 * layers * hidden))
        name = f"{workload.parameters / 1e9:.1f}B, {cards} cards, tensor {tensor} x pipeline {pipeline}"
        assumed = "micro-batch 1 with a pipeline and 4 without, two chunks per stage of more than one layer"
        run = PublishedRun("Megatron-LM", name, workload, choice, _A100.of(cards), tflops * 1e12 / flops)
        runs.append(replace(run, fitted=number % 2 == 0, assumed=assumed))
    return runs


def _megatron_zero() -> list[PublishedRun]:
    """ZeRO-3 of 2021 without tensor or pipeline parallelism, read off a figure."""
    runs = []
    for sizes, cards, micro, tflops in (
        (_gpt(96, 12288, 96), 384, 4, 144),
        (_gpt(96, 12288, 96), 768, 2, 88),
        (_gpt(96, 12288, 96), 1536, 1, 44),
        (_gpt(105, 20480, 128), 640, 4, 138),
        (_gpt(105, 20480, 128), 1120, 2, 98),
        (_gpt(105, 20480, 128), 2240, 1, 48),
    ):
        workload = Workload(sizes, 51200, cards * micro, 2048)
        choice = Choice(data=cards, zero=3, micro=micro, recompute="full", fused=True, scores_in_memory=True)
        layers, hidden = sizes.layers, sizes.hidden
        flops = 96 * layers * hidden**2 * (1 + 2048 / (6 * hidden) + 51200 / (16 * layers * hidden))
        name = f"{workload.parameters / 1e9:.0f}B, {cards} cards, ZeRO-3 alone"
        runs.append(PublishedRun("Megatron-LM, ZeRO-3", name, workload, choice, _A100.of(cards), tflops * 1e12 / flops))
    return runs


def _llama_3() -> list[PublishedRun]:
    """Table 4, without the row of context parallelism. Sharded by FSDP, but weights stay gathered: so ZeRO-1."""
    runs = []
    for cards, data, share, tflops in ((8192, 64, 32, 430), (16384, 128, 16, 400)):
        workload = Workload(LLAMA_405B, 128256, data * share, 8192)
        choice = Choice(
            data=data,
            pipeline=16,
            tensor=8,
            zero=1,
            micro=1,
            chunks=8,
            split_ends=True,
            fused=True,
            overlapped=True,
        )
        name = f"405B, {cards} cards, tensor 8 x pipeline 16 x data {data}"
        tokens = tflops * 1e12 / workload.model_flops_per_token
        run = PublishedRun("Llama 3", name, workload, choice, _H100.of(cards), tokens)
        runs.append(replace(run, assumed="micro-batch 1, one layer per chunk, no recomputation"))
    return runs


def _llm_foundry() -> list[PublishedRun]:
    mpt = {
        "1B": _gpt(24, 2048, 16),
        "3B": _gpt(32, 2560, 20),
        "7B": _gpt(32, 4096, 32),
        "13B": _gpt(40, 5120, 40),
        "30B": _gpt(48, 7168, 56),
        "70B": _gpt(80, 8192, 64),
    }
    rows: list[tuple[Cluster, str, int, int, int, int, bool, float, bool]] = [
        # cluster, network, length, cards, micro-batch, micro-batches, recompute, tokens/s per card, fitted
        (_H100, "1B", 2048, 8, 14, 1, False, 45455, True),
        (_H100, "1B", 2048, 64, 20, 1, False, 44402, False),
        (_H100, "3B", 2048, 16, 10, 3, False, 24142, False),
        (_H100, "3B", 2048, 64, 6, 3, False, 22525, False),
        (_H100, "7B", 2048, 8, 6, 1, False, 10643, True),
        (_H100, "7B", 8192, 8, 8, 2, True, 6935, False),
        (_H100, "13B", 2048, 8, 2, 1, False, 4792, False),
        (_H100, "13B", 2048, 64, 2, 1, False, 4800, False),
        (_H100, "30B", 2048, 32, 14, 3, True, 2308, True),
        (_H100, "70B", 2048, 64, 8, 4, True, 1039, False),
        (_A100, "1B", 2048, 8, 14, 4, False, 20513, True),
        (_A100, "3B", 2048, 8, 10, 2, False, 10811, False),
        (_A100, "7B", 2048, 8, 6, 2, False, 4641, True),
        (_A100, "7B", 8192, 8, 8, 2, True, 3206, False),
        (_A100, "13B", 2048, 8, 2, 3, False, 2262, False),
        (_A100, "30B", 2048, 8, 3, 21, True, 916, True),
        (_A100, "70B", 2048, 64, 8, 4, True, 410, False),
    ]
    runs = []
    for cluster, name, length, cards, micro, often, again, measured, fitted in rows:
        workload = Workload(mpt[name], 50368, cards * micro * often, length)
        choice = Choice(data=cards, zero=3, micro=micro, recompute="full" if again else "none", fused=True)
        title = f"MPT {name}, {cards} {cluster.card.name}, {length} tokens, FSDP{', recomputed' if again else ''}"
        runs.append(PublishedRun("LLM Foundry", title, workload, choice, cluster.of(cards), measured, fitted))
    return runs


def _fms_fsdp() -> list[PublishedRun]:
    """128 A100 whose nodes have 400 Gbit/s each: an eighth of the usual per card."""
    cluster = replace(_A100.of(128), inter_bytes_per_s=6.25e9)
    runs = []
    for name, sizes, micro, measured in (("34B", LLAMA2_34B, 8, 772), ("70B", LLAMA_70B, 6, 380)):
        workload = Workload(sizes, 32000, 128 * micro, 4096)
        choice = Choice(data=128, zero=3, micro=micro, recompute="full")
        assumed = "400 Gbit/s per node; not compiled"
        title = f"Llama 2 {name}, 128 cards, FSDP, slow network"
        runs.append(PublishedRun("fms-fsdp", title, workload, choice, cluster, measured, assumed=assumed))
    return runs


RUNS: tuple[PublishedRun, ...] = (
    *_torchtitan(),
    *_float8(),
    *_megatron(),
    *_megatron_zero(),
    *_llama_3(),
    *_llm_foundry(),
    *_fms_fsdp(),
)
