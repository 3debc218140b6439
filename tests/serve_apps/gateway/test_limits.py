"""What must always hold of limits, whatever is asked in whatever order."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_apps.gateway.charges import Charge
from serve_apps.gateway.limits import MINUTE_S, Grant, Ledger, Limits, Refusal


@dataclass(frozen=True)
class Asked:
    """A request: seconds since the last one, what is held for it, the share it takes, seconds until it ends."""

    pause_s: float
    tokens: int
    share: float
    lasts_s: float


REQUESTS = st.lists(
    st.builds(
        Asked,
        pause_s=st.floats(0, 90),
        tokens=st.integers(0, 120),
        share=st.floats(0, 1),
        lasts_s=st.floats(0, 200),
    ),
    max_size=25,
)
LIMITS = st.builds(
    Limits,
    requests_per_minute=st.none() | st.integers(1, 10),
    tokens_per_minute=st.none() | st.integers(1, 200),
    budget=st.none() | st.integers(0, 600),
)


def play(ledger: Ledger, limits: Limits, requests: list[Asked]) -> list[tuple[float, int]]:
    """Ask all of it; returns (time, tokens taken in the end) of what was admitted."""
    now, admitted, ends = 0.0, [], []
    for number, request in enumerate(requests):
        now += request.pause_s
        for end in sorted(end for end in ends if end[0] <= now):
            ledger.charge(Charge("a", end[1], end[2]), end[0])
            ends.remove(end)
        answer = ledger.admit(str(number), "a", limits, request.tokens, now)
        if isinstance(answer, Grant):
            taken = int(request.tokens * request.share)
            admitted.append((now, taken))
            ends.append((now + request.lasts_s, taken, str(number)))
    for at, taken, grant in sorted(ends):
        ledger.charge(Charge("a", taken, grant), at)
    return admitted


def most_above(events: list[tuple[float, int]], limit: int) -> float:
    """How far the worst window of time lies above `limit * (1 + t / 60)`."""
    return max(
        (
            sum(amount for at, amount in events[first : last + 1])
            - limit * (1 + (events[last][0] - events[first][0]) / MINUTE_S)
            for first in range(len(events))
            for last in range(first, len(events))
        ),
        default=0.0,
    )


@given(LIMITS, REQUESTS, st.sampled_from([20.0, 3600.0]))
def test_no_window_of_time_holds_more_than_the_limits(limits: Limits, requests: list[Asked], lifetime_s: float) -> None:
    ledger = Ledger(lifetime_s=lifetime_s)  # some are given up before they end, or none
    admitted = play(ledger, limits, requests)
    if limits.requests_per_minute is not None:
        assert most_above([(at, 1) for at, _ in admitted], limits.requests_per_minute) < 1e-3
    if limits.tokens_per_minute is not None:
        assert most_above(admitted, limits.tokens_per_minute) < 1e-3
    if limits.budget is not None:
        assert sum(taken for _, taken in admitted) <= limits.budget
    assert ledger.used("a") == sum(taken for _, taken in admitted)


@given(LIMITS, REQUESTS, st.integers(0, 120))
def test_a_refusal_says_how_long_to_wait(limits: Limits, requests: list[Asked], tokens: int) -> None:
    ledger = Ledger()
    play(ledger, limits, requests)
    now = 10_000.0
    for number in range(12):
        answer = ledger.admit(f"last-{number}", "a", limits, tokens, now)
        if isinstance(answer, Refusal):
            break
    else:
        return
    again = ledger.admit("again", "a", limits, tokens, now)
    assert again == answer, "a refusal changes nothing"
    if answer.retry_after_s is None:
        later = ledger.admit("later", "a", limits, tokens, now + 1e6)
        assert isinstance(later, Refusal) and later.reason == answer.reason
    else:
        early = ledger.admit("early", "a", limits, tokens, now + 0.9 * answer.retry_after_s)
        assert isinstance(early, Refusal)
        assert isinstance(ledger.admit("waited", "a", limits, tokens, now + answer.retry_after_s), Grant)


@given(REQUESTS)
def test_without_limits_all_is_admitted_and_counted(requests: list[Asked]) -> None:
    ledger = Ledger({"a": 7})
    admitted = play(ledger, Limits(), requests)
    assert len(admitted) == len(requests)
    assert ledger.used("a") == 7 + sum(taken for _, taken in admitted)


@given(LIMITS, REQUESTS)
def test_what_is_left_is_never_negative_nor_above_the_limit(limits: Limits, requests: list[Asked]) -> None:
    ledger = Ledger()
    play(ledger, limits, requests)
    answer = ledger.admit("x", "a", limits, 1, 1e4)
    for standing in (answer.standings.requests, answer.standings.tokens):
        assert standing is None or (0 <= standing.remaining <= standing.limit and standing.reset_s >= 0)


def test_keys_do_not_take_from_each_other() -> None:
    ledger, one = Ledger(), Limits(requests_per_minute=1)
    assert isinstance(ledger.admit("1", "a", one, 0, 0.0), Grant)
    assert isinstance(ledger.admit("2", "b", one, 0, 0.0), Grant)
    assert isinstance(ledger.admit("3", "a", one, 0, 0.0), Refusal)


def test_the_budget_counts_what_is_under_way() -> None:
    ledger, limits = Ledger({"a": 50}), Limits(budget=100)
    assert isinstance(ledger.admit("1", "a", limits, 40, 0.0), Grant)
    refused = ledger.admit("2", "a", limits, 20, 0.0)
    assert isinstance(refused, Refusal) and (refused.reason, refused.left, refused.retry_after_s) == (
        "budget",
        10,
        None,
    )
    ledger.charge(Charge("a", 10, "1"), 1.0)
    assert isinstance(ledger.admit("3", "a", limits, 40, 1.0), Grant)
    assert isinstance(ledger.admit("4", "a", limits, 1, 1.0), Refusal)


def test_more_than_a_minute_allows_is_refused_for_good() -> None:
    refused = Ledger().admit("1", "a", Limits(tokens_per_minute=100), 101, 0.0)
    assert isinstance(refused, Refusal) and (refused.reason, refused.retry_after_s) == ("too_large", None)


def test_taking_more_than_was_held_is_paid_back_later() -> None:
    ledger, limits = Ledger(), Limits(tokens_per_minute=60)
    ledger.admit("1", "a", limits, 10, 0.0)
    ledger.charge(Charge("a", 70, "1"), 0.0)
    refused = ledger.admit("2", "a", limits, 10, 0.0)
    assert isinstance(refused, Refusal) and refused.retry_after_s == pytest.approx(20)


def test_a_request_that_never_ends_is_given_up_as_taken() -> None:
    ledger, limits = Ledger(lifetime_s=600), Limits(budget=100)
    ledger.admit("1", "a", limits, 100, 0.0)
    assert isinstance(ledger.admit("2", "a", limits, 1, 599.0), Refusal)
    assert ledger.used("a") == 0
    assert isinstance(ledger.admit("3", "a", limits, 1, 601.0), Refusal)
    assert ledger.used("a") == 100


def test_a_grant_of_an_earlier_ledger_still_counts() -> None:
    ledger = Ledger({"a": 5})
    ledger.charge(Charge("a", 3, "unknown"), 0.0)
    assert ledger.used("a") == 8


@pytest.mark.parametrize("grant", ["1", None])
def test_a_charge_that_is_told_twice_counts_once(grant: str | None) -> None:
    ledger, limits = Ledger(), Limits(tokens_per_minute=60)
    ledger.admit("1", "a", limits, 10, 0.0)
    charge = Charge("a", 4, grant)
    assert ledger.charge(charge, 1.0)
    assert not ledger.charge(charge, 2.0)
    assert ledger.used("a") == 4
    assert ledger.charge(Charge("a", 4), 2.0), "another request of the same size"


def test_a_grant_that_is_asked_for_twice_is_held_once() -> None:
    ledger, limits = Ledger(), Limits(budget=100)
    for now in (0.0, 1.0):
        assert isinstance(ledger.admit("1", "a", limits, 60, now), Grant)
    ledger.charge(Charge("a", 5, "1"), 2.0)
    assert isinstance(ledger.admit("2", "a", limits, 95, 3.0), Grant)


def test_a_grant_that_is_asked_for_after_its_end_holds_nothing() -> None:
    """It could never be given up, and the ledger tried to for ever."""
    ledger, limits = Ledger(lifetime_s=600), Limits(budget=100)
    ledger.charge(Charge("a", 0, "1"), 0.0)
    ledger.admit("1", "a", limits, 60, 0.1)
    assert isinstance(ledger.admit("2", "a", limits, 100, 601.0), Grant)
    assert not ledger.lost()


@pytest.mark.parametrize("tokens", [20, 30, 5000])
def test_a_request_that_ends_after_it_was_given_up_is_charged_what_it_took(tokens: int) -> None:
    """What it took beyond what was held for it was never charged."""
    ledger, limits = Ledger(lifetime_s=600), Limits(budget=100)
    ledger.admit("1", "a", limits, 30, 0.0)
    ledger.admit("2", "a", limits, 1, 601.0)
    (lost,) = ledger.lost()
    assert (lost.requests, lost.tokens) == (1, 30)
    entry = ledger.charge(Charge("a", tokens, "1"), 602.0)
    assert entry is not None and (entry.requests, entry.tokens) == (0, tokens - 30)
    assert ledger.charge(Charge("a", tokens, "1"), 603.0) is None
    assert ledger.used("a") == tokens


def test_what_comes_late_is_taken_from_the_minute_as_well() -> None:
    ledger, limits = Ledger(lifetime_s=60), Limits(tokens_per_minute=60)
    ledger.admit("1", "a", limits, 1, 0.0)
    ledger.admit("2", "b", limits, 1, 70.0)
    ledger.charge(Charge("a", 91, "1"), 80.0)
    refused = ledger.admit("3", "a", limits, 10, 80.0)
    assert isinstance(refused, Refusal) and refused.retry_after_s == pytest.approx(40)


def test_limits_of_a_key_win_over_the_defaults() -> None:
    own, defaults = Limits(requests_per_minute=5), Limits(requests_per_minute=9, budget=100)
    assert own.or_else(defaults) == Limits(requests_per_minute=5, budget=100)
    assert Limits().unlimited and not own.unlimited


def test_a_limit_may_change_while_the_bucket_is_in_use() -> None:
    ledger = Ledger()
    for number in range(10):
        ledger.admit(str(number), "a", Limits(requests_per_minute=10), 0, 0.0)
    assert isinstance(ledger.admit("x", "a", Limits(requests_per_minute=10), 0, 0.0), Refusal)
    assert isinstance(ledger.admit("y", "a", Limits(requests_per_minute=11), 0, 0.0), Grant)
    assert isinstance(ledger.admit("z", "a", Limits(requests_per_minute=2), 0, 100.0), Refusal)
