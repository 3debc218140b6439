"""Parameters become flat vectors and come back."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from pipelines.training.compression.buckets import fill_buckets, make_bucket
from pipelines.training.compression.moments import SECOND_DECAY, LocalMoments, agreement, floored, unbiased

shapes = st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple), min_size=1, max_size=5)


def parameters(sizes: list[tuple[int, ...]]) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.randn(size)) for size in sizes]


@given(shapes, st.integers(1, 6))
def test_values_come_back_in_their_places(sizes: list[tuple[int, ...]], workers: int) -> None:
    given_ = parameters(sizes)
    bucket = make_bucket(given_, workers)
    flat = bucket.gather(lambda parameter: parameter.detach(), filling=7.0)
    elements = sum(parameter.numel() for parameter in given_)
    assert flat.shape == (workers, bucket.chunk) and bucket.chunk % 8 == 0
    assert 0 <= flat.numel() - elements < 8 * workers and bool((flat.view(-1)[elements:] == 7).all())
    assert all(torch.equal(parameter, part) for parameter, part in bucket.split(flat))


@given(shapes, st.integers(1, 30))
def test_buckets_hold_all_in_order_and_no_more_than_allowed(sizes: list[tuple[int, ...]], largest: int) -> None:
    given_ = parameters(sizes)
    buckets = fill_buckets(given_, 2, largest)
    assert [id(p) for bucket in buckets for p in bucket.parameters] == [id(p) for p in given_]
    assert all(
        len(bucket.parameters) == 1 or sum(p.numel() for p in bucket.parameters) <= largest for bucket in buckets
    )


def test_a_parameter_without_gradient_counts_as_zeros() -> None:
    flat = make_bucket(parameters([(3,)]), 1).gather(lambda parameter: None, filling=1.0)
    assert flat[0].tolist() == [0.0] * 3 + [1.0] * 5


def test_the_mean_of_the_workers_first_moments_is_that_of_the_mean_gradient() -> None:
    gradients = torch.randn(6, 3, 1, 8)  # (steps, workers, 1, elements)
    own = [LocalMoments(torch.zeros(1, 8), torch.zeros(1, 8)) for _ in range(3)]
    common = LocalMoments(torch.zeros(1, 8), torch.zeros(1, 8))
    for step in gradients:
        for worker, moments in enumerate(own):
            moments.add(step[worker], 0.9)
        common.add(step.mean(0), 0.9)
    torch.testing.assert_close(torch.stack([moments.first for moments in own]).mean(0), common.first)


def test_agreement_lies_between_noise_and_equality() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(4, 20_000, generator=generator)
    local, ones = (noise**2).mean(0), torch.ones(50)
    assert abs(float(agreement(noise.mean(0) ** 2, local)) - 1 / 4) < 0.01
    assert float(agreement(ones, ones)) == 1.0
    assert float(agreement(torch.zeros(3), torch.zeros(3))) == 1.0


def test_a_constant_gradient_has_its_square_as_second_moment_from_the_first_step_on() -> None:
    moments = LocalMoments(torch.zeros(1, 2), torch.zeros(1, 2))
    for steps in range(1, 5):
        moments.add(torch.tensor([[2.0, -3.0]]), 0.9)
        torch.testing.assert_close(unbiased(moments.second, SECOND_DECAY, steps), torch.tensor([[4.0, 9.0]]))


def test_no_element_is_far_below_the_mean() -> None:
    torch.testing.assert_close(floored(torch.tensor([0.0, 1.0, 2.0])), torch.tensor([0.01, 1.0, 2.0]))
