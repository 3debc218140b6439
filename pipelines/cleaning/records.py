"""Records of CSV: rows that go over several lines, and quotes that nothing closes. Pure."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator

from pipelines.cleaning.streams import MOST_BYTES, UnreadLine

# The reader's own limit would end a field without a word about the lines it had swallowed.
csv.field_size_limit(2**31 - 1)
UNCLOSED = UnreadLine("not CSV: a quote is opened here and not closed")


class _UnclosedQuoteError(Exception):
    """A record has taken more lines than any record should."""


class _UnreadError(Exception):
    """The record would begin with a line that is no text."""

    def __init__(self, line: UnreadLine) -> None:
        self.line = line


def read_records(lines: Iterable[str | UnreadLine]) -> Iterator[list[str] | UnreadLine]:
    """The records in their order, without empty ones; an UnreadLine in the place of one that can't be read.

    A quote that is not closed within 16 Mi characters, or before the end, spoils only the line that opens it:
    reading goes on at the next line.
    """
    feed = _Feed(lines)
    records = csv.reader(feed)
    while True:
        feed.begin_record()
        try:
            record = next(records, None)
        except _UnreadError as error:
            yield error.line
        except csv.Error as error:
            yield UnreadLine(f"not CSV: {error}")
        except _UnclosedQuoteError:
            yield feed.take_back()
        else:
            if record is None:
                return
            if feed.ended:  # every line is fed with its end, so only a quote can keep a record open
                yield feed.take_back()
            elif feed.unread is not None:
                yield feed.unread
            elif record:
                yield record


class _Feed:
    """Lines for the reader; those of the record at hand are kept, to be read anew if they make no record.

    unread: the first line of the record that is no text. ended: there was no line left for the record.
    """

    def __init__(self, lines: Iterable[str | UnreadLine]) -> None:
        self._lines = iter(lines)
        self._again: deque[str | UnreadLine] = deque()
        self.begin_record()

    def begin_record(self) -> None:
        self._held: list[str | UnreadLine] = []
        self._characters = 0
        self.unread: UnreadLine | None = None
        self.ended = False

    def take_back(self) -> UnreadLine:
        """Give all lines of the record but the first one out again."""
        self._again.extendleft(reversed(self._held[1:]))
        return UNCLOSED

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._characters > MOST_BYTES:
            raise _UnclosedQuoteError
        line = self._again.popleft() if self._again else next(self._lines, None)
        if line is None:
            self.ended = True
            raise StopIteration
        if isinstance(line, UnreadLine):
            if not self._held:
                raise _UnreadError(line)
            self.unread = self.unread or line
        self._held.append(line)
        text = "" if isinstance(line, UnreadLine) else line
        self._characters += len(text)
        return text + "\n"
