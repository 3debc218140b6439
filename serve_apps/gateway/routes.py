"""The routes, as OpenAI documents them. Paths are relative to the application's route prefix, `/v1`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from actors.engines.admission import ContextLengthError
from serve_apps.canary import conversation_key
from serve_apps.embedding_model import EmbeddingModel
from serve_apps.gateway.bodies import (
    ASK,
    READ,
    ChatCompletion,
    EmbeddingList,
    ModelList,
    ModelObject,
    TextCompletion,
    answers,
)
from serve_apps.gateway.choices import CallRules, Choice
from serve_apps.gateway.errors import ApiError, from_exception, model_not_found, wrong_route
from serve_apps.gateway.generation import AnswerStream, Ask, Meter, Question, answer_whole
from serve_apps.gateway.requests import ChatRequest, CompletionRequest, EmbeddingRequest
from serve_apps.gateway.responses import Answer, embedding_list, model_list, model_object
from serve_apps.gateway.versions import Versions
from serve_apps.language_model import LanguageModel
from serve_apps.served_model import ServedModel

router = APIRouter()
embedding_router = APIRouter()
ModelT = TypeVar("ModelT", bound=ServedModel)


@dataclass(frozen=True)
class Served:
    """What the routes answer from."""

    models: Mapping[str, LanguageModel]
    embeddings: Mapping[str, EmbeddingModel]
    meter: Meter
    versions: Versions
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def names(self) -> list[str]:
        return [*self.models, *self.embeddings]

    def version_of(self, model: LanguageModel, conversation: str, request: Request) -> LanguageModel:
        """The version of a model that answers a conversation; the response will name it."""
        chosen = self.versions.choose(model, conversation)
        request.state.version = chosen.version
        return chosen


async def served(request: Request) -> Served:
    return request.app.state.served


ServedHere = Annotated[Served, Depends(served)]


def _pick(models: Mapping[str, ModelT], name: str, request: Request) -> ModelT:
    """The model that a request asks for; its name becomes the request's label in the metrics."""
    if name not in models:
        raise _not_here(name, list(models), request.app.state.served)
    request.state.model = name
    return models[name]


def _not_here(name: str, known: Sequence[str], here: Served) -> ApiError:
    if name in here.embeddings:
        return wrong_route(name, "an embeddings model", ["/v1/embeddings"])
    if name in here.models:
        return wrong_route(name, "a language model", ["/v1/chat/completions", "/v1/completions"])
    return model_not_found(name, known)


@router.get("/models", responses=answers(ModelList, 401))
async def list_models(here: ServedHere) -> dict[str, Any]:
    return model_list(here.names, here.created)


@router.get("/models/{name}", responses=answers(ModelObject, *READ))
async def get_model(name: str, here: ServedHere) -> dict[str, Any]:
    if name not in here.names:
        raise model_not_found(name, here.names)
    return model_object(name, here.created)


@router.get("/models/{owner}/{name}", responses=answers(ModelObject, *READ))
async def get_model_of_owner(owner: str, name: str, here: ServedHere) -> dict[str, Any]:
    """The same for a name with a slash."""
    return await get_model(f"{owner}/{name}", here)


@router.post("/chat/completions", responses=answers(ChatCompletion, *ASK, streamed=True))
async def chat(body: ChatRequest, request: Request, here: ServedHere) -> Response:
    messages, tools = [message.plain() for message in body.messages], body.offered
    model = here.version_of(_pick(here.models, body.model, request), conversation_key(body.user, messages), request)
    ask = Ask(
        complete=lambda sampling: model.chat(messages, sampling, tools),
        stream=lambda sampling: model.stream_chat(messages, sampling, tools),
    )
    calls = CallRules(body.called(), one=body.parallel_tool_calls is False) if tools else None
    return await _answer([ask], body, Answer("chat", body.model), here.meter, calls)


@router.post("/completions", responses=answers(TextCompletion, *ASK, streamed=True))
async def complete(body: CompletionRequest, request: Request, here: ServedHere) -> Response:
    model = here.version_of(_pick(here.models, body.model, request), conversation_key(body.user), request)
    asks = [Ask(complete=partial(model.complete, text), stream=partial(model.stream, text)) for text in body.texts]
    return await _answer(asks, body, Answer("text", body.model), here.meter)


@embedding_router.post("/embeddings", responses=answers(EmbeddingList, *ASK))
async def embed(body: EmbeddingRequest, request: Request, here: ServedHere) -> Response:
    model = _pick(here.embeddings, body.model, request)
    try:
        vectors, tokens = await model.embed(body.texts)
    except ContextLengthError as error:
        raise from_exception(error, "input") from None
    here.meter.tokens(body.model, tokens, 0)
    return JSONResponse(embedding_list(body.model, vectors, tokens, body.encoding_format))


async def _answer(
    asks: Sequence[Ask],
    body: ChatRequest | CompletionRequest,
    answer: Answer,
    meter: Meter,
    calls: CallRules | None = None,
) -> Response:
    question = Question(asks, body.sampling(), body.choices, fixed_length=body.chosen_length is not None)
    choices = [Choice(answer.kind, index, body.form, calls) for index in range(question.answers)]
    try:
        if not body.stream:
            return JSONResponse(await answer_whole(question, answer, choices, meter))
        return _Streamed(await AnswerStream.begin(question, answer, choices, meter), body.include_usage)
    except ContextLengthError as error:
        raise from_exception(error, answer.asked) from None


class _Streamed(StreamingResponse):
    """Server-sent events of an answer that lets go of the model wherever the sending ends.

    A client that leaves before its first event leaves a generator that never ran, of which closing does nothing.
    """

    def __init__(self, stream: AnswerStream, include_usage: bool) -> None:
        # Proxies (nginx) would otherwise collect the stream before they pass it on.
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        self._stream, self._events = stream, stream.events(include_usage)
        super().__init__(self._events, media_type="text/event-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._stream), aclosing(self._events):
            await super().__call__(scope, receive, send)
