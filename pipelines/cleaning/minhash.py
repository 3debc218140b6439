"""MinHash sketches of character n-grams, and the bands in which similar sketches meet. Pure numpy.

Broder, "On the resemblance and containment of documents", 1997; banding as in Leskovec, Rajaraman and Ullman,
"Mining of massive datasets", chapter 3. All rows of a sketch come from one permutation: Shrivastava, "Optimal
densification for fast and accurate minwise hashing", 2017; it estimates as well as a permutation for each row, and
costs a fifth. Bands are wide (37 of 3 rows: two texts at Jaccard 0.5 meet with probability
0.993) because a candidate is verified anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.cleaning.characters import code_points
from pipelines.cleaning.concatenation import Concatenation

BANDS, ROWS = 37, 3
SKETCH_SIZE = BANDS * ROWS
SHINGLE_CHARACTERS = 5
NEIGHBOURS = 8

# Where the bins of a sketch begin and end in the range of all hashes.
_EDGES = np.array([(number << 64) // SKETCH_SIZE for number in range(SKETCH_SIZE)] + [(1 << 64) - 1], dtype=np.uint64)
# (64, SKETCH_SIZE): in which order an empty bin looks for one that is not.
_TRIES = np.random.Generator(np.random.PCG64(20260101)).integers(0, SKETCH_SIZE, (64, SKETCH_SIZE))
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_NO_HASH = np.array([(1 << 64) - 1], dtype=np.uint64)
_HALF = np.uint64(32)
_HALF_BITS = 32
# A table of so many bits has few places that a text of some hundred shingles fills by chance.
_TABLE_BITS = 16
_TABLE_SHIFT = np.uint64(64 - _TABLE_BITS)
# Pairs at a time, which bounds the (pairs, SKETCH_SIZE) comparisons to 7 MB.
_BLOCK = 8192


def shingles(text: str, size: int = SHINGLE_CHARACTERS) -> np.ndarray:
    """The set of hashed character n-grams of `text`: (n,) uint64, ascending, without repetition.

    A text shorter than `size` is padded to one n-gram; an empty text has none.
    """
    return _set_of(code_points(text), size)


def shingle_sets(texts: Concatenation, size: int = SHINGLE_CHARACTERS) -> list[np.ndarray]:
    """`shingles` of each text."""
    hashes = _hash_grams(texts.points, size)
    ends = texts.ends
    starts = (ends - texts.lengths).tolist()
    lasts = (ends - size + 1).tolist()  # n-grams that begin later go over the end of their text
    is_first = np.ones(len(hashes), dtype=bool)
    for start, last in zip(starts, lasts, strict=True):
        if start < last:
            hashes[start:last].sort()
    np.not_equal(hashes[1:], hashes[:-1], out=is_first[1:])
    is_first[[start for start in starts if start < len(hashes)]] = True
    return [
        hashes[start:last][is_first[start:last]]
        if start < last
        else _set_of(texts.points[start : last + size - 1], size)
        for start, last in zip(starts, lasts, strict=True)
    ]


def _set_of(points: np.ndarray, size: int) -> np.ndarray:
    if not len(points):
        return np.zeros(0, dtype=np.uint64)
    hashes = _hash_grams(points if len(points) >= size else np.pad(points, (0, size - len(points))), size)
    hashes.sort()
    return hashes[np.concatenate([[True], hashes[1:] != hashes[:-1]])]


def _hash_grams(points: np.ndarray, size: int) -> np.ndarray:
    """(n - size + 1,) uint64, well mixed, for (n,) code points; none for fewer than `size`."""
    count = max(len(points) - size + 1, 0)
    hashes = np.zeros(count, dtype=np.uint64)
    for place in range(size):
        hashes *= _BASE
        hashes += points[place : place + count]
        hashes += np.uint64(1)
    hashes ^= hashes >> _HALF
    hashes *= _MIX
    hashes ^= hashes >> _HALF
    return hashes


def sketch(hashes: np.ndarray) -> np.ndarray:
    """MinHash of a shingle set: (SKETCH_SIZE,) uint32; the greatest value everywhere for an empty set."""
    return sketch_all([hashes])[0]


def sketch_all(sets: Sequence[np.ndarray]) -> np.ndarray:
    """MinHash of shingle sets, (n, SKETCH_SIZE) uint32.

    One permutation for all rows: the hashes are cut into as many bins, and the lowest hash of a bin is its row. A bin
    without a hash takes over the row of another one: the first that is not empty in an order of its own.
    """
    if not len(sets):
        return np.zeros((0, SKETCH_SIZE), dtype=np.uint32)
    starts = np.stack([np.searchsorted(hashes, _EDGES) for hashes in sets])
    filled = starts[:, 1:] > starts[:, :-1]
    offsets = np.cumsum([0, *map(len, sets[:-1])])
    all_hashes = np.concatenate([*sets, _NO_HASH])
    rows = all_hashes[starts[:, :-1] + offsets[:, None]].astype(np.uint32)
    holed = np.flatnonzero(~filled.all(axis=1))
    rows[holed] = _densified(rows[holed], filled[holed])
    return rows


def _densified(rows: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """(n, SKETCH_SIZE) rows of which those that are not filled come from others; a set without any has none."""
    empty = ~filled
    found = np.where(filled, rows, _NO_HASH.astype(np.uint32))
    for tried in _TRIES:
        taken = empty & filled[:, tried]
        found[taken] = rows[:, tried][taken]
        empty &= ~taken
        if not empty.any():
            return found
    for row in np.flatnonzero(empty.any(axis=1) & filled.any(axis=1)):
        # Hardly any bin is filled: the next one, as Shrivastava and Li have it (2014).
        places, missed = np.flatnonzero(filled[row]), np.flatnonzero(empty[row])
        found[row, missed] = rows[row, places[np.searchsorted(places, missed) % len(places)]]
    return found


def band_keys(sketches: np.ndarray) -> np.ndarray:
    """One 32-bit key for each band of (n, SKETCH_SIZE) sketches: (n, BANDS) uint32, equal where all rows are equal.

    A band's number goes into its keys, so that keys of different bands hardly ever meet.
    """
    keys = np.repeat(np.arange(1, BANDS + 1, dtype=np.uint64)[None], len(sketches), axis=0)
    rows = sketches.reshape(-1, BANDS, ROWS)
    for row in range(ROWS):
        keys = (keys ^ rows[:, :, row]) * _MIX
        keys ^= keys >> np.uint64(29)
    return np.maximum(keys >> _HALF, 1).astype(np.uint32)  # 0 stands for no key


def shorten(sketches: np.ndarray) -> np.ndarray:
    """The lowest byte of every row of a sketch: as uint8, a quarter of the size.

    Two different rows agree in it once in 256 times: 0.004 on top of the estimate of two texts without anything in
    common. Li and Konig, "b-bit minwise hashing", 2010.
    """
    return sketches.astype(np.uint8)


def estimate_jaccard(sketch_a: np.ndarray, sketches: np.ndarray) -> np.ndarray:
    """Estimated Jaccard similarity of one sketch to each of (n, SKETCH_SIZE); standard error at most 0.048."""
    return (sketches == sketch_a).mean(axis=1)


def jaccard(hashes_a: np.ndarray, hashes_b: np.ndarray) -> float:
    """Exact Jaccard similarity of two shingle sets; 0 when both are empty."""
    common = len(np.intersect1d(hashes_a, hashes_b, assume_unique=True))
    union = len(hashes_a) + len(hashes_b) - common
    return common / union if union else 0.0


def jaccards(hashes: np.ndarray, others: Sequence[np.ndarray], least: float) -> np.ndarray:
    """(n,) exact Jaccard similarities of a shingle set to `others`; 0 where it is below `least`.

    A table of bits bounds from above what two sets have in common, so that only those near enough are intersected.
    """
    values = np.zeros(len(others))
    if not len(values):
        return values
    has = np.zeros(1 << _TABLE_BITS, dtype=bool)
    has[hashes >> _TABLE_SHIFT] = True
    sizes = np.array([len(other) for other in others])
    hits = np.concatenate([[0], np.cumsum(has[np.concatenate(others) >> _TABLE_SHIFT])])
    ends = np.cumsum(sizes)
    common = np.minimum(hits[ends] - hits[ends - sizes], len(hashes))
    bounds = common / np.maximum(len(hashes) + sizes - common, 1)
    for place in np.flatnonzero(bounds >= least).tolist():
        value = jaccard(hashes, others[place])
        values[place] = value if value >= least else 0.0
    return values


def candidate_pairs(bands: np.ndarray, sketches: np.ndarray, least: float) -> np.ndarray:
    """Pairs of documents that share a band and whose sketches agree in a share of at least `least`.

    Within a bucket each document is paired with the bucket's first one and with its next `NEIGHBOURS`: all pairs of a
    usual bucket, without the square of a huge one.

    Args:
        bands: (n, BANDS) uint32, 0 for a band that is looked at elsewhere.
        sketches: (n, SKETCH_SIZE), shortened or not.

    Returns:
        (n_pairs, 2) int64 rows, the smaller first, without repetition.
    """
    found = [np.zeros(0, dtype=np.int64)]
    for band in range(bands.shape[1]):
        present = np.flatnonzero(bands[:, band])
        pairs = present[_bucket_pairs(bands[present, band])]
        found.append((pairs[:, 0] << _HALF_BITS) | pairs[:, 1])
    joined = np.unique(np.concatenate(found))
    pairs = np.stack([joined >> _HALF_BITS, joined & ((1 << _HALF_BITS) - 1)], axis=1)
    return pairs[sketch_agreement(sketches, pairs) >= least]


def sketch_agreement(sketches: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(n_pairs,) estimated Jaccard similarities of (n_pairs, 2) documents."""
    agreement = np.empty(len(pairs))
    for start in range(0, len(pairs), _BLOCK):
        a, b = pairs[start : start + _BLOCK].T
        agreement[start : start + _BLOCK] = (sketches[a] == sketches[b]).mean(axis=1)
    return agreement


def _bucket_pairs(keys: np.ndarray) -> np.ndarray:
    """(n_pairs, 2) places in `keys`, the smaller first."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(keys)]
    first = np.maximum.accumulate(np.where(new, np.arange(len(keys)), 0))
    pairs = [np.stack([order[first[~new]], order[~new]], axis=1)]
    for step in range(1, NEIGHBOURS + 1):
        same = np.flatnonzero(ordered[step:] == ordered[:-step])
        if not len(same):
            break
        pairs.append(np.stack([order[same], order[same + step]], axis=1))
    return np.sort(np.concatenate(pairs), axis=1).astype(np.int64)
