"""LoRA adapters on a loaded transformers model, as peft writes them: many on one base, chosen row by row."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from danlu.errors import InputError
from danlu.inputs import require_ended

CONFIG_FILE = "adapter_config.json"
_BASE = "__base__"  # peft's word for rows without an adapter


def find_adapter(path: str | Path, key: str = "adapters") -> Path:
    """The folder of an adapter: `path` itself, or `adapter/` in the run directory of `danlu train lora={...}`.

    Args:
        key: the config key that named the path, for messages.

    Raises:
        InputError: there is none, or the run that makes it is not finished.
    """
    require_ended(str(path), ("adapter",), key)
    for folder in (Path(path), Path(path) / "adapter"):
        if (folder / CONFIG_FILE).is_file():
            return folder
    raise InputError(
        f"{key} is {str(path)!r}",
        rule=f"it holds no adapter ({CONFIG_FILE}, or the run directory of `danlu train` with lora)"
        if Path(path).is_dir()
        else "no such folder",
        fix="give the output of `danlu train lora={...}`, or a folder that peft has written",
    )


class Adapters:
    """The adapters of a model. peft's own names of them are numbers, as its modules allow no dots."""

    def __init__(self, folders: Mapping[str, str]) -> None:
        self._folders = {name: find_adapter(path, f"adapters.{name}") for name, path in folders.items()}
        self._inner = {name: f"adapter{number}" for number, name in enumerate(self._folders)}

    def put_on(self, model: Any) -> Any:
        """The model with all of them beside its weights; itself when there are none.

        Raises:
            InputError: an adapter does not fit the model.
        """
        from peft import PeftModel
        from safetensors import SafetensorError

        for name, folder in self._folders.items():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", UserWarning)  # peft only warns of weights that it did not find
                    if isinstance(model, PeftModel):
                        model.load_adapter(str(folder), adapter_name=self._inner[name])
                    else:
                        model = PeftModel.from_pretrained(model, str(folder), adapter_name=self._inner[name])
            except (OSError, ValueError, KeyError, RuntimeError, TypeError, UserWarning, SafetensorError) as error:
                reason = str(error).strip().splitlines()[0]
                raise InputError(f"the adapter {name} in {folder} does not load", rule=reason) from None
        return model.eval() if self._folders else model

    def of_rows(self, names: Sequence[str | None]) -> dict[str, list[str]]:
        """What the model's forward pass is told beside the tokens: the adapter of each row."""
        if not self._inner:
            return {}
        return {"adapter_names": [_BASE if name is None else self._inner[name] for name in names]}
