"""A linear-chain conditional random field over tag sequences, with forbidden transitions.

p(tags | emissions) is proportional to exp(sum of emissions, of transitions between neighbours, and of the first and
the last tag's own scores): Lafferty, McCallum and Pereira, "Conditional Random Fields" (2001). The partition function
is summed by the forward algorithm, the best sequence found by Viterbi; both take O(L K^2) steps.

Shapes: B sequences, L positions, K tags. Masks are True on a prefix of every row, at least one position long.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

# Finite, so that no gradient is ever NaN; large enough that a forbidden sequence has probability 0 in float32.
_FORBIDDEN = -1e4


def bio_constraints(tags: Sequence[str]) -> tuple[list[bool], list[list[bool]]]:
    """Which tags may come first, and which may follow which: `I-x` comes after `B-x` or `I-x` only.

    Returns:
        (first, follows): `first[j]` and `follows[i][j]` (from i to j), one entry for each tag in `tags`.
    """
    first = [not tag.startswith("I-") for tag in tags]
    follows = [[_may_follow(before, after) for after in tags] for before in tags]
    return first, follows


def _may_follow(before: str, after: str) -> bool:
    return not after.startswith("I-") or (before[:2] in ("B-", "I-") and before[2:] == after[2:])


class LinearChainCRF(nn.Module):
    """Scores of tag transitions, learnt; forbidden ones keep probability 0 in training and in decoding.

    Args:
        first: whether tag j may begin a sequence, K entries.
        follows: whether tag j may come after tag i, K rows of K.
    """

    first_penalty: Tensor
    penalty: Tensor

    def __init__(self, first: Sequence[bool], follows: Sequence[Sequence[bool]]) -> None:
        super().__init__()
        tags = len(first)
        self.first = nn.Parameter(torch.zeros(tags))
        self.last = nn.Parameter(torch.zeros(tags))
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        self.register_buffer("first_penalty", _penalty(first), persistent=False)
        self.register_buffer("penalty", _penalty(follows), persistent=False)

    def forward(self, emissions_BLK: Tensor, tags_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """The negative log-likelihood of each tag sequence, (B,) float32. Tags under a False mask are ignored."""
        return self.log_partition(emissions_BLK, mask_BL) - self.score(emissions_BLK, tags_BL, mask_BL)

    def log_partition(self, emissions_BLK: Tensor, mask_BL: Tensor) -> Tensor:
        """log of the summed exp(score) over all tag sequences, (B,) float32."""
        emissions, transitions = emissions_BLK.float(), self.transitions + self.penalty
        total_BK = self.first + self.first_penalty + emissions[:, 0]
        for position in range(1, emissions.shape[1]):
            step_BK = torch.logsumexp(total_BK.unsqueeze(2) + transitions, dim=1) + emissions[:, position]
            total_BK = torch.where(mask_BL[:, position, None], step_BK, total_BK)
        return torch.logsumexp(total_BK + self.last, dim=1)

    def score(self, emissions_BLK: Tensor, tags_BL: Tensor, mask_BL: Tensor) -> Tensor:
        """The unnormalised log score of each given tag sequence, (B,) float32."""
        mask, transitions = mask_BL.float(), self.transitions + self.penalty
        tags_BL = tags_BL.masked_fill(~mask_BL, 0)
        emitted = (emissions_BLK.float().gather(2, tags_BL.unsqueeze(2)).squeeze(2) * mask).sum(1)
        moved = (transitions[tags_BL[:, :-1], tags_BL[:, 1:]] * mask[:, 1:]).sum(1)
        ends = tags_BL.gather(1, mask_BL.sum(1, keepdim=True) - 1).squeeze(1)
        starts = tags_BL[:, 0]
        return emitted + moved + self.first[starts] + self.first_penalty[starts] + self.last[ends]

    @torch.no_grad()
    def viterbi(self, emissions_BLK: Tensor, mask_BL: Tensor) -> list[list[int]]:
        """The most likely tag sequence of every row, as long as the row's mask."""
        emissions, transitions = emissions_BLK.float(), self.transitions + self.penalty
        best_BK = self.first + self.first_penalty + emissions[:, 0]
        stay_K = torch.arange(best_BK.shape[1], device=best_BK.device)
        came_from = []
        for position in range(1, emissions.shape[1]):
            step_BK, before_BK = (best_BK.unsqueeze(2) + transitions).max(dim=1)
            mask_B1 = mask_BL[:, position, None]
            best_BK = torch.where(mask_B1, step_BK + emissions[:, position], best_BK)
            came_from.append(torch.where(mask_B1, before_BK, stay_K))
        return _trace_back((best_BK + self.last).argmax(1), came_from, mask_BL)


def _trace_back(last_B: Tensor, came_from: list[Tensor], mask_BL: Tensor) -> list[list[int]]:
    """Follow `came_from` (for each position after the first, (B, K) tags before) back from the last tags."""
    path = [last_B]
    for before_BK in reversed(came_from):
        path.append(before_BK.gather(1, path[-1].unsqueeze(1)).squeeze(1))
    rows = torch.stack(path[::-1], dim=1).tolist()
    return [row[:length] for row, length in zip(rows, mask_BL.sum(1).tolist(), strict=True)]


def _penalty(allowed: Sequence[bool] | Sequence[Sequence[bool]]) -> Tensor:
    return torch.where(torch.tensor(allowed, dtype=torch.bool), 0.0, _FORBIDDEN)
