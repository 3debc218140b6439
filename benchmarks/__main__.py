"""Lists the benchmarks, or runs one: python -m benchmarks [NAME [ARGUMENTS ...]]."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

from danlu.errors import DanluError

FOLDER = Path(__file__).parent


def main() -> None:
    """Run the benchmark NAME, such as `code_generation` or `cleaning.peers`, with the arguments behind its name."""
    found = find_benchmarks(FOLDER)
    if len(sys.argv) < 2 or sys.argv[1] not in found:
        if len(sys.argv) >= 2:
            print(f"no benchmark is called {sys.argv[1]!r}; these are there:", file=sys.stderr)
        for name, summary in found.items():
            print(f"python -m benchmarks {name}    {summary}")
        raise SystemExit(len(sys.argv) >= 2)
    sys.argv = sys.argv[1:]
    try:
        runpy.run_module(f"benchmarks.{sys.argv[0]}", run_name="__main__")
    except DanluError as error:
        raise SystemExit(str(error)) from None


def find_benchmarks(folder: Path) -> dict[str, str]:
    """{name: first line of its docstring} of the modules in `folder` and below that define `main`."""
    found: dict[str, str] = {}
    for file in sorted(folder.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        has_main = any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)
        if has_main and not file.stem.startswith("__"):
            text = ast.get_docstring(tree) or ""
            found[".".join(file.relative_to(folder).with_suffix("").parts)] = text.splitlines()[0] if text else ""
    return found


if __name__ == "__main__":
    main()
