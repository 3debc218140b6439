"""The CUDA device that is measured."""

from __future__ import annotations

# Dense bf16 FLOP/s by the vendor's datasheets, for `share of the peak`.
_PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}


def peak_flops() -> float:
    """The device's dense bf16 FLOP/s.

    Raises:
        SystemExit: there is no device, or its peak is not known here.
    """
    name = device_name()
    for mark, peak in _PEAKS.items():
        if mark in name:
            return peak
    raise SystemExit(f"the peak of {name} is not known; add it to {__file__}")


def device_name() -> str:
    """As CUDA calls it."""
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("this benchmark needs a CUDA GPU")
    return torch.cuda.get_device_name(0)


def describe_device() -> str:
    """Name, memory, and the versions that matter."""
    import torch
    import transformers

    memory = torch.cuda.get_device_properties(0).total_memory / (1 << 30)
    return f"{device_name()}, {memory:.0f} GiB, torch {torch.__version__}, transformers {transformers.__version__}"
