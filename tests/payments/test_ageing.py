"""How old everything is that has not cleared, and that all of it is what accounts hold."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from payments import ageing, clawbacks, funding, holds
from payments.ageing import BUCKETS, Row
from payments.ledger import BANK, FUNDS, HOUSE, RECEIVABLE_REQUESTER, SUSPENSE, AccountName, Entry, Line, post
from payments.models import BankEntry, BankEntryState, BankFile, Earning
from tests.conftest import age
from tests.payments import exported, owed

_DAY = 86_400


def _all(db: Session, what: str) -> list[tuple[str, str, int, int]]:
    return [(row.currency, row.age, row.items, row.total) for row in ageing.report(db).items if row.what == what]


def _untied(db: Session) -> list[tuple[str, str]]:
    return [(tie.role, tie.currency) for tie in ageing.report(db).ties if tie.aged != tie.balance]


@pytest.mark.parametrize(
    ("days", "bucket"),
    [(0, 0), (1, 0), (2, 1), (7, 1), (8, 2), (30, 2), (31, 3), (90, 3), (91, 4), (4000, 4)],
)
def test_each_age_has_its_bucket(db: Session, books: None, days: int, bucket: int) -> None:
    owed.payee(db, 700)
    age(db, "earnings", "due_at", days * _DAY)

    assert _all(db, "due") == [("USD", BUCKETS[bucket], 1, 700)]


def test_what_is_held_is_told_apart_from_what_is_due(db: Session, books: None) -> None:
    held = owed.payee(db, 700, 800)
    owed.payee(db, 5)
    one = db.scalars(text("SELECT id FROM earnings WHERE amount = 700")).one()
    until = clock.now(db) + timedelta(days=3)
    holds.place(db, payee_id=held.id, earning_id=one, reason="Looked into.", made_by="finance", until=until)

    assert _all(db, "on_hold") == [("USD", "0-1", 1, 700)]
    assert _all(db, "due") == [("USD", "0-1", 2, 805)]
    assert _untied(db) == []


def test_a_hold_that_is_over_holds_nothing(db: Session, books: None) -> None:
    held = owed.payee(db, 700)
    until = clock.now(db) + timedelta(days=3)
    holds.place(db, payee_id=held.id, reason="Looked into.", made_by="finance", until=until)
    db.execute(text("UPDATE holds SET ended_at = now(), ended_by = 'x', end_reason = 'y'"))

    assert _all(db, "on_hold") == []
    assert _untied(db) == []


def test_what_is_in_transit_is_told_by_run(db: Session, books: None) -> None:
    first, second = (_sent(db, amount) for amount in (50_000, 70_000))
    db.execute(text("UPDATE payout_runs SET exported_at = now() - interval '9 days' WHERE id = :id"), {"id": first})

    found = [row for row in ageing.report(db).items if row.what == "in_transit"]

    assert found == [
        Row("in_transit", first, "USD", 4, "8-30", 1, 50_000),
        Row("in_transit", second, "USD", 4, "0-1", 1, 70_000),
    ]
    assert _untied(db) == []


def _sent(db: Session, amount: int) -> str:
    owed.payee(db, amount)
    return owed.sent(db).id


def test_what_an_owner_owes_is_the_newest_of_what_they_drew(db: Session, books: None) -> None:
    for amount in (1_000, 300, 50):
        _move(db, _OWED_TO_US, FREE, amount)
    assert _all(db, "receivable_requester") == [("USD", "0-1", 3, 1_350)]

    # Payments settle the oldest first.
    for paid, left in ((900, (3, 450)), (250, (2, 200)), (200, (0, 0))):
        _move(db, CASH, _OWED_TO_US, paid)
        assert _all(db, "receivable_requester") == ([("USD", "0-1", *left)] if left[0] else [])
        assert _untied(db) == []


_OWED_TO_US = AccountName(RECEIVABLE_REQUESTER, "req_owner", "USD")
FREE = AccountName(FUNDS, "req_owner", "USD")
CASH = AccountName(BANK, HOUSE, "USD")


def _move(db: Session, debit: AccountName, credit: AccountName, amount: int) -> None:
    post(db, [Entry(ids.new("tst"), "test", "cause", "somebody", (Line(debit, credit, amount),))])


def _suspend(db: Session, amount: int) -> None:
    """A line of a bank that nobody can place, in the books and in its list; below zero if it went out."""
    file = BankFile(id=ids.new("bfl"), sha256=ids.new("tst").encode(), format="camt", outcome={}, read_by="finance")
    db.add(file)
    db.flush()
    entry = BankEntry(
        id=ids.new("ben"), file_id=file.id, account="a", reference=file.id, booked_on=clock.now(db).date(),
        currency="USD", amount=amount, state=BankEntryState.SUSPENSE,
    )  # fmt: skip
    db.add(entry)
    db.flush()
    suspense = AccountName(SUSPENSE, HOUSE, "USD")
    _move(db, CASH, suspense, amount) if amount > 0 else _move(db, suspense, CASH, -amount)


def test_money_that_nobody_can_place_may_have_come_or_gone(db: Session, books: None) -> None:
    _suspend(db, 700)
    _suspend(db, -1_000)

    assert _all(db, "suspense") == [("USD", "0-1", 2, -300)]
    assert _untied(db) == []


def test_everything_at_once_ties_to_the_books(db: Session, books: None) -> None:
    _everything(db)

    report = ageing.report(db)

    assert {row.what for row in report.items} == {
        "in_transit", "reserved", "on_hold", "due", "suspense", "fx_clearing", "receivable_payee",
        "receivable_requester",
    }  # fmt: skip
    assert {tie.role for tie in report.ties} == {
        "in_transit", "reserve", "payable", "suspense", "fx_clearing", "receivable_payee", "receivable_requester",
    }  # fmt: skip
    assert [(tie.role, tie.currency) for tie in report.ties if tie.aged != tie.balance] == []
    assert report.complete
    # The same sums by what is shown, for whoever adds up the rows.
    for tie in report.ties:
        whats = {"reserve": {"reserved"}, "payable": {"due", "on_hold"}}.get(tie.role, {tie.role})
        shown = sum(row.total for row in report.items if row.what in whats and row.currency == tie.currency)
        assert shown == tie.balance


def _everything(db: Session) -> None:
    exported.enter_rate(db, "EUR", "USD", "1.085")
    paid = owed.payee(db, 10_000)
    owed.pay_out(db)
    clawback = clawbacks.propose(
        db, db.scalars(select(Earning.id).where(Earning.payee_id == paid.id)).one(), reason="Copied", made_by="wanjiru"
    )
    clawbacks.confirm(db, clawback.id, confirmed_by="oscar")
    owed.payee(db, 50_000, currency="EUR")
    owed.payee(db, 70_000)
    owed.sent(db)
    held = owed.payee(db, 700, rail=None)
    until = clock.now(db) + timedelta(days=3)
    holds.place(db, payee_id=held.id, reason="Looked into.", made_by="finance", until=until)
    owed.payee(db, 7, rail=None)
    owed.pay_in(db, 5_000)
    funding.reserve(db, owner_ref=owed.OWNER, cause_ref="bat_open", key="k", currency="USD", amount=1_234)
    _suspend(db, 700)
    _move(db, _OWED_TO_US, FREE, 1_000)


@pytest.mark.parametrize(
    ("role", "spoil"),
    [
        ("payable", "UPDATE earnings SET paid = paid + 1 WHERE amount = 700"),
        ("reserve", "UPDATE reserves SET released = released + 1 WHERE cause_ref = 'bat_open'"),
        ("suspense", "UPDATE bank_entries SET state = 'matched', payout_id = (SELECT min(id) FROM payouts)"),
        ("in_transit", "UPDATE payouts SET state = 'settled' WHERE net = 70000"),
        ("fx_clearing", "UPDATE payouts SET state = 'failed' WHERE fx_rate_id IS NOT NULL"),
        ("receivable_payee", "UPDATE clawbacks SET recovered = 1"),
    ],
)
def test_a_balance_that_does_not_tie_shows(db: Session, role: str, spoil: str) -> None:
    _everything(db)

    db.execute(text(spoil))

    assert role in {role for role, _ in _untied(db)}


def test_nothing_that_waits_is_an_empty_report(db: Session) -> None:
    report = ageing.report(db)

    assert (report.items, list(report.ties), report.complete) == ([], [], True)
