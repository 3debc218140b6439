from pathlib import Path

from serve_apps.customer_service.flow_files import load_flows
from serve_apps.customer_service.state import DialogueState, Frame, Handoff, Topic
from serve_apps.customer_service.summary import summarize


def test_summary(examples: Path) -> None:
    state = DialogueState(
        stack=[Frame(flow="report_card_loss"), Frame(flow="query_bill", slots={"month": "2026-02"})],
        topic=Topic(question="挂失要钱吗", title="挂失"),
        handoff=Handoff(reason="客户要求转人工"),
    )
    said = ["你好", "我要挂失", "先查账单", "转人工" + "！" * 100]
    assert summarize(state, said, load_flows(examples / "flows").flows).splitlines() == [
        "转接原因：客户要求转人工",
        "正在办理：话费账单查询（月份 2026年2月）",
        "正在办理：银行卡挂失",
        "最近回答过：挂失要钱吗（依据《挂失》）",
        f"客户最近说：“我要挂失”“先查账单”“转人工{'！' * 57}…”",
    ]
