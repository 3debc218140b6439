"""What a grammar costs with a vocabulary of 150,000 tokens: to compile it, and at each step of an answer.

The network under it has no size, so that a step is the grammar's cost and little else. Tokens are made up: words,
Chinese characters, and pieces of code and JSON.
"""

from __future__ import annotations

import argparse
import random
import statistics
import string
import time
from pathlib import Path
from typing import Any

from actors.engines.openvino_grammar import tiny_pipeline
from benchmarks.environments import cache_folder
from benchmarks.machine import describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, publish
from serve_apps.gateway.grammar.ebnf import regex_grammar, schema_grammar
from serve_apps.gateway.grammar.pattern import parse_pattern
from serve_apps.gateway.grammar.schema import parse_schema

VOCABULARY = 150_000
STEPS = 40
_END = 1
_VERSION = 1

ORDER = {
    "type": "object",
    "properties": {
        "item": {"enum": ["卡", "套餐"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 20},
        "note": {"type": "string"},
    },
    "required": ["item", "count", "note"],
}
SCHEMAS: dict[str, Any] = {
    "any object": {"type": "object"},
    "an order of three fields": ORDER,
    "a string": {"type": "string"},
    "a string of up to 20 characters": {"type": "string", "maxLength": 20},
    "a string of up to 100 characters": {"type": "string", "maxLength": 100},
    "1000 values of 48 characters": {"enum": [f"v{i:05d}" * 8 for i in range(1000)]},
    "900 optional fields": {"type": "object", "properties": {f"field{i}": {"type": "string"} for i in range(900)}},
    "arrays of 100 in arrays of 100": {
        "type": "array",
        "maxItems": 100,
        "items": {"type": "array", "maxItems": 100, "items": {"type": "string"}},
    },
}
PATTERNS = {
    r"pattern `\d{3}-(foo\|bar)`": r"\d{3}-(foo|bar)",
    "pattern `.{50,99}`": ".{50,99}",
    "pattern `.*.*.*.*.*.*.*.*.*.*`": ".*" * 10,
}


def grammars() -> dict[str, str]:
    """What is compiled, by its name in the table."""
    found = {"none": ""}
    found |= {name: schema_grammar(parse_schema(schema)) for name, schema in SCHEMAS.items()}
    return found | {name: regex_grammar(parse_pattern(pattern).regex) for name, pattern in PATTERNS.items()}


def ensure_tokenizer(size: int) -> Path:
    """A byte-level tokenizer with so many tokens, as OpenVINO models; made now if need be."""
    import openvino
    from openvino_tokenizers import convert_tokenizer
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder = cache_folder() / f"vocabulary-{size}-{_VERSION}"
    if (folder / "openvino_detokenizer.xml").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens = dict.fromkeys(["<|endoftext|>", "<|im_end|>", *sorted(pre_tokenizers.ByteLevel.alphabet())])
    draw = random.Random(0)
    while len(tokens) < size:
        spelled = "".join(piece for piece, _ in level.pre_tokenize_str(_word(draw)))
        tokens.setdefault(spelled)
    vocabulary = {token: place for place, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer, tokenizer.decoder = level, decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    for name, model in zip(("", "de"), convert_tokenizer(fast, with_detokenizer=True), strict=True):
        openvino.save_model(model, folder / f"openvino_{name}tokenizer.xml")
    return folder


def _word(draw: random.Random) -> str:
    if draw.random() < 0.35:
        return "".join(chr(draw.randrange(0x4E00, 0x9FA5)) for _ in range(draw.randint(1, 3)))
    signs = string.ascii_letters * 3 + string.digits + "_-.,\"':{}[]()\n "
    space = " " if draw.random() < 0.5 else ""
    return space + "".join(draw.choice(signs) for _ in range(draw.randint(2, 9)))


def measure(pipeline: Any, grammar: str, number: int) -> tuple[float, float, float]:
    """Milliseconds of the first step (which compiles), of the middle one of the others, and of the longest of them."""
    import numpy as np
    import openvino
    from openvino_genai import GenerationConfig, StructuredOutputConfig

    config = GenerationConfig()
    config.max_new_tokens, config.stop_token_ids = STEPS, {_END}
    config.do_sample, config.rng_seed = True, 0
    if grammar:
        config.structured_output_config = StructuredOutputConfig(grammar=grammar)
    handle = pipeline.add_request(number, openvino.Tensor(np.array([[5]], dtype=np.int64)), config)
    took = []
    while pipeline.has_non_finished_requests():
        began = time.perf_counter()
        pipeline.step()
        took.append((time.perf_counter() - began) * 1000)
    handle.read()
    later = took[1:] or [0.0]
    return took[0], statistics.median(later), max(later)


def main() -> None:
    import openvino_genai

    parser = argparse.ArgumentParser(description=__doc__)
    add_write_option(parser)
    arguments = parser.parse_args()
    tokenizer = openvino_genai.Tokenizer(str(ensure_tokenizer(VOCABULARY)))
    pipeline = tiny_pipeline(tokenizer, VOCABULARY)
    measure(pipeline, "", 0)  # warms up
    rows: list[list[Cell]] = [
        [name, len(grammar), *measure(pipeline, grammar, number)]
        for number, (name, grammar) in enumerate(grammars().items(), start=1)
    ]
    columns = ("grammar", "characters", "first step, ms", "later steps, ms", "longest of these, ms")
    note = describe_measurement("python -m benchmarks serving.grammars --write docs/serving.md")
    publish("serving.grammars", f"{markdown_table(columns, rows)}\n\n{note}", arguments.write)


if __name__ == "__main__":
    main()
