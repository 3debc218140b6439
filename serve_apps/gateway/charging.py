"""Keys and their limits for the applications beside the gateway, from the gateway's own ledger."""

from __future__ import annotations

from uuid import uuid4

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from serve_apps.gateway.accounts import Accounts
from serve_apps.gateway.errors import ApiError
from serve_apps.gateway.keys import ApiKey, KeyFile
from serve_apps.gateway.ledger import LedgerService, RemoteLedger
from serve_apps.gateway.middleware import RequireKey
from serve_apps.gateway.settings import LimitSettings
from serve_apps.request_record import RequestRecord, recording

# What is held for a request of which nobody knows how often it will ask a model: enough to find an empty bucket.
_HELD_TOKENS = 1


class Charge:
    """Admits each POST by its key's limits, and charges the key what the request's calls of models took.

    What it may take is not known before, so a limit of tokens may be overshot by the requests under way; the bucket is
    then below zero, and the next request waits.
    """

    def __init__(self, app: ASGIApp, accounts: Accounts) -> None:
        self.app = app
        self.accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self.app(scope, receive, send)
        key: ApiKey = scope["state"]["api_key"]
        record = RequestRecord(uuid4().hex, key=key.name)
        try:
            await self.accounts.admit(record, key, _HELD_TOKENS)
        except ApiError as error:
            return await error.response()(scope, receive, send)
        try:
            with recording(record):
                await self.app(scope, receive, send)
        finally:
            self.accounts.close(record, key)


async def settle(app: FastAPI) -> None:
    """Charge what is waiting, before the application ends."""
    accounts: Accounts | None = getattr(app.state, "accounts", None)
    if accounts is not None:
        await accounts.flush()


def demand_keys(
    app: FastAPI, keys_file: str | None, limits: LimitSettings, ledger: LedgerService | None = None
) -> None:
    """Let in those with a key of the file, as often as its limits say; without a file, everybody.

    Args:
        ledger: None asks the gateway's.

    Raises:
        InputError: see KeyFile.
    """
    if keys_file is None:
        return
    app.state.accounts = Accounts(ledger or RemoteLedger(), limits.limits())
    app.add_middleware(Charge, accounts=app.state.accounts)
    app.add_middleware(RequireKey, keys=KeyFile(keys_file))
