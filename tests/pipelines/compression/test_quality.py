from __future__ import annotations

import math

import numpy as np
import pytest

from pipelines.compression.quality import compare, score
from pipelines.compression.samples import Sample


class Table:
    """A network whose logits depend on the last token alone."""

    def __init__(self, rows: list[list[float]]) -> None:
        self.rows = np.asarray(rows, dtype=np.float32)

    def logits(self, ids: list[int]) -> np.ndarray:
        return self.rows[ids]


EVEN = Table([[0.0] * 4] * 4)
SURE = Table(np.roll(np.eye(4) * 50.0, 1, axis=1).tolist())  # after token n comes n + 1


def ignore(tokens: int) -> None:
    pass


def test_an_undecided_network_has_the_perplexity_of_its_vocabulary() -> None:
    quality = compare(EVEN, SURE, [Sample([0, 1, 2, 3, 0])], ignore)
    assert quality.tokens == 4
    assert quality.perplexity_before == pytest.approx(4.0)
    assert quality.perplexity_after == pytest.approx(1.0)


def test_only_tokens_from_first_on_count() -> None:
    """The prompt's tokens are wrong for this network, the answer's are right."""
    quality = compare(SURE, SURE, [Sample([0, 3, 1, 2, 3], first=3)], ignore)
    assert quality.tokens == 2
    assert quality.perplexity_before == pytest.approx(1.0)
    assert quality.agreement == 1.0


def test_agreement_is_the_share_of_equal_likeliest_tokens() -> None:
    other = Table([SURE.rows[0].tolist(), SURE.rows[1].tolist(), SURE.rows[0].tolist(), SURE.rows[3].tolist()])
    assert compare(SURE, other, [Sample([0, 1, 2, 3, 0])], ignore).agreement == 0.75


def test_tokens_weigh_alike_whatever_sample_they_are_in() -> None:
    one = compare(EVEN, SURE, [Sample([0, 1, 2, 3, 1])], ignore)
    split = compare(EVEN, SURE, [Sample([0, 1, 2, 3]), Sample([3, 1])], ignore)
    assert one == split


def test_losses_are_those_of_torch() -> None:
    import torch

    logits = np.random.default_rng(0).normal(size=(9, 50)).astype(np.float32) * 30
    ids = np.random.default_rng(1).integers(0, 50, 9).tolist()
    losses, best = score(logits, Sample(ids))
    expected = torch.nn.functional.cross_entropy(torch.tensor(logits[:-1]), torch.tensor(ids[1:]), reduction="none")
    assert np.allclose(losses, expected.numpy(), atol=1e-5)
    assert best.tolist() == logits[:-1].argmax(-1).tolist()


def test_every_sample_is_told() -> None:
    told: list[int] = []
    compare(EVEN, EVEN, [Sample([0, 1, 2]), Sample([0, 1])], told.append)
    assert told == [2, 1]


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(ValueError, match="no sample"):
        compare(EVEN, EVEN, [], ignore)
    assert math.isfinite(compare(EVEN, EVEN, [Sample([0, 1])], ignore).perplexity_after)
