"""Storing a converted model's weights in fewer bits, with NNCF."""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors.engines.openvino_folder import MODEL_FILE
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
            model = _quantized(model, config, texts)
    ov.save_model(model, destination / MODEL_FILE, compress_to_fp16=config.weights == "fp16")


def weight_bytes(folder: Path) -> int:
    """The size of a converted model's weights, without the graph."""
    return (folder / MODEL_FILE).with_suffix(".bin").stat().st_size


def _quantized(model: Any, config: CompressConfig, texts: Sequence[Sequence[int]]) -> Any:
    import nncf

    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):  # NNCF draws progress bars of its own
        if config.weights == "int8":
            # Symmetric: one scale per row of every matrix, embeddings and head included.
            return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
        fitted = {"dataset": nncf.Dataset([_inputs(ids) for ids in texts]), "awq": True, "scale_estimation": True}
        return nncf.compress_weights(
            model,
            mode=nncf.CompressWeightsMode.INT4_SYM,
            group_size=config.group_size,
            # Where a matrix's width is no multiple of the group size, a smaller one is taken.
            advanced_parameters=nncf.AdvancedCompressionParameters(
                group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST
            ),
            **(fitted if texts else {}),
        )


def _inputs(ids: Sequence[int]) -> dict[str, Any]:
    """A calibration text as the model's inputs."""
    import numpy as np

    return {
        "input_ids": np.asarray([ids], dtype=np.int64),
        "attention_mask": np.ones((1, len(ids)), dtype=np.int64),
        "position_ids": np.arange(len(ids), dtype=np.int64)[None],
        "beam_idx": np.zeros(1, dtype=np.int32),
    }
