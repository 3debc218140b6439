"""What a cluster can do: cards, nodes, links; and presets of common ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

GIB = 2**30


@dataclass(frozen=True)
class Card:
    """One accelerator, or one core of a CPU.

    Attributes:
        memory_bytes: of its own.
        memory_bytes_per_s: nominal.
        bf16_flops, fp32_flops: nominal peak of dense matrix products, per second.
        matmul_share: of that peak, what large matrix products reach; fitted to published runs, or taken over from the
            card named in `note`.
        source: where the nominal figures are from.
    """

    name: str
    memory_bytes: float
    memory_bytes_per_s: float
    bf16_flops: float
    fp32_flops: float
    matmul_share: float
    source: str
    note: str = ""

    def peak_flops(self, precision: str) -> float:
        """Of matrix products in this precision."""
        return self.fp32_flops if precision == "fp32" else self.bf16_flops


@dataclass(frozen=True)
class Cluster:
    """Equal nodes of equal cards.

    Attributes:
        cards: in all; `cards_per_node` each, or one smaller node.
        intra_bytes_per_s, inter_bytes_per_s: what one card can send (and receive at the same time) within its node and
            to other nodes, nominal.
        price_per_card_hour: in any currency; None = no costs are told.
        overlaps: communication can run beside computation; not where the same cores do both.
    """

    card: Card
    cards: int
    cards_per_node: int
    intra_bytes_per_s: float
    inter_bytes_per_s: float
    price_per_card_hour: float | None = None
    overlaps: bool = True

    def of(self, cards: int) -> Cluster:
        """The same machines, another number of cards."""
        return replace(self, cards=cards)

    @property
    def nodes(self) -> int:
        """Nodes in use, the last one perhaps in part."""
        return -(-self.cards // self.cards_per_node)


_NVIDIA = "https://www.nvidia.com/en-us/data-center/"

A100 = Card(
    name="A100 80 GB",
    memory_bytes=80 * GIB,
    memory_bytes_per_s=2.039e12,
    bf16_flops=312e12,
    fp32_flops=19.5e12,
    matmul_share=0.861,
    source=f"{_NVIDIA}a100/",
)
H100 = Card(
    name="H100 SXM",
    memory_bytes=80 * GIB,
    memory_bytes_per_s=3.35e12,
    bf16_flops=989e12,
    fp32_flops=67e12,
    matmul_share=0.727,
    source=f"{_NVIDIA}h100/",
)
H200 = Card(
    name="H200 SXM",
    memory_bytes=140 * GIB,
    memory_bytes_per_s=4.8e12,
    bf16_flops=989e12,
    fp32_flops=67e12,
    matmul_share=H100.matmul_share,
    source=f"{_NVIDIA}h200/",
    note="matmul_share is that of the H100",
)
H20 = Card(
    name="H20",
    memory_bytes=96 * GIB,
    memory_bytes_per_s=4.0e12,
    bf16_flops=148e12,
    fp32_flops=44e12,
    matmul_share=A100.matmul_share,
    source="https://willitrunai.com/es/gpus/h20-96gb",
    note="matmul_share is that of the A100, whose ratio of memory to arithmetic is nearer",
)
ASCEND_910B = Card(
    name="Ascend 910B",
    memory_bytes=64 * GIB,
    memory_bytes_per_s=1.6e12,
    bf16_flops=280e12,
    fp32_flops=70e12,
    matmul_share=A100.matmul_share,
    source="https://ai.gitee.com/docs/compute/clusters_gpu/ascend_gpu",
    note="variants differ, public figures run from 256 to 400 TFLOP/s; fp32 and memory speed are guesses, and "
    "matmul_share is that of the A100",
)
CPU_CORE = Card(
    name="CPU core",
    memory_bytes=4 * GIB,
    memory_bytes_per_s=8e9,
    bf16_flops=40e9,
    fp32_flops=40e9,
    matmul_share=A100.matmul_share,
    source="a core of a server with AVX2 at 2.5 GHz; bf16 is computed in fp32",
    note="a stand-in for any CPU: good for memory, traffic and the order of layouts, not for days",
)

# Links: NVLink and HCCS by their data sheets, one direction; networks as the reference designs have them, one 200 or
# 400 Gbit/s adapter per card.
PRESETS: dict[str, Cluster] = {
    "a100": Cluster(A100, 8, 8, 300e9, 25e9),
    "h100": Cluster(H100, 8, 8, 450e9, 50e9),
    "h200": Cluster(H200, 8, 8, 450e9, 50e9),
    "h20": Cluster(H20, 8, 8, 450e9, 50e9),
    "910b": Cluster(ASCEND_910B, 8, 8, 196e9, 25e9),
    "cpu": Cluster(CPU_CORE, 8, 8, 2e9, 0.15e9, overlaps=False),
}
