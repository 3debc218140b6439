"""Grammars made ready beside the model's thread, and refused there.

openvino-genai compiles a grammar in the step that draws its first token: a large one keeps every other sequence
waiting, and a wrong one leaves the whole pipeline unusable. So each is compiled first in a pipeline over a network of
no size. Both pipelines have one tokenizer, which keeps what was compiled.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from danlu.errors import InputError

_KNOWN = 256  # grammars that are remembered
_HIDDEN = 16
_PLACE = re.compile(r"^\[[^]]*\] \S+:\d+: ")  # time and source line that the library writes before its message


class GrammarCompiler:
    """Compiles grammars for one tokenizer, one at a time, from any thread.

    Args:
        tokenizer: the openvino_genai.Tokenizer that the serving pipeline has too.
        vocabulary: rows of the embedding.
        prompt: any token.
    """

    def __init__(self, tokenizer: Any, vocabulary: int, prompt: int = 0) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self._prompt = prompt
        self._pipeline: Any = None
        self._known: OrderedDict[str, str] = OrderedDict()  # grammar -> why it is none; empty for good ones
        self._lock = threading.Lock()

    def prepare(self, grammar: str) -> None:
        """Compile `grammar`, so that its first use in the serving pipeline takes no time.

        Raises:
            InputError: it is no grammar.
        """
        with self._lock:
            if grammar not in self._known:
                self._known[grammar] = self._compile(grammar)
            self._known.move_to_end(grammar)
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
            if reason := self._known[grammar]:
                raise InputError("the grammar can't be compiled", rule=reason)

    def _compile(self, grammar: str) -> str:
        """Why the grammar is none; empty when it is one."""
        import numpy as np
        import openvino
        from openvino_genai import GenerationConfig, StructuredOutputConfig

        if self._pipeline is None:
            self._pipeline = tiny_pipeline(self._tokenizer, self._vocabulary)
        config = GenerationConfig()
        config.max_new_tokens = 1
        config.structured_output_config = StructuredOutputConfig(grammar=grammar)
        try:
            prompt = openvino.Tensor(np.array([[self._prompt]], dtype=np.int64))
            # `generate` lets other threads run, the model's among them; `step` would not until all is compiled.
            self._pipeline.generate([prompt], [config])
        except RuntimeError as error:
            self._pipeline = None  # it can't be used again
            return _PLACE.sub("", str(error).strip().splitlines()[-1])
        return ""


def tiny_pipeline(tokenizer: Any, vocabulary: int) -> Any:
    """A pipeline over one layer of zeros with the vocabulary of the model."""
    import numpy as np
    import openvino as ov
    import openvino_genai
    from safetensors.numpy import save_file

    from actors.engines.openvino_convert import convert_model

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = {
            **{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu"},
            **{"num_hidden_layers": 1, "hidden_size": _HIDDEN, "intermediate_size": _HIDDEN, "rms_norm_eps": 1e-6},
            **{"num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": _HIDDEN},
            **{"vocab_size": vocabulary, "max_position_embeddings": 64, "tie_word_embeddings": True},
        }
        (folder / "config.json").write_text(json.dumps(config))
        square = np.zeros((_HIDDEN, _HIDDEN), dtype=np.float32)
        layer = {f"self_attn.{part}_proj": square for part in "qkvo"}
        layer |= {f"mlp.{part}_proj": square for part in ("gate", "up", "down")}
        layer |= {part: square[0] for part in ("input_layernorm", "post_attention_layernorm")}
        tensors = {f"model.layers.0.{part}.weight": values for part, values in layer.items()}
        tensors |= {"model.norm.weight": square[0]}
        tensors |= {"model.embed_tokens.weight": np.zeros((vocabulary, _HIDDEN), dtype=np.float32)}
        save_file({key: values.copy() for key, values in tensors.items()}, folder / "model.safetensors")
        ov.save_model(convert_model(folder), folder / "openvino_model.xml", compress_to_fp16=False)
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.num_kv_blocks = 2
        properties = {"ENABLE_CPU_PINNING": False, "INFERENCE_NUM_THREADS": 1}
        return openvino_genai.ContinuousBatchingPipeline(str(folder), tokenizer, scheduler, "CPU", **properties)
