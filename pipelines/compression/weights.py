"""A converted folder again, with its weights stored in fewer bits."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from actors.engines.openvino_folder import MODEL_FILE
from actors.engines.openvino_quantization import quantize
from actors.engines.settings import GROUP_SIZE
from actors.engines.signal_stack import kept_signal_stack
from pipelines.compression.config import CompressConfig


def write_compressed(source: Path, destination: Path, config: CompressConfig, texts: Sequence[Sequence[int]]) -> None:
    """A copy of the converted folder `source` with its weights stored as `config.weights` says.

    Args:
        texts: token ids of calibration texts; empty fits scales to the weights alone.
    """
    import openvino as ov

    shutil.rmtree(destination, ignore_errors=True)
    shutil.copytree(source, destination, ignore=shutil.ignore_patterns("openvino_model.*"))
    with kept_signal_stack():
        model = ov.Core().read_model(source / MODEL_FILE)
        if config.weights in ("int8", "int4"):
            model = quantize(model, config.weights, config.group_size or GROUP_SIZE, texts)
    ov.save_model(model, destination / MODEL_FILE, compress_to_fp16=config.weights == "fp16")


def weight_bytes(folder: Path) -> int:
    """The size of a converted model's weights, without the graph."""
    return (folder / MODEL_FILE).with_suffix(".bin").stat().st_size
