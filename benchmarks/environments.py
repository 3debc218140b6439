"""Virtual environments for peers, made on first use in ~/.cache/danlu-benchmarks and kept there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

_READY = "ready.txt"


def cache_folder() -> Path:
    return Path.home() / ".cache" / "danlu-benchmarks"


def ensure_environment(name: str, requirements: Sequence[str], folder: Path | None = None) -> Path:
    """The Python of the environment `name` (PEER-VERSION) with the `requirements`, installed by pip if need be.

    An environment that was made from other requirements, or was not finished, is made anew.

    Raises:
        subprocess.CalledProcessError: pip failed; it said why.
    """
    place = (folder or cache_folder()) / name
    python = place / "bin" / "python"
    mark = place / _READY
    if mark.exists() and mark.read_text(encoding="utf-8").split("\n") == list(requirements):
        return python
    print(f"making the environment {place}", file=sys.stderr)
    shutil.rmtree(place, ignore_errors=True)
    venv.create(place, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, *requirements], check=True)
    mark.write_text("\n".join(requirements), encoding="utf-8")
    return python
