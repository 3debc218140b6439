"""The report of `danlu understand`: how well intents and slots are found, where not, and how sure to be of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actors.intent_model.spans import Span
from danlu.report import Check, Lines, Report, Scalar, Section, Table
from pipelines.understanding.calibration import acceptance, calibration_error
from pipelines.understanding.config import UnderstandConfig
from pipelines.understanding.scores import Answer, Counts, Scores, confusions, intent_counts, score, slot_counts
from pipelines.understanding.training import Epoch
from pipelines.understanding.utterances import Utterance

_THRESHOLDS = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_SHOWN_PAIRS, _SHOWN_MISTAKES = 15, 30


@dataclass(frozen=True)
class Findings:
    """All that the report is made of.

    Attributes:
        intents: those that the model knows.
        training: how many utterances were learnt from.
        confidence, raw_confidence: of each answer's intent, after and before calibration.
        latency_ms: median milliseconds to understand one validation utterance alone.
    """

    training: int
    intents: Sequence[str]
    validation: Sequence[Utterance]
    answers: Sequence[Answer]
    confidence: Sequence[float]
    raw_confidence: Sequence[float]
    temperature: float
    epochs: Sequence[Epoch]
    best_epoch: int
    parameters: int
    latency_ms: float


def build(config: UnderstandConfig, findings: Findings) -> Report:
    """The report with figures, checks and sections."""
    scores = score(findings.answers)
    return Report(
        job="understand",
        figures=_figures(findings, scores),
        checks=_checks(config, findings, scores),
        sections=_sections(findings),
    )


def _figures(findings: Findings, scores: Scores) -> dict[str, Scalar]:
    right = _right(findings)
    return {
        "training_utterances": findings.training,
        "validation_utterances": len(findings.validation),
        "intents": len(findings.intents),
        "intent_accuracy": round(scores.intent_accuracy, 4),
        "slot_f1": round(scores.slot_f1, 4),
        "sentence_accuracy": round(scores.sentence_accuracy, 4),
        "calibration_error": round(calibration_error(findings.confidence, right), 4),
        "calibration_error_before": round(calibration_error(findings.raw_confidence, right), 4),
        "temperature": round(findings.temperature, 3),
        "epochs": len(findings.epochs),
        "best_epoch": findings.best_epoch + 1,
        "parameters": findings.parameters,
        "latency_ms": round(findings.latency_ms, 2),
    }


def _checks(config: UnderstandConfig, findings: Findings, scores: Scores) -> list[Check]:
    measured = {utterance.intent for utterance in findings.validation}
    missing = [intent for intent in findings.intents if intent not in measured]
    detail = f"not in validation: {', '.join(missing)}" if missing else f"{len(findings.intents)} intents in validation"
    return [
        Check(name="every intent is measured", held=not missing, detail=detail),
        _at_least("intent accuracy", scores.intent_accuracy, config.minimum_intent_accuracy, "minimum_intent_accuracy"),
        _at_least("slot F1", scores.slot_f1, config.minimum_slot_f1, "minimum_slot_f1"),
    ]


def _at_least(name: str, value: float, minimum: float, key: str) -> Check:
    return Check(name=name, held=value >= minimum, detail=f"{value:.1%}, {key} is {minimum:.1%}")


def _sections(findings: Findings) -> list[Section]:
    numbered = list(enumerate(findings.epochs, start=1))
    return [
        Lines(
            title="Validation scores by epoch",
            x_label="epoch",
            y_label="share",
            series={
                "intent accuracy": [(number, epoch.intent_accuracy) for number, epoch in numbered],
                "slot F1": [(number, epoch.slot_f1) for number, epoch in numbered],
                "sentence accuracy": [(number, epoch.sentence_accuracy) for number, epoch in numbered],
            },
            note=f"Epoch {findings.best_epoch + 1} is kept. It was chosen, and the confidence calibrated, by the same "
            "utterances, so figures on new ones will lie somewhat lower.",
        ),
        Lines(
            title="Training loss by epoch",
            x_label="epoch",
            y_label="loss",
            series={"training": [(number, epoch.loss) for number, epoch in numbered]},
            log_y=True,
        ),
        _counts_table("Intents", "intent", intent_counts(findings.answers)),
        _counts_table("Slots (name, start and end all right)", "slot", slot_counts(findings.answers)),
        Table(
            title="Confused intents",
            columns=["annotated", "found", "utterances"],
            rows=[list(pair) for pair in confusions(findings.answers)[:_SHOWN_PAIRS]],
        ),
        _confidence_table(findings),
        _mistakes_table(findings),
    ]


def _counts_table(title: str, what: str, counts: dict[str, Counts]) -> Table:
    rows: list[list[Scalar]] = [
        [name, c.hits + c.misses, round(c.precision, 3), round(c.recall, 3), round(c.f1, 3)]
        for name, c in sorted(counts.items(), key=lambda item: (item[1].f1, item[0]))
    ]
    return Table(title=title, columns=[what, "annotated", "precision", "recall", "F1"], rows=rows, note="worst first")


def _confidence_table(findings: Findings) -> Table:
    right = _right(findings)
    rows: list[list[Scalar]] = []
    for threshold in _THRESHOLDS:
        share, accuracy = acceptance(findings.confidence, right, threshold)
        rows.append([threshold, round(share, 3), round(accuracy, 3)])
    return Table(
        title="What a confidence threshold buys",
        columns=["confidence at least", "share of utterances", "intent accuracy among them"],
        rows=rows,
        note="An application asks back below its threshold.",
    )


def _mistakes_table(findings: Findings) -> Table:
    wrong = [
        (confidence, utterance, answer)
        for confidence, utterance, answer in zip(
            findings.confidence, findings.validation, findings.answers, strict=True
        )
        if not answer.whole
    ]
    wrong.sort(key=lambda item: -item[0])
    rows: list[list[Scalar]] = [
        [
            u.source,
            u.text,
            a.intent,
            a.found_intent,
            round(c, 2),
            _words(u.text, a.spans),
            _words(u.text, a.found_spans),
        ]
        for c, u, a in wrong[:_SHOWN_MISTAKES]
    ]
    return Table(
        title="Mistakes",
        columns=["source", "text", "annotated", "found", "confidence", "annotated slots", "found slots"],
        rows=rows,
        note=f"{len(wrong)} of {len(findings.answers)} utterances, the surest first; some may be wrong annotations.",
    )


def _words(text: str, spans: Sequence[Span]) -> str:
    return ", ".join(f"{name}={text[start:end]}" for name, start, end in spans)


def _right(findings: Findings) -> list[bool]:
    return [answer.intent == answer.found_intent for answer in findings.answers]
