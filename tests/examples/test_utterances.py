import json
from collections import Counter
from pathlib import Path

import pytest

INTENTS = {
    "greet", "goodbye", "thanks", "affirm", "deny", "cancel", "human_agent", "report_card_loss", "query_balance",
    "transfer_money", "query_bill", "change_plan", "buy_data_pack", "top_up", "activate_roaming",
    "report_network_fault", "ask_knowledge", "out_of_scope", "inform",
}  # fmt: skip
SLOTS = {
    "amount", "card_tail", "phone_number", "plan_name", "data_pack", "country", "month", "date", "person", "location",
}  # fmt: skip


@pytest.fixture(scope="module")
def utterances(examples: Path) -> list[dict]:
    lines = (examples / "utterances.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_every_offset_holds_its_value(utterances: list[dict]) -> None:
    for utterance in utterances:
        for slot in utterance["slots"]:
            assert utterance["text"][slot["start"] : slot["end"]] == slot["value"], utterance
            assert slot["value"] == slot["value"].strip() != ""


def test_slots_are_in_order_and_do_not_overlap(utterances: list[dict]) -> None:
    for utterance in utterances:
        edges = [edge for slot in utterance["slots"] for edge in (slot["start"], slot["end"])]
        assert edges == sorted(edges), utterance


def test_no_text_stands_twice(utterances: list[dict]) -> None:
    repeated = [text for text, count in Counter(u["text"] for u in utterances).items() if count > 1]
    assert repeated == []


def test_all_intents_and_slots_have_enough_examples(utterances: list[dict]) -> None:
    intents = Counter(utterance["intent"] for utterance in utterances)
    slots = Counter(slot["name"] for utterance in utterances for slot in utterance["slots"])
    assert set(intents) == INTENTS and set(slots) == SLOTS
    assert len(utterances) >= 700 and min(intents.values()) >= 50 and min(slots.values()) >= 100


def test_short_card_numbers_and_phone_numbers_have_their_form(utterances: list[dict]) -> None:
    slots = [slot for utterance in utterances for slot in utterance["slots"]]
    digits = {name: {"".join(filter(str.isdigit, s["value"])) for s in slots if s["name"] == name} for name in SLOTS}
    assert {len(value) for value in digits["card_tail"]} == {4}
    assert {len(value) for value in digits["phone_number"]} == {11}
