"""A model folder's tokenizer and chat template, the same for every engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors.engines.chat_template import TemplateUse, template_use
from actors.engines.protocol import Message, Tool
from actors.engines.token_bytes import byte_table, token_bytes
from danlu.errors import InputError, NotAvailableError

# Shorter prompts are tokenized on the event loop: a hop to a thread takes longer than the work (0.1 ms).
_INLINE_CHARACTERS = 2000


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

    async def encode_beside(self, prompt: str) -> list[int]:
        """`encode` that does not keep the event loop waiting."""
        if len(prompt) <= _INLINE_CHARACTERS:
            return self.encode(prompt)
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
        from jinja2 import TemplateError

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
        except TemplateError as error:
            raise InputError("messages", rule=f"the model's chat template refuses them: {error}") from None
        return prompt

    def _require_tools(self, tools: Sequence[Tool]) -> None:
        use: TemplateUse = template_use(str(self.huggingface.chat_template))
        if (tools and not use.tools) or not use.calls:
            raise NotAvailableError(
                "tools are not available",
                rule="this model's chat template has no place for "
                + ("calls of tools and what they gave" if use.tools else "tools"),
                fix="ask without tools, or serve a model that was trained with them",
            )


def _load(folder: Path) -> Any:
    try:
        if (folder / "tokenizer.json").is_file():
            # Not AutoTokenizer: it imports torch, which an OpenVINO replica has no use for (2 s and 190 MB).
            from transformers import PreTrainedTokenizerFast

            return PreTrainedTokenizerFast.from_pretrained(folder)
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the tokenizer in {folder} does not load", rule=reason) from None
