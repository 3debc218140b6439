"""Another runtime for the transformer in a sentence-transformers model, on the CPU.

`openvino` comes with danlu, `onnx` needs the extra `danlu[onnx]`. The model is converted as it is loaded and computes
in float32 as torch does, so that the vectors differ in the last digits only. sentence-transformers has back-ends of
these names too; they need `optimum`, whose releases are bound to other versions of transformers.
"""

from __future__ import annotations

import importlib.util
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from danlu.errors import ConfigError, NotAvailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from sentence_transformers import SentenceTransformer

Backend = Literal["torch", "onnx", "openvino"]
_OUTPUT = "last_hidden_state"
_EXTRA = ("onnx", "onnxruntime")

# Inputs in their order, each (n_texts, n_tokens) int64 -> (n_texts, n_tokens, dim) float32
Run = Callable[[list["np.ndarray"]], "np.ndarray"]


def check_backend(backend: Backend) -> None:
    """That what the back-end needs is installed.

    Raises:
        NotAvailableError: it is not.
    """
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if backend == "onnx" and missing:
        raise NotAvailableError(
            "backend is onnx",
            rule=f"{' and '.join(missing)} must be installed",
            fix='pip install "danlu[onnx]", or backend=openvino, which is there already',
        )


def use_backend(model: SentenceTransformer, backend: Backend) -> None:
    """Let the transformer of a loaded model (on the CPU) run elsewhere; `torch` leaves it as it is.

    Raises:
        NotAvailableError: the back-end is not installed.
        ConfigError: the model has no transformer that gives a vector for each token.
    """
    if backend == "torch":
        return
    check_backend(backend)
    module: Any = next(iter(model.children()))
    modality = getattr(module, "modality_config", {}).get("text", {})
    if modality.get("method_output_name") not in (_OUTPUT, (_OUTPUT,), [_OUTPUT]):
        raise ConfigError(
            f"backend is {backend}",
            rule=f"this model begins with {type(module).__name__}, which is no encoder that can be converted",
            fix="backend=torch",
        )
    example = {
        name: value
        for name, value in module.preprocess(["text", "a longer text"]).items()
        if isinstance(value, torch.Tensor) and name in module.model_forward_params
    }
    converters = {"openvino": _openvino, "onnx": _onnx}
    with _quiet():
        run = converters[backend](_Positional(module.model, list(example)).eval(), example)
    module.model = _Converted(module.model.config, list(example), run)


class _Positional(nn.Module):
    """The transformer with its inputs in a fixed order, as converters want them."""

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.model(**dict(zip(self.names, inputs, strict=True)), return_dict=True)[_OUTPUT]
        return output


class _Converted(nn.Module):
    """Stands in the place of the transformer."""

    def __init__(self, config: Any, names: Sequence[str], run: Run) -> None:
        super().__init__()
        self.config, self._names, self._run = config, names, run

    def forward(self, **inputs: Any) -> dict[str, torch.Tensor]:
        return {_OUTPUT: torch.from_numpy(self._run([inputs[name].numpy() for name in self._names]))}


def _openvino(model: nn.Module, example: Mapping[str, torch.Tensor]) -> Run:
    import openvino

    converted = openvino.convert_model(model, example_input=tuple(example.values()))
    settings = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(converted, "CPU", settings)
    return lambda inputs: compiled(inputs)[0].copy()  # its memory is used again by the next call


def _onnx(model: nn.Module, example: Mapping[str, torch.Tensor]) -> Run:
    import onnxruntime

    names = list(example)
    axes = {name: {0: "texts", 1: "tokens"} for name in (*names, _OUTPUT)}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "model.onnx"))
        # The exporter that traces needs no further package; the other one wants onnxscript.
        torch.onnx.export(model, tuple(example.values()), file, input_names=names, output_names=[_OUTPUT],
                          dynamic_axes=axes, dynamo=False)  # fmt: skip
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run(inputs: list[np.ndarray]) -> np.ndarray:
        output: np.ndarray = session.run(None, dict(zip(names, inputs, strict=True)))[0]
        return output

    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Converters trace the model and warn of every branch that they can't follow; none depends on the input here."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)
