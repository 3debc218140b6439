"""Short phrases whose meaning in a dialogue is fixed, whatever an intent model thinks of them out of context."""

from __future__ import annotations

import re
from dataclasses import dataclass

from actors.intent_model.understanding import Understanding
from serve_apps.customer_service.numerals import half_width

# All repetitions are possessive (`++`), and alternatives atomic, the longest first: with backtracking, some texts of 40
# characters took hours.
_YES = "是的?|对的?|没错|好的?|好吧|可以的?|行|嗯+|确认(?:办理|无误)?|确定|没问题|同意|需要|要的?|办理?吧?|继续|ok|yes"
_NO = "不是的?|不对|不要了?|不用了?|不行|不可以|不需要|不确认|不同意|否|错了|有误|不|没有|no"
_OFF = "算了|不办了?|不想办了?|先不办了?|别办了?|取消(?:办理|操作|业务|吧)?|退出|停止(?:办理)?|不弄了|终止"
_TAIL = r"[吧了啊呀哦呢，,。.!！~ \t]*+"
_AFFIRM = re.compile(rf"(?:(?>{_YES}){_TAIL})++", re.IGNORECASE)
_DENY = re.compile(rf"(?:(?>{_NO}){_TAIL})++", re.IGNORECASE)
_CANCEL = re.compile(
    rf"(?:(?!{_OFF})(?>那就?|还是|我|{_NO}){_TAIL})*+(?>{_OFF}){_TAIL}(?:(?>{_OFF}|{_NO}){_TAIL})*+", re.IGNORECASE
)
_HUMAN = re.compile(r"(?:转(?!账)|找|要|接|叫|换|帮我).{0,4}(?:人工(?!智能)|真人|坐席|专员|客服人员)")
_HUMAN_ALONE = re.compile(r"(?:人工(?:客服|服务|坐席)?|真人|活人)[。.!！]?")
_CORRECTION = re.compile(r"不对|不是|错了|说错|搞错|写错|弄错|打错|有误|改成|改为|改到|换成|应该是|应为|应该|更正|纠正")
_NEW_VALUE = re.compile(r"改成|改为|改到|换成|应该是|应为|而是|(?<!不)是|要")
_QUESTION = re.compile(
    r"[?？]|吗|怎么|怎样|如何|多少|多久|什么|为啥|哪[里儿些个种]|几[天个号点时]|能不能|可不可以|是否|有没有|会不会|谁|呢[。.!！]?$"
)


@dataclass(frozen=True)
class Cues:
    """What a message does in the dialogue, beside naming a concern or a value."""

    affirm: bool
    deny: bool
    cancel: bool
    human: bool
    correction: bool
    question: bool
    resume: bool


def read_cues(text: str, understanding: Understanding, confidence: float) -> Cues:
    """The cues of a message: by its words where they are fixed, else by an intent of at least `confidence`."""
    words = half_width(text).strip()
    affirm, deny, cancel = (bool(p.fullmatch(words)) for p in (_AFFIRM, _DENY, _CANCEL))
    question = bool(_QUESTION.search(words))
    sure = understanding.intent if understanding.confidence >= confidence and not (affirm or deny or cancel) else ""
    return Cues(
        affirm=affirm or (sure == "affirm" and not question),
        deny=deny or sure == "deny",
        cancel=cancel or sure == "cancel",
        human=bool(_HUMAN_ALONE.fullmatch(words) or (_HUMAN.search(words) and not question)) or sure == "human_agent",
        correction=bool(_CORRECTION.search(words)),
        question=question or sure == "ask_knowledge",
        resume="继续" in words,
    )


def new_value_part(text: str) -> str:
    """What a correction puts in place: `不是5678，是6789` -> `6789`. The whole text when no word introduces it."""
    marks = list(_NEW_VALUE.finditer(text))
    return text[marks[-1].end() :] if marks and text[marks[-1].end() :].strip() else text
