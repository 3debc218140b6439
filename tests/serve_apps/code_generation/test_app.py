"""The application over HTTP, on a real Ray Serve, with a served language model that is scripted."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import ray
from ray import cloudpickle, serve

from actors.engines.protocol import Delta, EngineStats, GenerationRequest, Message
from serve_apps.code_generation.app import State, build, create_solution
from serve_apps.config import ModelSettings
from serve_apps.language_model import app_name
from serve_apps.models import application

# Replicas can't import test files, so what is defined here travels by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class OneAnswerEngine:
    """Always writes the same function; a real model would read the prompt."""

    name = "one-answer"
    context_length = 10_000

    def __init__(self, model: ModelSettings) -> None:
        pass

    async def start(self) -> None:
        pass

    def render_chat(self, messages: Sequence[Message]) -> str:
        return "\n".join(message["content"] for message in messages)

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        text = "```python\ndef odd_mix(n):\n    return n * 7919 % 1009 + n\n```"
        yield Delta(text, len(request.prompt), len(text), "stop")

    async def abort(self, request_id: str) -> None:
        pass

    def stats(self) -> EngineStats:
        return EngineStats(0, 0, 0, 0)

    async def health(self) -> None:
        pass

    async def shutdown(self) -> None:
        pass


@pytest.fixture(scope="module")
def http(ray_local: None, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text("{}")
    model = ModelSettings(name="coder", path=str(folder), cpus=0.1)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    config = {"model": "coder", "search_expressions": 5000, "max_candidates": 8}
    serve.run_many(
        [
            serve.RunTarget(application(model, OneAnswerEngine), app_name("coder"), None),
            serve.RunTarget(build(config), "code_generation", "/code-generation/v1"),
        ]
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/code-generation/v1", timeout=60) as client:
        yield client
    serve.shutdown()


def test_a_chinese_task_is_solved_by_a_template(http: httpx.Client) -> None:
    body = {
        "task": "判断一个整数是不是质数",
        "examples": [{"call": "check(7)", "expected": "True"}],
        "language": "python",
    }
    body["examples"] += [{"call": "check(9)", "expected": False}, {"call": "check(2)", "expected": True}]
    answer = http.post("/solutions", json=body)
    assert answer.status_code == 200
    solution = answer.json()
    assert set(solution) == {"plan", "code", "origin", "outcome", "checks", "attempts"}
    assert solution["origin"] == "template" and solution["outcome"] == "passed"
    names: dict[str, object] = {}
    exec(solution["code"], names)
    assert [names["check"](n) for n in (11, 12, 1)] == [True, False, False]  # type: ignore[operator]
    assert solution["plan"]["function"] == "check" and solution["plan"]["steps"][0]["text"] == "输入 n (int)"
    assert [check["name"] for check in solution["checks"]] == ["syntax", "names", "examples"]


def test_the_served_model_writes_what_no_template_does(http: httpx.Client) -> None:
    examples = [{"call": f"odd_mix({n})", "expected": n * 7919 % 1009 + n} for n in (3, 10)]
    solution = http.post("/solutions", json={"task": "一个谁也没有听说过的运算", "examples": examples}).json()
    assert (solution["origin"], solution["outcome"]) == ("model", "passed")
    assert solution["attempts"][-1]["name"] == "coder, round 0"


def test_when_nothing_holds_the_checks_say_why(http: httpx.Client) -> None:
    examples = [{"call": "odd_mix(1)", "expected": "'never'"}]
    solution = http.post("/solutions", json={"task": "一个谁也没有听说过的运算", "examples": examples}).json()
    assert (solution["code"], solution["origin"], solution["outcome"]) == ("", "none", "failed")
    assert "none holds all examples" in solution["checks"][-1]["detail"]
    assert "gave 857, expected 'never'" in solution["attempts"][-1]["detail"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"task": "sum", "language": "java"}, "language"),
        ({"language": "python"}, "task"),
        ({"task": "x", "examples": [{"call": "f(y)", "expected": 1}]}, "examples.0.call"),
    ],
)
def test_wrong_requests_are_answered_400_in_the_common_shape(http: httpx.Client, body: object, param: str) -> None:
    answer = http.post("/solutions", json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param and error["type"] == "invalid_request_error" and param in error["message"]


def test_what_is_no_json_and_what_is_no_route(http: httpx.Client) -> None:
    assert http.post("/solutions", content=b"{").status_code == 400
    assert http.get("/solutions").status_code == 405
    assert "no such route" in http.get("/nothing").json()["error"]["message"]
    assert http.post("/solutions", content=b"x" * (2 << 20)).status_code == 413


def test_harmful_code_in_the_examples_is_never_run_outside(http: httpx.Client, tmp_path: Path) -> None:
    call = f"f(open({str(tmp_path / 'x')!r}, 'w'))"
    assert http.post("/solutions", json={"task": "x", "examples": [{"call": call, "expected": 1}]}).status_code == 400
    assert list(tmp_path.iterdir()) == []


def test_metrics_are_exported(http: httpx.Client) -> None:
    body = {"task": "gcd of two integers", "examples": [{"call": "gcd(12, 18)", "expected": 6}]}
    assert http.post("/solutions", json=body).json()["outcome"] == "passed"
    wanted = [
        'ray_danlu_code_generation_solutions_total{.*origin="template".*outcome="passed"',
        "ray_danlu_code_generation_seconds_bucket{",
    ]
    node = ray.nodes()[0]
    deadline = time.monotonic() + 40  # Ray's agent collects every 10 s
    while True:
        text = httpx.get(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics").text
        missing = [pattern for pattern in wanted if not re.search(pattern, text)]
        if not missing:
            break
        assert time.monotonic() < deadline, missing
        time.sleep(0.5)


def test_requests_are_answered_side_by_side(http: httpx.Client) -> None:
    body = {"task": "gcd of two integers", "examples": [{"call": "gcd(12, 18)", "expected": 6}]}
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: http.post("/solutions", json=body), range(4)))
    assert [answer.json()["outcome"] for answer in answers] == ["passed"] * 4
    assert time.monotonic() - began < 30


class SlowRequest:
    """A body that takes its time to be read, and says so."""

    def __init__(self) -> None:
        self.reading, self.go_on = threading.Event(), threading.Event()

    def requirement(self) -> str:
        self.reading.set()
        assert self.go_on.wait(30), "the event loop was kept busy meanwhile"
        return "read"


class EchoSolver:
    async def solve(self, requirement: str) -> str:
        return requirement

    def solved(self, solution: str, seconds: float) -> None:
        pass


def test_a_long_request_is_read_beside_the_event_loop() -> None:
    body, here = SlowRequest(), State(EchoSolver(), EchoSolver())  # type: ignore[arg-type]

    async def session() -> str:
        answer = asyncio.create_task(create_solution(body, here))  # type: ignore[arg-type]
        while not body.reading.is_set():
            await asyncio.sleep(0.01)
        body.go_on.set()
        return str(await answer)

    assert asyncio.run(session()) == "read"
