"""Utterances that are learnt in seconds."""

import json
from pathlib import Path

import pytest

from pipelines.understanding.config import UnderstandConfig
from pipelines.understanding.utterances import Utterance

_WORDS = {"pay": "转账打款汇付", "ask": "请问怎么多少", "bye": "再见拜走了"}


def tiny_utterances() -> list[Utterance]:
    """Ninety utterances of three intents, a third with an amount, no two of one wording."""
    rows = []
    for intent, letters in _WORDS.items():
        for n in range(30):
            head = letters[n % len(letters)] + letters[n // len(letters) % len(letters)]
            text = f"{head}{chr(0x4E00 + 7 * n)}{100 + n}元"
            rows.append(Utterance(text, intent, (("amount", 3, 7),), f"tiny:{len(rows) + 1}"))
    return rows


def write_jsonl(file: Path, utterances: list[Utterance]) -> Path:
    """The utterances as an input file."""
    rows = [
        {
            "text": u.text,
            "intent": u.intent,
            "slots": [{"name": n, "start": s, "end": e, "value": u.text[s:e]} for n, s, e in u.spans],
        }
        for u in utterances
    ]
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


@pytest.fixture
def tiny_config(tmp_path: Path) -> UnderstandConfig:
    """A config that learns the tiny utterances on one thread."""
    file = write_jsonl(tmp_path / "tiny.jsonl", tiny_utterances())
    return UnderstandConfig(
        input=str(file), output=str(tmp_path / "run"), epochs=6, batch=16, threads=1, device="cpu"
    ).resolved()
