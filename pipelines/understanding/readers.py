"""Reads annotated utterances: .jsonl files, and folders in the layout of the SNIPS and ATIS distributions."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

import fsspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from actors.intent_model.spans import Span
from danlu.errors import InputError
from danlu.inputs import find_files
from pipelines.understanding.utterances import Utterance, check_spans, find_contradictions, refuse

WORDS, TAGS, LABELS = "seq.in", "seq.out", "label"
SUFFIXES = (".jsonl", WORDS, TAGS, LABELS)


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Slot(_Row):
    name: str = Field(min_length=1, pattern=r"^\S+$")
    start: int
    end: int
    value: str


class _Annotation(_Row):
    text: str
    intent: str = Field(min_length=1)
    slots: list[_Slot] = []


def find_utterances(location: str | list[str], key: str) -> list[str]:
    """The files to read, one for each .jsonl and three for each folder of words, tags and labels.

    Raises:
        InputError: nothing is there, or a folder lacks one of the three.
    """
    files = find_files(location, SUFFIXES, key)
    for file in files:
        folder, name = posixpath.split(file)
        missing = [n for n in (WORDS, TAGS, LABELS) if posixpath.join(folder, n) not in files]
        if not name.endswith(".jsonl") and missing:
            raise InputError(f"{key} has {file}", rule=f"{' and '.join(missing)} beside it are missing or not named")
    return files


def read_utterances(files: Sequence[str], key: str = "input") -> list[Utterance]:
    """All utterances of `files`, in order. `key` is the config key that named them.

    Raises:
        InputError: an annotation is wrong; the first few are listed, with file, line, and what stands there.
    """
    utterances: list[Utterance] = []
    problems: list[str] = []
    for file in files:
        if posixpath.basename(file) in (TAGS, LABELS):
            continue
        for row in _tagged_words(file) if posixpath.basename(file) == WORDS else _json_lines(file):
            if isinstance(row, Utterance):
                utterances.append(row)
            else:
                problems.append(row)
    problems += find_contradictions(utterances)
    refuse(problems, key)
    return utterances


def _json_lines(file: str) -> Iterator[Utterance | str]:
    for number, line in enumerate(_lines(file), start=1):
        source = f"{posixpath.basename(file)}:{number}"
        try:
            row = _Annotation.model_validate_json(line)
        except ValidationError as error:
            yield f"{source}: {_first(error)}"
            continue
        yield from _utterance(source, row.text, row.intent, [(s.name, s.start, s.end, s.value) for s in row.slots])


def _utterance(
    source: str, text: str, intent: str, slots: Sequence[tuple[str, int, int, str]]
) -> Iterator[Utterance | str]:
    problems = [] if text.strip() else ["text is empty"]
    problems += check_spans(text, slots)
    if not problems:
        spans: list[Span] = sorted(((name, start, end) for name, start, end, _ in slots), key=lambda span: span[1])
        yield Utterance(text, intent, tuple(spans), source)
    yield from (f"{source}: {problem}" for problem in problems)


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    key = ".".join(map(str, detail["loc"]))
    return f"{key}: {detail['msg']}" if key else f"no JSON object ({detail['msg']})"


def _tagged_words(words_file: str) -> Iterator[Utterance | str]:
    """Words and BIO tags, both with blanks between them, and the intent: one utterance a line in each file."""
    folder = posixpath.dirname(words_file)
    columns = [_lines(posixpath.join(folder, name)) for name in (WORDS, TAGS, LABELS)]
    counts = [len(column) for column in columns]
    if len(set(counts)) > 1:
        yield f"{words_file}: seq.in, seq.out and label have {', '.join(map(str, counts))} lines"
        return
    for number, (words, tags, intent) in enumerate(zip(*columns, strict=True), start=1):
        source = f"{posixpath.basename(folder)}/{WORDS}:{number}"
        pairs = words.split(), tags.split()
        if len(pairs[0]) != len(pairs[1]):
            yield f"{source}: {len(pairs[0])} words, {len(pairs[1])} tags"
            continue
        text = " ".join(pairs[0])
        yield from _utterance(source, text, intent.strip(), [(*s, text[s[1] : s[2]]) for s in word_spans(*pairs)])


def word_spans(words: Sequence[str], tags: Sequence[str]) -> list[Span]:
    """The slots that word tags mark, in characters of the words joined by blanks.

    An `I-x` that follows no `x` begins a slot: the published data has some.
    """
    spans: list[Span] = []
    start, before = 0, "O"
    for word, tag in zip(words, tags, strict=True):
        end = start + len(word)
        if tag.startswith("I-") and before[2:] == tag[2:]:
            spans[-1] = (tag[2:], spans[-1][1], end)
        elif tag != "O":
            spans.append((tag[2:], start, end))
        start, before = end + 1, tag
    return spans


def _lines(file: str) -> list[str]:
    with fsspec.open(file, "rb") as stream:
        content: bytes = stream.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} can't be read", rule=f"it is not UTF-8 (byte {error.start})") from None
    # Not splitlines(): it also ends lines at characters that JSON strings may hold, such as U+2028.
    return text.removesuffix("\n").split("\n")
