"""A requirement read: prose, signature, examples and constants, from what the user sent and wrote into the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from serve_apps.code_generation.annotations import kinds_of_annotation
from serve_apps.code_generation.constants import find_constants
from serve_apps.code_generation.examples import Example, find_examples
from serve_apps.code_generation.kinds import shared_kinds
from serve_apps.code_generation.signature import Parameter, Signature, find_signature
from serve_apps.code_generation.words import is_chinese

_EXAMPLES = re.compile(
    r"(?:示例|样例|例如|例子|比如|如|[Ee]xamples?|[Ff]or example|e\.g\.)[\s\d]*+(?:[:：,，]\s*+)?"
    r"(?=>>>|[A-Za-z_]\w*\(|输入|[Ii]nput)"
    r"|(?<![A-Za-z0-9_])[A-Za-z_][A-Za-z0-9_]*+\((?=[^()]*?[\d'\"\[])[^()]*+\)\s*+(?:==|=>|->|→|=|应?返回|结果|returns?)"
)


@dataclass(frozen=True)
class Requirement:
    """What is wanted. `examples_from` says where the examples came from: request, text, or nowhere.

    `constants` are the text's, `fields` the keys of records in the examples.
    """

    text: str
    prose: str
    signature: Signature
    named: bool
    examples: tuple[Example, ...]
    examples_from: str
    constants: tuple[Any, ...]
    fields: tuple[str, ...] = ()

    @property
    def chinese(self) -> bool:
        return is_chinese(self.text)

    def argument_values(self, place: int) -> list[Any]:
        """The values of one parameter in the examples: as they give it, else its default if that is a literal."""
        parameter = self.signature.parameters[place]
        default = parameter.default_values()
        values: list[Any] = []
        for example in self.examples:
            if place < len(example.call.args):
                values.append(example.call.args[place])
            elif parameter.name in example.call.kwargs:
                values.append(example.call.kwargs[parameter.name])
            else:
                values.extend(default)
        return values

    def argument_kinds(self, place: int) -> frozenset[str]:
        """The kinds of one parameter's values: seen in the examples, else as annotated, else empty (unknown)."""
        values = self.argument_values(place)
        if values:
            return shared_kinds(values)
        return kinds_of_annotation(self.signature.parameters[place].type) or frozenset()

    def expected_values(self) -> list[Any]:
        return [example.expected for example in self.examples]


def read_requirement(text: str, signature: Signature | None = None, examples: Sequence[Example] = ()) -> Requirement:
    """Put together what the request says; what it leaves out is looked for in the text.

    A signature in the text counts only if it is that of the function that `examples` call.

    Raises:
        ValueError: `examples` call different functions, or not the one of `signature`.
    """
    wanted = signature or find_signature(text, examples[0].function if examples else None)
    function = wanted.name if wanted else (examples[0].function if examples else None)
    found = tuple(examples) or tuple(find_examples(text, function))
    function = function or (found[0].function if found else None)
    for place, example in enumerate(found):
        if example.function != function:
            raise ValueError(f"example {place} calls {example.function}, the wanted function is {function}")
    if wanted is None or (not wanted.parameters and found and (found[0].call.args or found[0].call.kwargs)):
        wanted = Signature(name=function or "solution", parameters=_guess_parameters(found))
    return Requirement(
        text=text,
        prose=_prose(text),
        signature=wanted,
        named=function is not None,
        examples=found,
        examples_from="request" if examples else "text" if found else "nowhere",
        constants=find_constants(_prose(text)),
        fields=tuple(dict.fromkeys(_record_keys(found))),
    )


def _record_keys(examples: Sequence[Example]) -> Iterator[str]:
    """The text keys of the records (dictionaries in lists) that the examples are called with."""
    for example in examples:
        for value in (*example.call.args, *example.call.kwargs.values()):
            for record in value if isinstance(value, list | tuple) else ():
                if isinstance(record, dict):
                    yield from (key for key in record if isinstance(key, str))


def _prose(text: str) -> str:
    """The text without code: signatures, doctests and example lines would only add noise to the words."""
    kept = []
    skip = False
    for line in text.splitlines():
        code = line.lstrip().startswith((">>>", "def ", "import ", "from ", "assert ", "```"))
        if not code and not skip:
            kept.append(line)
        skip = line.lstrip().startswith(">>>")
    prose = "\n".join(kept).replace('"""', " ").replace("'''", " ")
    return _EXAMPLES.split(prose)[0].strip() or prose


def _guess_parameters(examples: Sequence[Example]) -> tuple[Parameter, ...]:
    """Names for the arguments of the first example, after what they hold."""
    if not examples:
        return ()
    call = examples[0].call
    bases = [_base_name(value) for value in call.args]
    numbered = (f"{base}{bases[: place + 1].count(base)}" for place, base in enumerate(bases))
    names = [base if bases.count(base) == 1 else number for base, number in zip(bases, numbered, strict=True)]
    return tuple(Parameter(name=name) for name in (*names, *call.kwargs))


def _base_name(value: Any) -> str:
    kinds = shared_kinds([value])
    names = {"bool": "flag", "int": "n", "num": "x", "str": "text", "dict": "mapping", "set": "items"}
    if value and "nums" in kinds:
        return "numbers"
    if value and "strs" in kinds:
        return "words"
    if value and "rows" in kinds:
        return "rows"
    if value and "records" in kinds:
        return "records"
    return next((name for kind, name in names.items() if kind in kinds), "items" if "iter" in kinds else "value")
