"""Ids that clients give to their requests (`x-request-id`): which are taken, before Serve reads them.

Serve answers whatever id it was sent, of any length, and fails on one that is no UTF-8. So an id that is not taken is
removed before Serve sees it; Serve makes one then, which the answer, its logs and the audit log have alike.
"""

from __future__ import annotations

import re

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

HEADER = b"x-request-id"
MOST_CHARACTERS = 128
_TAKEN = re.compile(rb"[\x21-\x7e]{1,%d}" % MOST_CHARACTERS)


def is_taken(request_id: bytes) -> bool:
    """Whether it is printable ASCII without spaces, and not too long."""
    return _TAKEN.fullmatch(request_id) is not None


class PlainRequestIds:
    """Removes ids that are not taken, and all of them where there are several."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "headers" in scope:
            given = [value for name, value in scope["headers"] if name == HEADER]
            if len(given) > 1 or (given and not is_taken(given[0])):
                scope["headers"] = [header for header in scope["headers"] if header[0] != HEADER]
        await self.app(scope, receive, send)


def middlewares() -> list[Middleware]:
    """What Serve is told to put before everything of its own (RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH)."""
    return [Middleware(PlainRequestIds)]
