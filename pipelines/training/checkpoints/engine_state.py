"""What a worker holds of weights and optimizer, whichever way DeepSpeed keeps them.

Stage 0 leaves the parameters and torch's optimizer as they are. Stages 1 and 2 (and bf16 at stage 1, which is a class
of its own) join the parameters of a group to one flat tensor, of which each worker keeps a piece in fp32. Stage 3 cuts
each parameter by itself. DeepSpeed 0.19 offers no public way to all of this, so what is private is used here alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch

from pipelines.training.checkpoints.holding import Holding
from pipelines.training.checkpoints.spans import WHOLE, Cut, Span
from pipelines.training.shards import Shard

MOMENTS = ("exp_avg", "exp_avg_sq")
Parameters = Iterable[tuple[Shard, torch.nn.Parameter]]


class Stage(Protocol):
    """Where one ZeRO stage keeps things."""

    def states(self) -> list[torch.Tensor]:
        """The tensors that torch's optimizer steps on this worker."""
        ...

    def piece(self, parameter: torch.nn.Parameter) -> tuple[int, dict[str, torch.Tensor], torch.Tensor] | None:
        """This worker's elements of a parameter, or None where it has none.

        Returns:
            The first element, the values by name as flat views, and the tensor of `states` that they lie in.
        """
        ...

    def refresh(self) -> None:
        """Make the weights that are trained with follow the fp32 ones. Every worker takes part."""
        ...


class EngineState:
    """The weights and moments that this worker holds, as holdings of the whole network.

    Made before the first step. Moments that torch would only make then are made here, as zeros.

    Args:
        optimizer: the engine's.
        parameters: this worker's; those that are not trained are left out.
    """

    def __init__(self, optimizer: Any, parameters: Parameters) -> None:
        self._stage = _stage_of(optimizer)
        adam = optimizer if isinstance(optimizer, torch.optim.Optimizer) else optimizer.optimizer
        assert isinstance(adam, torch.optim.AdamW)
        self._adam = adam
        self._parameters = [(shard, parameter) for shard, parameter in parameters if parameter.requires_grad]
        for tensor in self._stage.states():
            self._begin(tensor)
        if hasattr(optimizer, "_lazy_init_hp_params_optimizer_state"):
            optimizer._lazy_init_hp_params_optimizer_state()

    def holdings(self) -> list[Holding]:
        """Everything that this worker holds; the arrays are views."""
        held = []
        for shard, parameter in self._parameters:
            found = self._stage.piece(parameter)
            if found is None:
                continue
            start, arrays, tensor = found
            span = Span(shard.name, _cut(shard), start, start + len(arrays["weight"]))
            step = float(self._adam.state[tensor]["step"])
            held.append(Holding(span, _whole_shape(shard, parameter), step, arrays))
        return held

    def set_steps(self, step_of: Callable[[str], float]) -> None:
        """Set how often the optimizer has updated, given by parameter name. What shares a tensor shares the number."""
        steps: dict[int, float] = {}
        for shard, parameter in self._parameters:
            found = self._stage.piece(parameter)
            if found is not None:
                key = id(found[2])
                steps[key] = max(steps.get(key, 0.0), step_of(shard.name))
        for tensor in self._stage.states():
            self._adam.state[tensor]["step"].fill_(steps.get(id(tensor), 0.0))

    def refresh(self) -> None:
        """After loading: make the weights that are trained with follow the loaded ones. Every worker takes part."""
        self._stage.refresh()

    def _begin(self, tensor: torch.Tensor) -> None:
        state = self._adam.state[tensor]
        if state:
            return
        # Fused kernels count on the device.
        device = tensor.device if self._adam.defaults.get("fused") else "cpu"
        state["step"] = torch.zeros((), dtype=torch.float32, device=device)
        for name in MOMENTS:
            state[name] = torch.zeros_like(tensor, memory_format=torch.preserve_format, requires_grad=False)


class _Plain:
    """Stage 0."""

    def __init__(self, optimizer: torch.optim.AdamW) -> None:
        self._adam = optimizer

    def states(self) -> list[torch.Tensor]:
        return [tensor for group in self._adam.param_groups for tensor in group["params"]]

    def piece(self, parameter: torch.nn.Parameter) -> tuple[int, dict[str, torch.Tensor], torch.Tensor]:
        state = self._adam.state[parameter]
        arrays = {"weight": parameter.detach().view(-1)} | {name: state[name].view(-1) for name in MOMENTS}
        return 0, arrays, parameter

    def refresh(self) -> None:
        """The weights are the only ones."""


class _Flat:
    """Stages 1 and 2."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer

    def states(self) -> list[torch.Tensor]:
        return [tensor for group in self._optimizer.optimizer.param_groups for tensor in group["params"]]

    def piece(self, parameter: torch.nn.Parameter) -> tuple[int, dict[str, torch.Tensor], torch.Tensor] | None:
        mapping = parameter._hp_mapping  # type: ignore[attr-defined]
        if mapping is None:
            return None
        arrays = {"weight": mapping.hp_fragment.detach()} | {name: mapping.optim_fragment[name] for name in MOMENTS}
        return mapping.lp_fragment_address.start, arrays, self.states()[mapping.param_group_index]

    def refresh(self) -> None:
        self._optimizer.update_lp_params()


class _Partitioned:
    """Stage 3. A parameter's last piece is filled up to the size of the others; the filling is left out."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer

    def states(self) -> list[torch.Tensor]:
        return list(self._optimizer.fp32_partitioned_groups_flat)

    def piece(self, parameter: torch.nn.Parameter) -> tuple[int, dict[str, torch.Tensor], torch.Tensor] | None:
        optimizer: Any = self._optimizer
        group, offset, size = optimizer.grad_position[optimizer.get_param_id(parameter)]
        start = size * optimizer._get_param_partition_rank(parameter)
        real = min(size, parameter.ds_numel - start)  # type: ignore[attr-defined]
        if real <= 0:
            return None
        tensor = optimizer.fp32_partitioned_groups_flat[group]
        state = optimizer.optimizer.state[tensor]
        sources = {"weight": tensor.detach()} | {name: state[name] for name in MOMENTS}
        return start, {name: source.narrow(0, offset, real) for name, source in sources.items()}, tensor

    def refresh(self) -> None:
        optimizer: Any = self._optimizer
        for group in range(len(optimizer.fp16_groups)):
            optimizer._reassign_or_swap_out_partitioned_parameters(group)
        small = optimizer.persistent_parameters  # those that every worker keeps whole
        if small:
            small[0].partition(small)
            small[0].all_gather(small)


def _stage_of(optimizer: Any) -> Stage:
    if isinstance(optimizer, torch.optim.AdamW):
        return _Plain(optimizer)
    return _Partitioned(optimizer) if hasattr(optimizer, "fp32_partitioned_groups_flat") else _Flat(optimizer)


def _cut(shard: Shard) -> Cut:
    if shard.axis is None or shard.parts == 1:
        return WHOLE
    return Cut(shard.axis, shard.part, shard.parts, shard.groups)


def _whole_shape(shard: Shard, parameter: torch.nn.Parameter) -> tuple[int, ...]:
    local = getattr(parameter, "ds_shape", parameter.shape)  # stage 3 leaves nothing of a parameter in its place
    cut = _cut(shard)
    return tuple(size * cut.parts if axis == cut.axis else size for axis, size in enumerate(local))
