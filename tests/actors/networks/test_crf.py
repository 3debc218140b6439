import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.networks.crf import LinearChainCRF, bio_constraints

TAGS = ["O", "B-a", "I-a", "B-b", "I-b"]


def make_crf(seed: int, tags: list[str] = TAGS) -> LinearChainCRF:
    """A CRF with random scores, one of them large enough to fight the constraints."""
    crf = LinearChainCRF(*bio_constraints(tags))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.copy_(3 * torch.randn(parameter.shape, generator=generator))
    return crf


def make_case(seed: int, lengths: list[int], tags: int = len(TAGS)) -> tuple[torch.Tensor, torch.Tensor]:
    """Random emissions (B, L, K) and a prefix mask (B, L). What lies under the padding is garbage on purpose."""
    generator = torch.Generator().manual_seed(seed + 1)
    emissions = 3 * torch.randn(len(lengths), max(lengths), tags, generator=generator)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return emissions.masked_fill(~mask[:, :, None], 1e3), mask


def allowed(path: tuple[int, ...]) -> bool:
    names = [TAGS[tag] for tag in path]
    pairs = zip(["O", *names], names, strict=False)
    return all(not after.startswith("I-") or (before[1:] == after[1:] and before != "O") for before, after in pairs)


def all_scores(crf: LinearChainCRF, emissions: torch.Tensor) -> dict[tuple[int, ...], float]:
    """The score of every allowed path as it is defined, summed term by term in Python."""
    first, last, moves = crf.first.tolist(), crf.last.tolist(), crf.transitions.tolist()
    rows = emissions.tolist()
    return {
        path: first[path[0]]
        + last[path[-1]]
        + sum(row[tag] for row, tag in zip(rows, path, strict=True))
        + sum(moves[a][b] for a, b in itertools.pairwise(path))
        for path in itertools.product(range(len(TAGS)), repeat=len(rows))
        if allowed(path)
    }


cases = given(seed=st.integers(0, 10_000), lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3))
few = settings(max_examples=30, deadline=None)


@cases
@few
def test_log_partition_is_the_sum_over_all_allowed_paths(seed: int, lengths: list[int]) -> None:
    crf, (emissions, mask) = make_crf(seed), make_case(seed, lengths)
    found = crf.log_partition(emissions, mask)
    for row, length in enumerate(lengths):
        scores = torch.tensor(list(all_scores(crf, emissions[row, :length]).values()), dtype=torch.float64)
        assert math.isclose(found[row].item(), torch.logsumexp(scores, 0).item(), rel_tol=1e-4, abs_tol=1e-3)


@cases
@few
def test_viterbi_finds_the_best_allowed_path(seed: int, lengths: list[int]) -> None:
    crf, (emissions, mask) = make_crf(seed), make_case(seed, lengths)
    for row, path in enumerate(crf.viterbi(emissions, mask)):
        scores = all_scores(crf, emissions[row, : lengths[row]])
        assert len(path) == lengths[row] and tuple(path) in scores
        assert math.isclose(scores[tuple(path)], max(scores.values()), rel_tol=1e-4, abs_tol=1e-3)


@cases
@few
def test_probabilities_of_all_paths_sum_to_one(seed: int, lengths: list[int]) -> None:
    crf = make_crf(seed)
    emissions, mask = make_case(seed, lengths[:1])
    paths = list(itertools.product(range(len(TAGS)), repeat=lengths[0]))
    tags = torch.tensor(paths)
    losses = crf(emissions.expand(len(paths), -1, -1), tags, mask.expand(len(paths), -1))
    assert math.isclose(torch.exp(-losses).sum().item(), 1.0, rel_tol=1e-3)
    forbidden = [loss for loss, path in zip(losses.tolist(), paths, strict=True) if not allowed(path)]
    assert all(loss > 1_000 for loss in forbidden)


@given(seed=st.integers(0, 1_000), length=st.integers(1, 4), padding=st.integers(1, 3))
@few
def test_padding_changes_nothing(seed: int, length: int, padding: int) -> None:
    crf, (emissions, mask) = make_crf(seed), make_case(seed, [length, length + padding])
    tags = torch.tensor([[0, 1, 2, 2, 3, 4, 0][: length + padding]] * 2)
    alone = crf(emissions[:1, :length], tags[:1, :length], mask[:1, :length])
    assert torch.allclose(crf(emissions, tags, mask)[0], alone[0], atol=1e-4)
    assert crf.viterbi(emissions, mask)[0] == crf.viterbi(emissions[:1, :length], mask[:1, :length])[0]


def test_inside_tags_need_their_own_beginning() -> None:
    first, follows = bio_constraints(TAGS)
    assert first == [True, True, False, True, False]
    assert [follows[i][2] for i in range(5)] == [False, True, True, False, False]
    assert all(follows[i][0] and follows[i][1] and follows[i][3] for i in range(5))


def test_a_name_that_begins_another_is_another_slot() -> None:
    _, follows = bio_constraints(["O", "B-date", "I-date", "B-dated", "I-dated"])
    assert not follows[1][4] and not follows[3][2]


def test_gradients_are_finite_and_move_towards_the_tags() -> None:
    crf, (emissions, mask) = make_crf(5), make_case(5, [4, 2])
    emissions.requires_grad_()
    tags = torch.tensor([[1, 2, 0, 3], [3, 4, 0, 0]])
    before = crf(emissions, tags, mask).sum()
    before.backward()
    gradients = [emissions.grad, *(parameter.grad for parameter in crf.parameters())]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert emissions.grad[1, 2:].abs().max() == 0
    with torch.no_grad():
        after = crf(emissions - 0.01 * emissions.grad, tags, mask).sum()
    assert after < before


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_emissions_are_summed_in_float32(dtype: torch.dtype) -> None:
    crf, (emissions, mask) = make_crf(1), make_case(1, [3])
    assert crf.log_partition(emissions.to(dtype), mask).dtype == torch.float32
