"""Follow-up questions made whole: `那多久生效？` after a question about 挂失 asks about 挂失. Pure rules.

Retrieval sees one question at a time, so what a follow-up leaves out has to be put back before it is looked up.
A question that names its own subject is left as it is: a foreign subject in front of it would find the wrong article.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from serve_apps.customer_service.state import Topic

_LEAD = re.compile(r"^(?:那么?(?![个种些里])|还有|另外|然后|再问一?下?)[，, ]*")
_POINTING = re.compile(r"它们?|(?:这|那|该|此)(?:个|种|项|类|样|些|业务|服务|套餐|卡)|上面|刚才说的|前面说的")
# The words that make a question, and those that say which kind of answer is wanted.
_ASKING = (
    r"多少钱|多少|多久|几天|几个工作日|什么时候|什么时间|什么|怎么样|怎么|怎样|如何|为什么|为啥|哪里|哪儿|在哪|哪些|哪个|"
    r"能不能|可不可以|可以|能|需不需要|需要|要不要|要|有没有|有|会不会|会|是不是|是|收费|免费|费用|价格|资费|材料|资料|证件|"
    r"时间|期限|收|花|用|钱|元|吗|呢|啊|呀|吧|的|了|还|也|都|就|得|请问|一下|大概|一般|具体|详细|最|快|慢|高|低"
)
# What is asked about any subject: a question of nothing else lacks its subject.
_ASPECTS = r"手续费|条件|要求|流程|步骤|有效期|限制|限额|生效|到账|取消|办理|办|申请|开通"
_KINDLESS = re.compile(_ASKING)
_SUBJECTLESS = re.compile(f"{_ASPECTS}|{_ASKING}")
_ASKS = re.compile(r"多少|多久|几[天个]|什么|怎么|怎样|如何|为什么|为啥|哪|吗|能不能|可不可以|有没有|要不要")
_PUNCTUATION = re.compile(r"[\W_]+")
_FOLLOWS = re.compile(r"^(?:那么?(?![个种些里])|还有|另外).{1,10}$|^.{1,6}呢[？?。]?$")
# A subject of at most this many characters may replace the one before it (那境外呢？) or need it (违约金多少？);
# a longer question stands alone.
_SHORT_SUBJECT = 6


@dataclass(frozen=True)
class Query:
    """A question for retrieval.

    Attributes:
        rewritten: something was put in that the customer did not say.
        own: the part of a rewritten question that its answer has to speak of; may be empty.
    """

    text: str
    rewritten: bool = False
    own: str = ""


def follows_up(text: str) -> bool:
    """Whether a message is by its form a question about what was answered last: 那欧洲呢？"""
    return _FOLLOWS.match(text.strip()) is not None


def queries(question: str, topic: Topic | None, context: str = "") -> list[Query]:
    """What to look up, to be tried in this order.

    Args:
        topic: what was last answered.
        context: the title of the flow under way; nearer than the topic.
    """
    body = _LEAD.sub("", question.strip())
    subject = context or (topic.title if topic else "")
    if not subject:
        return [Query(question)]
    own = _without(_SUBJECTLESS, body)
    if topic and not context and own and len(own) <= _SHORT_SUBJECT and not _ASKS.search(body):
        return [Query(f"{own} {topic.question}", True, own), Query(f"{own} {topic.title}", True, own)]
    rest = _POINTING.sub("", body)
    whole = Query(f"{subject} {rest}", True, _without(_KINDLESS, rest))
    if rest != body or len(own) <= 1:
        return [whole]
    return [Query(body), whole] if len(own) <= _SHORT_SUBJECT else [Query(body)]


def _without(words: re.Pattern[str], text: str) -> str:
    return _PUNCTUATION.sub("", words.sub("", text))
