"""`danlu chat`: a conversation with a served model on the terminal."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import click
import openai

from danlu.errors import DanluError, InputError, NotAvailableError, ResourceError, RunError

KEY_VARIABLE = "DANLU_API_KEY"
HELP = "/new begins anew, /exit or Ctrl-D ends, Ctrl-C stops an answer; a line that ends with \\ goes on."
_RECODE = "iconv -f GBK -t UTF-8 FILE | danlu chat, or whatever the file's encoding is in place of GBK"
_SILENCE_S = 300.0  # the longest wait for the next piece; a model may have to be started first


@dataclass
class Chat:
    """A conversation with one model.

    Args:
        url: of the gateway, with its `/v1`.
        model: its name there; empty = the first one that is served.
        system: what the model is told before the conversation; empty = nothing.
        settings: more keys of the request, such as `temperature`.
        key: for the gateway, where it wants one.

    Raises:
        ResourceError: nobody answers at `url`.
        NotAvailableError: no such model is served.
        InputError: a key is needed, or the one given is wrong; `system` is no text.
    """

    url: str
    model: str = ""
    system: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    turns: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_text(self.system, "--system")
        # The client wants some key, also where nobody asks for one.
        self._client = openai.OpenAI(base_url=self.url, api_key=self.key or "none", max_retries=0, timeout=_SILENCE_S)
        with _explained(self.url, self.key):
            served = [model.id for model in self._client.models.list()]
        if not served:
            raise NotAvailableError(f"nothing is served at {self.url}")
        if self.model and self.model not in served:
            rule = f"served at {self.url}: {', '.join(served)}"
            raise NotAvailableError(f"--model is {self.model!r}", rule=rule, fix="name one of these")
        self.model = self.model or served[0]

    def answer(self, text: str) -> Generator[str, None, None]:
        """The model's answer to `text`, piece by piece. What was said is kept, also when the answer is stopped.

        Raises:
            InputError: `text` is not UTF-8.
            DanluError: what the gateway says; the turn is then taken back.
        """
        check_text(text, "the question")
        turn, said = {"role": "user", "content": text}, ""
        try:
            for piece in self._stream([*self.turns, turn]):
                said += piece
                yield piece
        except DanluError:
            said = ""
            raise
        finally:
            if said:
                self.turns += [turn, {"role": "assistant", "content": said}]

    def _stream(self, turns: list[dict[str, str]]) -> Iterator[str]:
        system = [{"role": "system", "content": self.system}] if self.system else []
        messages: Any = [*system, *turns]
        with _explained(self.url, self.key):
            create: Any = self._client.chat.completions.create  # typed for each setting alone
            with create(model=self.model, messages=messages, stream=True, **self.settings) as chunks:
                for chunk in chunks:
                    for choice in chunk.choices:
                        if choice.delta.content:
                            yield choice.delta.content


@contextmanager
def _explained(url: str, key: str) -> Iterator[None]:
    """The client's errors in our terms."""
    try:
        yield
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        if key:
            what, fix = f"the gateway refuses the API key in {KEY_VARIABLE}", "give one that `danlu keys` lists"
            raise InputError(what, rule=_message(error), fix=fix) from None
        # What the gateway says is about the client's stand-in for a key.
        fix = f"{KEY_VARIABLE}=... danlu chat; `danlu key NAME` makes a key"
        raise InputError("the gateway wants an API key", rule=f"{KEY_VARIABLE} is not set", fix=fix) from None
    except openai.NotFoundError as error:
        if isinstance(error.body, dict):  # an error of the API: a model that is not served
            raise RunError("the gateway answers 404", rule=_message(error)) from None
        fix = "" if url.rstrip("/").endswith("/v1") else f"--url {url.rstrip('/')}/v1"
        raise ResourceError(f"what answers at {url} has no such API", rule=_message(error), fix=fix) from None
    except openai.APIStatusError as error:
        raise RunError(f"the gateway answers {error.status_code}", rule=_message(error)) from None
    except openai.APIConnectionError as error:
        fix = "start one with `danlu serve MODEL-FOLDER`, or give another --url"
        raise ResourceError(f"no gateway answers at {url}", rule=str(error.__cause__ or error), fix=fix) from None
    except openai.APIError as error:  # an event in a stream that has begun
        raise RunError("the answer broke off", rule=_message(error)) from None


def _message(error: openai.APIError) -> str:
    body = error.body
    return str(body["message"]) if isinstance(body, dict) and "message" in body else error.message


def converse(chat: Chat) -> None:
    """Read lines and print answers until the input ends; a single answer where the input is no terminal."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a model may say what the terminal has no character for
    if not sys.stdin.isatty():
        question = decoded(sys.stdin.buffer.read()).strip()
        if not question:
            raise InputError("the input is empty", fix="e.g. echo 你好 | danlu chat")
        _print(chat.answer(question))
        return
    with suppress(ImportError):
        import readline  # noqa: F401  # arrow keys and history
    click.echo(f"{chat.model} at {chat.url}. {HELP}", err=True)
    while (text := _read()) is not None:
        if text == "/exit":
            return
        if text == "/new":
            chat.turns.clear()
            click.echo("(a new conversation)", err=True)
        elif text.startswith("/"):
            click.echo(HELP, err=True)
        elif text.strip():
            try:
                _print(chat.answer(text))
            except DanluError as error:
                click.echo(str(error), err=True)


def check_text(text: str, what: str) -> None:
    """Refuse what Python made of bytes that are not UTF-8, on the command line or a terminal.

    Raises:
        InputError: `what` has such bytes.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        rule = f"character {error.start + 1} stands for a byte that can't be part of it"
        raise InputError(f"{what} is not UTF-8", rule=rule, fix="set the terminal to UTF-8") from None


def decoded(given: bytes) -> str:
    """The text of an input, which is UTF-8 whatever the locale says.

    Raises:
        InputError: it is not UTF-8; names the first byte that can't be.
    """
    try:
        return given.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        rule = f"byte {error.start + 1} (0x{given[error.start]:02x}) can't be part of it"
        raise InputError("the input is not UTF-8", rule=rule, fix=_RECODE) from None


def _read() -> str | None:
    """What the user writes; None at the end of the input."""
    lines: list[str] = []
    try:
        while (line := input("... " if lines else "> ")).endswith("\\"):
            lines.append(line[:-1])
    except EOFError:
        click.echo(err=True)
        return None
    except KeyboardInterrupt:
        click.echo(err=True)
        return ""
    except UnicodeDecodeError as error:
        click.echo(f"this line is not UTF-8: {error.reason}", err=True)
        return ""
    return "\n".join([*lines, line])


def _print(answer: Generator[str, None, None]) -> None:
    try:
        for piece in answer:
            click.echo(piece, nl=False)
            sys.stdout.flush()
    except KeyboardInterrupt:
        answer.close()
        click.echo(" (stopped)", err=True, nl=False)
    finally:
        click.echo()


def api_key() -> str:
    """From the environment: on the command line everybody on the machine could read it."""
    return os.environ.get(KEY_VARIABLE, "")
