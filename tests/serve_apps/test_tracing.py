"""Traces, as a collector gets them."""

from __future__ import annotations

import asyncio
import runpy
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.engines.protocol import Delta
from danlu.errors import NotAvailableError
from serve_apps.request_record import RequestRecord
from serve_apps.tracing import TraceContext, Tracing, traced

Collector = runpy.run_path(str(Path(__file__).parent / "collector.py"))["Collector"]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collector() -> Iterator[Any]:
    with Collector() as collector:
        yield collector


@pytest.fixture(autouse=True)
def no_collector_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def attributes(span: Any) -> dict[str, Any]:
    return {entry.key: getattr(entry.value, entry.value.WhichOneof("value")) for entry in span.attributes}


def finished(record: RequestRecord) -> RequestRecord:
    record.route, record.model, record.status = "/chat/completions", "m", 200
    record.count(7, 3)
    return record


def test_off_unless_a_collector_is_named() -> None:
    assert Tracing.of(None, "s") is None


def test_a_request_joins_its_callers_trace(collector: Any) -> None:
    tracing = Tracing.of(collector.endpoint, "danlu-gateway", sample=0.0)
    assert tracing is not None
    record = RequestRecord("id-1", key="alice")
    span = tracing.begin(record, "POST", {"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert record.trace.traceparent.startswith(f"00-{TRACE}-")
    span.end(finished(record), "POST")
    tracing.close()
    (got,) = collector.trace(TRACE, {"POST /chat/completions"}).values()
    assert got.parent_span_id.hex() == PARENT
    told = attributes(got)
    assert (told["http.response.status_code"], told["gen_ai.request.model"], told["danlu.key"]) == (200, "m", "alice")
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (7, 3)


def test_the_environment_names_the_collector(collector: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    tracing = Tracing.of(None, "danlu-gateway")
    assert tracing is not None
    record = RequestRecord("id-1")
    tracing.begin(record, "POST", {}).end(finished(record), "POST")
    tracing.close()
    assert [service for service, _ in collector.spans] == ["danlu-gateway"]


def test_what_is_not_sampled_costs_the_engine_nothing(collector: Any) -> None:
    tracing = Tracing.of(collector.endpoint, "danlu-gateway", sample=0.0)
    assert tracing is not None
    record = RequestRecord("id-1")
    tracing.begin(record, "POST", {}).end(finished(record), "POST")
    tracing.close()
    assert record.trace is None and not collector.spans


def test_the_engines_side(collector: Any) -> None:
    async def deltas() -> AsyncIterator[Delta]:
        yield Delta("a", 3, 1)
        await asyncio.sleep(0.02)
        yield Delta("b", 3, 2, "stop")

    trace = TraceContext(f"00-{TRACE}-{PARENT}-01", time.time_ns() - 5_000_000, collector.endpoint)

    async def run() -> list[str]:
        return [delta.text async for delta in traced(deltas(), trace, "danlu-m")]

    assert asyncio.run(run()) == ["a", "b"]
    spans = collector.trace(TRACE, {"queue", "time to first token", "generation"})
    queue, first, generation = spans["queue"], spans["time to first token"], spans["generation"]
    assert {span.parent_span_id.hex() for span in spans.values()} == {PARENT}
    assert queue.end_time_unix_nano - queue.start_time_unix_nano >= 5_000_000
    assert queue.end_time_unix_nano == first.start_time_unix_nano
    assert first.end_time_unix_nano == generation.start_time_unix_nano
    assert attributes(generation)["gen_ai.usage.output_tokens"] == 2


def test_a_missing_exporter_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(NotAvailableError, match=r"danlu\[tracing\]"):
        Tracing.of("http://127.0.0.1:1", "s")
