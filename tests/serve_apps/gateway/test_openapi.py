"""Our OpenAPI document holds for what the gateway answers, whatever it is sent; schemathesis thinks of the requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from actors.engines.admission import PENALTIES, check_offered
from actors.engines.protocol import Delta, GenerationRequest
from serve_apps.config import ModelSettings
from serve_apps.gateway.app import GatewayConfig, create_app

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


# Fields that are wrong in most of their combinations: without them most requests are answered.
INTRICATE = ("response_format", "tools", "tool_choice", "stream_options", "top_logprobs")


@pytest.fixture(scope="module")
def client(gateway: Callable[..., TestClient], echo_engine: type, tmp_path_factory: Any) -> TestClient:
    """A gateway before an echo that refuses what it does not take notice of, as engines do."""

    class PlainEcho(echo_engine):  # type: ignore[misc, valid-type]
        async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
            check_offered(request.sampling, PENALTIES | {"min_p"})
            async for delta in super().generate(request):
                yield delta

    return gateway(echo=PlainEcho(ModelSettings(name="echo", path=str(tmp_path_factory.mktemp("echo")))))


def document_of(client: TestClient, plain: bool) -> Any:
    """The document; the echo is named in it, as made-up names are a 404 each time."""
    found = client.get("/openapi.json").json()
    schemas = found["components"]["schemas"]
    for name in ("ChatRequest", "CompletionRequest"):
        properties = schemas[name]["properties"]
        properties["model"]["enum"] = ["echo"]
        for field in INTRICATE if plain else ():
            properties.pop(field, None)
    if plain:
        schemas["ChatMessage"]["properties"]["content"] = {"type": "string"}
        schemas["ChatMessage"]["required"] = ["role", "content"]
        del schemas["ChatMessage"]["properties"]["tool_calls"]
    loaded = schemathesis.openapi.from_dict(found)
    loaded.app = client.app
    return loaded


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/models"), ("GET", "/models/{name}"), ("POST", "/chat/completions"), ("POST", "/completions")],
)
def test_no_request_breaks_the_document(client: TestClient, method: str, path: str, plain: bool) -> None:
    statuses: set[int] = set()

    @settings(max_examples=50, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=document_of(client, plain)[path][method].as_strategy())
    def ask(case: schemathesis.Case) -> None:
        statuses.add(case.call_and_validate(checks=CHECKS).status_code)

    ask()
    assert statuses <= {200, 400, 404}
    if plain and "{" not in path:
        assert 200 in statuses, "answers were made, and not only refusals"


def test_the_document_names_every_kind_of_answer() -> None:
    paths = create_app(GatewayConfig(models=["m"], embeddings=["e"])).openapi()["paths"]
    asked = paths["/chat/completions"]["post"]["responses"]
    assert sorted(asked) == ["200", "400", "401", "404", "408", "413", "429", "500", "503", "504"]
    assert sorted(asked["200"]["content"]) == ["application/json", "text/event-stream"]
    for path, operations in paths.items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                assert "schema" in answer["content"]["application/json"], (path, status)
