"""State that belongs to one worker alone, such as random numbers, beside the weights and moments of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch


class Extra(Protocol):
    """Something that a worker must find again when it goes on in the same place of the same layout."""

    def state(self) -> dict[str, torch.Tensor]:
        """What is to be kept, on any device. The shapes stay the same from one checkpoint to the next."""
        ...

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Take back what `state` gave. Not called where the layout has changed: the fresh state stays."""
        ...


class RandomState:
    """Torch's random numbers on the CPU, and on the GPU where there is one."""

    def state(self) -> dict[str, torch.Tensor]:
        found = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            found["cuda"] = torch.cuda.get_rng_state()
        return found

    def load(self, state: dict[str, torch.Tensor]) -> None:
        torch.set_rng_state(state["cpu"])
        if "cuda" in state and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["cuda"])


def collect(extras: Mapping[str, Extra]) -> dict[str, torch.Tensor]:
    """All their tensors, as `name/key`."""
    return {f"{name}/{key}": value for name, extra in extras.items() for key, value in extra.state().items()}


def hand_out(extras: Mapping[str, Extra], tensors: Mapping[str, torch.Tensor]) -> None:
    """Give back what `collect` found. One that was not there then keeps its fresh state."""
    for name, extra in extras.items():
        mine = {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
        if mine:
            extra.load(mine)
