"""Which version of a model a conversation gets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serve_apps.canary import conversation_key, goes_to_canary

messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": st.text(max_size=5)}),
    max_size=6,
)


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_those_it_has(conversation: str, one: float, other: float) -> None:
    small, large = sorted([one, other])
    assert goes_to_canary("m", conversation, small) <= goes_to_canary("m", conversation, large)
    assert not goes_to_canary("m", conversation, 0.0)
    assert goes_to_canary("m", conversation, 1.0)


def test_the_share_is_that_of_conversations_and_models_differ() -> None:
    keys = [str(number) for number in range(20_000)]
    first = [goes_to_canary("a", key, 0.1) for key in keys]
    second = [goes_to_canary("b", key, 0.1) for key in keys]
    assert 1_800 < sum(first) < 2_200
    assert 100 < sum(x and y for x, y in zip(first, second, strict=True)) < 300, "not the same users everywhere"


@given(messages, messages)
def test_a_conversation_keeps_its_key(opening: list[dict[str, str]], later: list[dict[str, str]]) -> None:
    began = [*opening, {"role": "user", "content": "挂失"}]
    answered = [*began, {"role": "assistant", "content": "好"}, *later]
    assert conversation_key(None, answered) == conversation_key(None, began)


def test_users_and_single_requests() -> None:
    said = [{"role": "user", "content": "a"}]
    assert conversation_key("u", said) == conversation_key("u") != conversation_key(None, said)
    assert conversation_key(None) != conversation_key(None)
    assert conversation_key(None, said) != conversation_key(None, [{"role": "user", "content": "b"}])
