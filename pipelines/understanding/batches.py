"""Utterances as tensors: batches of like length, targets, hidden tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from actors.intent_model.artifact import IntentNetwork
from actors.intent_model.characters import UNKNOWN
from actors.intent_model.spans import tag_characters
from actors.networks.joint_bert import Characters
from pipelines.understanding.utterances import Utterance

# So many batches are drawn together and sorted by length: little padding, and still a random order.
_POOL = 8
# What a token is replaced by: the vocabulary's token for the unknown, or else for the hidden.
_UNKNOWN = (UNKNOWN, "<unk>", "[MASK]", "<mask>")


@dataclass(frozen=True)
class Batch:
    """Characters with their targets: intents (B,) and tags (B, L), indices into the model's labels."""

    characters: Characters
    intents: Tensor
    tags: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return Batch(self.characters.to(device), self.intents.to(device), self.tags.to(device))


def group(utterances: Sequence[Utterance], size: int, draw: random.Random) -> list[list[Utterance]]:
    """All utterances once, in random batches of at most `size` with texts of like length."""
    order = draw.sample(utterances, len(utterances))
    batches = []
    for start in range(0, len(order), size * _POOL):
        pool = sorted(order[start : start + size * _POOL], key=lambda utterance: len(utterance.text))
        batches += [pool[first : first + size] for first in range(0, len(pool), size)]
    draw.shuffle(batches)
    return batches


def make_batch(model: IntentNetwork, utterances: Sequence[Utterance]) -> Batch:
    """The tensors of annotated utterances whose intents and slots the model knows."""
    characters = model.reader.read([utterance.text for utterance in utterances])
    intent_index = {name: index for index, name in enumerate(model.settings.intents)}
    tag_index = {name: index for index, name in enumerate(model.settings.tags)}
    tags = torch.zeros(characters.mask.shape, dtype=torch.long)
    for row, utterance in enumerate(utterances):
        # Exchanged values can make a text longer than what the reader reads of it.
        read = tag_characters(len(utterance.text), utterance.spans)[: model.reader.max_characters]
        tags[row, : len(read)] = torch.tensor([tag_index[tag] for tag in read])
    return Batch(characters, torch.tensor([intent_index[utterance.intent] for utterance in utterances]), tags)


def hide_tokens(model: IntentNetwork, characters: Characters, share: float) -> Characters:
    """`characters` with about `share` of the text's tokens made unknown; as they are when there is no such token."""
    marks = [id for mark in _UNKNOWN if (id := model.reader.tokenizer.token_to_id(mark)) is not None]
    if not marks or share == 0:
        return characters
    text = torch.zeros_like(characters.input_ids, dtype=torch.bool).scatter(1, characters.token, characters.place > 0)
    hidden = text & (torch.rand(text.shape, device=text.device) < share)
    return replace(characters, input_ids=characters.input_ids.masked_fill(hidden, marks[0]))
