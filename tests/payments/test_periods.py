"""Closing the books: who may, when, what it is compared with, and that nothing comes in afterwards."""

import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from foundation import clock
from foundation.pagination import PageRequest
from payments import ledger, periods, statements
from payments.four_eyes import SamePerson
from payments.ledger import BANK, FUNDS, HOUSE, AccountName, ClockBehind, Entry, Line, PeriodClosed
from payments.models import Period, PeriodState
from payments.periods import (
    EarlierMonthOpen,
    LaterMonthClosed,
    MonthNotOver,
    NoSuchMonth,
    PeriodMoveNotAllowed,
    TrialBalanceChanged,
)
from tests.conftest import House, held_up

MAY, JUNE, JULY = date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)
ADA, BOB = "ada", "bob"


def _entry(key: str, day: date | None, amount: int = 500, *, event_at: datetime | None = None) -> Entry:
    line = Line(AccountName(BANK, HOUSE, "USD"), AccountName(FUNDS, "a", "USD"), amount)
    return Entry(key, "test", "cause", "somebody", (line,), effective_on=day, event_at=event_at)


def _post(db: Session, day: date | None, key: str = "", amount: int = 500) -> str:
    entry = _entry(key or f"in:{day}", day, amount)
    return ledger.post(db, [entry]).ids[entry.key]


def _closed(db: Session, month: date) -> Period:
    periods.close(db, month, closed_by=ADA)
    return periods.confirm(db, month, trial_hash=periods.shown(db, month).hash, confirmed_by=BOB)


def _stands(db: Session, month: date) -> str:
    db.expire_all()
    return db.get_one(Period, month).state


# Closing


def test_a_month_is_closed_by_two_people_with_the_hash_of_its_trial_balance(db: Session, books: None) -> None:
    _post(db, date(2026, 6, 30))
    _post(db, date(2026, 7, 1), amount=40)

    proposed = periods.close(db, JUNE, closed_by=ADA)
    seen = periods.shown(db, JUNE)
    period = periods.confirm(db, JUNE, trial_hash=seen.hash, confirmed_by=BOB)

    # July's is not in it.
    known = hashlib.sha256(b"2026-06\nbank|asset|USD|500|0\nfunds|liability|USD|0|500").hexdigest()
    assert proposed.trial_hash is not None
    assert seen.hash == proposed.trial_hash.hex() == known
    assert [(row.role, row.debits, row.credits) for row in seen.items] == [("bank", 500, 0), ("funds", 0, 500)]
    assert (period.state, period.closed_by, period.confirmed_by) == (PeriodState.CLOSED, ADA, BOB)


def test_a_month_without_entries_is_closed_too(db: Session, books: None) -> None:
    assert _closed(db, MAY).trial_hash == hashlib.sha256(b"2026-05").digest()


def test_whoever_proposed_it_does_not_confirm_it(db: Session) -> None:
    periods.close(db, JUNE, closed_by=ADA)

    with pytest.raises(SamePerson), db.begin_nested():
        periods.confirm(db, JUNE, trial_hash=periods.shown(db, JUNE).hash, confirmed_by=ADA)

    assert _stands(db, JUNE) == PeriodState.CLOSING


_CLOSED = "INSERT INTO periods (month, state, closed_by, confirmed_by, closed_at, trial_hash) VALUES ('2026-06-01', "
_OPENED = "INSERT INTO periods (month, state, reopening_by, reopened_by, reopened_at) VALUES ('2026-06-01', "
_BAD_ROWS = {
    "closed by one": f"{_CLOSED} 'closed', 'ada', 'ada', now(), '')",
    "closed and not confirmed": f"{_CLOSED} 'closed', 'ada', NULL, NULL, '')",
    "closing and confirmed": f"{_CLOSED} 'closing', 'ada', 'bob', now(), '')",
    "closing by nobody": f"{_CLOSED} 'closing', NULL, NULL, NULL, NULL)",
    "opened by one": f"{_OPENED} 'open', 'ada', 'ada', now())",
    "opened without being asked": f"{_OPENED} 'open', NULL, 'ada', now())",
    "a day that is no month": "INSERT INTO periods (month, state) VALUES ('2026-06-02', 'open')",
}


@pytest.mark.parametrize("change", _BAD_ROWS.values(), ids=_BAD_ROWS.keys())
def test_the_table_itself_refuses_what_one_person_did_or_nobody(db: Session, change: str) -> None:
    with pytest.raises(IntegrityError), db.begin_nested():
        db.execute(text(change))


def test_another_hash_closes_nothing(db: Session) -> None:
    _post(db, date(2026, 6, 5))
    periods.close(db, JUNE, closed_by=ADA)
    looked_at = periods.shown(db, JUNE).hash
    _post(db, date(2026, 6, 6))

    with pytest.raises(TrialBalanceChanged), db.begin_nested():
        periods.confirm(db, JUNE, trial_hash=looked_at, confirmed_by=BOB)

    assert _stands(db, JUNE) == PeriodState.CLOSING
    assert periods.confirm(db, JUNE, trial_hash=periods.shown(db, JUNE).hash, confirmed_by=BOB)


def test_equal_trial_balances_of_two_months_have_two_hashes(db: Session) -> None:
    _post(db, date(2026, 5, 5))

    assert _closed(db, MAY).trial_hash != _closed(db, JUNE).trial_hash


def test_a_newer_proposal_takes_the_place_of_one_that_nobody_confirmed(db: Session) -> None:
    periods.close(db, JUNE, closed_by=ADA)
    periods.close(db, JUNE, closed_by=BOB)

    with pytest.raises(SamePerson), db.begin_nested():
        periods.confirm(db, JUNE, trial_hash=periods.shown(db, JUNE).hash, confirmed_by=BOB)


def test_a_month_that_is_not_over_is_not_closed(db: Session) -> None:
    today = clock.now(db).date()

    for month in (today.replace(day=1), (today + timedelta(days=40)).replace(day=1), date(9999, 12, 1)):
        with pytest.raises(MonthNotOver):
            periods.close(db, month, closed_by=ADA)

    assert periods.close(db, (today.replace(day=1) - timedelta(days=1)).replace(day=1), closed_by=ADA)


def test_an_earlier_month_with_entries_is_closed_first_and_one_without_need_not_be(db: Session) -> None:
    _post(db, date(2026, 5, 31))

    with pytest.raises(EarlierMonthOpen, match="2026-05"), db.begin_nested():
        periods.close(db, JUNE, closed_by=ADA)
    _closed(db, MAY)

    assert _closed(db, JULY).state == PeriodState.CLOSED


def test_an_entry_for_an_earlier_month_that_came_after_the_proposal_stops_it(db: Session) -> None:
    periods.close(db, JUNE, closed_by=ADA)
    _post(db, date(2026, 5, 31))

    with pytest.raises(EarlierMonthOpen), db.begin_nested():
        periods.confirm(db, JUNE, trial_hash=periods.shown(db, JUNE).hash, confirmed_by=BOB)


def test_a_month_is_not_closed_twice_and_none_before_it(db: Session) -> None:
    _closed(db, JUNE)

    with pytest.raises(PeriodMoveNotAllowed):
        periods.close(db, JUNE, closed_by=ADA)
    with pytest.raises(LaterMonthClosed):
        periods.close(db, MAY, closed_by=ADA)


def test_a_month_that_nobody_proposed_is_neither_confirmed_nor_opened(db: Session) -> None:
    with pytest.raises(NoSuchMonth):
        periods.confirm(db, JUNE, trial_hash="", confirmed_by=BOB)
    with pytest.raises(NoSuchMonth):
        periods.reopen(db, JUNE, reopening_by=ADA)
    with pytest.raises(NoSuchMonth):
        periods.shown(db, JUNE)


@pytest.mark.parametrize(
    "written", ["2026-13", "2026-00", "0000-01", "2026", "2026-1", "26-01", "２０２６-01", "x", "2026-01-01"]
)
def test_what_is_no_month_is_refused(written: str) -> None:
    with pytest.raises(NoSuchMonth):
        periods.parse(written)


def test_a_month_is_written_with_its_year() -> None:
    assert periods.parse("2026-06") == JUNE


# What a closed month refuses


@pytest.mark.parametrize("day", [date(2026, 6, 30), date(2026, 6, 1), date(2026, 5, 31), date(1999, 2, 28)])
def test_nothing_is_posted_to_a_closed_month_or_before_it(db: Session, books: None, day: date) -> None:
    _closed(db, JUNE)

    with pytest.raises(PeriodClosed, match="up to 2026-06-30"):
        _post(db, day)

    # And the transaction goes on: nothing was sent that the database had to refuse.
    assert _post(db, date(2026, 7, 1))
    assert db.scalar(text("SELECT count(*) FROM journal_entries")) == 1


@pytest.mark.parametrize("day", [date(2026, 7, 1), date(2028, 2, 29), date(9999, 12, 31), None])
def test_other_days_are_open(db: Session, books: None, day: date | None) -> None:
    _closed(db, JUNE)

    posted = _post(db, day)

    stored = db.scalar(text("SELECT effective_on FROM journal_entries WHERE id = :id"), {"id": posted})
    assert stored == (day or clock.now(db).date())


DAYS = {
    "before any account was opened": date(1999, 12, 31),
    "29 February": date(2024, 2, 29),
    "a day of 23 hours in Berlin": date(2026, 3, 29),
    "the end of a year": date(2025, 12, 31),
    "the beginning of a year": date(2026, 1, 1),
    "a day to come": date(2199, 12, 31),
}
# One moment, of which Manila says that it is the new year and Los Angeles that it is the old one.
NEW_YEAR = datetime.fromisoformat("2026-01-01T00:30:00+08:00")


@pytest.mark.parametrize("day", DAYS.values(), ids=DAYS.keys())
def test_an_entry_counts_for_the_month_of_its_day_whatever_day_that_is(db: Session, books: None, day: date) -> None:
    entry = _entry("that day", day, event_at=NEW_YEAR)
    ledger.post(db, [entry])

    month = day.replace(day=1)
    before, after = month - timedelta(days=1), periods._last_day(month)
    assert statements.trial_balance(db, before) == []
    assert [(row.role, row.debits) for row in statements.trial_balance(db, after)] == [("bank", 500), ("funds", 0)]
    at_los_angeles = NEW_YEAR.astimezone(ZoneInfo("America/Los_Angeles"))
    assert at_los_angeles.year == 2025
    assert not ledger.post(db, [replace(entry, event_at=at_los_angeles)]).fresh


def test_one_late_entry_refuses_its_whole_batch(db: Session, books: None) -> None:
    _closed(db, JUNE)

    with pytest.raises(PeriodClosed):
        ledger.post(db, [_entry("good", JULY), _entry("late", JUNE)])

    assert db.scalar(text("SELECT count(*) FROM journal_entries")) == 0


def test_an_entry_that_is_in_a_closed_month_already_is_found_again(db: Session, books: None) -> None:
    first = _post(db, date(2026, 6, 5))
    _closed(db, JUNE)

    assert _post(db, date(2026, 6, 5)) == first


def test_what_happened_in_a_closed_month_is_booked_in_an_open_one_with_its_time(db: Session, books: None) -> None:
    _closed(db, JUNE)
    happened = datetime(2026, 6, 5, 12, tzinfo=UTC)

    posted = ledger.post(db, [_entry("late", JULY, event_at=happened)])

    row = db.execute(
        text("SELECT effective_on, event_at FROM journal_entries WHERE id = :id"), {"id": posted.ids["late"]}
    )
    assert tuple(row.one()) == (JULY, happened)


@pytest.mark.parametrize(
    "other",
    [_entry("k", JULY), _entry("k", None), _entry("k", JUNE, event_at=datetime(2026, 6, 1, tzinfo=UTC))],
    ids=["another day", "no day", "a time"],
)
def test_a_key_with_another_day_or_time_is_refused(db: Session, books: None, other: Entry) -> None:
    ledger.post(db, [_entry("k", JUNE)])

    with pytest.raises(ledger.EntryConflict), db.begin_nested():
        ledger.post(db, [other])


def test_one_moment_in_two_zones_is_one_moment() -> None:
    manila = datetime.fromisoformat("2026-06-05T20:00:00+08:00")

    assert (
        _entry("k", JUNE, event_at=manila).request_hash()
        == _entry("k", JUNE, event_at=datetime(2026, 6, 5, 12, tzinfo=UTC)).request_hash()
    )


def test_entries_without_days_keep_the_hash_they_always_had() -> None:
    assert (
        _entry("k", None).request_hash() == hashlib.sha256(b"k\ntest\ncause\nbank:house:USD|funds:a:USD|500").digest()
    )


_RAW = text("""
    INSERT INTO journal_entries (id, idempotency_key, request_hash, kind, lines, cause_ref, actor_ref, effective_on)
    SELECT id, id, '', 'test', 1, 'c', 'a', CAST(day AS date)
      FROM unnest(CAST(:ids AS text[]), CAST(:days AS text[])) AS given(id, day)
""")


@pytest.mark.parametrize("days", [["2026-06-30"], ["2026-07-01", "2026-06-30", "2026-08-01"], ["-infinity"]])
def test_the_table_itself_refuses_a_late_entry_however_it_comes(db: Session, days: list[str]) -> None:
    _closed(db, JUNE)

    with pytest.raises(DBAPIError), db.begin_nested():
        db.execute(_RAW, {"ids": [f"jnl_x{place}" for place in range(len(days))], "days": days})


def test_a_transaction_that_cannot_see_what_was_closed_meanwhile_may_not_write(house: House) -> None:
    with house.sessions() as db:
        db.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        with pytest.raises(DBAPIError, match="read committed"):
            _post(db, date(2026, 6, 5))


# Opening again


def test_a_closed_month_is_opened_by_two_people(db: Session, books: None) -> None:
    _closed(db, JUNE)

    periods.reopen(db, JUNE, reopening_by=BOB)
    with pytest.raises(PeriodClosed):
        _post(db, JUNE)
    period = periods.confirm_reopening(db, JUNE, reopened_by=ADA)

    assert (period.state, period.reopening_by, period.reopened_by) == (PeriodState.OPEN, BOB, ADA)
    assert (period.closed_by, period.confirmed_by, period.closed_at, period.trial_hash) == (None,) * 4
    assert _post(db, JUNE)


def test_whoever_wants_it_opened_does_not_open_it(db: Session) -> None:
    _closed(db, JUNE)
    periods.reopen(db, JUNE, reopening_by=BOB)

    with pytest.raises(SamePerson), db.begin_nested():
        periods.confirm_reopening(db, JUNE, reopened_by=BOB)

    assert _stands(db, JUNE) == PeriodState.REOPENING


def test_the_last_closed_month_is_opened_first(db: Session) -> None:
    _closed(db, MAY)
    _closed(db, JUNE)

    with pytest.raises(LaterMonthClosed, match="2026-06"):
        periods.reopen(db, MAY, reopening_by=ADA)
    periods.reopen(db, JUNE, reopening_by=ADA)
    periods.confirm_reopening(db, JUNE, reopened_by=BOB)

    assert periods.reopen(db, MAY, reopening_by=ADA).state == PeriodState.REOPENING


def test_a_month_that_was_closed_meanwhile_keeps_an_earlier_one_closed(db: Session) -> None:
    _closed(db, MAY)
    periods.reopen(db, MAY, reopening_by=ADA)
    _closed(db, JUNE)

    with pytest.raises(LaterMonthClosed):
        periods.confirm_reopening(db, MAY, reopened_by=BOB)


def test_an_open_month_is_not_opened(db: Session) -> None:
    periods.close(db, JUNE, closed_by=ADA)

    with pytest.raises(PeriodMoveNotAllowed):
        periods.reopen(db, JUNE, reopening_by=BOB)
    with pytest.raises(PeriodMoveNotAllowed):
        periods.confirm_reopening(db, JUNE, reopened_by=BOB)


def test_a_month_that_was_opened_again_is_closed_again(db: Session, books: None) -> None:
    _post(db, JUNE)
    first = _closed(db, JUNE).trial_hash
    periods.reopen(db, JUNE, reopening_by=ADA)
    periods.confirm_reopening(db, JUNE, reopened_by=BOB)
    _post(db, JUNE, "one more")

    again = _closed(db, JUNE)

    assert again.trial_hash != first
    # That it was open meanwhile stays to be seen.
    assert (again.reopening_by, again.reopened_by) == (ADA, BOB)


def test_months_are_listed_from_the_last_one(db: Session) -> None:
    for month in (MAY, JUNE, JULY):
        _closed(db, month)

    first = periods.page(db, PageRequest(2))
    second = periods.page(db, PageRequest(2, after=first.last))

    assert [period.month for period in [*first.items, *second.items]] == [JULY, JUNE, MAY]
    assert second.last is None


# While others post


def _in_its_own(house: House, act: Callable[[Session], object]) -> object:
    with house.sessions() as db:
        result = act(db)
        db.commit()
        return result


def _propose(house: House) -> str:
    def act(db: Session) -> str:
        _post(db, date(2026, 6, 5), "before")
        return _proposed(db)

    return str(_in_its_own(house, act))


def test_whoever_closes_waits_for_an_entry_that_is_on_its_way_and_then_sees_it(house: House) -> None:
    looked_at = _propose(house)

    with house.sessions() as poster:
        _post(poster, date(2026, 6, 6))
        with held_up(house, lambda db: periods.confirm(db, JUNE, trial_hash=looked_at, confirmed_by=BOB)) as closing:
            assert not closing.done()
            poster.commit()

    with pytest.raises(TrialBalanceChanged):
        closing.result(timeout=10)


def test_an_entry_that_was_taken_back_on_its_way_does_not_stop_the_closing(house: House) -> None:
    looked_at = _propose(house)

    with house.sessions() as poster:
        _post(poster, date(2026, 6, 6))
        with held_up(house, lambda db: periods.confirm(db, JUNE, trial_hash=looked_at, confirmed_by=BOB)) as closing:
            poster.rollback()

    assert closing.result(timeout=10).state == PeriodState.CLOSED


@pytest.mark.parametrize("day", [date(2026, 6, 6), date(2026, 4, 6), date(1999, 12, 31)])
def test_an_entry_that_comes_while_the_month_is_being_closed_waits_and_is_refused(house: House, day: date) -> None:
    looked_at = _propose(house)

    with house.sessions() as closer:
        periods.confirm(closer, JUNE, trial_hash=looked_at, confirmed_by=BOB)
        # It finds the month open when it looks beforehand, and is told by the table.
        with held_up(house, lambda db: _post(db, day, "late")) as posting:
            assert not posting.done()
            closer.commit()

    with pytest.raises(PeriodClosed, match="up to 2026-06-30"):
        posting.result(timeout=10)
    with house.sessions() as db:
        assert db.scalar(text("SELECT count(*) FROM journal_entries")) == 1


def test_an_entry_that_came_while_a_closing_failed_is_in(house: House) -> None:
    looked_at = _propose(house)

    with house.sessions() as closer:
        periods.confirm(closer, JUNE, trial_hash=looked_at, confirmed_by=BOB)
        with held_up(house, lambda db: _post(db, date(2026, 6, 6))) as posting:
            closer.rollback()

    assert posting.result(timeout=10)


def test_what_is_posted_for_today_waits_for_no_closing(house: House) -> None:
    looked_at = _propose(house)

    with house.sessions() as closer:
        periods.confirm(closer, JUNE, trial_hash=looked_at, confirmed_by=BOB)
        _in_its_own(house, lambda db: _post(db, None))
        closer.commit()

    with house.sessions() as db:
        assert db.scalar(text("SELECT count(*) FROM journal_entries")) == 2


def test_two_who_confirm_at_once_close_it_once(house: House) -> None:
    looked_at = _propose(house)

    with house.sessions() as closer:
        periods.confirm(closer, JUNE, trial_hash=looked_at, confirmed_by=BOB)
        with held_up(house, lambda db: periods.confirm(db, JUNE, trial_hash=looked_at, confirmed_by="eve")) as second:
            closer.commit()

    with pytest.raises(PeriodMoveNotAllowed):
        second.result(timeout=10)
    with house.sessions() as db:
        assert db.get_one(Period, JUNE).confirmed_by == BOB


def test_whatever_the_moment_a_closed_month_holds_what_was_confirmed(house: House) -> None:
    """Some post all the time while it is closed and opened; the house's checks compare its hash and the books."""
    _propose(house)
    refused, written = [], []
    done = threading.Event()

    def post(name: str) -> None:
        # Now at once, now after a while: on a slow machine too there are moments in which a month may be closed.
        for number, rest in enumerate(itertools.cycle((0.001, 0.01, 0.1))):
            if done.wait(rest):
                return
            try:
                written.append(_in_its_own(house, partial(_post, day=date(2026, 6, 8), key=f"{name} {number}")))
            except PeriodClosed:
                refused.append(number)

    with ThreadPoolExecutor(2) as pool:
        posting = [pool.submit(post, name) for name in "ab"]
        try:
            closings, end = 0, time.monotonic() + 30
            while time.monotonic() < end and closings < 5:
                closings += _tried(house)
        finally:
            done.set()
        for each in posting:
            each.result()
    while not _tried(house, stays=True):
        pass

    with house.sessions() as db:
        assert db.scalar(text("SELECT count(*) FROM journal_entries")) == 1 + len(written)
    assert closings == 5
    assert refused
    assert written


def _tried(house: House, *, stays: bool = False) -> bool:
    """Close the month as it is now, and open it again; whether it could be closed."""
    looked_at = str(_in_its_own(house, _proposed))
    try:
        _in_its_own(house, lambda db: periods.confirm(db, JUNE, trial_hash=looked_at, confirmed_by=BOB))
    except TrialBalanceChanged:
        return False
    if not stays:
        # Closed for long enough that somebody comes.
        time.sleep(0.05)
        _in_its_own(house, lambda db: periods.reopen(db, JUNE, reopening_by=BOB))
        _in_its_own(house, lambda db: periods.confirm_reopening(db, JUNE, reopened_by=ADA))
    return True


def _proposed(db: Session) -> str:
    periods.close(db, JUNE, closed_by=ADA)
    return periods.shown(db, JUNE).hash


def test_nobody_who_posts_waits_while_the_month_is_added_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = _propose(house)
    usual = periods._trial

    def add_up(db: Session, month: date) -> Sequence[Any]:
        rows = usual(db, month)
        _in_its_own(house, lambda other: _post(other, date(2026, 6, 6), "meanwhile"))
        return rows

    monkeypatch.setattr(periods, "_trial", add_up)

    with pytest.raises(TrialBalanceChanged):
        _in_its_own(house, lambda db: periods.confirm(db, JUNE, trial_hash=looked_at, confirmed_by=BOB))
    with house.sessions() as db:
        assert db.scalar(text("SELECT count(*) FROM journal_entries")) == 2


# Over HTTP


@pytest.fixture
def ask(client: FlaskClient, token: Callable[..., str]) -> Callable[..., TestResponse]:
    """Sends a request as somebody: `ask("finance ada", "POST", "closing")` is about June."""

    def send(who: str, method: str, rest: str = "", month: str = "2026-06", **options: Any) -> TestResponse:
        role, _, name = who.partition(" ")
        path = f"/api/periods/{month}/{rest}".rstrip("/")
        return client.open(path, method=method, headers={"Authorization": f"Bearer {token(role, name)}"}, **options)

    return send


def _problem(response: TestResponse) -> tuple[int, str]:
    return response.status_code, response.get_json()["type"].removeprefix("/problems/")


def test_a_month_is_closed_and_opened_over_http(db: Session, ask: Callable[..., TestResponse], books: None) -> None:
    _post(db, date(2026, 6, 5), amount=10_000)
    db.commit()

    proposed = ask("finance ada", "POST", "closing").get_json()
    seen = ask("approver bob", "GET").get_json()
    closed = ask("approver bob", "POST", "confirmation", json={"hash": seen["hash"]}).get_json()
    asked = ask("finance ada", "POST", "reopening").get_json()
    opened = ask("approver bob", "POST", "reopening/confirmation").get_json()

    assert (proposed["month"], proposed["state"], proposed["closed_by"]) == ("2026-06", "closing", "ada")
    assert proposed["trial_hash"] == seen["hash"] == closed["trial_hash"]
    assert seen["items"][0] == {
        "role": "bank", "kind": "asset", "currency": "USD", "debits": "1.0000", "credits": "0.0000",
    }  # fmt: skip
    assert (closed["state"], closed["confirmed_by"]) == ("closed", "bob")
    assert (asked["state"], opened["state"], opened["reopened_by"]) == ("reopening", "open", "bob")
    acts = db.scalars(text("SELECT act || ' ' || actor_ref FROM trail_entries ORDER BY seq")).all()
    assert acts == [
        "payments.close_period ada", "payments.confirm_period bob", "payments.reopen_period ada",
        "payments.confirm_reopening bob",
    ]  # fmt: skip


def test_a_month_with_more_in_it_than_a_request_has_time_for_is_closed(
    db: Session, ask: Callable[..., TestResponse], books: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _post(db, date(2026, 6, 5))
    slow = str(statements.TRIAL).replace("WHERE", "WHERE EXISTS (SELECT FROM pg_sleep(0.6)) AND")
    monkeypatch.setattr(statements, "TRIAL", text(slow))
    db.execute(text("SET LOCAL statement_timeout = '500ms'"))
    db.commit()

    assert ask("finance ada", "POST", "closing").status_code == 200
    seen = ask("approver bob", "GET").get_json()
    assert ask("approver bob", "POST", "confirmation", json={"hash": seen["hash"]}).status_code == 200

    # And it is the usual again.
    assert db.scalar(text("SHOW statement_timeout")) == "500ms"


def test_what_cannot_be_done_with_a_month_is_a_problem(
    db: Session, ask: Callable[..., TestResponse], books: None
) -> None:
    _post(db, date(2026, 5, 5))
    db.commit()
    other = {"hash": "0" * 64}

    assert _problem(ask("finance ada", "POST", "closing")) == (409, "earlier-month-open")
    assert _problem(ask("finance ada", "POST", "closing", "2099-12")) == (409, "month-not-over")
    assert _problem(ask("finance ada", "POST", "closing", "2026-6")) == (404, "no-such-month")
    assert _problem(ask("approver bob", "POST", "confirmation", json=other)) == (404, "no-such-month")
    assert ask("finance ada", "POST", "closing", "2026-05").status_code == 200
    assert _problem(ask("approver ada", "POST", "confirmation", "2026-05", json=other)) == (409, "same-person")
    assert _problem(ask("approver bob", "POST", "confirmation", "2026-05", json=other)) == (
        409, "trial-balance-changed",
    )  # fmt: skip
    assert _problem(ask("finance ada", "POST", "reopening", "2026-05")) == (409, "period-move-not-allowed")
    _closed(db, MAY)
    _closed(db, JUNE)
    db.commit()
    assert _problem(ask("finance ada", "POST", "reopening", "2026-05")) == (409, "later-month-closed")


def test_a_closed_month_and_a_clock_behind_are_problems_that_callers_know() -> None:
    assert (PeriodClosed.status, PeriodClosed.type_name()) == (409, "period-closed")
    assert (ClockBehind.status, ClockBehind.type_name()) == (503, "clock-behind")
