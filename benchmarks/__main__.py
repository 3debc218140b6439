"""Lists the benchmarks, or runs one: python -m benchmarks [NAME [ARGUMENTS ...]]."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> None:
    """Run `benchmarks/NAME.py` with the arguments behind its name."""
    names = sorted(file.stem for file in FOLDER.glob("*.py") if not file.stem.startswith("__"))
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        for name in names:
            text = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or ""
            print(f"python -m benchmarks {name}    {text.splitlines()[0] if text else ''}")
        return
    sys.argv = sys.argv[1:]
    runpy.run_module(f"benchmarks.{sys.argv[0]}", run_name="__main__")


if __name__ == "__main__":
    main()
