"""What a sandboxed program may use."""

from __future__ import annotations

from pydantic import Field

from danlu.config import Settings


class Limits(Settings):
    """Bounds for one run of the sandbox: all its calls together."""

    seconds: float = Field(
        default=5.0, gt=0, le=600, description="wall clock seconds; CPU seconds are bounded likewise"
    )
    memory_mib: int = Field(default=256, ge=64, description="address space of the program, MiB")
    output_kib: int = Field(default=64, ge=1, description="what it may print before it is stopped, KiB")
    result_kib: int = Field(default=1024, ge=1, description="size of all returned values written as text, KiB")
    file_mib: int = Field(
        default=4, ge=0, description="size of its private /tmp, MiB (rlimits: no file can be written)"
    )
    open_files: int = Field(default=64, ge=16, description="files open at the same time")
