"""Out of memory is told as host or device, by how much, with two settings that would help."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from danlu.config import apply_override, validate
from danlu.continuing import lies_in
from danlu.errors import ConfigError, NotAvailableError, RunError
from pipelines.training.config import TrainConfig
from pipelines.training.engine import deepspeed_config
from pipelines.training.launch import worker_environment
from pipelines.training.shortage import Shortage, helpful_settings, out_of_memory, read_shortage

CUDA = (
    "CUDA out of memory. Tried to allocate 3.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.20 GiB is "
    "free. Including non-PyTorch memory, this process has 77.90 GiB memory in use."
)
RAY = (
    "1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 10.0.0.1, ID: ab) was "
    "15.60GB used / 16.00GB limit (0.975000)"
)


def config(**values: Any) -> TrainConfig:
    return validate(TrainConfig, {"input": "x", "output": "y"} | values)


def test_a_device_that_is_full_is_told() -> None:
    found = read_shortage(CUDA)
    assert found is not None and found.where == "device"
    assert found.describe() == "3.0 GiB were asked for and 1.2 GiB were free: 1.8 GiB too little"
    assert "pieces" in Shortage("device", 100.0, 200.0).describe()


def test_a_worker_that_ray_ended_ran_out_of_host_memory() -> None:
    found = read_shortage(RAY)
    assert found == Shortage("host", 15.6e9, 0.95 * 16e9)
    assert read_shortage("The node was running low on memory") == Shortage("host")


def test_the_hosts_allocators_are_understood_as_they_really_speak() -> None:
    with pytest.raises(RuntimeError) as torch_error:
        torch.empty(1 << 50, dtype=torch.uint8)
    assert read_shortage(str(torch_error.value), 5.0) == Shortage("host", float(1 << 50), 5.0)
    with pytest.raises(MemoryError) as numpy_error:
        np.empty(1 << 50, np.uint8)
    found = read_shortage(f"MemoryError: {numpy_error.value}", 5.0)
    assert found is not None and found.wanted_bytes == pytest.approx(1 << 50)


def test_other_errors_are_none() -> None:
    assert read_shortage("RuntimeError: shapes differ") is None
    assert read_shortage("the disk is out of space") is None


LITTLE = {"sequences": 2, "length": 16}


@pytest.mark.parametrize(
    ("values", "where", "device", "expected"),
    [
        ({"batch": {"sequences": 64}}, "host", "cpu", "batch.micro=32, parallel.data=2"),
        (
            {"batch": LITTLE, "parallel": {"data": 2}, "size": "0.6b"},
            "device",
            "cuda",
            "parallel.zero=3, offload=optimizer with parallel.zero=1",
        ),
        (
            {"batch": LITTLE, "parallel": {"data": 2, "zero": 3}, "size": "0.6b"},
            "device",
            "cuda",
            "offload=optimizer, recompute=true",
        ),
        ({"from": "a", "batch": LITTLE | {"micro": 1}}, "device", "cuda", "recompute=true, offload=optimizer"),
        (
            {"from": "a", "batch": {"sequences": 1, "length": 16}, "recompute": True},
            "host",
            "cpu",
            "lora={} in a new output, a smaller checkpoint (from) in a new output",
        ),
        (
            {"batch": {"sequences": 12, "length": 8, "micro": 1}, "recompute": True, "size": "0.6b"},
            "host",
            "cpu",
            "parallel.data=2 with parallel.zero=3, a smaller network",
        ),
        ({"batch": {"sequences": 9}}, "host", "cpu", "batch.micro=3, parallel.data=3 with parallel.zero=3 and batch."),
        (
            {"parallel": {"data": 2, "expert": 2}, "architecture": "moe", "batch": LITTLE},
            "host",
            "cpu",
            "parallel.zero=2, recompute=true",
        ),
        (
            {"parallel": {"data": 2}, "gradient_compression": "onebit", "size": "0.6b", "batch": LITTLE},
            "host",
            "cpu",
            "parallel.zero=3 with gradient_compression=none, recompute=true",
        ),
        (
            {"parallel": {"zero": 1, "data": 2}, "offload": "optimizer", "device": "cuda"},
            "host",
            "cuda",
            "offload=none, parallel.zero=3",
        ),
        ({}, "host", "cuda", "fewer workers, a smaller network"),
    ],
)
def test_the_two_settings_fit_the_config(values, where, device, expected) -> None:
    found = helpful_settings(where, config(**values), device, 4096)
    assert all(one.startswith(wanted) for one, wanted in zip(found, expected.split(", "), strict=True)), found


@st.composite
def asked(draw: st.DrawFn) -> dict[str, Any]:
    """What a person may ask for, before it is known whether it can be."""
    data = draw(st.sampled_from([1, 2, 4]))
    return {
        "parallel": {
            "data": data,
            "zero": draw(st.integers(0, 3)),
            **draw(st.sampled_from([{}, {}, {"expert": 2}, {"pipeline": 2}, {"tensor": 2}])),
        },
        "batch": {
            "sequences": data * draw(st.sampled_from([1, 2, 3, 8, 9])),
            "length": draw(st.sampled_from([8, 50, 64])),
            "micro": draw(st.sampled_from([None, None, 1, 3])),
        },
        "gradient_compression": draw(st.sampled_from(["none", "onebit"])),
        "precision": draw(st.sampled_from(["fp32", "bf16"])),
        "offload": draw(st.sampled_from(["none", "none", "optimizer"])),
        "recompute": draw(st.booleans()),
        **draw(st.sampled_from([{"steps": 40}, {"tokens": 100_000}])),
        **draw(
            st.sampled_from(
                [
                    {"size": "tiny"},
                    {"size": "0.6b"},
                    {"architecture": "moe", "size": "tiny"},
                    {"architecture": "sparse", "size": "tiny"},
                    {"from": "a"},
                    {"from": "a", "lora": {}},
                ]
            )
        ),
    }


@settings(max_examples=300, suppress_health_check=[HealthCheck.filter_too_much])
@given(values=asked(), where=st.sampled_from(["host", "device"]), device=st.sampled_from(["cpu", "cuda"]))
def test_what_is_advised_is_allowed_new_and_says_where_it_must_begin_anew(values, where, device) -> None:
    try:
        made = config(**values).resolved()
    except (ConfigError, NotAvailableError):
        reject()
    first, second = helpful_settings(where, made, device, 4096)
    assert first != second
    for said in (first, second):
        anew = said.endswith(" in a new output")
        said = said.removesuffix(" in a new output").removesuffix(", on more machines or cards")
        if "=" not in said:
            continue
        changed = copy.deepcopy(values)
        for override in re.split(" with | and ", said):
            apply_override(changed, override)
        advised = config(**changed).resolved()
        assert advised != made
        keys = re.findall(r"([a-z._]+)=", said)
        assert anew == any(not lies_in(key, TrainConfig.changeable) for key in keys)


def test_the_message_is_whole() -> None:
    found = read_shortage(CUDA)
    assert found is not None
    error = out_of_memory(found, "worker 2", config(batch={"sequences": 64}), "cuda", 4096)
    assert str(error).startswith("training ran out of device memory on worker 2: 3.0 GiB were asked for and")
    assert "Fix: batch.micro=32, or " in str(error)


def test_offloading_is_deepspeeds_and_refused_where_it_does_nothing() -> None:
    made = config(parallel={"zero": 2}, offload="optimizer", device="cuda")
    zero = deepspeed_config(made, 100)["zero_optimization"]
    assert zero["offload_optimizer"] == {"device": "cpu", "pin_memory": True}
    assert "offload_optimizer" not in deepspeed_config(config(parallel={"zero": 2}), 100)["zero_optimization"]
    with pytest.raises(ConfigError, match=r"parallel\.zero is 0: ZeRO does it"):
        config(offload="optimizer")
    with pytest.raises(ConfigError, match="device is 'cpu': the optimizer is in host memory already"):
        config(offload="optimizer", parallel={"zero": 1}, device="cpu")


def test_the_allocator_pools_on_cuda_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"):
        monkeypatch.delenv(name, raising=False)
    assert worker_environment("cpu") == {}
    assert worker_environment("cuda") == {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:64")
    assert worker_environment("cuda") == {}


def test_a_worker_without_memory_ends_the_run_at_once(train, text_file: Path, tmp_path: Path, ray_local: None) -> None:
    """One feed-forward layer asks for half a terabyte."""
    shape = {
        "layers": 1,
        "hidden": 8,
        "heads": 1,
        "kv_heads": 1,
        "head_dim": 8,
        "context": 256,
        "intermediate": 1 << 19,
    }
    values = {"input": str(text_file), "output": str(tmp_path), "sizes": shape, "steps": 2, "tensorboard": False}
    with pytest.raises(
        RunError, match=r"out of host memory on worker 0: 512\.0 GiB were asked for and .* were free"
    ) as told:
        train(values | {"batch": {"sequences": 1024, "length": 256}, "tokenizer": {"vocabulary": 300}})
    assert "batch.micro=512" in str(told.value)
    assert len((tmp_path / "_state" / "attempts.jsonl").read_text().splitlines()) == 1


KILLED_BY_RAY = """
import ray, time
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
@ray.remote(max_retries=0)
def hold():
    held = bytearray(300_000_000)
    held[::4096] = b"x" * len(held[::4096])
    time.sleep(120)
try:
    ray.get(hold.remote())
except ray.exceptions.OutOfMemoryError as error:
    print(error)
"""


@pytest.mark.slow
def test_ray_still_words_it_so() -> None:
    settings = {"RAY_memory_usage_threshold": "0.01", "RAY_memory_monitor_refresh_ms": "200"}
    command = [sys.executable, "-c", KILLED_BY_RAY]
    said = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=200).stdout
    found = read_shortage(said)
    assert found is not None and found.where == "host" and found.wanted_bytes is not None, said
