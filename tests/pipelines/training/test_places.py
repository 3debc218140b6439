from __future__ import annotations

from pipelines.training.places import PlaceWatch, free_of


def test_the_scarcest_resource_decides() -> None:
    assert free_of(4, {"CPU": 1.0}, {"CPU": 9.0}) == 4
    assert free_of(4, {"CPU": 1.0, "GPU": 1.0}, {"CPU": 9.0, "GPU": 2.0}) == 2
    assert free_of(4, {"CPU": 1.0, "GPU": 1.0}, {"CPU": 9.0}) == 0


def test_a_loss_and_its_end_are_said_once() -> None:
    cluster, now = {"CPU": 3.0}, [0.0]
    watch = PlaceWatch(3, {"CPU": 1.0}, lambda: cluster, lambda: now[0])

    def later() -> str:
        now[0] += 5
        return watch.look()

    assert later() == ""
    cluster["CPU"] = 2.0
    assert "training wants 3 workers, the cluster has places for 2." in later()
    assert later() == "" == watch.look()
    cluster["CPU"] = 4.0
    assert later() == "the cluster has places for all 3 workers again" and later() == ""
