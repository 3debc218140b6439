from hypothesis import given
from hypothesis import strategies as st

from actors.intent_model.spans import Span, bio_tags, read_spans, tag_characters


@st.composite
def span_lists(draw: st.DrawFn) -> tuple[int, list[Span]]:
    """A text length and spans in order that do not overlap, some of them touching."""
    spans: list[Span] = []
    position = 0
    for name in draw(st.lists(st.sampled_from(["date", "amount", "a-b"]), max_size=5)):
        start = position + draw(st.integers(0, 2))
        position = start + draw(st.integers(1, 4))
        spans.append((name, start, position))
    return position + draw(st.integers(0, 3)), spans


@given(span_lists())
def test_spans_come_back_from_their_tags(case: tuple[int, list[Span]]) -> None:
    length, spans = case
    tags = tag_characters(length, spans)
    assert len(tags) == length and read_spans(tags) == spans


def test_touching_spans_of_one_slot_stay_apart() -> None:
    assert read_spans(["B-date", "I-date", "B-date"]) == [("date", 0, 2), ("date", 2, 3)]


def test_tags_of_slots() -> None:
    assert bio_tags(["x", "y"]) == ["O", "B-x", "I-x", "B-y", "I-y"]
    assert bio_tags([]) == ["O"]
