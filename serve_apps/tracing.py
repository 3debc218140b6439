"""OpenTelemetry spans from the gateway to the engine, sent by OTLP over HTTP. Nothing is imported while it is off.

A request's trace, where all is well:

    POST /chat/completions        the gateway, from the first byte read to the last one written
    ├── queue                     asked by the gateway, not yet begun by a replica (Serve's queue, and the way there)
    ├── time to first token       in the replica: the engine's own queue and the prompt
    └── generation                in the replica: from the first token to the last

Names of attributes are those of OpenTelemetry's conventions for HTTP and for generative AI.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self, TypeVar

from danlu import __version__
from danlu.errors import NotAvailableError
from serve_apps.request_record import RequestRecord

_ENVIRONMENT = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_EXPORT_EVERY_MS = 1000
_NS = 1_000_000_000

DeltaT = TypeVar("DeltaT")


@dataclass(frozen=True)
class TraceContext:
    """What a replica is told of the trace that a request belongs to.

    Args:
        traceparent: W3C trace context of the gateway's span.
        asked_ns: when the gateway asked, in nanoseconds since 1970.
        endpoint: where spans go; empty where the environment says it.
    """

    traceparent: str
    asked_ns: int
    endpoint: str


class Tracing:
    """Makes spans and has them exported.

    Args:
        endpoint: base URL of a collector; empty takes what the OTEL_* variables say.
        service: the name under which a tracing system shows the spans.
        sample: share of the requests without a trace of their own that begin one.

    Raises:
        NotAvailableError: the exporter is not installed.
    """

    def __init__(self, endpoint: str, service: str, sample: float = 1.0) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError:
            raise NotAvailableError(
                "tracing is on", rule="the OTLP exporter is not installed", fix="pip install 'danlu[tracing]'"
            ) from None
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        self._endpoint = endpoint
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces") if endpoint else OTLPSpanExporter()
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(sample)),
            resource=Resource.create({"service.name": service, "service.version": __version__}),
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_EXPORT_EVERY_MS))
        self._tracer = self._provider.get_tracer("danlu", __version__)

    @classmethod
    def of(cls, endpoint: str | None, service: str, sample: float = 1.0) -> Self | None:
        """Tracing to `endpoint`, or to where the environment says; None where neither names a collector."""
        if endpoint is None and not any(os.environ.get(name) for name in _ENVIRONMENT):
            return None
        return cls(endpoint or "", service, sample)

    def begin(self, record: RequestRecord, name: str, headers: Mapping[str, str]) -> RequestSpan:
        """The span of a request that the gateway has begun to read; its record carries the trace from now on."""
        from opentelemetry.trace import SpanKind, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        propagator = TraceContextTextMapPropagator()
        span = self._tracer.start_span(
            name,
            context=propagator.extract({key: headers[key] for key in ("traceparent", "tracestate") if key in headers}),
            kind=SpanKind.SERVER,
            start_time=int(record.began_at * _NS),
        )
        if span.get_span_context().trace_flags.sampled:
            carrier: dict[str, str] = {}
            propagator.inject(carrier, set_span_in_context(span))
            record.trace = TraceContext(carrier["traceparent"], 0, self._endpoint)
        return RequestSpan(span)

    def record(self, name: str, trace: TraceContext, begin_ns: int, end_ns: int, **attributes: Any) -> None:
        """A span that is over."""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        context = TraceContextTextMapPropagator().extract({"traceparent": trace.traceparent})
        span = self._tracer.start_span(name, context=context, start_time=begin_ns, attributes=attributes)
        span.end(max(begin_ns, end_ns))

    def close(self) -> None:
        """Send what is waiting."""
        self._provider.shutdown()


class RequestSpan:
    """The gateway's span of one request."""

    def __init__(self, span: Any) -> None:
        self._span = span

    def end(self, record: RequestRecord, method: str) -> None:
        """Name and describe it by what has become of the request."""
        from opentelemetry.trace import StatusCode

        self._span.update_name(f"{method} {record.route}")
        self._span.set_attributes(
            {
                "http.request.method": method,
                "http.route": record.route,
                "http.response.status_code": record.status,
                "gen_ai.request.model": record.model,
                "gen_ai.usage.input_tokens": record.prompt_tokens,
                "gen_ai.usage.output_tokens": record.completion_tokens,
                "gen_ai.response.finish_reasons": record.finish_reasons,
                "danlu.request_id": record.id,
                "danlu.key": record.key,
                "danlu.retries": record.retries,
            }
        )
        if record.status >= 500 or record.error:
            self._span.set_status(StatusCode.ERROR, record.error or None)
        self._span.end()


async def traced(deltas: AsyncIterator[DeltaT], trace: TraceContext, service: str) -> AsyncGenerator[DeltaT, None]:
    """The same deltas, which stay the caller's to close; the spans of a replica are taken as they pass."""
    tracing = _replica_tracing(trace.endpoint, service)
    began_ns, first_ns, tokens = time.time_ns(), 0, 0
    tracing.record("queue", trace, trace.asked_ns, began_ns)
    try:
        async for delta in deltas:
            if not first_ns:
                first_ns = time.time_ns()
                tracing.record("time to first token", trace, began_ns, first_ns)
            tokens = getattr(delta, "completion_tokens", tokens)
            yield delta
    finally:  # also when it is cut short
        if first_ns:
            counted = {"gen_ai.usage.output_tokens": tokens}
            tracing.record("generation", trace, first_ns, time.time_ns(), **counted)


@cache
def _replica_tracing(endpoint: str, service: str) -> Tracing:
    return Tracing(endpoint, service)
