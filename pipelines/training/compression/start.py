"""Which parameters go together in messages, and the reduction that sends them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipelines.training.compression.phases import Phases
from pipelines.training.config import TrainConfig
from pipelines.training.groups import Groups
from pipelines.training.shards import shard_of

if TYPE_CHECKING:
    import torch
    from deepspeed import DeepSpeedEngine

    from pipelines.training.compression.reduction import OneBitReduction


def start_reduction(
    config: TrainConfig, engine: DeepSpeedEngine, groups: Groups, tied: Iterable[torch.nn.Parameter] = ()
) -> OneBitReduction | None:
    """The reduction for a resolved config, or None where DeepSpeed's own is to be used.

    Args:
        engine: does not reduce by itself (`start_engine` sees to that).
        tied: parameters that another pipeline stage holds too.
    """
    settings = config.gradient_compression
    if not settings.is_on:
        return None
    from pipelines.training.compression.reduction import OneBitReduction

    assert settings.warmup_steps is not None  # the config is resolved
    return OneBitReduction(
        parameters=message_lists(engine.module.parameters(), list(tied)),
        optimizer=engine.optimizer,
        groups=groups,
        phases=Phases(settings.warmup_steps, settings.refresh_every),
        largest_norm=config.optimizer.gradient_clipping,
    )


def message_lists(
    parameters: Iterable[torch.nn.Parameter], tied: list[torch.nn.Parameter]
) -> list[list[torch.nn.Parameter]]:
    """Trained parameters: those that are cut between tensor parts, those that are not, and each tied one by itself.

    A tensor part's messages are its own, and so are the errors of its messages. Whatever another worker holds too must
    not share a message with what it does not hold.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    alone = {id(parameter) for parameter in tied}
    rest = [parameter for parameter in trained if id(parameter) not in alone]
    lists = [
        [parameter for parameter in rest if shard_of(parameter).axis is not None],
        [parameter for parameter in rest if shard_of(parameter).axis is None],
        *([parameter] for parameter in trained if id(parameter) in alone),
    ]
    return [one for one in lists if one]
