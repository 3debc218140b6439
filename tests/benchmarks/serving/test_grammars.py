from __future__ import annotations

from benchmarks.serving.grammars import grammars


def test_everything_that_is_measured_is_within_the_limits() -> None:
    found = grammars()
    assert all(grammar.startswith("root ::= ") for name, grammar in found.items() if name != "none")
    assert len(found) > 10
