"""Which replica gets a prompt: the index of what they have read, and the choice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serve_apps.prefixes import BLOCK_CHARACTERS, MOST_BLOCKS, PrefixIndex, block_hashes, choose

REPLICAS = ["a", "b", "c", "d"]
# Few different blocks, so that many texts begin alike.
texts = st.lists(st.sampled_from("xyz"), max_size=6).map(lambda letters: "".join(c * BLOCK_CHARACTERS for c in letters))
loads = st.fixed_dictionaries({replica: st.integers(0, 20) for replica in REPLICAS})
pairs = st.lists(st.sampled_from(REPLICAS), min_size=1, max_size=2, unique=True)


@given(st.text(max_size=400), st.text(max_size=400))
def test_hashes_are_of_common_beginnings(one: str, other: str) -> None:
    common = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        common += 1
    shared = [a == b for a, b in zip(block_hashes(one), block_hashes(other), strict=False)]
    assert sum(shared) == min(common // BLOCK_CHARACTERS, len(shared))
    assert len(block_hashes(one)) == len(one) // BLOCK_CHARACTERS


def test_long_prompts_and_half_characters() -> None:
    assert len(block_hashes("长" * 1_000_000)) == MOST_BLOCKS
    assert len(block_hashes("\ud800" * BLOCK_CHARACTERS)) == 1


@given(st.lists(st.tuples(texts, st.sampled_from(REPLICAS))), texts)
def test_longest_is_what_was_read(history: list[tuple[str, str]], asked: str) -> None:
    index: PrefixIndex[str] = PrefixIndex(10_000)
    for text, replica in history:
        index.add(block_hashes(text), replica)

    def common(text: str) -> int:
        return sum(a == b for a, b in zip(block_hashes(text), block_hashes(asked), strict=False))

    best = max((common(text) for text, _ in history), default=0)
    depth, having = index.longest(block_hashes(asked))
    assert depth == best
    assert having == ({replica for text, replica in history if common(text) == best} if best else set())


@given(st.lists(st.tuples(texts, st.sampled_from(REPLICAS))), st.integers(1, 12), texts)
def test_memory_is_bounded_and_the_oldest_goes(history: list[tuple[str, str]], most: int, last: str) -> None:
    index: PrefixIndex[str] = PrefixIndex(most)
    for text, replica in [*history, (last, "a")]:
        index.add(block_hashes(text), replica)
        assert len(index) <= most
    hashes = block_hashes(last)
    depth, _ = index.longest(hashes)
    assert depth >= min(len(hashes), most), "what was read last is known from its beginning on"
    assert not hashes or "a" in index.longest(hashes[:most])[1]


@given(st.lists(st.tuples(texts, st.sampled_from(REPLICAS))), texts)
def test_replicas_that_are_gone_are_forgotten(history: list[tuple[str, str]], asked: str) -> None:
    index: PrefixIndex[str] = PrefixIndex(10_000)
    for text, replica in history:
        index.add(block_hashes(text), replica)
    index.keep({"a", "b"})
    assert index.longest(block_hashes(asked))[1] <= {"a", "b"}
    index.keep(set())
    assert len(index) == 0 and not index._replicas


@given(st.sets(st.sampled_from([*REPLICAS, "gone"])), loads, st.integers(0, 10), pairs)
def test_choice(having: set[str], load: dict[str, int], most_ahead: int, pair: list[str]) -> None:
    chosen = choose(having, load, most_ahead, pair)
    idlest = min(load.values())
    near = [replica for replica in having - {"gone"} if load[replica] - idlest <= most_ahead]
    if near:
        assert chosen in near and load[chosen] == min(load[replica] for replica in near)
    else:
        assert chosen in pair and load[chosen] == min(load[replica] for replica in pair)


@given(st.lists(texts, max_size=60), st.integers(0, 6), st.randoms(use_true_random=False))
def test_no_replica_is_preferred_beyond_the_limit(prompts: list[str], most_ahead: int, random) -> None:  # type: ignore[no-untyped-def]
    index: PrefixIndex[str] = PrefixIndex(10_000)
    load = dict.fromkeys(REPLICAS, 0)
    for prompt in prompts:  # none of them ends
        hashes = block_hashes(prompt)
        pair = random.sample(REPLICAS, 2)
        before = dict(load)
        chosen = choose(index.longest(hashes)[1], load, most_ahead, pair)
        index.add(hashes, chosen)
        load[chosen] += 1
        assert before[chosen] <= min(before.values()) + most_ahead or before[chosen] == min(before[p] for p in pair)
