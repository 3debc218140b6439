"""Holds what danlu calls of TensorRT-LLM against the package that is installed: python scripts/check_tensorrt_llm.py

For a machine with the package (NVIDIA's image for TensorRT-LLM), where danlu's tests can't tell. Ends with 1 when a
call would fail; what has merely changed is printed as news. `--serve` names trtllm-serve, if it is not on PATH.
"""

from __future__ import annotations

import argparse
import importlib
import operator
import re
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from actors.engines.tensorrt_signatures import COMPLETION_FIELDS, SERVE_OPTIONS, attributes, compare, parameters
from actors.engines.trtllm_serve import EXECUTABLE, find_executable

# Where each callable of SIGNATURES lies, as MODULE:PATH; of several places the first that is there counts.
_PLACES = {
    "LLM.generate_async": ["tensorrt_llm:LLM.generate_async"],
    "LLM.shutdown": ["tensorrt_llm:LLM.shutdown"],
    "KvCacheConfig": ["tensorrt_llm.llmapi:KvCacheConfig"],
    "SamplingParams": ["tensorrt_llm:SamplingParams"],
} | {
    f"RequestOutput.{name}": [
        f"tensorrt_llm.llmapi:RequestOutput.{name}",
        f"tensorrt_llm.executor.result:GenerationResult.{name}",
    ]
    for name in ("abort", "aborted")
}
# The classes of READ.
_CLASSES = {
    "RequestOutput": ["tensorrt_llm.llmapi:RequestOutput", "tensorrt_llm.executor.result:GenerationResult"],
    "CompletionOutput": ["tensorrt_llm.llmapi:CompletionOutput", "tensorrt_llm.executor.result:CompletionOutput"],
}


def installed_signatures() -> dict[str, Iterable[str]]:
    """What the installed package takes and has, by the names of SIGNATURES and READ; what it lacks is left out.

    Raises:
        ImportError: there is no package that imports.
    """
    importlib.import_module("tensorrt_llm")
    found: dict[str, Iterable[str]] = {}
    for name, places in _PLACES.items():
        objects = [value for place in places if (value := _find(place)) is not None]
        if objects:
            found[name] = parameters(objects[0])
    for name, places in _CLASSES.items():
        classes = [value for place in places if isinstance(value := _find(place), type)]
        if classes:
            found[name] = attributes(classes[0])
    llm, arguments = _find("tensorrt_llm:LLM"), _find("tensorrt_llm.llmapi.llm_args:TorchLlmArgs")
    if llm is not None:
        found["LLM"] = parameters(llm) | (parameters(arguments) if arguments is not None else set())
    return found


def _find(place: str) -> Any:
    """What lies at MODULE:PATH, or None."""
    module, _, path = place.partition(":")
    try:
        return operator.attrgetter(path)(importlib.import_module(module))
    except (ImportError, AttributeError):
        return None


def missing_fields() -> list[str]:
    """Fields of danlu's requests that the installed server would refuse."""
    request = _find("tensorrt_llm.serve.openai_protocol:CompletionRequest")
    if request is None:
        return ["there is no CompletionRequest"]
    return [f"/v1/completions has no {name}" for name in sorted(COMPLETION_FIELDS - parameters(request))]


def missing_options(executable: str) -> list[str]:
    """Options that danlu passes to trtllm-serve and its help does not name."""
    said = subprocess.run([executable, "serve", "--help"], capture_output=True, text=True, timeout=300)
    known = set(re.findall(r"--[a-z_]+", said.stdout + said.stderr))
    return [f"{executable} has no {name}" for name in sorted(SERVE_OPTIONS - known)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", metavar="PATH", help="trtllm-serve, if it is not on PATH")
    executable = find_executable(parser.parse_args().serve)
    broken: list[str] = []
    news: list[str] = []
    looked = 0
    try:
        installed = installed_signatures()
    except ImportError as error:
        print(f"the package tensorrt_llm does not import: {error}")
    else:
        looked += 1
        broken, news = compare(installed)
        broken += missing_fields()
    if executable:
        looked += 1
        broken += missing_options(executable)
    else:
        print(f"{EXECUTABLE} is not on PATH")
    for line in news:
        print(f"news: {line}")
    for line in broken:
        print(f"WRONG: {line}")
    print(f"{len(broken)} wrong, {len(news)} news" if looked else "nothing to look at")
    return 1 if broken or not looked else 0


if __name__ == "__main__":
    sys.exit(main())
