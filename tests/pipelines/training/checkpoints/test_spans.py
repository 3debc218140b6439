from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipelines.training.checkpoints.spans import WHOLE, Cut, Span, assign, missing

ranges = st.tuples(st.integers(0, 60_000), st.integers(1, 60_000)).map(lambda pair: (pair[0], pair[0] + pair[1]))
spans = st.builds(
    lambda name, part, bounds: Span(name, Cut(0, part, 2), *bounds),
    st.sampled_from("ab"),
    st.integers(0, 1),
    ranges,
)


def elements(all_spans: list[Span]) -> list[tuple[str, Cut, int]]:
    """Every hundredth element, so that the property stays quick to check."""
    return [(s.name, s.cut, i) for s in all_spans for i in range(-(-s.start // 100) * 100, s.stop, 100)]


@given(st.lists(st.lists(spans, max_size=4), min_size=1, max_size=5))
def test_what_somebody_holds_is_written_once_by_one_who_holds_it(held: list[list[Span]]) -> None:
    written = assign(held)
    for mine, theirs in zip(written, held, strict=True):
        for span in mine:
            assert missing(span, [s for s in theirs if (s.name, s.cut) == (span.name, span.cut)]) is None
    flat = elements([span for mine in written for span in mine])
    assert len(flat) == len(set(flat))
    assert set(flat) == set(elements([span for theirs in held for span in theirs]))


def test_replicas_are_written_by_all_in_equal_shares() -> None:
    everything = [Span(name, WHOLE, 0, 100_000) for name in "abc"] + [Span(f"norm{i}", WHOLE, 0, 64) for i in range(8)]
    loads = [sum(map(len, mine)) for mine in assign([everything] * 4)]
    assert max(loads) - min(loads) <= 128


@given(ranges, st.lists(ranges, max_size=6))
def test_missing_names_the_first_gap(wanted: tuple[int, int], bounds: list[tuple[int, int]]) -> None:
    target = Span("a", WHOLE, *wanted)
    stored = [Span("a", WHOLE, *pair) for pair in bounds]
    covered = {i for s in stored for i in range(max(s.start, target.start), min(s.stop, target.stop))}
    gap = missing(target, stored)
    uncovered = sorted(set(range(target.start, target.stop)) - covered)
    if gap is None:
        assert not uncovered
    else:
        assert gap[0] == uncovered[0] and covered.isdisjoint(range(*gap))


def test_parts_meet_where_they_share_elements() -> None:
    halves, quarters = [Cut(1, p, 2) for p in range(2)], [Cut(1, p, 4) for p in range(4)]
    assert [[half.meets(quarter) for quarter in quarters] for half in halves] == [
        [True, True, False, False],
        [False, False, True, True],
    ]
    assert all(cut.meets(WHOLE) and WHOLE.meets(cut) for cut in halves)
    assert Cut(0, 0, 2).meets(Cut(1, 1, 2))
