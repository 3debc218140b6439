from pathlib import Path
from typing import Any

import pytest
import yaml

from danlu.errors import ConfigError, InputError
from serve_apps.customer_service.flow_files import check_against_model, load_flows

FLOW: dict[str, Any] = {
    "flow": "loss",
    "title": "挂失",
    "starts_on": ["report_card_loss"],
    "slots": {"card": {"kind": "digits", "length": 4, "label": "尾号"}},
    "steps": [
        {"collect": "card", "ask": "尾号？"},
        {"branch": [{"if": "card == 0000", "go": "person"}]},
        {"action": "report", "reply": "{card} {reference}", "failed": "没有成功", "go": "end"},
        {"id": "person", "handoff": "测试卡"},
    ],
}


def write(folder: Path, name: str, **changes: Any) -> Path:
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({**FLOW, **changes}, allow_unicode=True), encoding="utf-8")
    return folder


def steps(*replaced: tuple[int, dict[str, Any]]) -> list[dict[str, Any]]:
    found = [dict(step) for step in FLOW["steps"]]
    for place, step in replaced:
        found[place] = step
    return found


def test_the_example_flows_load(examples: Path) -> None:
    book = load_flows(examples / "flows")
    started = {intent for flow in book.flows.values() for intent in flow.starts_on}
    assert {"report_card_loss", "query_bill", "change_plan", "transfer_money", "activate_roaming"} <= started
    assert book.started_by("greet") is None
    flow = book.started_by("top_up")
    assert flow is not None
    assert flow.title == "话费充值"


def test_the_flow_that_the_readme_shows(examples: Path, tmp_path: Path) -> None:
    text = (examples / "flows" / "README.md").read_text(encoding="utf-8")
    (tmp_path / "shown.yaml").write_text(text.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    assert list(load_flows(tmp_path).flows) == ["top_up"]


def test_a_sound_flow(tmp_path: Path) -> None:
    assert list(load_flows(write(tmp_path, "a")).flows) == ["loss"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"steps": steps((0, {"collect": "karte", "ask": "?"}))},
            "step 1: collects unknown slot 'karte'; the flow has card",
        ),
        ({"steps": steps((1, {"branch": [{"if": "card == 1", "go": "nowhere"}]}))}, "step 2: go is 'nowhere'"),
        (
            {"steps": steps((1, {"branch": [{"if": "x > 1", "go": "end"}]}))},
            "step 2: condition 'x > 1': unknown slot 'x'",
        ),
        ({"steps": steps((1, {"say": "好"}))}, "step person can't be reached"),
        ({"steps": steps((2, {"say": "好", "go": "1"}))}, "step 3: go is '1': a flow only goes forward"),
        ({"steps": steps((0, {"say": "{name}"}))}, r"step 1: \{name\} in '\{name\}' is none of card"),
        ({"steps": steps((0, {"say": "{"}))}, "step 1: "),
        ({"steps": steps((0, {"sing": "la"}))}, "a step has one of the keys collect, confirm, branch, action, say"),
        ({"steps": steps((0, {"say": "好", "colour": "rot"}))}, "unknown key steps.0.say.colour"),
        ({"steps": steps((0, {"id": "person", "say": "好"}))}, "the id 'person' stands twice"),
        ({"steps": []}, "steps is"),
        ({"title": 5}, "title is 5"),
        ({"stars_on": ["a"]}, "unknown key stars_on: did you mean starts_on"),
        ({"slots": {"card": {"kind": "digits", "label": "尾号"}}}, "missing key slots.card.digits.length"),
    ],
)
def test_broken_flows_name_file_key_and_rule(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_flows(write(tmp_path, "broken", **changes))
    assert "broken.yaml" in str(caught.value)


def test_two_flows_may_not_share_a_name_or_an_intent(tmp_path: Path) -> None:
    write(tmp_path, "a")
    with pytest.raises(ConfigError, match="another file has a flow of this name"):
        load_flows(write(tmp_path, "b"))
    with pytest.raises(ConfigError, match="flow loss starts on it too"):
        load_flows(write(tmp_path, "b", flow="other"))


def test_phrases_are_checked_too(tmp_path: Path) -> None:
    write(tmp_path, "a")
    (tmp_path / "phrases.yaml").write_text("cancelled: '{name} 已取消'", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"phrases.yaml.*\{name\} is none of title"):
        load_flows(tmp_path)


def test_a_folder_without_flows(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match="there is no flow"):
            load_flows(folder)


def test_flows_that_the_model_can_not_feed(tmp_path: Path) -> None:
    book = load_flows(write(tmp_path, "a"))
    check_against_model(book, ["report_card_loss", "greet"], ["card"])
    with pytest.raises(ConfigError, match="starts_on names report_card_loss: the intent model knows greet"):
        check_against_model(book, ["greet"], ["card"])
    with pytest.raises(ConfigError, match="slots names card: the intent model knows amount"):
        check_against_model(book, ["report_card_loss"], ["amount"])
