"""The HTTP routes: conversations, messages (whole or as server-sent events), feedback, and the agent's side."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from actors.conversations import Conversation, Feedback
from danlu.errors import InputError
from serve_apps.customer_service.answers import Citation
from serve_apps.customer_service.desk import Desk
from serve_apps.customer_service.reply import Reply, slots_of
from serve_apps.customer_service.state import DialogueState
from serve_apps.gateway.errors import ApiError

EVENTS = "text/event-stream"
# JSON can carry both, and neither databases nor UTF-8 can.
_UNFIT = re.compile(r"[\x00\ud800-\udfff]")
router = APIRouter()


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _fit(text: str) -> str:
    if _UNFIT.search(text):
        raise ValueError("must not hold NUL or unpaired surrogate characters")
    return text


Text = Annotated[str, AfterValidator(_fit)]


class _Words(_Body):
    text: Text = Field(description="what is said")

    @field_validator("text")
    @classmethod
    def _says_something(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("must not be empty")
        return text


class MessageBody(_Words):
    """A customer's message."""


class AgentBody(_Words):
    """A person's message to the customer."""

    release: bool = Field(default=False, description="the assistant answers again from the next message on")


class FeedbackBody(_Body):
    """An opinion of a conversation, or of one of its turns."""

    rating: int = Field(ge=1, le=5, description="1 (bad) to 5 (good)")
    comment: Text = Field(default="", max_length=2000, description="in the customer's words")
    position: int | None = Field(default=None, ge=0, description="the turn that is meant; null: all of them")


async def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


DeskOfApp = Annotated[Desk, Depends(_desk)]


@router.post("/conversations", status_code=HTTPStatus.CREATED)
async def begin(desk: DeskOfApp) -> dict[str, str]:
    """Begin a conversation."""
    return {"conversation_id": await desk.begin()}


@router.get("/conversations")
async def waiting(desk: DeskOfApp) -> dict[str, list[str]]:
    """Conversations that wait for a person, those that wait longest first."""
    return {"waiting": await desk.waiting()}


@router.post("/conversations/{conversation_id}/messages")
async def say(conversation_id: str, body: MessageBody, request: Request, desk: DeskOfApp) -> Response:
    """Answer a message."""
    limit: int = request.app.state.max_characters
    if len(body.text) > limit:
        message = f"text has {len(body.text)} characters, and a message has at most {limit}"
        raise ApiError(HTTPStatus.BAD_REQUEST, message, param="text", code="text_too_long")
    reply = await _known(desk.receive(conversation_id, body.text))
    if EVENTS in request.headers.get("accept", ""):
        return StreamingResponse(_events(reply), media_type=EVENTS, headers={"Cache-Control": "no-cache"})
    return Response(_json(_message(reply)), media_type="application/json")


@router.get("/conversations/{conversation_id}")
async def read(conversation_id: str, desk: DeskOfApp) -> dict[str, Any]:
    """A conversation with all its turns."""
    return _conversation(await _known(desk.read(conversation_id)))


@router.post("/conversations/{conversation_id}/feedback", status_code=HTTPStatus.CREATED)
async def rate(conversation_id: str, body: FeedbackBody, desk: DeskOfApp) -> dict[str, bool]:
    """Keep an opinion."""
    await _known(desk.read(conversation_id))
    await desk.rate(conversation_id, Feedback(body.rating, body.comment, body.position))
    return {"kept": True}


@router.post("/conversations/{conversation_id}/agent")
async def agent_says(conversation_id: str, body: AgentBody, desk: DeskOfApp) -> dict[str, bool]:
    """Add the words of the person who has taken over."""
    await _known(desk.agent_says(conversation_id, body.text, release=body.release))
    return {"handoff": not body.release}


async def _known(answer: Any) -> Any:
    """What a coroutine of the desk returns; a conversation that is not there is 404."""
    try:
        return await answer
    except InputError as error:
        raise ApiError(HTTPStatus.NOT_FOUND, error.what, param="conversation_id", code="unknown_conversation") from None


def _message(reply: Reply) -> dict[str, Any]:
    return {
        "reply": "\n".join(reply.parts),
        "intent": reply.understanding.intent,
        "confidence": round(reply.understanding.confidence, 4),
        "slots": slots_of(reply),
        "state": _state(reply.state),
        "citations": [_citation(citation) for citation in reply.citations],
        "handoff": reply.state.handoff is not None,
        "outcome": reply.outcome,
        "position": reply.position,
    }


def _state(state: DialogueState) -> dict[str, Any]:
    """What a client may want to show of the dialogue's state."""
    frame = state.frame
    return {
        "flow": frame.flow if frame else None,
        "slots": frame.slots if frame else {},
        "awaiting": frame.awaiting if frame else None,
        "confirming": bool(frame and frame.confirming),
        "interrupted": [below.flow for below in state.stack[:-1]],
    }


def _citation(citation: Citation) -> dict[str, str]:
    return {
        "document_id": citation.document_id,
        "title": citation.title,
        "quote": citation.quote,
        "sentence": citation.sentence,
    }


def _conversation(conversation: Conversation) -> dict[str, Any]:
    state = DialogueState.model_validate(conversation.state)
    return {
        "conversation_id": conversation.id,
        "created": conversation.created.isoformat(),
        "updated": conversation.updated.isoformat(),
        "handoff": conversation.handoff,
        "summary": state.handoff.summary if state.handoff else None,
        "state": _state(state),
        "turns": [
            {"position": t.position, "speaker": t.speaker, "text": t.text, "created": _time(t.created), **t.details}
            for t in conversation.turns
        ],
    }


def _time(moment: Any) -> str | None:
    return moment.isoformat() if moment is not None else None


def _events(reply: Reply) -> Iterator[str]:
    """A `delta` event for each part of the reply, then `message` with everything. A reply is checked before it
    leaves, so the parts come together; they are for clients that show words as they arrive."""
    for part in reply.parts:
        yield f"event: delta\ndata: {_json({'text': part})}\n\n"
    yield f"event: message\ndata: {_json(_message(reply))}\n\n"


def _json(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
