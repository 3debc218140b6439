"""The application around a scripted intent model: store, index, flows and HTTP are the real ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from actors.intent_model.understanding import Slot, Understanding
from danlu.config import load_config
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.knowledge import job
from pipelines.knowledge.config import IndexConfig

INTENTS = {
    "report_card_loss": "挂失.*(?:吧|$)|我要挂失",
    "top_up": "充值|充.*元",
    "query_bill": "账单|话费",
    "human_agent": "转人工",
    "greet": "^你好",
    "thanks": "^谢谢",
    "cancel": "^算了",
    "affirm": "^(?:是的|确认)",
    "ask_knowledge": "[?？]|吗|怎么|多少",
}
SLOTS = {"phone_number": r"1\d{10}", "card_tail": r"(?<!\d)\d{4}(?!\d)", "amount": r"\d+元", "month": "上个月|\\d+月"}


class KeywordUnderstander:
    """An intent model whose mistakes are known: the last pattern that fits wins, and it is always sure."""

    intents = (*INTENTS, "inform", "out_of_scope")
    slot_names = tuple(SLOTS)

    def understand(self, text: str) -> Understanding:
        fitting = [intent for intent, pattern in INTENTS.items() if re.search(pattern, text)]
        found = [(name, m) for name, pattern in SLOTS.items() for m in re.finditer(pattern, text)]
        slots = tuple(Slot(name, m.start(), m.end(), m.group()) for name, m in found)
        intent = fitting[-1] if fitting else "inform" if slots else "out_of_scope"
        return Understanding(intent, 0.95, slots)


@pytest.fixture(scope="session")
def index(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory of `danlu index` over the example articles."""
    output = tmp_path_factory.mktemp("index") / "run"
    config = load_config(IndexConfig, None, [f"input={examples / 'knowledge'}", f"output={output}"])
    with RunDirectory.open("index", config, job.inputs(config)) as run:
        run.finish(job.run(config, run, Progress()))
    return output


@pytest.fixture(scope="session")
def understander() -> KeywordUnderstander:
    return KeywordUnderstander()
