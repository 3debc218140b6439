"""A model folder's tokenizer and chat template, the same for every engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors.engines.admission import ContextLengthError
from actors.engines.chat_template import TemplateUse, template_use
from actors.engines.model_files import read_config, vocabulary_size
from actors.engines.protocol import Message, Tool
from actors.engines.token_bytes import byte_table, token_bytes
from danlu.errors import InputError, NotAvailableError

# Shorter prompts are tokenized on the event loop: a hop to a thread takes longer than the work (0.1 ms).
_INLINE_CHARACTERS = 2000
# A prompt with more characters per token of the context is looked at by its beginning first. Text has one to five.
_CHARACTERS_A_TOKEN = 8
_CUT_TOKENS = 256  # by so many the tokens of a beginning may outnumber those that the whole text has there
# tokenizer_config.json is none of them: it has the special tokens and no others.
_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model", "*.tiktoken")


class ModelTokenizer:
    """Prompts to token ids and back, and conversations to prompts.

    Args:
        folder: holds tokenizer.json, or what else transformers makes a tokenizer of.
        vocabulary: rows of the model's embedding; None checks nothing.

    Raises:
        InputError: the folder has no tokenizer that loads, or it has more tokens than the model.
    """

    def __init__(self, folder: Path, vocabulary: int | None = None) -> None:
        self.folder = folder
        self.huggingface: Any = _load(folder)  # a transformers tokenizer
        self._bytes: dict[str, int] | None = None
        if len(self.huggingface) <= len(self.huggingface.all_special_tokens):
            raise InputError(
                f"the tokenizer in {folder} has no tokens",
                rule="it must turn text into tokens",
                fix="copy the tokenizer's files (tokenizer.json) beside config.json",
            )
        self._check_template()
        if vocabulary is not None and len(self.huggingface) > vocabulary:
            raise InputError(
                f"the tokenizer in {folder} has {len(self.huggingface)} tokens",
                rule=f"the model's vocabulary holds {vocabulary}",
                fix="take the tokenizer that the model was trained with",
            )

    def encode(self, prompt: str) -> list[int]:
        """Token ids of a prompt. A begin token is added where the model has one and the prompt does not."""
        begin = self.huggingface.bos_token
        add = begin is None or not prompt.startswith(begin)
        ids: list[int] = self.huggingface.encode(prompt, add_special_tokens=add)
        return ids

    async def encode_beside(self, prompt: str, context_length: int) -> list[int]:
        """`encode` that does not keep the event loop waiting.

        Raises:
            ContextLengthError: the prompt is far longer than the context; seen without reading all of it.
        """
        if len(prompt) <= _INLINE_CHARACTERS:
            return self.encode(prompt)
        if len(prompt) > _CHARACTERS_A_TOKEN * context_length:
            beginning = await asyncio.to_thread(self.encode, prompt[: _CHARACTERS_A_TOKEN * context_length])
            if len(beginning) > context_length + _CUT_TOKENS:
                raise ContextLengthError(
                    f"the prompt has {len(prompt)} characters, which are more than {context_length} tokens",
                    rule=f"the model's context holds {context_length}, the answer included",
                    fix="shorten the prompt",
                )
        return await asyncio.to_thread(self.encode, prompt)

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of token ids without special tokens; bytes that are no character become U+FFFD."""
        # The Rust tokenizer where there is one: this runs for every token, and the wrapper costs eight times as much.
        rust = getattr(self.huggingface, "backend_tokenizer", None)
        text: str = (rust or self.huggingface).decode(token_ids, skip_special_tokens=True)
        return text

    def token_bytes(self, token_id: int) -> bytes:
        """What a token stands for; half a character is possible."""
        if self._bytes is None:
            self._bytes = byte_table(self.huggingface)
        return token_bytes(self.huggingface.convert_ids_to_tokens(token_id) or "", self._bytes)

    def render_chat(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        """The prompt that the chat template makes of a conversation, ready for the assistant's turn.

        Raises:
            NotAvailableError: the model has no chat template, or none that knows tools and these are asked for.
            InputError: the template refuses the conversation.
        """
        if not self.huggingface.chat_template:
            raise NotAvailableError(
                f"the model in {self.folder} has no chat template",
                rule="a conversation can't be turned into a prompt",
                fix="ask for completions instead, or add chat_template.jinja to the folder",
            )
        if tools or any(message["role"] == "tool" or "tool_calls" in message for message in messages):
            self._require_tools(tools)
        more = {"tools": [dict(tool) for tool in tools]} if tools else {}
        try:
            prompt: str = self.huggingface.apply_chat_template(
                [dict(message) for message in messages], tokenize=False, add_generation_prompt=True, **more
            )
        except Exception as error:  # a template may do anything, and fail in any way
            raise InputError("messages", rule=f"the model's chat template refuses them: {error}") from None
        return prompt

    def _check_template(self) -> None:
        """A template that is none would have clients blamed for it. Others may refuse what is tried here."""
        from jinja2 import TemplateSyntaxError

        try:
            self.huggingface.apply_chat_template([{"role": "user", "content": "a"}], tokenize=False)
        except TemplateSyntaxError as error:
            raise InputError(
                f"the chat template in {self.folder} can't be used",
                rule=f"line {error.lineno}: {error.message}",
                fix="mend chat_template.jinja (or chat_template in tokenizer_config.json)",
            ) from None
        except Exception:
            return

    def _require_tools(self, tools: Sequence[Tool]) -> None:
        use: TemplateUse = template_use(str(self.huggingface.chat_template))
        if (tools and not use.tools) or not use.calls:
            raise NotAvailableError(
                "tools are not available",
                rule="this model's chat template has no place for "
                + ("calls of tools and what they gave" if use.tools else "tools"),
                fix="ask without tools, or serve a model that was trained with them",
            )


def check_tokenizer_files(folder: Path) -> None:
    """Refuse a folder without a tokenizer: transformers would make one without tokens, to which all text is empty.

    Raises:
        InputError: it has none of the files.
    """
    if not any(file.is_file() for pattern in _FILES for file in folder.glob(pattern)):
        raise InputError(
            f"{folder} has no tokenizer",
            rule=f"it must hold {_FILES[0]}, or another of {', '.join(_FILES[1:])}",
            fix="copy the files of the model's tokenizer beside config.json",
        )


def check_tokenizer(folder: Path) -> None:
    """Refuse a model's tokenizer as its engine would, as far as that needs no torch (that is, with tokenizer.json).

    Raises:
        InputError: there is none, it does not load, it has more tokens than the model, or its chat template is none.
    """
    check_tokenizer_files(folder)
    if (folder / "tokenizer.json").is_file():
        config = read_config(folder)
        ModelTokenizer(folder, vocabulary_size(config) if "vocab_size" in config else None)


def _load(folder: Path) -> Any:
    check_tokenizer_files(folder)
    try:
        if (folder / "tokenizer.json").is_file():
            # Not AutoTokenizer: it imports torch, which an OpenVINO replica has no use for (2 s and 190 MB).
            from transformers import PreTrainedTokenizerFast

            return PreTrainedTokenizerFast.from_pretrained(folder)
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # the Rust library raises plain ones for a tokenizer.json of another form
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
        raise InputError(f"the tokenizer in {folder} does not load", rule=reason) from None
