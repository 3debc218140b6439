import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.conversations import ConflictError, ConversationStore, Feedback, Turn
from danlu.errors import ConfigError, InputError, NotAvailableError, RunError


def test_a_conversation_is_read_as_it_was_written(url: str) -> None:
    store = ConversationStore(url)
    name = store.create({"flow": None})
    before = store.read(name)
    assert (before.version, before.handoff, before.turns, before.state) == (0, False, (), {"flow": None})
    turns = [Turn("user", "我要挂失🙂"), Turn("assistant", "好的", {"citations": [{"title": "挂失"}]})]
    assert store.append(before, turns, {"flow": "挂失", "slots": {"card_tail": "6789"}}, handoff=True) == 0
    after = store.read(name)
    assert [(t.speaker, t.text, t.details, t.position) for t in after.turns] == [
        ("user", "我要挂失🙂", {}, 0),
        ("assistant", "好的", {"citations": [{"title": "挂失"}]}, 1),
    ]
    assert (after.state["slots"], after.handoff) == ({"card_tail": "6789"}, True)
    assert after.created <= after.updated <= datetime.now(UTC)
    store.close()


def test_a_conversation_outlives_the_store(url: str) -> None:
    first = ConversationStore(url)
    name = first.create({})
    first.append(first.read(name), [Turn("user", "你好")], {"n": 1}, handoff=False)
    first.close()
    second = ConversationStore(url)
    assert [turn.text for turn in second.read(name).turns] == ["你好"]
    second.close()


def test_a_writer_that_read_an_older_version_is_refused_whole(url: str) -> None:
    store = ConversationStore(url)
    name = store.create({})
    stale = store.read(name)
    store.append(stale, [Turn("user", "一")], {"n": 1}, handoff=False)
    with pytest.raises(ConflictError):
        store.append(stale, [Turn("user", "二")], {"n": 2}, handoff=True)
    now = store.read(name)
    assert ([t.text for t in now.turns], now.state, now.handoff) == (["一"], {"n": 1}, False)
    store.close()


def test_unknown_conversations(url: str) -> None:
    store = ConversationStore(url)
    name = store.create({})
    gone = store.read(name)
    gone = type(gone)("nobody", 0, False, {}, (), gone.created, gone.updated)
    calls: list[Callable[[], object]] = [
        lambda: store.read("nobody"),
        lambda: store.append(gone, [], {}, handoff=False),
        lambda: store.add_feedback("nobody", Feedback(5)),
        lambda: store.read_feedback("nobody"),
    ]
    for call in calls:
        with pytest.raises(InputError, match="no conversation 'nobody'"):
            call()
    store.close()


def test_feedback(url: str) -> None:
    store = ConversationStore(url)
    name = store.create({})
    store.append(store.read(name), [Turn("user", "你好"), Turn("assistant", "您好")], {}, handoff=False)
    store.add_feedback(name, Feedback(5, "很好", 1))
    store.add_feedback(name, Feedback(2))
    assert store.read_feedback(name) == [Feedback(5, "很好", 1), Feedback(2)]
    with pytest.raises(InputError, match="rating is 6"):
        store.add_feedback(name, Feedback(6))
    with pytest.raises(InputError, match="position is 2: the conversation has 2 turns"):
        store.add_feedback(name, Feedback(3, "", 2))
    store.close()


def test_those_who_wait_longest_come_first(url: str) -> None:
    store = ConversationStore(url)
    names = [store.create({}) for _ in range(3)]
    for name in (names[1], names[0]):
        store.append(store.read(name), [Turn("user", "转人工")], {}, handoff=True)
    waiting = [name for name in store.waiting(1000) if name in names]
    assert waiting == [names[1], names[0]]
    store.append(store.read(names[1]), [Turn("agent", "您好")], {}, handoff=False)
    assert names[1] not in store.waiting(1000)
    store.close()


def add_turns(url: str, name: str, writer: int, turns: int) -> int:
    """Append, reading again after each conflict; returns the conflicts met."""
    store = ConversationStore(url)
    conflicts = 0
    for number in range(turns):
        while True:
            before = store.read(name)
            state = {"count": before.state["count"] + 1}
            try:
                store.append(before, [Turn("user", f"{writer}-{number}")], state, handoff=False)
                break
            except ConflictError:
                conflicts += 1
    store.close()
    return conflicts


def check_nothing_lost(url: str, name: str, writers: int, turns: int) -> None:
    store = ConversationStore(url)
    after = store.read(name)
    store.close()
    assert sorted(t.text for t in after.turns) == sorted(f"{w}-{n}" for w in range(writers) for n in range(turns))
    assert [t.position for t in after.turns] == list(range(writers * turns))
    assert after.state == {"count": writers * turns}


def test_many_threads_write_one_conversation(url: str) -> None:
    store = ConversationStore(url)
    name = store.create({"count": 0})
    store.close()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda writer: add_turns(url, name, writer, 10), range(8)))
    check_nothing_lost(url, name, 8, 10)


def test_many_processes_write_one_conversation(url: str) -> None:
    store = ConversationStore(url)
    name = store.create({"count": 0})
    store.close()
    call = f"import runpy, sys; runpy.run_path({__file__!r})['add_turns']({url!r}, {name!r}, int(sys.argv[1]), 10)"
    writers = [subprocess.Popen([sys.executable, "-c", call, str(writer)]) for writer in range(4)]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 4
    check_nothing_lost(url, name, 4, 10)


def begin(url: str) -> str:
    store = ConversationStore(url)
    name = store.create({})
    store.close()
    return name


def test_stores_that_open_a_new_database_together(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite'}"
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(begin, [url] * 8))
    assert len(set(names)) == 8


def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    file = tmp_path / "talks.sqlite"
    store = ConversationStore(f"sqlite:///{file}")
    name = store.create({})
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE danlu_conversations SET version = 7")
    assert store.read(name).version == 0
    writer.execute("COMMIT")
    writer.close()
    assert store.read(name).version == 7
    store.close()


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("talks.sqlite", ConfigError, "no database URL"),
        ("mysql://host/db", ConfigError, "must be sqlite:/// or postgresql://"),
        ("sqlite://", ConfigError, "name a file"),
        ("postgresql+nodriver://me:secret@host/db", NotAvailableError, "pip install pg8000"),
        ("postgresql+pg8000://me:secret@127.0.0.1:1/db", RunError, "can't be used"),
    ],
)
def test_databases_that_do_not_work(url: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        ConversationStore(url)
    assert "secret" not in str(caught.value)
