import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from actors.engines.protocol import Completion, Message, SamplingParams
from actors.knowledge_base.knowledge_base import Passage
from danlu.errors import RunError
from serve_apps.customer_service.answers import Answer, Citation
from serve_apps.customer_service.phrasing import Phrasing

TEXT = "正式挂失须到网点办理，手续费10元。"
SOURCE = Passage("loss:0", "loss", "text", "挂失", "", TEXT, "", "", 0, len(TEXT), 0.9, True)
EXTRACTED = Answer(TEXT, (Citation(TEXT, "loss", "挂失", TEXT),))


class Model:
    """Says what it was told to, after a while; keeps what it was asked."""

    def __init__(self, says: str | Exception, finish: Any = "stop", delay_s: float = 0.0) -> None:
        self.says, self.finish, self.delay_s = says, finish, delay_s
        self.asked: Sequence[Message] = ()

    async def chat(self, messages: Sequence[Message], sampling: SamplingParams) -> Completion:
        self.asked = messages
        await asyncio.sleep(self.delay_s)
        if isinstance(self.says, Exception):
            raise self.says
        return Completion(self.says, 1, 1, self.finish)


def phrase(model: Model) -> Answer:
    return asyncio.run(Phrasing(model, 0.05).phrase("要多少钱", EXTRACTED, [SOURCE]))


def test_a_supported_wording_is_used_with_its_sources() -> None:
    model = Model("手续费10元，须到网点办理。")
    answer = phrase(model)
    assert answer.text == "手续费10元，须到网点办理。"
    assert answer.citations[0].quote == TEXT
    assert TEXT in model.asked[1]["content"]


@pytest.mark.parametrize(
    "model",
    [
        Model("手续费500元。"),
        Model("不知道。"),
        Model(TEXT, finish="length"),
        Model(RunError("the model broke")),
        Model(TEXT, delay_s=5),
    ],
    ids=["made up", "unknown", "cut off", "broken", "slow"],
)
def test_otherwise_the_extracted_answer_is_given(model: Model) -> None:
    assert phrase(model) is EXTRACTED
