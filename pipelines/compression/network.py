"""A converted model run by hand: logits of whole sequences, in float32, as measuring needs them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov

from actors.engines.openvino_folder import MODEL_FILE
from actors.engines.signal_stack import kept_signal_stack


class Network:
    """The model in a converted folder. Activations and KV cache are float32, so that only the weights differ."""

    def __init__(self, folder: Path, threads: int) -> None:
        precise = {
            "INFERENCE_PRECISION_HINT": "f32",
            "KV_CACHE_PRECISION": "f32",
            "INFERENCE_NUM_THREADS": threads,
        }
        with kept_signal_stack():
            self._request = ov.Core().compile_model(folder / MODEL_FILE, "CPU", precise).create_infer_request()
        self._seen = 0

    def logits(self, ids: Sequence[int]) -> np.ndarray:
        """The logits after each token of a fresh sequence: (tokens, vocabulary) float32."""
        self._request.reset_state()
        self._seen = 0
        return self._advance(ids)

    def continue_greedily(self, ids: Sequence[int], count: int, end: set[int]) -> list[int]:
        """The `count` likeliest tokens after `ids`, fewer when one of `end` comes (which is kept)."""
        answer = [int(self.logits(ids)[-1].argmax())]
        while len(answer) < count and answer[-1] not in end:
            answer.append(int(self._advance(answer[-1:])[-1].argmax()))
        return answer

    def _advance(self, ids: Sequence[int]) -> np.ndarray:
        positions = np.arange(self._seen, self._seen + len(ids), dtype=np.int64)
        self._seen += len(ids)
        inputs = {
            "input_ids": np.asarray([ids], dtype=np.int64),
            "attention_mask": np.ones((1, self._seen), dtype=np.int64),
            "position_ids": positions[None],
            "beam_idx": np.zeros(1, dtype=np.int32),
        }
        return np.array(self._request.infer(inputs)["logits"][0])
