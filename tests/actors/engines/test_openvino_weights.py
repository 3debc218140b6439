"""A checkpoint's tensors as constants: their values, how they are stored, and what is refused."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from openvino import Node
from openvino import opset15 as op
from safetensors.torch import save_file

from actors.engines.openvino_weights import StoredAs, Weights
from danlu.errors import InputError

TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def tensors(dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "wide.weight": torch.randn(3, 8, generator=generator).to(dtype),
        "wide.bias": torch.randn(3, generator=generator).to(dtype),
        "experts.0": torch.randn(2, 4, generator=generator).to(dtype),
        "experts.1": torch.randn(2, 4, generator=generator).to(dtype),
    }


def write(folder: Path, parts: dict[str, torch.Tensor]) -> Path:
    folder.mkdir(exist_ok=True)
    save_file(parts, folder / "model.safetensors")
    return folder


def stored_type(node: Node) -> str:
    """Of the constant in the graph."""
    constant = node if node.get_type_name() == "Constant" else node.input_value(0).get_node()
    assert constant.get_type_name() == "Constant"
    return constant.get_element_type().get_type_name()


@pytest.fixture
def value(compiled: Callable[..., Any]) -> Callable[[Node], np.ndarray]:
    """What the graph sees of a weight."""

    def evaluate(node: Node) -> np.ndarray:
        assert node.get_element_type().get_type_name() == "f32"
        (found,) = compiled(lambda zero: [op.result(op.add(node, zero))], ("f32", []))(np.float32(0.0))
        return found

    return evaluate


@pytest.mark.parametrize("kind", TYPES)
def test_a_weight_keeps_its_values_and_its_type(kind: str, value: Callable[[Node], np.ndarray], tmp_path: Path) -> None:
    parts = tensors(TYPES[kind])
    weights = Weights(write(tmp_path, parts))
    matrix, vector = weights.matrix("wide.weight", 3, 8), weights.vector("wide.bias", 3)
    stack = weights.matrices(["experts.1", "experts.0"], 2, 4)
    assert [stored_type(node) for node in (matrix, stack, vector)] == [kind, kind, "f32"]
    del weights
    gc.collect()  # the graph alone has to keep the arrays
    np.testing.assert_array_equal(value(matrix), parts["wide.weight"].float().numpy())
    np.testing.assert_array_equal(value(vector), parts["wide.bias"].float().numpy())
    expected = torch.stack([parts["experts.1"], parts["experts.0"]]).float().numpy()
    np.testing.assert_array_equal(value(stack), expected)


@pytest.mark.parametrize("stored", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", TYPES)
def test_matrices_are_stored_as_was_asked_and_vectors_exactly(kind: str, stored: StoredAs, tmp_path: Path) -> None:
    weights = Weights(write(tmp_path, tensors(TYPES[kind])), stored)
    matrices = weights.matrix("wide.weight", 3, 8), weights.matrices(["experts.0", "experts.1"], 2, 4)
    assert [stored_type(node) for node in matrices] == [{"fp32": "f32", "bf16": "bf16"}[stored]] * 2
    assert stored_type(weights.vector("wide.bias", 3)) == "f32"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@given(weight=arrays(np.float32, (2, 3), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_bfloat16_is_off_by_no_more_than_its_rounding(weight: np.ndarray, folder: Path) -> None:
    """Half a unit in the last of its 8 digits; below the least normal number, half a step there."""
    node = Weights(write(folder, {"a": torch.from_numpy(weight.copy())}), "bf16").matrix("a", 2, 3)
    bits = np.frombuffer(node.input_value(0).get_node().get_tensor_view().data.tobytes(), np.uint16)
    found = (bits.astype(np.uint32) << 16).view(np.float32).reshape(2, 3)
    assert bits.nbytes == weight.nbytes // 2
    assert (np.abs(found - weight.astype(np.float64)) <= np.maximum(np.abs(weight) * 2.0**-8, 2.0**-134)).all()


def test_a_weight_of_half_precision_stays_half_when_the_graph_is_made_smaller(tmp_path: Path) -> None:
    """Constant folding would widen it for good; the mark keeps it from that."""
    node = Weights(write(tmp_path, tensors(torch.bfloat16))).matrix("wide.weight", 3, 8)
    assert "decompression" in node.get_rt_info()


def test_what_nobody_asked_for_is_told(tmp_path: Path) -> None:
    weights = Weights(write(tmp_path, tensors()))
    assert weights.unused() == sorted(tensors())
    weights.vector("wide.bias", 3)
    weights.matrices(["experts.0"], 2, 4)
    assert weights.unused() == ["experts.1", "wide.weight"]
    assert "wide.weight" in weights and "wide" not in weights
    assert weights.unused() == ["experts.1", "wide.weight"], "to ask whether there is one is no use of it"


def test_tensors_are_found_in_the_shard_that_holds_them(value: Callable[[Node], np.ndarray], tmp_path: Path) -> None:
    parts = tensors()
    files = {name: f"model-0000{at + 1}-of-00004.safetensors" for at, name in enumerate(parts)}
    for name, file in files.items():
        save_file({name: parts[name]}, tmp_path / file)
    save_file({"old": torch.zeros(1)}, tmp_path / "model-00009-of-00009.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    weights = Weights(tmp_path)
    assert weights.unused() == sorted(parts), "files that the index does not name are none of its"
    np.testing.assert_array_equal(value(weights.matrix("wide.weight", 3, 8)), parts["wide.weight"].numpy())
    stack = weights.matrices(["experts.0", "experts.1"], 2, 4)
    np.testing.assert_array_equal(value(stack)[1], parts["experts.1"].numpy())


@pytest.mark.parametrize(
    ("name", "shape", "rule", "fix"),
    [
        ("nobody", (3, 8), "it is missing from the checkpoint", ""),
        (
            "wide.weight",
            (8, 3),
            "its shape is (3, 8), by config.json it is (8, 3)",
            "take the config.json that belongs to the weights",
        ),
        ("packed", (3, 8), "its type is torch.int8; float32, float16 and bfloat16 can be converted", ""),
        ("small", (3, 8), "its type is torch.float8_e4m3fn; float32, float16 and bfloat16 can be converted", ""),
    ],
)
def test_a_tensor_that_does_not_fit_is_one_clear_error(
    name: str, shape: tuple[int, int], rule: str, fix: str, tmp_path: Path
) -> None:
    more = {"packed": torch.zeros(3, 8, dtype=torch.int8), "small": torch.zeros(3, 8).to(torch.float8_e4m3fn)}
    weights = Weights(write(tmp_path, {**tensors(), **more}))
    for read in (lambda: weights.matrix(name, *shape), lambda: weights.matrices([name], *shape)):
        with pytest.raises(InputError) as refused:
            read()
        assert (refused.value.what, refused.value.rule, refused.value.fix) == (
            f"tensor {name} in {tmp_path}",
            rule,
            fix,
        )


@pytest.mark.parametrize("length", [0, 5, 100])
def test_a_torn_file_is_named(length: int, tmp_path: Path) -> None:
    file = write(tmp_path, tensors()) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(InputError, match=r"model\.safetensors can't be read: ."):
        Weights(tmp_path)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_weights_that_are_no_numbers_are_refused(number: str, kind: str, tmp_path: Path) -> None:
    """They would be served as noise."""
    parts = tensors(TYPES[kind])
    parts["experts.1"][1, 2] = float(number)
    weights = Weights(write(tmp_path, parts))
    weights.matrix("wide.weight", 3, 8)
    with pytest.raises(InputError) as refused:
        weights.matrices(["experts.0", "experts.1"], 2, 4)
    assert refused.value.what == f"tensor experts.1 in {tmp_path}"
    assert "1 of its 8 values are NaN or infinite" in refused.value.rule
