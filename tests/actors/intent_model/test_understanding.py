import dataclasses

import pytest

from actors.intent_model.understanding import Slot, Understanding


def test_the_first_slot_of_a_name() -> None:
    dates = (Slot("date", 0, 2, "明天"), Slot("date", 3, 5, "后天"))
    found = Understanding("inform", 0.9, dates)
    assert found.slot("date") == dates[0] and found.slot("amount") is None


def test_an_understanding_never_changes() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Understanding("greet", 1.0).intent = "deny"  # type: ignore[misc]
