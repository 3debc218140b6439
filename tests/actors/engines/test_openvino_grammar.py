"""Grammars that are compiled beside a model."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import openvino_genai

from actors.engines.model_files import read_config, vocabulary_size
from actors.engines.openvino_folder import write_tokenizer
from actors.engines.openvino_grammar import GrammarCompiler


def test_other_threads_run_while_a_grammar_is_compiled(checkpoint: Path, tmp_path: Path) -> None:
    """The model is stepped by one of them: every stream stood still for as long as a grammar took."""
    write_tokenizer(checkpoint, tmp_path)
    compiler = GrammarCompiler(openvino_genai.Tokenizer(tmp_path), vocabulary_size(read_config(checkpoint)))
    compiler.prepare('root ::= "a"')
    ticks, compiled = [time.perf_counter()], threading.Event()

    def tick() -> None:
        while not compiled.wait(0.001):
            ticks.append(time.perf_counter())

    other = threading.Thread(target=tick)
    other.start()
    began = time.perf_counter()
    compiler.prepare("root ::= " + " ".join(f'"{most}" [a-z]{{0,{most}}}' for most in range(71, 101)))
    took = time.perf_counter() - began
    compiled.set()
    other.join()
    meanwhile = sum(began < tick < began + took for tick in ticks)
    assert meanwhile >= 5, "a thread that waits for the compiler ticks at its end at the earliest"
