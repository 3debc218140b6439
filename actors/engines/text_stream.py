"""From tokens to text while they arrive: whole characters only, and nothing past a stop string.

Does not guarantee: for SentencePiece byte fallback the text may differ from decoding all tokens at once where
the model wrote bytes that are no valid UTF-8 (that decoder changes its mind about earlier bytes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]
# What a decoder writes for bytes that are not (yet) a character.
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# A character has four bytes at most, so three tokens at most have begun one that is not whole.
_BEGUN_TOKENS = 3
_MOST_UNSETTLED = 16  # tokens; more are bytes that are no character, or a bundle that ends inside one


class Detokenizer:
    """Decodes a growing sequence piece by piece.

    A character of a byte-level vocabulary may span tokens, so text that ends in replacement characters is held
    back. Only a window of tokens is decoded again: the last finished piece (some decoders look one token back,
    e.g. to strip a leading space) and what came after it. Bytes that become no character end in a piece too, so that
    a model that writes nothing else does not have all of them decoded again for each.
    """

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._window: list[int] = []
        self._settled = 0  # tokens of the window whose text is out and final
        self._shown = 0  # characters of the window's text that are out

    def push(self, token_ids: Sequence[int]) -> str:
        """The text that is certain after these tokens."""
        self._window.extend(token_ids)
        text = self._decode(self._window)
        certain = text.rstrip(_REPLACEMENT)
        piece = certain[self._shown :]
        self._shown = max(self._shown, len(certain))
        if len(certain) == len(text):
            self._slide(len(self._window), 0)
        elif len(self._window) - self._settled > _MOST_UNSETTLED:
            piece += self._settle(text)
        return piece

    def finish(self) -> str:
        """The text still held back, as it is."""
        piece = self._decode(self._window)[self._shown :]
        self._shown += len(piece)
        return piece

    def _settle(self, text: str) -> str:
        """End a piece before the last tokens, which may have begun a character; returns what that makes certain.

        Args:
            text: of the window.
        """
        ends = range(len(self._window) - 1, len(self._window) - 1 - _BEGUN_TOKENS, -1)
        heads = {end: self._decode(self._window[:end]) for end in ends}
        # A decoder may write a whole run of bytes as replacements as soon as its last character is not whole, so ends
        # of characters go before. Elsewhere a cut inside a character shows: its parts make more replacements than it.
        whole = [end for end, head in heads.items() if head and not head.endswith(_REPLACEMENT)]
        apart = (end for end, head in heads.items() if head + (self._decode(self._window[end:]) or " ") == text)
        end = whole[0] if whole else next(apart, None)
        if end is None:
            return ""
        piece = heads[end][self._shown :]
        self._shown += len(piece)
        self._slide(end, self._shown - len(heads[end]))
        return piece

    def _slide(self, end: int, beyond: int) -> None:
        """Make the unsettled tokens up to `end`, of which all is shown, the settled ones.

        Args:
            beyond: characters after theirs that are shown.
        """
        fresh = self._window[self._settled : end]
        text = self._decode(fresh)
        if text:  # special tokens alone decode to nothing and are no context
            self._window, self._settled, self._shown = self._window[self._settled :], len(fresh), len(text) + beyond


class TextStream:
    """The visible text of one answer: detokenized, and cut before the first stop string.

    The stop string that is complete first wins, so the result does not depend on how tokens are bundled.
    """

    def __init__(self, decode: Decode, stop: Sequence[str] = ()) -> None:
        self._detokenizer = Detokenizer(decode)
        self._stop = tuple(stop)
        self._held = ""  # may be the beginning of a stop string
        self.stopped = False

    def push(self, token_ids: Sequence[int]) -> str:
        """The new visible text; afterwards `stopped` says whether a stop string was met."""
        return self._admit(self._detokenizer.push(token_ids)) if token_ids and not self.stopped else ""

    def finish(self) -> str:
        """What was held back, once no more tokens come."""
        if self.stopped:
            return ""
        text = self._admit(self._detokenizer.finish())
        text, self._held = text + self._held, ""
        return text

    def _admit(self, text: str) -> str:
        text, self._held = self._held + text, ""
        cut = first_stop(text, self._stop)
        if cut is not None:
            self.stopped = True
            return text[:cut]
        keep = held_back(text, self._stop)
        if keep:
            text, self._held = text[:-keep], text[-keep:]
        return text


def first_stop(text: str, stop: Sequence[str]) -> int | None:
    """Where the stop string that ends first begins, or None."""
    found = [(at + len(word), at) for word in stop if (at := text.find(word)) >= 0]
    return min(found)[1] if found else None


def held_back(text: str, stop: Sequence[str]) -> int:
    """How many of the last characters could be the beginning of a stop string."""
    longest = max((len(word) for word in stop), default=1) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(word.startswith(text[-length:]) for word in stop):
            return length
    return 0
