"""Low-rank adapters (LoRA, Hu et al., arXiv 2106.09685): the network stays as it is, pairs of thin matrices are learnt.

A linear layer W becomes W + (alpha / rank) * B A, with A (rank, in) random and B (out, rank) zero at first. peft puts
the pairs in; merging is that one sum, after which the checkpoint is an ordinary one of its architecture.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from danlu.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig
    from transformers import PreTrainedModel

    from pipelines.training.settings import LoraSettings

# The linear layers of attention and feed-forward networks, as Llama, Qwen and their like name them.
USUAL_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_BASE, _A, _B = ".base_layer.", ".lora_A.default.weight", ".lora_B.default.weight"


def add_adapters(model: PreTrainedModel, settings: LoraSettings, seed: int) -> None:
    """Give the network its adapters, the same for the same seed; nothing else of it is trained.

    Raises:
        ConfigError: see `chosen_targets`.
    """
    import torch
    from peft import inject_adapter_in_model

    torch.manual_seed(seed)
    inject_adapter_in_model(peft_config(settings, chosen_targets(model, settings)), model)


def chosen_targets(model: PreTrainedModel, settings: LoraSettings) -> list[str]:
    """The names of the layers that get adapters.

    Raises:
        ConfigError: a name that the network does not have, or none is given and it has none of the usual ones.
    """
    found = linear_names(model)
    if settings.targets is None:
        usual = [name for name in USUAL_TARGETS if name in found]
        if not usual:
            raise ConfigError(
                "lora.targets is null",
                rule=f"none of this network's linear layers has a usual name; they are {_listed(found)}",
                fix="name some of them in lora.targets" if found else "leave lora out: all weights are trained then",
            )
        return usual
    if missing := sorted(set(settings.targets) - found):
        raise ConfigError(
            f"lora.targets has {missing[0]!r}",
            rule=f"the linear layers of this network are called {_listed(found)}",
        )
    return list(settings.targets)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def linear_names(model: PreTrainedModel) -> set[str]:
    """The last parts of the names of all linear layers but the output's; experts that lie in one tensor are none."""
    from torch import nn

    output = model.get_output_embeddings()
    return {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not output
    }


def peft_config(settings: LoraSettings, targets: list[str]) -> LoraConfig:
    """The same settings in peft's words."""
    from peft import LoraConfig

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.scaled_alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )


def merged(weights: Mapping[str, torch.Tensor], settings: LoraSettings) -> dict[str, torch.Tensor]:
    """The weights of the network by their usual names, each adapter added to its layer. Sums are made in fp32."""
    scale = settings.scaled_alpha / settings.rank
    found = {}
    for name, weight in weights.items():
        if name.endswith((_A, _B)):
            continue
        layer = name.rpartition(_BASE)[0]
        if _BASE in name and name.endswith(".weight"):
            a, b = weights[layer + _A].float(), weights[layer + _B].float()
            weight = (weight.float() + scale * (b @ a)).to(weight.dtype)
        found[name.replace(_BASE, ".")] = weight
    return found


def save_adapter(
    weights: Mapping[str, torch.Tensor], settings: LoraSettings, targets: list[str], base: str, folder: Path
) -> None:
    """Write the adapters alone, as `peft.PeftModel.from_pretrained(network, folder)` reads them.

    Args:
        base: the checkpoint that they belong to, for people.
    """
    from safetensors.torch import save_file

    config = peft_config(settings, targets)
    config.base_model_name_or_path = base
    config.inference_mode = True
    config.save_pretrained(str(folder))
    pairs = {
        f"base_model.model.{name.replace('.default.', '.')}": weight.contiguous()
        for name, weight in weights.items()
        if name.endswith((_A, _B))
    }
    save_file(pairs, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def targets_of(weights: Mapping[str, torch.Tensor]) -> list[str]:
    """The names of the layers that have adapters."""
    return sorted({name.removesuffix(_A).rpartition(".")[2] for name in weights if name.endswith(_A)})
