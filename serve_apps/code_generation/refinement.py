"""When templates do not reach: a language model writes the function from the plan, and mends it after its errors."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Protocol

from actors.engines.protocol import Completion, Message, SamplingParams
from serve_apps.code_generation.plan import Plan
from serve_apps.code_generation.requirement import Requirement

_FENCE = re.compile(r"```[ \t]*(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_REASONING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_SYSTEM = (
    "You write one Python function. Answer with the code alone, in one ```python block: no explanation, no tests. "
    "Use only the standard library. Do not read input and do not print."
)


class ChatModel(Protocol):
    """What is asked of a language model; serve_apps.language_model.LanguageModel is one."""

    name: str

    async def chat(self, messages: Sequence[Message], sampling: SamplingParams) -> Completion: ...


def first_prompt(requirement: Requirement, plan: Plan) -> list[Message]:
    """The conversation that asks for the function."""
    parts = [f"Task:\n{requirement.text.strip()}", f"Plan:\n{plan.outline()}", f"Signature:\n{requirement.signature}:"]
    if requirement.examples:
        parts.append("Examples that must hold:\n" + "\n".join(str(example) for example in requirement.examples))
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": "\n\n".join(parts)}]


def repair_prompt(messages: Sequence[Message], answer: str, problem: str) -> list[Message]:
    """The same conversation, with the answer and what was wrong with it."""
    complaint = f"This is wrong: {problem}\nWrite the whole function again, corrected."
    return [*messages, {"role": "assistant", "content": answer}, {"role": "user", "content": complaint}]


def extract_code(answer: str, function: str) -> str:
    """The code in a model's answer, without reasoning and prose; empty when there is none.

    The block that defines the wanted function is taken, else the first one; an answer without a fence is cut to the
    lines from the first import or definition to the last line that still parses.
    """
    spoken = _REASONING.sub("", answer)
    blocks = [block.strip("\n") for block in _FENCE.findall(spoken)]
    if blocks:
        return next((block for block in blocks if f"def {function}" in block), blocks[0]) + "\n"
    lines = spoken.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith(("def ", "import ", "from ", "class ", "@"))]
    for end in range(len(lines), starts[0] if starts else len(lines), -1):
        code = "\n".join(lines[starts[0] : end])
        if _parses(code):
            return code.rstrip() + "\n"
    return "\n".join(lines[starts[0] :]) + "\n" if starts else ""


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True
