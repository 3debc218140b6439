"""When a process leaves a place to others."""

from __future__ import annotations

from serve_apps.sharing import Sharing


def test_one_place_is_left_each_time_that_others_become_more() -> None:
    sharing = Sharing[str]()
    assert not sharing.leaves("a", 15, 1, 5.0), "nobody is known to want it"
    sharing.heard("a", 1)
    assert not sharing.leaves("b", 15, 1, 5.0)
    assert sharing.leaves("a", 15, 1, 5.0)
    assert sharing.left("a", 4.9)
    assert not sharing.left("a", 5.0)
    assert not sharing.left("b", 4.9)
    assert not sharing.leaves("a", 15, 1, 6.0), "once"
    sharing.heard("a", 1)
    assert not sharing.leaves("a", 15, 1, 6.0), "as many as before"
    sharing.heard("a", 2)
    assert sharing.leaves("a", 14, 2, 6.0)


def test_who_has_its_share_leaves_nothing() -> None:
    sharing = Sharing[str]()
    sharing.heard("a", 4)
    assert not sharing.leaves("a", 8, 4, 5.0)
    assert not sharing.leaves("a", 8, 0, 5.0)
    assert sharing.leaves("a", 9, 4, 5.0)


def test_a_replica_that_is_gone_is_forgotten() -> None:
    sharing = Sharing[str]()
    sharing.heard("a", 1)
    assert sharing.leaves("a", 9, 1, 5.0)
    sharing.heard("a", 2)
    sharing.forget("a")
    assert not sharing.left("a", 4.0)
    assert not sharing.leaves("a", 9, 2, 5.0)
