"""What a model folder's JSON files say, whichever engine reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from danlu.errors import InputError

WEIGHTS_INDEX = "model.safetensors.index.json"
# Kinds of rotary embeddings that some architecture of transformers loads: those that all have in common, then those of
# single ones (several axes; "su" is an old name of longrope).
ROPE_KINDS = frozenset(
    {"default", "linear", "dynamic", "yarn", "longrope", "llama3", "proportional", "axial", "mrope", "xdrope", "su"}
)
# Names of torch that `dtype` (once `torch_dtype`) may have: transformers fails at any other.
DTYPES = frozenset(
    {"float64", "double", "float32", "float", "bfloat16", "float16", "half", "int8", "uint8", "int16", "int32", "int64"}
    | {"float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"}
)
# Networks that only read. Their heads for tasks have other names than a language model's.
_ENCODERS = frozenset(
    {"albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "modernbert", "mpnet"}
    | {"nomic_bert", "roberta", "roformer", "xlm-roberta"}
)
_TASK_HEADS = (
    *("ForMaskedLM", "ForPreTraining", "ForNextSentencePrediction", "ForMultipleChoice", "ForQuestionAnswering"),
    *("ForSequenceClassification", "ForTokenClassification"),
)


def read_config(folder: Path) -> dict[str, Any]:
    """A model folder's config.json.

    Raises:
        InputError: it is missing or no JSON object.
    """
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder} is no model", rule="it has no config.json", fix="check the path")
    return read_json(folder / "config.json")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint, those that transformers reads: a single file goes before an index.

    Raises:
        InputError: there are none, or one that the index names is missing.
    """
    single, index = folder / "model.safetensors", folder / WEIGHTS_INDEX
    if single.is_file():
        return [single]
    # Files that the index does not name are left over from another model. Shards without their index can't be loaded
    # by anyone, and one of them may be missing.
    named = {index.name if any(folder.glob("model*-of-*.safetensors")) else single.name}
    if index.is_file():
        names = read_json(index).get("weight_map")
        if not isinstance(names, dict):
            raise InputError(f"{index} has no weight_map", rule="it must say which file holds which tensor")
        named = {str(name) for name in names.values()}
    missing = sorted(name for name in named if not (folder / name).is_file())
    if missing or not named:
        lacking = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise InputError(
            f"{folder} is no complete checkpoint",
            rule=f"it lacks {lacking or single.name}",
            fix="copy the missing files, or download the model again",
        )
    return sorted(folder / name for name in named)


def check_weight_files(folder: Path) -> None:
    """Refuse a checkpoint with a missing or torn file of weights, by the heads of the files alone.

    Raises:
        InputError: names the file and what is wrong with it.
    """
    for file in weight_files(folder):
        expected, found = _expected_bytes(file), file.stat().st_size
        if found != expected:
            raise InputError(
                f"{file} can't be read",
                rule=f"it has {found} bytes and its head tells of {expected}",
                fix="copy or download the file again",
            )


def _expected_bytes(file: Path) -> int:
    """The size that a safetensors file should have: its head (a length in 8 bytes, then JSON) and all tensors."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            head: Any = json.loads(stream.read(length)) if 2 <= length <= file.stat().st_size else None
        ends = [tensor["data_offsets"][1] for name, tensor in head.items() if name != "__metadata__"]
        return 8 + length + max(ends, default=0)
    except (OSError, ValueError, AttributeError, KeyError, TypeError, IndexError):
        raise InputError(f"{file} can't be read", rule="it has no head of a safetensors file") from None


def end_tokens(folder: Path, config: dict[str, Any]) -> set[int]:
    """Ids that end an answer: generation_config.json's, else config.json's."""
    file = folder / "generation_config.json"
    generation = read_json(file) if file.is_file() else {}
    found = generation.get("eos_token_id")
    part = config.get("text_config")  # of networks that also see or hear
    for place in (config, part if isinstance(part, dict) else {}):
        found = place.get("eos_token_id") if found is None else found
    if found is None:
        return set()
    return {found} if isinstance(found, int) else set(found)


def context_length(config: dict[str, Any]) -> int:
    """Tokens that prompt and answer may have together; InputError when config.json does not say."""
    return positive_count(config, "max_position_embeddings")


def vocabulary_size(config: dict[str, Any]) -> int:
    """Rows of the embedding; InputError when config.json does not say."""
    return positive_count(config, "vocab_size")


def check_config(config: dict[str, Any]) -> None:
    """Refuse what no engine can load. Architectures have names of their own for sizes, so they may be missing.

    Raises:
        InputError: names the key, its value and the rule.
    """
    for key in ("max_position_embeddings", "vocab_size"):
        if config.get(key) is not None:
            positive_count(config, key)
    if writes_no_text(config):
        rule = "such a network writes no text, so that no engine can serve it as a language model"
        fix = "give a causal language model; models that make vectors belong under embeddings"
        raise InputError(f"config.json: architectures is {config['architectures']}", rule=rule, fix=fix)
    for key in ("dtype", "torch_dtype"):
        if config.get(key) is not None and (not isinstance(config[key], str) or config[key] not in DTYPES):
            fix = "write the type of the weights, bfloat16 mostly, or leave it out"
            raise InputError(f"config.json: {key} is {config[key]!r}", rule="torch has no such type", fix=fix)
    for key in ("rope_parameters", "rope_scaling"):
        rope = config.get(key) or {}
        if not isinstance(rope, dict):
            raise InputError(f"config.json: {key} is {rope!r}", rule="it must be a JSON object")
        parts = [rope, *(part for part in rope.values() if isinstance(part, dict))]  # one for each kind of layer
        for kind in (part.get("rope_type", part.get("type", "default")) for part in parts):
            if not isinstance(kind, str) or kind not in ROPE_KINDS:
                rule = f"transformers knows {', '.join(sorted(ROPE_KINDS))}"
                raise InputError(f"config.json: the rope_type in {key} is {kind!r}", rule=rule)


def writes_no_text(config: dict[str, Any]) -> bool:
    """Whether config.json tells of an encoder, a classifier, or an encoder with a decoder. Unknown names pass."""
    names = config.get("architectures")
    if not isinstance(names, list) or not names or not isinstance(names[0], str):
        return False
    name = names[0]
    if name.endswith("LMHeadModel") or name.endswith("ForCausalLM"):
        return False
    bare_encoder = name.endswith("Model") and config.get("model_type") in _ENCODERS and not config.get("is_decoder")
    return bare_encoder or name.endswith(_TASK_HEADS) or config.get("is_encoder_decoder") is True


def positive_count(config: dict[str, Any], key: str, default: int | None = None) -> int:
    """A size in config.json; `default` where it says nothing.

    Raises:
        InputError: it is missing, or no whole number above zero (JSON lets NaN and texts through).
    """
    value = config.get(key)
    if value is None:
        value = default
    if value is None:
        raise InputError("config.json", rule=f"the key {key} is missing")
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"config.json: {key} is {value!r}", rule="it must be a whole number above zero")
    return value


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        InputError: it can't be read or is no object.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} can't be read", rule=str(error)) from None
    if not isinstance(values, dict):
        raise InputError(f"{file} holds a {type(values).__name__}", rule="it must be a JSON object")
    return values
