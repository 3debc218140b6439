"""How workers form a grid of pipeline stages, data-parallel replicas and tensor-parallel parts. Plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

from actors.networks.sizes import Sizes


@dataclass(frozen=True)
class Coordinates:
    """A worker's place in the grid, each counted from 0."""

    pipeline: int
    data: int
    tensor: int


@dataclass(frozen=True)
class Layout:
    """The size of each axis of the grid. Experts are spread within the data axis, so they add no workers."""

    data: int = 1
    pipeline: int = 1
    tensor: int = 1
    expert: int = 1

    @property
    def world(self) -> int:
        """How many workers there are."""
        return self.data * self.pipeline * self.tensor

    def coordinates(self, rank: int) -> Coordinates:
        """Where worker `rank` stands. The tensor axis varies fastest, as it talks most; DeepSpeed counts the same."""
        rest, tensor = divmod(rank, self.tensor)
        pipeline, data = divmod(rest, self.data)
        return Coordinates(pipeline, data, tensor)

    def rank(self, at: Coordinates) -> int:
        """The worker at these coordinates."""
        return (at.pipeline * self.data + at.data) * self.tensor + at.tensor

    def data_groups(self) -> list[list[int]]:
        """Workers that hold the same weights and read different sequences; one list per stage and tensor part."""
        return [
            [self.rank(Coordinates(stage, data, part)) for data in range(self.data)]
            for stage in range(self.pipeline)
            for part in range(self.tensor)
        ]

    def tensor_groups(self) -> list[list[int]]:
        """Workers that share each layer of one stage; one list per stage and replica."""
        return [
            [self.rank(Coordinates(stage, data, part)) for part in range(self.tensor)]
            for stage in range(self.pipeline)
            for data in range(self.data)
        ]

    def model_groups(self) -> list[list[int]]:
        """Workers that make up one whole network: all stages and tensor parts; one list per replica."""
        return [
            [self.rank(Coordinates(stage, data, part)) for stage in range(self.pipeline) for part in range(self.tensor)]
            for data in range(self.data)
        ]

    def expert_groups(self) -> list[list[int]]:
        """Workers that together hold all experts of a layer: neighbours on the data axis."""
        return [
            group[first : first + self.expert]
            for group in self.data_groups()
            for first in range(0, len(group), self.expert)
        ]

    def expert_data_groups(self) -> list[list[int]]:
        """Workers that hold the same experts."""
        return [group[place :: self.expert] for group in self.data_groups() for place in range(self.expert)]

    def __str__(self) -> str:
        """The axes that are not 1, by their config keys: `parallel.data=2, parallel.tensor=2`."""
        axes = {name: getattr(self, name) for name in ("data", "pipeline", "tensor", "expert")}
        named = [f"parallel.{name}={size}" for name, size in axes.items() if size > 1]
        return ", ".join(named) or "parallel.data=1"


@dataclass(frozen=True)
class Batching:
    """How the sequences of one step are dealt out.

    Attributes:
        sequences: of one step, over all replicas.
        micro: sequences per replica and forward pass, or None to derive it.
    """

    sequences: int
    micro: int | None = None

    def micro_sequences(self, layout: Layout) -> int:
        """Sequences per forward pass.

        Derived: all at once without a pipeline. With one, as many as leave four batches for each stage, since then at
        most a fifth of the time is spent filling and draining it (GPipe, arXiv 1811.06965, section 2.3); fewer where
        that does not divide.
        """
        share = self.sequences // layout.data
        if self.micro is not None:
            return self.micro
        if layout.pipeline == 1:
            return share
        largest = max(1, share // (4 * layout.pipeline))
        return next(size for size in range(largest, 0, -1) if share % size == 0)


def check_batching(layout: Layout, batching: Batching) -> None:
    """Raise ValueError unless every replica gets whole batches, and the pipeline enough of them."""
    sequences, replicas = batching.sequences, layout.data
    if sequences % replicas:
        raise ValueError(f"batch.sequences is {sequences}: it must be a multiple of parallel.data ({replicas})")
    share, micro = sequences // replicas, batching.micro_sequences(layout)
    if share % micro:
        raise ValueError(f"batch.micro is {micro}: it must divide the {share} sequences of a replica")
    if share // micro < layout.pipeline:
        raise ValueError(
            f"parallel.pipeline is {layout.pipeline}: a step has only {share // micro} batches for so many stages, so "
            f"some would always wait; raise batch.sequences, or lower batch.micro or parallel.data"
        )


def check_stages(layout: Layout, zero: int) -> None:
    """Raise ValueError where the axes and the ZeRO stage exclude each other."""
    if layout.pipeline > 1 and zero > 1:
        raise ValueError(
            f"parallel.zero is {zero} and parallel.pipeline is {layout.pipeline}: a pipeline adds up gradients over "
            "many batches before it reduces them, so they can't be sharded; parallel.zero must be 0 or 1"
        )
    if layout.data % layout.expert:
        raise ValueError(
            f"parallel.expert is {layout.expert}: experts are spread over replicas, so it must divide parallel.data "
            f"({layout.data})"
        )
    if layout.expert > 1 and zero > 2:
        raise ValueError(
            f"parallel.zero is {zero} and parallel.expert is {layout.expert}: ZeRO-3 would shard each expert over "
            "workers that do not have it; parallel.zero must be 2 or less"
        )
    for axis in ("pipeline", "tensor"):
        if layout.expert > 1 and getattr(layout, axis) > 1:
            raise ValueError(
                f"parallel.expert is {layout.expert} and parallel.{axis} is {getattr(layout, axis)}: experts are "
                f"spread over data-parallel replicas only; one of the two must be 1"
            )


def check_network(layout: Layout, sizes: Sizes) -> None:
    """Raise ValueError unless the network can be cut as the layout wants."""
    for axis in ("pipeline", "tensor", "expert"):
        if sizes.slices and getattr(layout, axis) > 1:
            raise ValueError(
                f"parallel.{axis} is {getattr(layout, axis)} and the network has sparse layers: they are spread over "
                "parallel.data only, with parallel.zero=3 where the network is too large for one worker"
            )
    if sizes.layers < layout.pipeline:
        raise ValueError(f"parallel.pipeline is {layout.pipeline}: the network has only {sizes.layers} layers")
    widths = {"heads": sizes.heads, "kv_heads": sizes.kv_heads, "intermediate": sizes.intermediate}
    if sizes.experts:
        widths["expert_intermediate"] = sizes.expert_intermediate
    for name, width in widths.items():
        if width % layout.tensor:
            raise ValueError(f"parallel.tensor is {layout.tensor}: it must divide sizes.{name} ({width})")
    if layout.expert > 1 and not sizes.experts:
        raise ValueError(f"parallel.expert is {layout.expert}: the network has no experts (architecture=moe has)")
    if sizes.experts % layout.expert:
        raise ValueError(f"parallel.expert is {layout.expert}: it must divide sizes.experts ({sizes.experts})")
