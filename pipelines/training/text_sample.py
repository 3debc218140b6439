"""The text that a tokenizer is learnt from: all of a small corpus, an even sample of a large one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipelines.training.input_shards import SHARD_BYTES, InputShard, plan_shards
from pipelines.training.sources import Kind, read_documents, sampled, text_of

# More characters than this for each token to learn change little, and learning takes some 6 CPU seconds and 200 MB of
# memory per million characters of Chinese: "Data" in docs/training.md has the figures.
CHARACTERS_PER_TOKEN = 1000
LEAST_CHARACTERS, MOST_CHARACTERS = 4_000_000, 20_000_000
# Of a large shard a sixteenth is taken, evenly, until there is enough: its beginning may be unlike the rest of it.
_LEAST_SHARE = 1 / 16
_SHARDS = 256
_BYTES_PER_CHARACTER = 3  # Chinese in UTF-8; of Latin text a shard's last parts are then not reached


def sample_size(vocabulary: int) -> int:
    """How many characters a tokenizer of this size is learnt from, at most."""
    return min(max(CHARACTERS_PER_TOKEN * vocabulary, LEAST_CHARACTERS), MOST_CHARACTERS)


class TextSample:
    """At most `characters` characters of the input, iterable once; the same for the same files and seed.

    Up to 256 shards are drawn by seed, so all parts of a large corpus have their chance, and documents within them by
    their content. Memory is that of some documents, and little more is read than is taken sixteen times over.
    """

    def __init__(
        self, files: Sequence[str], kind: Kind, seed: int, characters: int, shard_bytes: int = SHARD_BYTES
    ) -> None:
        self._shards = plan_shards(files, shard_bytes)
        self._kind = kind
        self._seed = seed
        self._wanted = characters
        self._size_bytes = sum(shard.size_bytes for shard in self._shards)
        self._taken = 0
        self._complete = True

    def __iter__(self) -> Iterator[str]:
        if self._size_bytes <= self._wanted:
            for shard in self._shards:
                yield from self._take(shard, 1.0, self._wanted)
            return
        order = np.random.default_rng(self._seed).permutation(len(self._shards))[:_SHARDS]
        for place, number in enumerate(order):
            shard = self._shards[number]
            quota = (self._wanted - self._taken) // (len(order) - place)
            share = max(quota * _BYTES_PER_CHARACTER / max(shard.size_bytes, 1), _LEAST_SHARE)
            yield from self._take(shard, min(share, 1.0), quota)

    def description(self) -> str:
        """How much was taken, once it was."""
        if self._complete:
            return f"all {self._taken:,} characters"
        return f"a sample of {self._taken:,} characters (of {self._size_bytes:,} bytes; seed {self._seed})"

    def _take(self, shard: InputShard, share: float, quota: int) -> Iterator[str]:
        left, passed_over = quota, ""
        for document in read_documents(shard, self._kind):
            text = text_of(document.content)
            if share < 1 and not sampled(text, share, self._seed):
                passed_over = passed_over or text[:quota]
            elif left > 0:
                yield self._counted(text, left)
                left -= len(text)
            if passed_over or left < 0:
                self._complete = False
            if left <= 0:
                return
        if left == quota:  # a few documents may all be passed over
            yield self._counted(passed_over, quota)

    def _counted(self, text: str, most: int) -> str:
        self._taken += min(len(text), most)
        return text[:most]
