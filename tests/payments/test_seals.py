"""Seals: what they cover, when they are made, and that nothing can be changed under them unseen."""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC
from functools import partial
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import Session

import wsgi
from foundation import clock
from foundation import db as database
from payments import commands, horizon, seals
from payments.ledger import GOODWILL, HOUSE, PLATFORM_FEE, AccountName, Line
from payments.models import JournalEntry, Seal
from tests.conftest import House, Urls
from tests.payments.posted import CASH, FREE, alone, post, settle

_FOUND, _FEE = AccountName(GOODWILL, HOUSE, "USD"), AccountName(PLATFORM_FEE, HOUSE, "USD")
# On other accounts than those that `post` moves by itself.
_ELSEWHERE = (Line(_FEE, _FOUND, 7),)


def _all(house: House) -> list[Seal]:
    with house.sessions() as db:
        return list(db.scalars(select(Seal).order_by(Seal.number)))


# Making them


def test_a_seal_is_a_hash_over_entries_their_lines_and_the_seal_before(house: House) -> None:
    first, second = alone(
        house, lambda db: [*post(db, "in"), *post(db, "on", lines=(Line(FREE, _FOUND, 120), Line(FREE, _FEE, 30)))]
    )
    settle(house)
    assert alone(house, seals.seal_due) == 2

    (seal,) = _all(house)
    with house.sessions() as db:
        told = [_as_told(db.get_one(JournalEntry, entry_id)) for entry_id in (first, second)]
    lines = [
        [1, "bank:house", "funds:a", "USD", 500],
        [1, "funds:a", "goodwill:house", "USD", 120],
        [2, "funds:a", "platform_fee:house", "USD", 30],
    ]
    written = [told[0], lines[0], told[1], *lines[1:]]
    known = hashlib.sha256("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in written).encode())
    assert (seal.number, seal.from_entry, seal.to_entry, seal.n_entries) == (1, first, second, 2)
    assert (seal.sums, seal.hash, seal.prev_hash) == ('{"USD":650}', known.digest(), b"")


def _sealed(house: House, key: str) -> str:
    """An entry under a seal of its own."""
    (entry_id,) = alone(house, lambda db: post(db, key))
    settle(house)
    assert alone(house, seals.seal_due) == 1
    return str(entry_id)


def test_a_later_seal_is_a_hash_over_the_seal_before_as_well(house: House) -> None:
    _sealed(house, "in")
    last = _sealed(house, "on")

    first, second = _all(house)
    with house.sessions() as db:
        told = _as_told(db.get_one(JournalEntry, last))
    line = [1, "bank:house", "funds:a", "USD", 500]
    written = "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in (told, line))
    assert second.prev_hash == first.hash
    assert second.hash == hashlib.sha256(first.hash + written.encode()).digest()


def _as_told(entry: JournalEntry) -> list[Any]:
    written = entry.created_at.astimezone(UTC).isoformat(timespec="microseconds")
    return [
        entry.id, entry.idempotency_key, entry.request_hash.hex(), entry.kind, entry.lines, entry.cause_ref,
        entry.actor_ref, entry.reverses_id, entry.effective_on.isoformat(), None, written,
    ]  # fmt: skip


def test_seals_follow_each_other_and_leave_nothing_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seals, "AT_ONCE", 3)
    made = alone(house, lambda db: post(db, *"abcdefgh"))
    settle(house)

    assert [alone(house, seals.seal_due) for _ in range(5)] == [3, 3, 2, 0, 0]

    found = _all(house)
    assert [seal.number for seal in found] == [1, 2, 3]
    assert [(seal.from_entry, seal.to_entry) for seal in found] == [
        (made[0], made[2]), (made[3], made[5]), (made[6], made[7]),
    ]  # fmt: skip
    assert [seal.prev_hash for seal in found] == [b"", found[0].hash, found[1].hash]
    assert alone(house, seals.verify) == []


def test_what_is_not_behind_the_horizon_is_not_sealed(house: House) -> None:
    (old,) = alone(house, lambda db: post(db, "old"))
    settle(house)
    alone(house, lambda db: post(db, "new"))

    assert alone(house, seals.seal_due) == 1
    assert alone(house, seals.seal_due) == 0
    assert [seal.to_entry for seal in _all(house)] == [old]


def test_without_a_horizon_nothing_is_sealed(house: House) -> None:
    alone(house, lambda db: post(db, "a"))

    assert alone(house, seals.seal_due) == 0


def test_an_entry_that_was_open_when_others_were_committed_does_not_slip_under_a_seal(house: House) -> None:
    """Its id is lower than theirs. It is sealed with them once it is there; before that nothing is."""
    opened = alone(house, lambda db: [*post(db, "first"), *post(db, "second", lines=_ELSEWHERE)])
    with house.sessions() as slow:
        (low,) = post(slow, "slow")
        (high,) = alone(house, lambda db: post(db, "quick", lines=_ELSEWHERE))
        alone(house, lambda db: horizon.tell(db, clock.now(db)))
        for _ in range(5):
            alone(house, horizon.advance)
        while_open = alone(house, seals.seal_due)
        slow.commit()
    settle(house)

    assert low < high
    assert while_open == 0
    assert alone(house, seals.seal_due) == 4
    assert [(seal.from_entry, seal.to_entry) for seal in _all(house)] == [(opened[0], high)]


def test_there_is_one_who_seals_at_a_time(house: House) -> None:
    alone(house, lambda db: post(db, "a"))
    settle(house)

    with house.sessions() as one:
        assert seals.seal_due(one) == 1
        assert alone(house, seals.seal_due) == 0
        one.rollback()

    assert alone(house, seals.seal_due) == 1


def test_sealing_waits_for_no_posting_and_no_posting_for_it(house: House) -> None:
    alone(house, lambda db: [post(db, "a"), post(db, "first", lines=_ELSEWHERE)])
    settle(house)

    with house.sessions() as poster, house.sessions() as sealer:
        post(poster, "b")
        seals.seal_due(sealer)
        alone(house, lambda db: post(db, "c", lines=_ELSEWHERE))
        sealer.commit()
        poster.commit()

    assert alone(house, seals.verify) == []


def test_the_sweeps_seal_what_is_a_day_old_by_themselves() -> None:
    sweeps = list(wsgi.program.sweeps)

    assert sweeps.index(horizon.advance) < sweeps.index(seals.seal_due)
    assert seals.check in wsgi.program.checks


# Tampering


@pytest.fixture(scope="module")
def sealed(new_database: Callable[[], Urls]) -> Iterator[Urls]:
    """Books under three seals."""
    urls = new_database()
    engine = database.make_engine(urls.app)
    factory = database.sessions(engine)
    house = House(urls, engine, factory, None, engine, factory)
    for key in "abc":
        alone(house, partial(_pay_in, key=key))
        settle(house)
        assert alone(house, seals.seal_due) == 1
    yield urls
    engine.dispose()


def _pay_in(db: Session, key: str) -> None:
    post(db, key, lines=(Line(CASH, FREE, 500), Line(CASH, _FEE, 1)))


@pytest.fixture
def owner(sealed: Urls) -> Iterator[Session]:
    """Whoever owns the tables, with every trigger out of the way; what they do is rolled back."""
    engine = create_engine(sealed.owner)
    with Session(engine) as db:
        for table in ("journal_entries", "journal_lines", "seals"):
            db.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        yield db
    engine.dispose()


_SECOND = "(SELECT to_entry FROM seals WHERE number = 2)"
TAMPERED = {
    "an amount": f"UPDATE journal_lines SET amount = amount + 1 WHERE entry_id = {_SECOND} AND line = 1",
    "two amounts that add up as before": f"""
        UPDATE journal_lines SET amount = 501 - amount WHERE entry_id = {_SECOND}""",
    "whose money it is": "UPDATE accounts SET owner_ref = 'b' WHERE role = 'funds'",
    "which account": f"""
        UPDATE journal_lines SET credit_id = (SELECT id FROM accounts WHERE role = 'platform_fee')
         WHERE entry_id = {_SECOND} AND line = 1""",
    "a line": f"DELETE FROM journal_lines WHERE entry_id = {_SECOND} AND line = 2",
    "a whole entry": f"""
        DELETE FROM journal_lines WHERE entry_id = {_SECOND};
        ALTER TABLE seals DROP CONSTRAINT fk_seals_to_entry_journal_entries, DROP CONSTRAINT
            fk_seals_from_entry_journal_entries;
        DELETE FROM journal_entries WHERE id = {_SECOND}""",
    "a key": f"UPDATE journal_entries SET idempotency_key = 'z' WHERE id = {_SECOND}",
    "who did it": f"UPDATE journal_entries SET actor_ref = 'z' WHERE id = {_SECOND}",
    "what for": f"UPDATE journal_entries SET cause_ref = 'z' WHERE id = {_SECOND}",
    "the day": f"UPDATE journal_entries SET effective_on = effective_on - 1 WHERE id = {_SECOND}",
    "the time": f"UPDATE journal_entries SET created_at = created_at - interval '1 us' WHERE id = {_SECOND}",
    "when it happened": f"UPDATE journal_entries SET event_at = now() WHERE id = {_SECOND}",
    "one more entry": f"""
        INSERT INTO journal_entries (id, idempotency_key, request_hash, kind, lines, cause_ref, actor_ref)
        SELECT {_SECOND} || '0', 'z', '', 'test', 1, 'c', 'a'""",
    "a seal's hash": "UPDATE seals SET hash = '' WHERE number = 2",
    "a seal's count": "UPDATE seals SET n_entries = 2 WHERE number = 2",
    "a seal's sums": "UPDATE seals SET sums = '{}' WHERE number = 2",
    "a seal's beginning": "UPDATE seals SET from_entry = (SELECT min(id) FROM journal_entries) WHERE number = 2",
    "a seal": "DELETE FROM seals WHERE number = 2",
    "the first seal": "DELETE FROM seals WHERE number = 1",
}


def test_untouched_seals_are_whole(owner: Session) -> None:
    assert seals.verify(owner) == []


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_change_under_a_seal_is_found(owner: Session, change: str) -> None:
    for statement in change.split(";"):
        owner.execute(text(statement))

    broken = seals.verify(owner)

    assert broken
    assert seals.check(owner) == {"I31 the journal is as it was sealed": broken}


def test_one_changed_entry_is_told_once(owner: Session) -> None:
    owner.execute(text(TAMPERED["who did it"]))

    (told,) = seals.verify(owner)

    assert told.startswith("seal 2: ")


def test_the_command_says_what_is_sealed_and_fails_where_something_was_changed(owner: Session) -> None:
    whole = CliRunner().invoke(commands.verify_seals, obj=owner)
    owner.execute(text(TAMPERED["an amount"]))
    broken = CliRunner().invoke(commands.verify_seals, obj=owner)

    newest = owner.scalar(select(Seal.hash).where(Seal.number == 3))
    assert newest is not None
    assert (whole.exit_code, whole.output) == (
        0,
        f"The journal is as it was sealed; the last seal is 3:{newest.hex()}.\n",
    )
    assert broken.exit_code == 1
    assert broken.output.startswith("BROKEN  seal 2: ")
