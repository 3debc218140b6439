from pipelines.understanding import report
from pipelines.understanding.config import UnderstandConfig
from pipelines.understanding.report import Findings
from pipelines.understanding.scores import Answer
from pipelines.understanding.training import Epoch
from pipelines.understanding.utterances import Utterance

VALIDATION = [
    Utterance("充100元", "pay", (("amount", 1, 5),), "u.jsonl:1"),
    Utterance("怎么充", "ask", (), "u.jsonl:2"),
    Utterance("转50", "pay", (("amount", 1, 3),), "u.jsonl:3"),
    Utterance("多少", "ask", (), "u.jsonl:4"),
]
ANSWERS = [
    Answer("pay", "pay", (("amount", 1, 5),), (("amount", 1, 5),)),
    Answer("ask", "pay", (), ()),
    Answer("pay", "pay", (("amount", 1, 3),), ()),
    Answer("ask", "ask", (), ()),
]


def findings(intents: tuple[str, ...] = ("ask", "pay")) -> Findings:
    return Findings(
        training=16,
        intents=intents,
        validation=VALIDATION,
        answers=ANSWERS,
        confidence=[0.9, 0.8, 0.95, 0.6],
        raw_confidence=[1.0, 1.0, 1.0, 1.0],
        temperature=2.0,
        epochs=[Epoch(2.0, 0.5, 0.5, 0.5), Epoch(1.0, 0.75, 0.67, 0.5)],
        best_epoch=1,
        parameters=1000,
        latency_ms=1.5,
    )


def config(**keys: float) -> UnderstandConfig:
    return UnderstandConfig(input="a", output="b", **keys)


def test_figures_by_hand() -> None:
    figures = report.build(config(), findings()).figures
    assert figures["intent_accuracy"] == 0.75 and figures["sentence_accuracy"] == 0.5
    assert figures["slot_f1"] == 0.6667 and figures["best_epoch"] == 2
    assert figures["calibration_error_before"] == 0.25


def test_the_checks_hold_the_floors_of_the_config() -> None:
    held = [check.held for check in report.build(config(), findings()).checks]
    assert held == [True, False, False]
    low = config(minimum_intent_accuracy=0.75, minimum_slot_f1=0.6)
    assert report.build(low, findings()).held


def test_an_intent_that_is_not_measured_is_named() -> None:
    check = report.build(config(), findings(("ask", "pay", "bye"))).checks[0]
    assert not check.held and "bye" in check.detail


def test_mistakes_come_with_their_source_the_surest_first() -> None:
    tables = {section.title: section for section in report.build(config(), findings()).sections}
    mistakes = tables["Mistakes"].rows
    assert [row[0] for row in mistakes] == ["u.jsonl:3", "u.jsonl:2"]
    assert mistakes[0][5:] == ["amount=50", ""]
    assert tables["Confused intents"].rows == [["ask", "pay", 1]]
    assert tables["What a confidence threshold buys"].rows[-1] == [0.95, 0.25, 1.0]
