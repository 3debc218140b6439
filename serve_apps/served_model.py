"""A model that Serve runs, seen from an application: calls over Serve's handles, and what can go wrong with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import cached_property
from typing import Any, TypeVar

from danlu.errors import DanluError, NotAvailableError, ResourceError, RunError

# What a client that was turned away is told to wait.
RETRY_AFTER_S = 1

AnswerT = TypeVar("AnswerT")


class ModelBusyError(ResourceError):
    """All replicas are at work and the queue is full; worth another try after `retry_after_s`."""

    retry_after_s = RETRY_AFTER_S


class ModelUnavailableError(RunError):
    """The model has no living replica, or its replica died before the answer was whole."""

    retry_after_s = RETRY_AFTER_S


class ServedModel:
    """Calls the ingress deployment of a Serve application.

    A deployment *returns* the errors that a user can mend, as Serve logs a traceback for every error that is raised;
    here they are raised.
    """

    def __init__(self, name: str, app: str) -> None:
        self.name = name
        self._app = app

    @cached_property
    def _handle(self) -> Any:
        from ray import serve
        from ray.serve.exceptions import RayServeException

        try:
            return serve.get_app_handle(self._app)
        except RayServeException:
            raise NotAvailableError(f"model {self.name!r} is not served") from None

    async def _call(self, method: str, *arguments: object) -> Any:
        """One answer. Cancelling the caller cancels the call."""
        response = getattr(self._handle, method).remote(*arguments)
        try:
            return _raised(await response)
        except asyncio.CancelledError:
            response.cancel()
            raise
        except Exception as error:
            raise self._translated(error) from error

    async def _stream(self, method: str, *arguments: object) -> AsyncGenerator[Any, None]:
        """An answer in pieces. Closing the generator cancels the call."""
        response = self._handle.options(stream=True, method_name=method).remote(*arguments)
        try:
            async for part in response:
                yield _raised(part)
        except Exception as error:
            raise self._translated(error) from error
        finally:
            response.cancel()

    def _translated(self, error: Exception) -> Exception:
        from ray.exceptions import RayActorError
        from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

        if isinstance(error, BackPressureError):
            return ModelBusyError(f"model {self.name!r} is busy", rule="its queue is full", fix="try again shortly")
        if isinstance(error, RayActorError | DeploymentUnavailableError):
            return ModelUnavailableError(f"model {self.name!r} is not available", rule="its replica is gone")
        return error


def _raised(answer: AnswerT | DanluError) -> AnswerT:
    if isinstance(answer, DanluError):
        raise answer
    return answer
