from typing import Any

from cluster.demo.talk import CUSTOMER_TURNS, check_dialogue


def reply(**values: Any) -> dict[str, Any]:
    return {"reply": "", "intent": "x", "slots": [], "citations": [], "handoff": False, **values}


def test_a_dialogue_that_did_everything_holds() -> None:
    replies = [reply() for _ in CUSTOMER_TURNS]
    replies[2] = reply(citations=[{"title": "挂失"}])
    replies[3] = reply(slots=[{"name": "card_tail", "value": "6789"}])
    replies[-1] = reply(handoff=True)
    assert all(check.held for check in check_dialogue(replies))


def test_each_missing_part_is_seen() -> None:
    checks = check_dialogue([reply() for _ in CUSTOMER_TURNS])
    assert [check.held for check in checks] == [False, False, False]
