"""The next token out of logits."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch

from actors.engines.protocol import SamplingParams
from actors.engines.token_draw import draw, penalize, penalized, score_of

LOGITS = torch.tensor([[0.0, 1.0, 2.0, 3.0]])


def drawn(count: int = 4000, **sampling: Any) -> Counter[int]:
    generator = torch.Generator().manual_seed(0)
    return Counter(draw(LOGITS, SamplingParams(**sampling), generator) for _ in range(count))


def test_draws_follow_the_distribution() -> None:
    """Within 4 standard deviations of the expected counts."""
    counts, chances = drawn(temperature=2.0), (LOGITS[0] / 2.0).softmax(-1)
    for token, chance in enumerate(chances.tolist()):
        assert abs(counts[token] - 4000 * chance) < 4 * (4000 * chance * (1 - chance)) ** 0.5


def test_top_k_and_top_p_leave_tokens_out() -> None:
    assert set(drawn(temperature=5.0, top_k=2)) == {2, 3}
    assert set(drawn(temperature=1.0, top_p=0.5)) == {3}
    assert set(drawn(temperature=0.0)) == {3}


def test_min_p_leaves_the_unlikely_out() -> None:
    # Chances are 0.644, 0.237, 0.087, 0.032: half of the greatest is kept, and a fifth.
    assert set(drawn(min_p=0.5)) == {3}
    assert set(drawn(min_p=0.2)) == {2, 3}


def test_penalties_bear_on_what_was_said() -> None:
    assert not penalized(SamplingParams())
    repeated = SamplingParams(repetition_penalty=2.0)
    assert penalized(repeated)
    signs = torch.tensor([[-1.0, 1.0, 2.0, 3.0]])
    assert penalize(signs, repeated, [0], [2]).tolist() == [[-2.0, 1.0, 1.0, 3.0]], "of prompt and answer"
    present = SamplingParams(presence_penalty=1.0, frequency_penalty=0.25)
    assert penalize(signs, present, [0], [2, 2, 1]).tolist() == [[-1.0, -0.25, 0.5, 3.0]], "of the answer alone"
    assert signs.tolist() == [[-1.0, 1.0, 2.0, 3.0]]


def test_a_score_is_a_log_probability() -> None:
    score = score_of(LOGITS[0], 1, 2)
    total = sum(math.exp(logit) for logit in range(4))
    assert score.logprob == pytest.approx(1 - math.log(total))
    assert [token for token, _ in score.top] == [3, 2]
