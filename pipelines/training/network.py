"""The network to train: new, or from a checkpoint."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from actors.networks.build import architecture_of, build_config, register_networks, sizes_of
from danlu.errors import ConfigError, InputError, NotAvailableError
from danlu.inputs import find_artifact
from pipelines.training.config import TrainConfig
from pipelines.training.layout import Layout, check_network
from pipelines.training.lora import add_adapters, chosen_targets
from pipelines.training.settings import LoraSettings

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def find_checkpoint(location: str) -> str:
    """The absolute folder that `from` names (a training run or a checkpoint folder), or the Hugging Face name itself.

    Raises:
        InputError: it is neither.
    """
    folder = Path(find_artifact(location, "checkpoint", "from"))
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputError(f"from is {location!r}", rule="the folder holds no checkpoint (no config.json)")
        return str(folder.resolve())
    # `runs/trian` beside a folder `runs` is a slip, and no name to ask Hugging Face for.
    if _HUB_NAME.fullmatch(location) and not Path(location).parent.is_dir():
        return location
    raise InputError(f"from is {location!r}", rule="no such folder", fix="give a finished training run")


def check_checkpoint(checkpoint: str, length: int, layout: Layout, lora: LoraSettings | None = None) -> None:
    """Raise unless the checkpoint's network can read `length` tokens, be cut as `layout` wants, and has `lora.targets`.

    Raises:
        InputError: the sequences are too long, no network of this name can be had, or a file of weights is damaged.
        ConfigError: it can't be cut so, or has no layers of these names.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    register_networks()
    try:
        config = AutoConfig.from_pretrained(checkpoint)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        fix = "check the path; a model of the hub must be in the local cache of Hugging Face or within reach"
        if Path(checkpoint).is_dir():
            fix = "its config.json is damaged: give another checkpoint, or make that one again"
        raise InputError(f"from is {checkpoint!r}", rule=reason, fix=fix) from None
    _check_weights(Path(checkpoint))
    longest = getattr(config, "max_position_embeddings", None)
    if longest is not None and length > longest:
        raise InputError(f"batch.length is {length}", rule=f"the context of {checkpoint} is {longest} tokens")
    if layout.pipeline * layout.tensor * layout.expert > 1:
        _check_cuts(checkpoint, config, layout)
    if lora is not None:
        with torch.device("meta"):
            chosen_targets(AutoModelForCausalLM.from_config(config), lora)


def _check_weights(folder: Path) -> None:
    """Read the heads of a local checkpoint's files of weights: a torn one would only fail in every worker."""
    from safetensors import SafetensorError, safe_open

    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="numpy"):
                pass
        except (SafetensorError, OSError) as error:
            fix = "give another checkpoint, or make that one again"
            raise InputError(f"from is {str(folder)!r}", rule=f"{file.name} is damaged: {error}", fix=fix) from None


def _check_cuts(checkpoint: str, config: PreTrainedConfig, layout: Layout) -> None:
    if architecture_of(config) is None:
        raise NotAvailableError(
            f"{layout} and from is {checkpoint!r}",
            rule=f"only Qwen3 and Qwen3-MoE networks can be cut, and this is {config.model_type}",
            fix="parallel.data alone, and parallel.zero=3 where the model is too large for one worker",
        )
    if config.attention_bias and layout.tensor > 1:
        raise NotAvailableError(
            f"parallel.tensor is {layout.tensor} and from is {checkpoint!r}",
            rule="its attention has biases, which can't be cut",
            fix="parallel.tensor=1",
        )
    if layout.pipeline > 1 and "sliding_attention" in (getattr(config, "layer_types", None) or ()):
        raise NotAvailableError(
            f"parallel.pipeline is {layout.pipeline} and from is {checkpoint!r}",
            rule="its layers see a sliding window, and stages know causal attention only",
            fix="parallel.pipeline=1",
        )
    try:
        check_network(layout, sizes_of(config))
    except ValueError as error:
        raise ConfigError(str(error), rule=f"these are the sizes of {checkpoint}") from None


def make_network(config: TrainConfig, checkpoint: str | None, vocabulary: int) -> PreTrainedModel:
    """The network with its first weights in fp32: random by `config.seed`, or those of `checkpoint`."""
    import torch
    from transformers import AutoModelForCausalLM

    register_networks()
    if checkpoint is not None:
        model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        if config.lora is not None:
            add_adapters(model, config.lora, config.seed)
        return model
    assert config.architecture is not None and config.sizes is not None  # the config is resolved
    torch.manual_seed(config.seed)
    shape = build_config(config.architecture, config.sizes, vocabulary)
    return AutoModelForCausalLM.from_config(shape, dtype=torch.float32)
