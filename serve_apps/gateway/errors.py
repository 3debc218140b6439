"""Errors as OpenAI's API shapes them: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from actors.engines.admission import ContextLengthError
from danlu.config import in_sentence
from danlu.errors import ConfigError, DanluError, InputError, NotAvailableError
from serve_apps.served_model import DeadlineError, ModelBusyError, ModelUnavailableError

INVALID = "invalid_request_error"
SERVER = "server_error"
# Fields of several shapes, told apart by a tag that pydantic puts behind the field's name.
_TAGGED = ("response_format",)
RATE_LIMIT = "rate_limit_error"
TIMEOUT = "timeout"

log = logging.getLogger("ray.serve")


class ApiError(Exception):
    """An answer other than 2xx."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body(), status_code=self.status, headers=self.headers)


def model_not_found(name: str, known: Sequence[str]) -> ApiError:
    """404 that lists what is served."""
    return ApiError(
        HTTPStatus.NOT_FOUND,
        f"the model {name[:100]!r} does not exist; served here: {', '.join(known)}",
        param="model",
        code="model_not_found",
    )


def wrong_route(name: str, kind: str, routes: Sequence[str]) -> ApiError:
    """404: the model is served, but not by this route.

    Args:
        kind: what it is (`an embeddings model`).
    """
    message = f"{name!r} is {kind}: ask {' or '.join(routes)}"
    return ApiError(HTTPStatus.NOT_FOUND, message, param="model", code="model_not_found")


def misshapen() -> ApiError:
    """The model ended its answer, and it is not what was asked for. Worth another try."""
    return ApiError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "the model has ended an answer that does not have the form asked for (response_format or tool_choice)",
        kind=SERVER,
        code="invalid_output",
    )


def from_exception(error: Exception, asked: str | None = None) -> ApiError:
    """What a failed call to a model means to the client.

    Args:
        asked: the field of the request that held what the model was to read; named where that is too long.
    """
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ModelBusyError | ModelUnavailableError):
        retry = {"Retry-After": str(error.retry_after_s)}
        if isinstance(error, ModelBusyError):
            status, kind, code = HTTPStatus.TOO_MANY_REQUESTS, RATE_LIMIT, "rate_limit_exceeded"
        else:
            status, kind, code = HTTPStatus.SERVICE_UNAVAILABLE, SERVER, "model_unavailable"
        return ApiError(status, str(error), kind=kind, code=code, headers=retry)
    if isinstance(error, DeadlineError):
        # OpenAI's clients would ask the same again at once.
        no_retry = {"x-should-retry": "false"}
        return ApiError(HTTPStatus.GATEWAY_TIMEOUT, str(error), kind=TIMEOUT, code="timeout", headers=no_retry)
    if isinstance(error, ContextLengthError):  # OpenAI's code, by which clients know to shorten and to ask again
        return ApiError(HTTPStatus.BAD_REQUEST, str(error), param=asked, code="context_length_exceeded")
    if isinstance(error, InputError | ConfigError | NotAvailableError):
        return ApiError(HTTPStatus.BAD_REQUEST, str(error))
    if isinstance(error, DanluError):
        return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), kind=SERVER)
    log.error("request failed", exc_info=error)
    return ApiError(
        HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed to answer; its log has the reason", kind=SERVER
    )


def from_validation(problems: Sequence[Mapping[str, Any]]) -> ApiError:
    """400 that names the first field that is wrong (`messages.0.content`), and the rule it breaks."""
    problem = min(problems, key=lambda p: _vagueness(p, problems[0]))
    if problem["type"] == "json_invalid":
        return ApiError(HTTPStatus.BAD_REQUEST, f"the body is not valid JSON: {problem['ctx']['error']}")
    whole = problem["loc"]
    location = [
        str(part)
        for part, before in zip(whole[1:], whole, strict=False)
        if not _is_type_name(part) and before not in _TAGGED
    ]
    param = problem.get("ctx", {}).get("param") or ".".join(location) or None
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        message = "missing" if param else "the body is missing: send a JSON object"
    elif problem["type"] in ("model_attributes_type", "model_type", "dict_type"):
        message = "must be a JSON object" if param else "the body must be a JSON object, sent as application/json"
    text = f"{param}: {in_sentence(message)}" if param else message
    return ApiError(HTTPStatus.BAD_REQUEST, text, param=param)


def install(app: FastAPI) -> None:
    """Answer every error of `app` in this shape."""

    async def on_api_error(_: Request, error: Exception) -> JSONResponse:
        return from_exception(error).response()

    async def on_validation(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return from_validation(error.errors()).response()

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return _from_http(request, error).response()

    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    for kind in (ApiError, DanluError, Exception):
        app.add_exception_handler(kind, on_api_error)


def _from_http(request: Request, error: HTTPException) -> ApiError:
    message = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        message = f"no such route: {request.method} {request.url.path}"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        message = f"{request.method} is not allowed on {request.url.path}"
    elif isinstance(error.__cause__, UnicodeDecodeError):
        message = f"the body is not valid UTF-8 (byte {error.__cause__.start}): send JSON in UTF-8"
    elif isinstance(error.__cause__, RecursionError):
        message = "the body is nested too deeply to be read: send JSON with fewer levels"
    elif isinstance(error.__cause__, ValueError):  # what Python says of it: it reads no longer ones
        most = sys.get_int_max_str_digits()
        message = f"the body holds a number that is too long to be read: send numbers of at most {most} digits"
    return ApiError(error.status_code, message, headers=error.headers)


def _vagueness(problem: Mapping[str, Any], first: Mapping[str, Any]) -> tuple[bool, bool, int]:
    """Sorts the problems: one with a value of the right type, deep inside, says most.

    A field that may be a text or a list is reported once for each, and only one of the reports is to the point.
    """
    same_field = problem["loc"][:2] == first["loc"][:2]
    return not same_field, problem["type"].endswith("_type"), -len(problem["loc"])


def _is_type_name(part: int | str) -> bool:
    """Whether a part of a pydantic location names a member of a union instead of a field."""
    return isinstance(part, str) and ("str" in part.split("-") or "[" in part or "(" in part or part[:1].isupper())
