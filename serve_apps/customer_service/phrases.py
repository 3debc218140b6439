"""The texts that belong to no flow. Each can be replaced in `phrases.yaml` of the flows' folder."""

from __future__ import annotations

import string
from typing import Self

from pydantic import Field, model_validator

from danlu.config import Settings

# The names that each text may use.
_ALLOWED: dict[str, frozenset[str]] = {
    "starting": frozenset({"title"}),
    "resuming": frozenset({"title"}),
    "cancelled": frozenset({"title"}),
    "corrected": frozenset({"label", "value"}),
    "invalid": frozenset({"label"}),
    "unconfirmed": frozenset({"title"}),
    "offer_flow": frozenset({"title"}),
}


class Phrases(Settings):
    """What the assistant says outside of flows, and the small words between their steps."""

    greeting: str = Field(
        default="您好，我是云杉客服，可以为您办理业务、解答问题。请问有什么可以帮您？", description="to a greeting"
    )
    goodbye: str = Field(default="感谢您的咨询，再见。", description="to a goodbye")
    thanks: str = Field(default="不客气，还有其他需要请随时告诉我。", description="to thanks")
    acknowledged: str = Field(default="好的。请问还有什么可以帮您？", description="to a yes or no that answers nothing")
    starting: str = Field(
        default="好的，先为您办理{title}。", description="another flow begins before this one is done"
    )
    resuming: str = Field(default="我们继续办理{title}。", description="back in a flow after something else")
    cancelled: str = Field(default="已为您取消{title}，没有办理。", description="the customer has called it off")
    nothing_to_cancel: str = Field(default="目前没有正在办理的业务。", description="a cancellation outside of a flow")
    corrected: str = Field(default="好的，{label}改为{value}。", description="a value was corrected")
    invalid: str = Field(default="这个{label}不符合要求，请重新提供。", description="a value breaks its rule")
    revise: str = Field(
        default="请告诉我哪一项需要修改、改成什么；不办了请说“取消”。",
        description="a no where a yes or a correction is due",
    )
    unclear: str = Field(default="抱歉，我没有听明白。", description="a message that fits nothing")
    not_found: str = Field(
        default="抱歉，知识库里没有找到这个问题的答案，我不便猜测。需要为您转人工客服吗？",
        description="nothing relevant was found; a yes then hands off",
    )
    offer_flow: str = Field(default="您是想办理{title}吗？", description="the intent is likely, but not certain")
    unconfirmed: str = Field(
        default="暂时无法确认{title}是否办理成功，请不要重复提交，由人工客服为您核实。",
        description="the back office did not answer in time; the conversation goes to a person",
    )
    handoff: str = Field(default="正在为您转接人工客服，请稍候。", description="the conversation goes to a person")
    waiting: str = Field(
        default="您的消息已转给人工客服，请稍候，客服会尽快回复您。", description="to messages after the hand-off"
    )
    simulated: str = Field(
        default="（演示后台：没有接入真实业务系统，本次未实际办理。）",
        description="behind every simulated action's reply",
    )

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for key in type(self).model_fields:
            allowed = _ALLOWED.get(key, frozenset())
            for _, field, _, _ in string.Formatter().parse(getattr(self, key)):
                if field is not None and field not in allowed:
                    raise ValueError(
                        f"{key}: {{{field}}} is none of {', '.join(sorted(allowed)) or 'the names it may use'}"
                    )
        return self
