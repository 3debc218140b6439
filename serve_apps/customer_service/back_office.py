"""Who carries out a flow's actions: a declared simulation, or a company's systems over HTTP."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any, Protocol

import httpx

from serve_apps.customer_service.decisions import ActionResult
from serve_apps.customer_service.flows import REFERENCE
from serve_apps.customer_service.walking import Act

log = logging.getLogger("ray.serve")


def reference_of(conversation_id: str, number: int, act: Act) -> str:
    """What names an action: another one for another number in the conversation, step, or value of a slot."""
    content = json.dumps([conversation_id, number, act.flow, act.step, sorted(act.slots.items())])
    return f"{conversation_id[:8]}-{number + 1}-{hashlib.sha256(content.encode()).hexdigest()[:6]}".upper()


class BackOffice(Protocol):
    """Carries out actions."""

    async def perform(self, act: Act, reference: str) -> ActionResult:
        """Do it.

        Args:
            reference: names this action of this conversation; the same one always means the same action, so a
                back office can tell a repetition from a second order.
        """
        ...

    async def close(self) -> None: ...


class SimulatedBackOffice:
    """Does nothing, says so, and returns the results that the flow itself declares as `simulated`."""

    async def perform(self, act: Act, reference: str) -> ActionResult:
        return ActionResult("done", {**act.simulated, REFERENCE: reference}, simulated=True)

    async def close(self) -> None:
        pass


class HttpBackOffice:
    """Sends `POST {url}/{action}` with `{"reference", "slots"}` and expects `{"results": {name: text}}`.

    A 4xx answer, or no connection, means refused. Anything else that is no proper answer (a timeout, 5xx, a result
    missing that the flow's `simulated` names) means unconfirmed. Requests are never repeated; the reference is sent
    as `Idempotency-Key` all the same, for proxies in between that do.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=timeout_s)

    async def perform(self, act: Act, reference: str) -> ActionResult:
        body = {REFERENCE: reference, "slots": dict(act.slots)}
        try:
            answer = await self._client.post(act.action, json=body, headers={"Idempotency-Key": reference})
            answer.raise_for_status()
            return ActionResult("done", {REFERENCE: reference, **_results(answer.json(), act.simulated)})
        except (httpx.HTTPError, ValueError) as error:
            refused = _surely_not_done(error)
            log.warning("back office: %s %s: %s", act.action, reference, str(error) or type(error).__name__)
            return ActionResult("refused" if refused else "unconfirmed")

    async def close(self) -> None:
        await self._client.aclose()


def _surely_not_done(error: Exception) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_client_error
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)


def _results(body: Any, wanted: Mapping[str, str]) -> dict[str, str]:
    results = body.get("results") if isinstance(body, dict) else None
    if not isinstance(results, dict):
        raise ValueError('the answer is no {"results": {...}}')
    missing = sorted(wanted.keys() - results.keys())
    if missing:
        raise ValueError(f"the answer lacks {', '.join(missing)}")
    return {str(name): str(value) for name, value in results.items()}
