"""What banks say of a day beside the books: all lines that were read agree, and what differs is shown."""

import io
from datetime import date

import pytest
from sqlalchemy.orm import Session

from foundation import clock
from payments import bank_balances, funding, reconciliation, suspense
from payments.bank_balances import Compared
from payments.models import BankBalance, BankEntry, ResolutionKind
from payments.reconciliation import FileUnreadable
from tests.conftest import House
from tests.payments import owed
from tests.payments.files.test_camt import OURS, balance, document, entry
from tests.payments.owed import APPROVER, PREPARER
from tests.payments.posted import alone, settle

OTHER = "FR7630006000011234567890189"
EURO = 10_000


def _read(db: Session, closing: str, *lines: str, name: str = "st1", account: str = OURS, day: str = "") -> None:
    owed.bank_account(db, account)
    content = document(*lines, name=name, balances=balance("CLBD", closing)).replace(OURS.encode(), account.encode())
    content = content.replace(b"2026-02-02", day.encode()) if day else content
    reconciliation.read(db, io.BytesIO(content), format_="camt", read_by=PREPARER)


def _in(reference: str, amount: str) -> str:
    return entry(amount=amount, sign="CRDT", refs=("", reference))


def _compared(db: Session) -> list[Compared]:
    return bank_balances.compare(db, db.scalars(bank_balances.listed().order_by(BankBalance.id)).all())


def _differences(db: Session) -> list[int]:
    return [one.difference // EURO for one in _compared(db)]


def test_a_statement_whose_lines_are_all_there_is_the_books(db: Session, books: None) -> None:
    _read(db, "50.00", _in("b1", "50.00"))

    (one,) = _compared(db)

    assert (one.account, one.closed_on, one.currency) == (OURS, date(2026, 2, 2), "EUR")
    assert (one.closing, one.books, one.others, one.difference) == (50 * EURO, 50 * EURO, 0, 0)


@pytest.mark.parametrize(("closing", "difference"), [("49.99", 1), ("50.01", -1)])
def test_a_line_that_is_missing_is_a_difference_and_changes_nothing(
    db: Session, books: None, closing: str, difference: int
) -> None:
    _read(db, closing, _in("b1", "50.00"))

    (one,) = _compared(db)
    assert one.difference == difference * EURO // 100
    assert one.books == 50 * EURO


def test_days_are_the_banks_whenever_and_in_whatever_order_they_are_read(db: Session, books: None) -> None:
    _read(db, "70.00", _in("b2", "20.00"), name="st2", day="2026-02-03")
    assert _differences(db) == [-50]

    _read(db, "50.00", _in("b1", "50.00"))

    assert _differences(db) == [0, 0]


def test_days_that_were_added_up_are_the_lines_they_were(house: House) -> None:
    """By an account's lines in parts as well, with lines that come later for earlier days."""
    alone(house, lambda db: _read(db, "60.00", _in("b1", "10.00"), _in("b2", "20.00"), _in("b3", "30.00")))
    alone(house, lambda db: _read(db, "75.00", _in("b4", "15.00"), name="st2", day="2026-02-04"))
    before = alone(house, _compared)
    settle(house)

    parts = [alone(house, lambda db: bank_balances.add_up_days(db, at_once=1)) for _ in range(5)]

    assert (parts, alone(house, _compared)) == ([1, 1, 1, 1, 0], before)
    alone(house, lambda db: _read(db, "67.00", _in("b5", "7.00"), name="st3"))
    assert alone(house, _differences) == [7, 7, 0]
    settle(house)
    assert [alone(house, bank_balances.add_up_days) for _ in range(2)] == [1, 0]
    assert alone(house, _differences) == [7, 7, 0]


def test_no_day_is_added_up_before_the_horizon_nor_by_two_at_once(house: House) -> None:
    alone(house, lambda db: _read(db, "10.00", _in("b1", "10.00")))
    assert alone(house, bank_balances.add_up_days) == 0
    settle(house)

    with house.sessions() as one:
        assert bank_balances.add_up_days(one) == 1
        assert alone(house, bank_balances.add_up_days) == 0
        one.commit()

    assert alone(house, bank_balances.add_up_days) == 0
    assert alone(house, _differences) == [0]


def test_the_accounts_of_a_currency_are_the_books_together(db: Session, books: None) -> None:
    _read(db, "50.00", _in("b1", "50.00"))
    _read(db, "30.00", _in("b2", "30.00"), name="st2", account=OTHER)

    assert [(one.closing // EURO, one.others // EURO) for one in _compared(db)] == [(50, 30), (30, 50)]
    assert _differences(db) == [0, 0]


def test_what_finance_has_booked_by_hand_is_a_difference_until_its_line_is_found(db: Session, books: None) -> None:
    funding.register(db, "req_a")
    entry_id = funding.top_up(
        db, owner_ref="req_a", currency="EUR", amount=50 * EURO, bank_reference="r", actor_ref="f"
    )
    today = clock.now(db).date().isoformat()
    _read(db, "50.00", _in("b1", "50.00"), day=today)
    assert _differences(db) == [50]

    (line,) = db.scalars(reconciliation.entries().where(BankEntry.currency == "EUR"))
    made = suspense.propose(db, line.id, kind=ResolutionKind.BOOKED, reason="r", made_by=PREPARER, booked_id=entry_id)
    suspense.confirm(db, line.id, resolution_id=made.id, confirmed_by=APPROVER)

    assert _differences(db) == [0]


def test_a_notification_says_nothing_of_balances(db: Session, books: None) -> None:
    owed.bank_account(db, OURS)
    content = document(_in("b1", "50.00"), version="camt.054.001.02")
    reconciliation.read(db, io.BytesIO(content), format_="camt", read_by=PREPARER)

    assert _compared(db) == []


def test_a_balance_that_the_books_cannot_hold_is_refused(db: Session, books: None) -> None:
    with pytest.raises(FileUnreadable, match="more than the books can hold"):
        _read(db, "999999999999.00")
