from hypothesis import given
from hypothesis import strategies as st

from pipelines.knowledge.sections import Pair, Section, outline

ARTICLE = """# 挂失

临时挂失立即生效。

## 费用
### 正式挂失
手续费 10 元。

## 常见问题

**问：** 怎么挂失？
**答：** 拨打客服热线。
也可以在 App 办理。

**问：** 要钱吗？

**答：** 不要钱。

以上信息仅供参考。
"""


def test_title_headings_and_pairs() -> None:
    document = outline(ARTICLE, "file-name")
    assert document.title == "挂失"
    sections = [p for p in document.parts if isinstance(p, Section)]
    assert [(s.heading, ARTICLE[s.start : s.end]) for s in sections] == [
        ("", "临时挂失立即生效。"),
        ("费用 > 正式挂失", "手续费 10 元。"),
        ("常见问题", "以上信息仅供参考。"),
    ]
    pairs = [p for p in document.parts if isinstance(p, Pair)]
    assert [(p.question, p.answer) for p in pairs] == [
        ("怎么挂失？", "拨打客服热线。 也可以在 App 办理。"),
        ("要钱吗？", "不要钱。"),
    ]
    assert pairs[0].heading == "常见问题"


def test_plain_pairs_without_markup() -> None:
    pair = outline("问：几点开门？\n答：九点。", "x").parts[0]
    assert isinstance(pair, Pair)
    assert (pair.question, pair.answer) == ("几点开门？", "九点。")


def test_a_question_without_an_answer_is_text() -> None:
    assert [type(p) for p in outline("**问：** 几点开门？\n以后再说。", "x").parts] == [Section]


def test_without_a_heading_the_fallback_is_the_title() -> None:
    assert outline("正文。", "file-name").title == "file-name"


def test_a_second_level_one_heading_is_a_heading() -> None:
    document = outline("# 甲\n一\n# 乙\n二", "x")
    assert (document.title, [p.heading for p in document.parts]) == ("甲", ["", "乙"])


def test_comments_in_code_are_no_headings() -> None:
    document = outline("```sh\n# comment\n```\n正文", "x")
    assert (document.title, len(document.parts)) == ("x", 1)


lines = st.sampled_from(
    [
        "# 甲",
        "## 乙 ##",
        "正文一。",
        "",
        "  ",
        "**问：** 怎么？",
        "**答：** 这样。",
        "```",
        "问：几点",
        "答：九点",
        "\x0b",
        "尾\u2028巴",
    ]
)


@given(st.lists(lines, max_size=25).map("\n".join))
def test_every_character_but_headings_is_in_exactly_one_part(text: str) -> None:
    parts = outline(text, "x").parts
    covered = [i for part in parts for i in range(part.start, part.end)]
    assert len(covered) == len(set(covered))
    left = "".join(c for i, c in enumerate(text) if i not in set(covered) and not c.isspace())
    assert left.replace("#", "").replace("甲", "").replace("乙", "") == ""
    assert [p.start for p in parts] == sorted(p.start for p in parts)
