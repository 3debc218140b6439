"""The ledger's service: what it writes, and what is charged to it when it does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from serve_apps.gateway import accounts as accounts_module
from serve_apps.gateway import charges as charges_module
from serve_apps.gateway import usage as usage_module
from serve_apps.gateway.accounts import Accounts
from serve_apps.gateway.charges import Charge, Entry, shortened
from serve_apps.gateway.keys import ApiKey
from serve_apps.gateway.ledger import LedgerUnavailableError, LocalLedger
from serve_apps.gateway.limits import Grant, Limits, Refusal
from serve_apps.gateway.usage import UsageFile
from serve_apps.request_record import RequestRecord

LIMITS = Limits(budget=1000)


def test_what_a_lost_request_held_is_written(tmp_path: Path) -> None:
    """After a restart it was forgotten."""
    file = str(tmp_path / "usage")

    async def session() -> None:
        ledger = LocalLedger(file, lifetime_s=0.01)
        await ledger.admit("lost", "a", LIMITS, 50)
        await asyncio.sleep(0.02)
        await ledger.admit("next", "a", LIMITS, 5)
        await ledger.charge([Charge("a", 3, "next")])
        await ledger.close()

    asyncio.run(session())
    assert UsageFile(file).read()["a"].tokens == 53


def test_what_a_request_took_beyond_what_it_held_is_written_however_late(tmp_path: Path) -> None:
    """Applications hold one token, and may take longer than the ledger waits for their end."""
    file = str(tmp_path / "usage")

    async def session() -> None:
        ledger = LocalLedger(file, lifetime_s=0.01)
        await ledger.admit("long", "a", LIMITS, 1)
        await asyncio.sleep(0.02)
        await ledger.admit("next", "b", LIMITS, 5)
        for _ in range(2):
            await ledger.charge([Charge("a", 5000, "long")])
        assert isinstance(await ledger.admit("more", "a", LIMITS, 1), Refusal)
        await ledger.close()

    asyncio.run(session())
    used = UsageFile(file).read()["a"]
    assert (used.requests, used.tokens) == (1, 5000)


def test_a_write_that_failed_is_tried_again_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "usage"

    async def session() -> None:
        ledger = LocalLedger(str(file), lifetime_s=600)
        moved = file.rename(tmp_path / "moved")
        file.mkdir()
        await ledger.charge([Charge("a", 7)])
        await asyncio.sleep(0.2)
        file.rmdir()
        moved.rename(file)
        await ledger.close()

    asyncio.run(session())
    assert UsageFile(file).read()["a"].tokens == 7


def test_what_is_told_twice_is_written_once(tmp_path: Path) -> None:
    """A gateway tells its charges again when it has waited for the answer in vain."""
    file = str(tmp_path / "usage")

    async def session() -> None:
        ledger = LocalLedger(file, lifetime_s=600)
        charges = [Charge("a", 7), Charge("a", 7)]
        await ledger.charge(charges)
        await ledger.charge(charges)
        await ledger.close()

    asyncio.run(session())
    assert UsageFile(file).read()["a"].tokens == 14


@pytest.mark.parametrize("grant", ["1", None])
def test_what_is_told_again_to_the_next_ledger_counts_once(tmp_path: Path, grant: str | None) -> None:
    """It was on disk when the ledger died, and only the answer was lost."""
    file, charge = str(tmp_path / "usage"), Charge("a", 500, grant)

    async def session() -> None:
        for _ in range(2):
            ledger = LocalLedger(file, lifetime_s=600)
            await ledger.charge([charge])
            await ledger.close()
            assert isinstance(await ledger.admit("next", "a", LIMITS, 500), Grant)
            assert isinstance(await ledger.admit("beyond", "a", LIMITS, 1), Refusal)

    asyncio.run(session())
    used = UsageFile(file).read()["a"]
    assert (used.requests, used.tokens) == (1, 500)


def test_what_was_given_up_before_a_restart_is_charged_the_difference_after_it(tmp_path: Path) -> None:
    file = str(tmp_path / "usage")

    async def session() -> None:
        before = LocalLedger(file, lifetime_s=0.01)
        await before.admit("long", "a", LIMITS, 30)
        await asyncio.sleep(0.02)
        await before.admit("next", "b", LIMITS, 5)
        await before.close()
        for _ in range(2):
            after = LocalLedger(file, lifetime_s=600)
            await after.charge([Charge("a", 400, "long")])
            await after.close()
            assert isinstance(await after.admit("rest", "a", LIMITS, 600), Grant)

    asyncio.run(session())
    used = UsageFile(file).read()["a"]
    assert (used.requests, used.tokens) == (1, 400)


def test_what_an_ending_ledger_writes_counts_at_the_one_that_has_begun(tmp_path: Path) -> None:
    """The new one had read the file before, and never looked again."""
    file = str(tmp_path / "usage")

    async def session() -> None:
        ending, begun = LocalLedger(file, lifetime_s=600), LocalLedger(file, lifetime_s=600)
        unanswered = Charge("a", 50)
        await ending.charge([Charge("a", 350), unanswered])
        await ending.close()
        await begun.charge([unanswered, Charge("a", 10)])
        await begun.close()
        assert isinstance(await begun.admit("beyond", "a", LIMITS, 591), Refusal)
        assert isinstance(await begun.admit("rest", "a", LIMITS, 590), Grant)

    asyncio.run(session())
    assert UsageFile(file).read()["a"].tokens == 410


def test_what_comes_while_a_write_is_under_way_counts(tmp_path: Path) -> None:
    async def session() -> None:
        ledger = LocalLedger(str(tmp_path / "usage"), lifetime_s=600)
        for told in range(1, 31):
            await ledger.charge([Charge("a", 10)])
            await asyncio.sleep(0.001)
            assert ledger._ledger.used("a") == 10 * told
        await ledger.close()

    asyncio.run(session())
    assert UsageFile(tmp_path / "usage").read()["a"].tokens == 300


def test_the_file_remembers_the_last_charges_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_module, "REMEMBERED", 10)
    file = UsageFile(tmp_path / "usage")
    for first in range(0, 40, 4):
        file.add(Entry("a", 1, 7, str(number)) for number in range(first, first + 4))
    assert list(file.told()) == [str(number) for number in range(30, 40)]
    assert file.read()["a"].tokens == 280


def test_what_a_disk_that_stays_away_leaves_in_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charges_module, "REMEMBERED", 10)
    entries: list[Entry] = []
    for number in range(100):
        entries = shortened([*entries, Entry("ab"[number % 2], 1, number, str(number))])
        assert len(entries) <= 12
    for key, tokens in (("a", sum(range(0, 100, 2))), ("b", sum(range(1, 100, 2)))):
        assert sum(entry.tokens for entry in entries if entry.key == key) == tokens
        assert sum(entry.requests for entry in entries if entry.key == key) == 50
    assert [entry.told for entry in entries[-10:]] == [str(number) for number in range(90, 100)]


class Away:
    """A ledger that does not answer the first times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.charged: list[Charge] = []

    async def admit(self, grant: str, key: str, limits: Limits, tokens: int) -> Grant | Refusal:
        raise LedgerUnavailableError("away")

    async def charge(self, charges: Sequence[Charge]) -> None:
        self.times -= 1
        if self.times >= 0:
            raise LedgerUnavailableError("away")
        self.charged += charges


def ended(tokens: int) -> RequestRecord:
    return RequestRecord("r", prompt_tokens=tokens)


def test_charges_wait_for_a_ledger_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts_module, "_AGAIN_S", 0.01)
    ledger = Away(times=3)

    async def session() -> None:
        accounts = Accounts(ledger, Limits())
        for tokens in (5, 7):
            accounts.close(ended(tokens), ApiKey("a"))
        await asyncio.sleep(0.15)
        accounts.close(ended(9), ApiKey("a"))
        await accounts.flush()

    asyncio.run(session())
    assert sorted(charge.tokens for charge in ledger.charged) == [5, 7, 9]


def test_an_end_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts_module, "_AGAIN_S", 0.01)
    monkeypatch.setattr(accounts_module, "_FLUSH_S", 0.3)

    async def session() -> None:
        accounts = Accounts(Away(times=10**6), Limits())
        accounts.close(ended(5), ApiKey("a"))
        await asyncio.wait_for(accounts.flush(), 10)

    asyncio.run(session())


class Late(LocalLedger):
    """A ledger whose answer is not there yet when the client leaves."""

    async def admit(self, grant: str, key: str, limits: Limits, tokens: int) -> Grant | Refusal:
        answer = await super().admit(grant, key, limits, tokens)
        await asyncio.sleep(0.1)
        return answer


def test_who_leaves_while_limits_are_asked_holds_nothing() -> None:
    """All that the request might have taken was held for as long as a request may last, and then charged."""

    async def session() -> None:
        ledger = Late(None, lifetime_s=600)
        accounts = Accounts(ledger, Limits())
        asking = asyncio.create_task(accounts.admit(RequestRecord("r"), ApiKey("a", LIMITS), 900))
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()
        await accounts.flush()
        assert isinstance(await ledger.admit("next", "a", LIMITS, 1000), Grant)

    asyncio.run(session())
