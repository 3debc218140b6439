"""Two gateways under pressure over HTTP: limits, deadlines, clients that leave, replicas that die, and the end."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import runpy
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import ray
from fastapi import FastAPI
from ray import cloudpickle, serve

from actors.engines.protocol import Delta, GenerationRequest
from serve_apps.config import ModelSettings
from serve_apps.gateway import ledger
from serve_apps.gateway.app import build
from serve_apps.gateway.charging import demand_keys
from serve_apps.gateway.keys import new_key
from serve_apps.gateway.settings import LimitSettings
from serve_apps.gateway.usage import UsageFile, usage_path
from serve_apps.language_model import app_name
from serve_apps.launch import stop_apps
from serve_apps.models import application

cloudpickle.register_pickle_by_value(sys.modules[__name__])

COLLECTOR = runpy.run_path(str(Path(__file__).parents[1] / "collector.py"))["Collector"]
HAPROXY = os.environ.get("RAY_SERVE_ENABLE_HA_PROXY") == "1"
KEYS = {
    "free": "",
    "few": "requests_per_minute=5",
    "small": "tokens_per_minute=200",
    "poor": "budget=130",
    "kept": "",
    "shared": "requests_per_minute=3",
}


def beside(keys_file: str) -> serve.Application:
    """An application of its own that takes the gateway's keys."""

    @serve.ingress()
    class Beside:
        def __serve_build_asgi_app__(self) -> FastAPI:
            app = FastAPI()
            app.add_api_route("/ask", lambda: "answer", methods=["POST"])
            demand_keys(app, keys_file, LimitSettings())
            return app

    return serve.deployment(name="beside", ray_actor_options={"num_cpus": 0.1})(Beside).bind()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("echo")


@pytest.fixture(scope="module")
def mortal_engine(echo_engine: type) -> type:
    class MortalEngine(echo_engine):  # type: ignore[misc, valid-type]
        """Waits before its first token, and takes its process with it when a file `die` lies in its folder."""

        name = "mortal"

        async def start(self) -> None:
            self.watch = asyncio.create_task(self.die_when_asked())

        async def die_when_asked(self) -> None:
            while True:
                await asyncio.sleep(0.01)
                try:
                    (self._log / "die").unlink()  # one replica only finds it
                except FileNotFoundError:
                    continue
                os._exit(1)

        async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
            if not request.prompt.startswith("at once"):
                await asyncio.sleep(1.0)
            async for delta in super().generate(request):
                yield delta

    return MortalEngine


def settings(name: str, log: Path, **more: Any) -> ModelSettings:
    return ModelSettings.model_validate({"name": name, "path": str(log), "cpus": 0.1} | more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def keys(folder: Path) -> dict[str, str]:
    made = {name: new_key() for name in KEYS}
    lines = [f"{name} {made[name][1]} {limits}\n" for name, limits in KEYS.items()]
    (folder / "keys.txt").write_text("".join(lines))
    return {name: key for name, (key, _) in made.items()}


@pytest.fixture(scope="module")
def collector() -> Iterator[Any]:
    with COLLECTOR() as collector:
        yield collector


@pytest.fixture(scope="module")
def url(
    ray_local: None,
    port: int,
    log: Path,
    folder: Path,
    keys: dict[str, str],
    collector: Any,
    echo_engine: type,
    mortal_engine: type,
) -> Iterator[str]:
    """`echo` answers at once, `slow` takes 20 ms a token, `mortal` has two replicas that can be told to die."""
    (log / "config.json").write_text("{}")
    slow = {"options": {"delay_s": 0.02}, "replicas": {"target_ongoing": 20.0}}
    pair = {"options": {"delay_s": 0.01}, "replicas": {"min": 2, "max": 2, "target_ongoing": 20.0}}
    models = {
        "echo": (settings("echo", log), echo_engine),
        "slow": (settings("slow", log, **slow), echo_engine),
        "mortal": (settings("mortal", log, **pair), mortal_engine),
    }
    gateway = {"replicas": 2, "drain_s": 20.0, "audit": {"folder": str(folder)}, "body_timeout_s": 1.0}
    gateway |= {"tracing": {"endpoint": collector.endpoint}}
    config = {"models": list(models), "keys_file": str(folder / "keys.txt"), "gateway": gateway}
    counted = {"usage_file": usage_path(str(folder / "keys.txt")), "lifetime_s": 660}
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run_many(
        [serve.RunTarget(application(model, engine), app_name(name), None) for name, (model, engine) in models.items()]
        + [serve.RunTarget(ledger.build(counted), "ledger", None)]
        + [serve.RunTarget(build(config), "gateway", "/v1")]
        + [serve.RunTarget(beside(str(folder / "keys.txt")), "beside", "/beside")]
    )
    yield f"http://127.0.0.1:{port}/v1"
    serve.shutdown()


Post = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def post(url: str, keys: dict[str, str]) -> Iterator[Post]:
    with httpx.Client(base_url=url, timeout=30, limits=httpx.Limits(max_connections=64)) as http:

        def post(key: str = "free", headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
            sent = {"Authorization": f"Bearer {keys[key]}"} | (headers or {})
            return http.post("/completions", json={"model": "echo", "prompt": "ab"} | body, headers=sent)

        yield post


@pytest.fixture(scope="module")
def stream(url: str, keys: dict[str, str]) -> Callable[..., str]:
    def stream(
        model: str,
        prompt: str = "x",
        tokens: int = 100,
        headers: dict[str, str] | None = None,
        began: Callable[[], object] = lambda: None,
    ) -> str:
        body = {"model": model, "prompt": prompt, "ignore_eos": True, "max_tokens": tokens, "stream": True}
        sent = {"Authorization": f"Bearer {keys['free']}"} | (headers or {})
        with (
            httpx.Client(timeout=30) as http,
            http.stream("POST", f"{url}/completions", json=body, headers=sent) as response,
        ):
            lines = response.iter_lines()
            first = next(lines)
            began()
            return "\n".join([first, *lines])

    return stream


def test_requests_per_minute_hold_over_all_gateways(post: Post) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post("few"), range(40)))
    refilled = (time.monotonic() - began) / 12
    served = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert 5 <= len(served) <= 5 + refilled and len(served) + len(refused) == 40
    assert {answer.headers["x-ratelimit-limit-requests"] for answer in answers} == {"5"}
    assert sorted(int(a.headers["x-ratelimit-remaining-requests"]) for a in served)[:5] == [0, 1, 2, 3, 4]
    assert all(1 <= int(answer.headers["retry-after"]) <= 12 for answer in refused)
    error = refused[0].json()["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert "key few has 5 requests per minute" in error["message"]
    assert post("free").status_code == 200
    assert "x-ratelimit-limit-requests" not in post("free").headers


def test_applications_beside_the_gateway_take_from_the_same_limits(url: str, keys: dict[str, str], post: Post) -> None:
    def ask() -> int:
        headers = {"Authorization": f"Bearer {keys['shared']}"}
        return httpx.post(url.replace("/v1", "/beside/ask"), headers=headers, timeout=20).status_code

    assert [post("shared").status_code, ask(), post("shared").status_code] == [200, 200, 200]
    assert [ask(), post("shared").status_code] == [429, 429]


def test_tokens_per_minute(url: str, keys: dict[str, str], post: Post) -> None:
    too_large = post("small", max_tokens=500)
    assert too_large.status_code == 429 and too_large.headers["x-should-retry"] == "false"
    first = post("small", prompt="x" * 40, max_tokens=100)  # holds 100 + 10 + 8, takes 80
    assert first.status_code == 200 and first.headers["x-ratelimit-limit-tokens"] == "200"
    assert first.headers["x-ratelimit-remaining-tokens"] == "82"
    time.sleep(0.5)  # what it did not take is given back
    second = post("small", prompt="x", max_tokens=100)
    assert second.status_code == 200, second.text
    with (
        openai.OpenAI(base_url=url, api_key=keys["small"], max_retries=0) as client,
        pytest.raises(openai.RateLimitError, match="tokens per minute") as caught,
    ):
        for _ in range(10):
            client.completions.create(model="echo", prompt="x" * 100, max_tokens=60)
    assert caught.value.code == "rate_limit_exceeded"


def test_a_budget_ends_and_outlives_the_ledger(post: Post, folder: Path) -> None:
    spent = post("poor", prompt="x" * 50, max_tokens=60)
    assert spent.status_code == 200 and spent.json()["usage"]["total_tokens"] == 100
    file = UsageFile(usage_path(str(folder / "keys.txt")))
    deadline = time.monotonic() + 10
    while file.read().get("poor") is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (file.read()["poor"].requests, file.read()["poor"].tokens) == (1, 100)
    (name,) = [a["name"] for a in ray.util.list_named_actors(all_namespaces=True) if "#ledger#" in a["name"]]
    ray.kill(ray.get_actor(name, namespace="serve"), no_restart=True)
    refused = post("poor", max_tokens=40)
    assert refused.status_code == 429, refused.text
    error = refused.json()["error"]
    assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
    assert "of which 30 are left" in error["message"]
    name = refused.headers["x-request-id"]
    assert audit_lines(folder, {name})[name]["model"] == "echo"
    assert "retry-after" not in refused.headers and refused.headers["x-should-retry"] == "false"
    assert post("poor", max_tokens=10).status_code == 200


def test_limits_change_with_the_file(post: Post, folder: Path) -> None:
    file = folder / "keys.txt"
    before = file.read_text()
    lines = [f"{line} requests_per_minute=1" if line.startswith("kept ") else line for line in before.splitlines()]
    assert post("kept").status_code == post("kept").status_code == 200
    file.write_text("\n".join(lines) + "\n")
    statuses = [post("kept").status_code for _ in range(3)]
    file.write_text(before)
    assert statuses == [200, 429, 429]
    assert post("kept").status_code == 200


def audit_lines(folder: Path, request_ids: set[str]) -> dict[str, dict[str, Any]]:
    """The audit log's lines of these requests, once all of them are there."""
    deadline = time.monotonic() + 10
    while True:
        text = (folder / "audit.jsonl").read_text(encoding="utf-8")
        found = {line["request_id"]: line for line in map(json.loads, text.splitlines())}
        if request_ids <= set(found):
            return {name: found[name] for name in request_ids}
        assert time.monotonic() < deadline, request_ids - set(found)
        time.sleep(0.05)


def test_the_audit_log_tells_who_asked_and_what_came_of_it(post: Post, folder: Path) -> None:
    whole = post("kept", prompt="丹炉的秘密", headers={"x-request-id": "mine-1"})
    streamed = post("kept", prompt="丹炉的秘密", stream=True, max_tokens=3)
    unknown = post("kept", model="other")
    assert whole.headers.get_list("x-request-id") == ["mine-1"]
    ids = [answer.headers["x-request-id"] for answer in (whole, streamed, unknown)]
    lines = audit_lines(folder, set(ids))
    first, second, third = (lines[name] for name in ids)
    assert (first["key"], first["model"], first["route"], first["status"]) == ("kept", "echo", "/completions", 200)
    assert (first["prompt_tokens"], first["completion_tokens"], first["finish_reasons"]) == (5, 5, ["stop"])
    assert (second["completion_tokens"], second["finish_reasons"]) == (3, ["length"])
    assert 0 < second["first_token_seconds"] <= second["seconds"]
    assert (third["status"], third["completion_tokens"], third["model"]) == (404, 0, "none")
    assert "秘密" not in (folder / "audit.jsonl").read_text(encoding="utf-8")


def test_a_trace_reaches_from_the_gateway_into_the_engine(post: Post, collector: Any) -> None:
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    post("kept", stream=True, headers={"traceparent": f"00-{trace}-{parent}-01", "x-request-id": "traced"})
    spans = collector.trace(trace, {"POST /completions", "queue", "time to first token", "generation"})
    gateway = spans.pop("POST /completions")
    assert gateway.parent_span_id.hex() == parent
    assert {span.parent_span_id for span in spans.values()} == {gateway.span_id}
    assert all(gateway.start_time_unix_nano <= span.start_time_unix_nano for span in spans.values())
    services = {service for service, span in collector.spans if span.trace_id.hex() == trace}
    assert services == {"danlu-gateway", "danlu-echo"}


@pytest.mark.parametrize("given", ["soon", "0", "-1", "nan"])
def test_a_wrong_deadline_is_refused(post: Post, given: str) -> None:
    response = post(headers={"x-request-timeout": given})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "x-request-timeout"


def closed_since(log: Path, before: set[Path]) -> Path:
    """The file that the engine leaves for a generation that was cut short."""
    deadline = time.monotonic() + 1.0  # the whole answer takes 3 s
    while set(log.glob("closed-*")) == before:
        assert time.monotonic() < deadline, "the engine still generates"
        time.sleep(0.005)
    (closed,) = set(log.glob("closed-*")) - before
    return closed


def test_a_deadline_is_a_504_and_frees_the_engine(post: Post, log: Path, folder: Path) -> None:
    before = set(log.glob("closed-*"))
    late = post(model="slow", ignore_eos=True, max_tokens=150, headers={"x-request-timeout": "0.3"})
    assert late.status_code == 504, late.text
    error = late.json()["error"]
    assert (error["type"], error["code"]) == ("timeout", "timeout") and "it had 0.3 s" in error["message"]
    closed_since(log, before)
    line = audit_lines(folder, {late.headers["x-request-id"]}).popitem()[1]
    assert (line["status"], line["error"]) == (504, "deadline")


def test_a_deadline_ends_a_stream_with_an_error_event(stream: Callable[..., str], log: Path) -> None:
    before = set(log.glob("closed-*"))
    *pieces, last = [
        line for line in stream("slow", tokens=150, headers={"x-request-timeout": "0.4"}).split("\n") if line
    ]
    assert len(pieces) > 1
    assert json.loads(last.removeprefix("data: "))["error"]["type"] == "timeout"
    closed_since(log, before)


@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_leaves_stops_the_engine_at_once(
    url: str, keys: dict[str, str], log: Path, streamed: bool
) -> None:
    body = {"model": "slow", "prompt": "x", "ignore_eos": True, "max_tokens": 150, "stream": streamed}
    headers = {"Authorization": f"Bearer {keys['free']}"}
    delays = []
    for _ in range(3):
        before = set(log.glob("closed-*"))
        with httpx.Client(base_url=url, headers=headers) as http:
            if streamed:
                with http.stream("POST", "/completions", json=body) as response:
                    next(response.iter_lines())
            else:
                with pytest.raises(httpx.ReadTimeout):
                    http.post("/completions", json=body, timeout=0.3)
            left = time.time()
        delays.append(closed_since(log, before).stat().st_mtime - left)
    assert min(delays) < 0.2


def test_a_client_that_leaves_is_charged_what_it_took(
    url: str, keys: dict[str, str], folder: Path, echo_engine: type
) -> None:
    """Whole answers were free for clients that left before their end."""
    file = UsageFile(usage_path(str(folder / "keys.txt")))
    before = file.read()["free"].tokens if "free" in file.read() else 0
    body = {"model": "slow", "prompt": "x", "ignore_eos": True, "max_tokens": 150}
    with (
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {keys['free']}"}) as http,
        pytest.raises(httpx.ReadTimeout),
    ):
        http.post("/completions", json=body, timeout=1.0)
    deadline = time.monotonic() + 10
    while file.read()["free"].tokens <= before + 1:
        assert time.monotonic() < deadline, "nothing was charged"
        time.sleep(0.05)
    assert file.read()["free"].tokens < before + 150


def test_a_slow_body_is_a_408(url: str, keys: dict[str, str], post: Post) -> None:
    def drip() -> Iterator[bytes]:
        for _ in range(4):
            yield b"{"
            time.sleep(0.5)

    headers = {"Authorization": f"Bearer {keys['free']}", "content-type": "application/json"}
    response = httpx.post(f"{url}/completions", content=drip(), headers=headers)
    assert response.status_code == 408
    assert response.json()["error"]["code"] == "body_too_slow"
    assert post().status_code == 200


def test_a_client_that_leaves_while_it_sends_is_written_down_as_gone(
    url: str, port: int, folder: Path, keys: dict[str, str]
) -> None:
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {keys['kept']}\r\n"
        "X-Request-ID: left-early\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
    )
    with connect(port, head.encode()):
        time.sleep(0.5)  # the gateway has begun to read
    line = audit_lines(folder, {"left-early"})["left-early"]
    assert (line["status"], line["error"], line["key"]) == (499, "client_gone", "kept")


def connect(port: int, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(sent)
    return connection


def test_two_thousand_idle_connections_keep_nobody_out(url: str, port: int, post: Post) -> None:
    half = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\n"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    idle = [connect(port, half if number % 2 else b"") for number in range(2000)]
    try:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: httpx.get(f"{url}/models", timeout=20).status_code, range(40)))
        assert answers == [401] * 40
        assert post().status_code == 200
    finally:
        for connection in idle:
            connection.close()


@pytest.mark.skipif(not HAPROXY, reason="Serve's own proxy waits for a request's head for ever")
def test_a_head_that_comes_in_drops_is_cut_off(url: str, port: int) -> None:
    dripping = connect(port, b"GET /v1/models HTTP/1.1\r\nX-Slow: ")
    idle = connect(port)
    deadline = time.monotonic() + 20
    dripping.settimeout(0.2)
    while True:
        assert time.monotonic() < deadline, "still open"
        try:
            dripping.send(b"a")
            if dripping.recv(100).startswith(b"HTTP/1.1 408"):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    idle.settimeout(20)
    assert idle.recv(100)[:12] in (b"", b"HTTP/1.1 408")


def test_requests_that_have_not_begun_survive_a_dying_replica(
    post: Post, stream: Callable[..., str], log: Path
) -> None:
    def whole(_: int) -> str:
        response = post(model="mortal", prompt="good")
        return response.json()["choices"][0]["text"] if response.status_code == 200 else response.text

    under_way = threading.Barrier(9)
    with ThreadPoolExecutor(24) as pool:
        begun = [pool.submit(stream, "mortal", "at once x", 190, began=under_way.wait) for _ in range(8)]
        under_way.wait(20)
        wholes = [pool.submit(whole, n) for n in range(10)]
        streams = [pool.submit(stream, "mortal", "late", 20) for _ in range(6)]
        time.sleep(0.3)
        (log / "die").touch()
    assert [answer.result() for answer in wholes] == ["good"] * 10
    assert all(answer.result().rstrip().endswith("[DONE]") for answer in streams)
    ends = [answer.result().rstrip().split("\n")[-1] for answer in begun]
    cut = [json.loads(end.removeprefix("data: "))["error"] for end in ends if not end.endswith("[DONE]")]
    assert {error["code"] for error in cut} == {"model_unavailable"}


def test_scaling_down_cuts_no_stream(stream: Callable[..., str], log: Path, mortal_engine: type) -> None:
    one = settings("mortal", log, options={"delay_s": 0.01}, replicas={"target_ongoing": 20.0})
    with ThreadPoolExecutor(8) as pool:
        under_way = threading.Barrier(9)
        streams = [pool.submit(stream, "mortal", "at once x", 190, began=under_way.wait) for _ in range(8)]
        under_way.wait(20)
        serve.run(application(one, mortal_engine), name=app_name("mortal"), route_prefix=None)
    assert all(answer.result().rstrip().endswith("[DONE]") for answer in streams)


def test_stopping_lets_streams_end_and_refuses_what_is_new(
    post: Post, stream: Callable[..., str], log: Path, folder: Path
) -> None:
    under_way = threading.Barrier(5)
    file = UsageFile(usage_path(str(folder / "keys.txt")))
    time.sleep(0.5)  # what earlier tests took is written
    before = file.read()["free"].tokens if "free" in file.read() else 0
    with ThreadPoolExecutor(4) as pool:
        streams = [pool.submit(stream, "slow", "x", 190, began=under_way.wait) for _ in range(4)]
        under_way.wait(20)
        stopping = threading.Thread(target=stop_apps)
        stopping.start()
        while (status := post().status_code) == 200:
            assert stopping.is_alive(), "requests were taken until the end"
            time.sleep(0.1)
        assert status in (404, 503) and not all(answer.done() for answer in streams)
    assert all(answer.result().rstrip().endswith("[DONE]") for answer in streams)
    stopping.join()
    with pytest.raises(httpx.ConnectError):
        post()
    # What ends while the gateway drains is charged too: the ledger ends last.
    assert file.read()["free"].tokens >= before + 4 * 100
