"""The application as it is served: Ray Serve, HTTP, a trained intent model, the example articles and flows."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import ray
from ray import serve

from danlu.config import load_config
from danlu.errors import ConfigError
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.understanding import job
from pipelines.understanding.config import UnderstandConfig
from serve_apps.config import ModelSettings
from serve_apps.customer_service.app import build
from serve_apps.language_model import app_name
from serve_apps.models import application

TALK = {
    "我的银行卡丢了，要挂失": ("report_card_loss", {}),
    "挂失要收手续费吗？": ("ask_knowledge", {}),
    "尾号6789": ("inform", {"card_tail": "6789"}),
    "不对，是5678": ("inform", {"card_tail": "5678"}),
    "是的，确认": ("affirm", {}),
    "今天天气怎么样": ("out_of_scope", {}),
    "帮我转人工": ("human_agent", {}),
}


@pytest.fixture(scope="module")
def understanding(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An intent model that has learned the sentences of this test by heart, and some others beside them."""
    folder = tmp_path_factory.mktemp("understanding")
    taken: Counter[str] = Counter()
    rows = []
    for line in (examples / "utterances.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        taken[row["intent"]] += 1
        rows += [row] if taken[row["intent"]] <= 10 and row["text"] not in TALK else []
    for text, (intent, slots) in TALK.items():
        spans = [
            {"name": n, "start": text.index(v), "end": text.index(v) + len(v), "value": v} for n, v in slots.items()
        ]
        rows += [{"text": text, "intent": intent, "slots": spans}] * 4
    file = folder / "utterances.jsonl"
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    values = [f"input={file}", f"validation_input={file}", f"output={folder / 'run'}", "epochs=15", "token_dropout=0.0"]
    values += ["minimum_intent_accuracy=0.0", "minimum_slot_f1=0.0"]
    config = load_config(UnderstandConfig, None, values)
    with RunDirectory.open("understand", config, job.inputs(config)) as run:
        run.finish(job.run(config, run, Progress()))
    return folder / "run"


@pytest.fixture(scope="module")
def settings(
    index: Path, understanding: Path, examples: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    return {
        "knowledge": str(index),
        "understanding": str(understanding),
        "flows": str(examples / "flows"),
        "folder": str(tmp_path_factory.mktemp("talks")),
        "model": "echo",
        "cpus": 0.2,
    }


@pytest.fixture(scope="module")
def http(
    ray_local: None, port: int, settings: dict[str, Any], echo_engine: type, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """The running application, and beside it a language model whose every wording lacks support."""
    folder = tmp_path_factory.mktemp("echo")
    (folder / "config.json").write_text("{}")
    echo = ModelSettings(name="echo", path=str(folder), cpus=0.1)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run_many(
        [
            serve.RunTarget(application(echo, echo_engine), app_name("echo"), None),
            serve.RunTarget(build(settings), "customer_service", "/customer-service/v1"),
        ]
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/customer-service/v1", timeout=60) as client:
        yield client
    serve.shutdown()


def say(http: httpx.Client, name: str, text: str) -> dict[str, Any]:
    answer = http.post(f"/conversations/{name}/messages", json={"text": text})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_whole_conversation_and_a_restart(http: httpx.Client, settings: dict[str, Any]) -> None:
    name = http.post("/conversations").json()["conversation_id"]
    texts = list(TALK)
    first = say(http, name, texts[0])
    assert (first["intent"], first["state"]["flow"]) == ("report_card_loss", "report_card_loss")
    asked = say(http, name, texts[1])
    assert asked["citations"][0]["title"] == "借记卡挂失与补办"
    assert asked["citations"][0]["quote"] in asked["reply"]  # the model's wording was not supported
    assert say(http, name, texts[2])["slots"] == [{"name": "card_tail", "value": "6789"}]

    named = ray.util.list_named_actors(all_namespaces=True)
    (replica,) = [a["name"] for a in named if a["name"].startswith("SERVE_REPLICA::customer_service#")]
    ray.kill(ray.get_actor(replica, namespace="serve"))
    wait_until_answering(http)

    corrected = say(http, name, texts[3])
    assert "改为5678" in corrected["reply"]
    assert corrected["state"]["slots"] == {"card_tail": "5678"}
    done = say(http, name, texts[4])
    assert "已登记尾号 5678" in done["reply"]
    assert "未实际办理" in done["reply"]
    nothing = say(http, name, texts[5])
    assert (nothing["outcome"], nothing["citations"]) == ("not_found", [])
    assert say(http, name, texts[6])["handoff"] is True
    talk = http.get(f"/conversations/{name}").json()
    assert len(talk["turns"]) == 2 * len(texts)
    assert "转接原因：客户要求转人工" in talk["summary"]


def wait_until_answering(http: httpx.Client) -> None:
    for _ in range(300):
        try:
            if http.post("/conversations").status_code == 201:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail("the replica did not come back")


def test_events_over_serve(http: httpx.Client) -> None:
    name = http.post("/conversations").json()["conversation_id"]
    body, headers = {"text": "挂失要收手续费吗？"}, {"Accept": "text/event-stream"}
    with http.stream("POST", f"/conversations/{name}/messages", json=body, headers=headers) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert lines[0] == "event: delta"
    assert lines[-2] == "event: message"
    assert json.loads(lines[-1].removeprefix("data: "))["citations"]


def test_refusals_over_serve(http: httpx.Client) -> None:
    answer = http.post("/conversations/nobody/messages", json={"text": "你好"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "conversation_id")
    answer = http.post("/conversations/nobody/messages", json={"text": ""})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "text")


def test_metrics_are_exported(http: httpx.Client) -> None:
    name = http.post("/conversations").json()["conversation_id"]
    say(http, name, "帮我转人工")
    wanted = [
        'ray_danlu_customer_service_messages_total{.*intent="human_agent".*outcome="handoff"',
        "ray_danlu_customer_service_message_seconds_count{",
    ]
    node = ray.nodes()[0]
    deadline = time.monotonic() + 30  # Ray's agent collects every 10 s
    while True:
        text = httpx.get(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics").text
        missing = [pattern for pattern in wanted if not re.search(pattern, text)]
        if not missing:
            break
        assert time.monotonic() < deadline, missing
        time.sleep(0.5)


def test_broken_flows_are_refused_before_anything_starts(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("flow: broken\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"broken\.yaml: missing key"):
        build({**settings, "flows": str(tmp_path)})
    with pytest.raises(ConfigError, match="unknown key knowlege: did you mean knowledge"):
        build({**settings, "knowlege": "x"})
    with pytest.raises(ConfigError, match=r"back_office\.kind is 'http'"):
        build({**settings, "back_office": {"kind": "http"}})
