"""Intent and slots from one encoder: an intent head over the whole utterance, a CRF over its characters.

After Chen, Zhuo and Wang, "BERT for Joint Intent Classification and Slot Filling" (2019), with one change: slots are
tagged by character instead of by word piece. A tokenizer may join the end of one slot with the beginning of the next
(`5G套餐`) or swallow a space; tags on characters always have a place, whatever the tokenizer does. A character is
represented by its token's hidden state plus a learnt vector for its place inside that token.

Shapes: B utterances, T tokens, L characters, H hidden size, I intents, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from actors.networks.crf import LinearChainCRF, bio_constraints

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Places inside a token: 0 for a character that no token covers, then 1, 2, ...; later ones share the last vector.
MAX_PLACE = 15


@dataclass(frozen=True)
class Characters:
    """A batch of utterances as an encoder reads them, with the way back from tokens to characters.

    Attributes:
        input_ids, attention_mask: (B, T) int64, what the encoder takes.
        token: (B, L) int64, the index of the token that covers the character; 0 where none does.
        place: (B, L) int64, 1 for the token's first character, 0 where no token covers the character.
        mask: (B, L) bool, True for characters, False for padding.
    """

    input_ids: Tensor
    attention_mask: Tensor
    token: Tensor
    place: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> Characters:
        """The same batch on another device."""
        return Characters(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


class JointBert(nn.Module):
    """An encoder with an intent head and a slot head.

    Args:
        encoder: any Hugging Face encoder whose output has `last_hidden_state` (B, T, H).
        intents: how many intents there are.
        tags: the BIO tags (`O`, `B-x`, `I-x`), in the order of the slot head's outputs.
        dropout: share of the heads' inputs that training drops.
    """

    def __init__(self, encoder: PreTrainedModel, intents: int, tags: Sequence[str], dropout: float = 0.1) -> None:
        super().__init__()
        hidden = encoder.config.hidden_size
        self.encoder = encoder
        self.place = nn.Embedding(MAX_PLACE + 1, hidden)
        nn.init.normal_(self.place.weight, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.intent_head = nn.Linear(2 * hidden, intents)
        self.slot_head = nn.Linear(hidden, len(tags))
        self.crf = LinearChainCRF(*bio_constraints(tags))

    def forward(self, batch: Characters) -> tuple[Tensor, Tensor]:
        """Intent logits (B, I) and tag emissions (B, L, K)."""
        hidden_BTH = self.encoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
        index_BLH = batch.token.unsqueeze(2).expand(-1, -1, hidden_BTH.shape[2])
        characters_BLH = hidden_BTH.gather(1, index_BLH) + self.place(batch.place.clamp(max=MAX_PLACE))
        whole_B2H = torch.cat([hidden_BTH[:, 0], _mean(hidden_BTH, batch.attention_mask)], dim=1)
        return self.intent_head(self.dropout(whole_B2H)), self.slot_head(self.dropout(characters_BLH))

    def loss(self, batch: Characters, intents_B: Tensor, tags_BL: Tensor) -> Tensor:
        """Cross-entropy of the intents plus the CRF's negative log-likelihood, each averaged over the batch."""
        logits_BI, emissions_BLK = self(batch)
        return nn.functional.cross_entropy(logits_BI, intents_B) + self.crf(emissions_BLK, tags_BL, batch.mask).mean()

    @torch.inference_mode()
    def predict(self, batch: Characters) -> tuple[Tensor, list[list[int]]]:
        """Intent logits (B, I) and the best tag of every character."""
        logits_BI, emissions_BLK = self(batch)
        return logits_BI, self.crf.viterbi(emissions_BLK, batch.mask)


def _mean(hidden_BTH: Tensor, mask_BT: Tensor) -> Tensor:
    weight = mask_BT.unsqueeze(2).to(hidden_BTH.dtype)
    return (hidden_BTH * weight).sum(1) / weight.sum(1)
