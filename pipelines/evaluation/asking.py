"""Asking an OpenAI-compatible server, several questions at a time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from danlu.errors import ConfigError, NotAvailableError, ResourceError, RunError
from pipelines.evaluation.answers import ScoredAnswer, failed, score
from pipelines.evaluation.config import EvaluateConfig
from pipelines.evaluation.questions import Question

if TYPE_CHECKING:
    from openai import AsyncOpenAI

# Waits between them double from 0.5 s, or are what the server's Retry-After says: a full queue is no failure.
_RETRIES = 8


async def ask_all(
    config: EvaluateConfig, questions: Sequence[Question], on_answer: Callable[[ScoredAnswer], None]
) -> None:
    """Ask every question once; `on_answer` gets each scored answer as it comes.

    Raises:
        ResourceError: nothing answers at `base_url`.
        ConfigError: the key is refused.
        NotAvailableError: the server does not have the model.
        RunError: the server went away or kept failing.
    """
    if not questions:
        return
    queue = iter(questions)
    async with _client(config) as client:
        await _check_server(client, config)

        async def work() -> None:
            for question in queue:  # shared: each worker takes the next one
                on_answer(await _ask(client, config, question))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(config.concurrency, len(questions))):
                    group.create_task(work())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None  # it cancelled the others


@asynccontextmanager
async def _client(config: EvaluateConfig) -> AsyncIterator[AsyncOpenAI]:
    from openai import AsyncOpenAI

    key = os.environ.get(config.api_key_env) or "none"  # the client insists on some text
    async with AsyncOpenAI(
        base_url=config.base_url, api_key=key, max_retries=_RETRIES, timeout=config.timeout_s
    ) as client:
        yield client


async def _check_server(client: AsyncOpenAI, config: EvaluateConfig) -> None:
    import openai

    where = f"base_url is {config.base_url!r}"
    try:
        models = [model.id async for model in client.with_options(max_retries=0).models.list()]
    except openai.APIConnectionError as error:
        reason = str(error.__cause__ or error)
        fix = "start the server with `danlu serve`, or correct base_url"
        raise ResourceError(where, rule=f"nothing answers there ({reason})", fix=fix) from None
    except openai.AuthenticationError as error:
        fix = f"put a key of that server into the environment variable {config.api_key_env}"
        raise ConfigError(where, rule=f"the server refuses the key ({_message(error)})", fix=fix) from None
    except openai.APIError as error:
        rule = f"it is no OpenAI-compatible server ({_message(error)})"
        raise ResourceError(where, rule=rule, fix="base_url usually ends with /v1") from None
    if config.model not in models:
        known = ", ".join(models) or "no model"
        raise NotAvailableError(f"model is {config.model!r}", rule=f"the server at {config.base_url} has {known}")


async def _ask(client: AsyncOpenAI, config: EvaluateConfig, question: Question) -> ScoredAnswer:
    import openai

    try:
        completion = await client.chat.completions.create(
            model=config.model,
            messages=[{"role": "user", "content": question.text}],
            temperature=0,
            max_tokens=config.max_tokens,
        )
    except openai.BadRequestError as error:  # this question's own fault, such as one too long for the context
        return failed(question, _message(error))
    except openai.APIError as error:
        rule = f"the server failed at question {question.number} ({_message(error)})"
        fix = "the same command continues with the questions that are left"
        raise RunError(f"base_url is {config.base_url!r}", rule=rule, fix=fix) from None
    return score(question, completion.choices[0].message.content or "")


def _message(error: Exception) -> str:
    """What the server said, in one line."""
    body = getattr(error, "body", None)
    text = body.get("message") if isinstance(body, dict) else None
    return str(text or error).splitlines()[0]
