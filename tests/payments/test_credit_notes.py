"""Credit notes: what came back in a month beyond what was spent, numbered without gaps, with its tax, by two people."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation import clock
from foundation.pagination import PageRequest
from payments import adjustments, contracts, credit_notes, funding, invoices, ledger, money, periods, spending
from payments.credit_notes import (
    CreditNoteExists,
    CreditNoteMoveNotAllowed,
    CreditNoteStale,
    NoSuchCreditNote,
    NothingToCredit,
)
from payments.four_eyes import SamePerson
from payments.invoices import InvoiceExists, NothingToInvoice
from payments.ledger import FUNDS, SALES_TAX, InsufficientFunds
from payments.models import Billing, CreditNote, Payee, Presentation
from tests.conftest import House, held_up
from tests.payments import owed
from tests.payments.owed import OWNER


@pytest.fixture
def month(db: Session) -> date:
    """The first day of the last month that is over."""
    return _last_month(db)


def _last_month(db: Session) -> date:
    return (clock.now(db).date().replace(day=1) - timedelta(days=1)).replace(day=1)


def _contract(db: Session, presentation: Presentation = Presentation.AGENT) -> None:
    funding.register(db, OWNER)
    made = contracts.propose(
        db, owner_ref=OWNER, entity="ROOK", presentation=presentation, billing=Billing.PREPAID,
        valid_from=clock.now(db) - timedelta(days=200), made_by="wanjiru",
    )  # fmt: skip
    contracts.confirm(db, made.id, confirmed_by="oscar")


def _came_back(db: Session, month: date, *amounts: int) -> Payee:
    """Answers that were paid today and are taken back in a month."""
    ada = owed.payee(db, *amounts, rail=None)
    rows = text("SELECT id FROM earnings WHERE payee_id = :id")
    with owed.booked_on(month):
        adjustments.reverse(db, db.scalars(rows, {"id": ada.id}).all(), reason="r", actor_ref="ops")
    return ada


def _draft(db: Session, month: date, vat: int = 1_600) -> CreditNote:
    currency = money.currency(db, "USD")
    return credit_notes.draft(
        db, owner_ref=OWNER, currency=currency, month=month, vat_basis_points=vat, made_by="wanjiru"
    )


def _issued(db: Session, month: date, vat: int = 1_600) -> CreditNote:
    return credit_notes.issue(db, _draft(db, month, vat).id, issued_by="oscar")


def test_a_credit_note_is_what_came_back_in_its_month_beyond_what_was_spent(
    db: Session, books: None, month: date
) -> None:
    _contract(db)
    _came_back(db, month, 20_000, 5_000)
    with owed.booked_on(month):
        owed.payee(db, 10_000, rail=None)

    note = _draft(db, month)

    # 25,000 came back and 10,000 were spent, with a fifth each; 16 % of 3,000 are 480, 500 in cents.
    assert (note.work, note.fee, note.vat, note.total) == (15_000, 3_000, 500, 18_500)
    assert (note.state, note.number, note.sold, note.passed_on) == ("draft", None, 3_000, 15_000)
    shown = credit_notes.lines(db, note.id, PageRequest(10)).items
    assert sorted((line.kind, line.work, line.fee) for line in shown) == [
        ("earning", 10_000, 2_000),
        ("reversal", -25_000, -5_000),
    ]


def test_a_principal_takes_back_the_work_as_well(db: Session, books: None, month: date) -> None:
    _contract(db, Presentation.PRINCIPAL)
    _came_back(db, month, 20_000)

    note = _draft(db, month)

    assert (note.sold, note.passed_on) == (24_000, 0)


def test_issued_by_another_person_it_has_a_number_and_its_tax_is_back(db: Session, books: None, month: date) -> None:
    _contract(db)
    _came_back(db, month, 20_000)
    free = ledger.balance(db, FUNDS, OWNER, "USD")
    made = _draft(db, month)
    with pytest.raises(SamePerson):
        credit_notes.issue(db, made.id, issued_by="wanjiru")

    note = credit_notes.issue(db, made.id, issued_by="oscar")

    assert note.number == f"ROOK-CN-{clock.now(db).year}-000001"
    # 16 % of 4,000 are 640, 600 in cents.
    assert ledger.balance(db, FUNDS, OWNER, "USD") == free + 600
    assert ledger.debit_balance(db, SALES_TAX, "ROOK", "USD") == 600
    with pytest.raises(CreditNoteMoveNotAllowed):
        credit_notes.issue(db, made.id, issued_by="oscar")


def test_without_tax_nothing_is_posted(db: Session, books: None, month: date) -> None:
    _contract(db)
    _came_back(db, month, 20_000)

    note = _issued(db, month, vat=0)

    assert (note.state, note.entry_id, note.total) == ("issued", None, 24_000)


def test_a_void_one_keeps_its_number_and_takes_its_tax_back(db: Session, books: None, month: date) -> None:
    _contract(db)
    _came_back(db, month, 20_000)
    first = _issued(db, month)
    free = ledger.balance(db, FUNDS, OWNER, "USD")

    credit_notes.void(db, first.id, reason="r", voided_by="wanjiru")
    second = _issued(db, month)

    assert (first.serial, second.serial) == (1, 2)
    assert ledger.balance(db, FUNDS, OWNER, "USD") == free
    assert [one.id for one in db.scalars(credit_notes.of_owner(OWNER).order_by(CreditNote.id))] == [first.id, second.id]
    with pytest.raises(CreditNoteMoveNotAllowed):
        credit_notes.void(db, first.id, reason="r", voided_by="wanjiru")


def test_tax_that_was_spent_cannot_be_taken_back(db: Session, books: None, month: date) -> None:
    _contract(db)
    _came_back(db, month, 20_000)
    note, free = _issued(db, month), ledger.balance(db, FUNDS, OWNER, "USD")
    funding.reserve(db, owner_ref=OWNER, cause_ref="bat_x", key="x", currency="USD", amount=free)

    with pytest.raises(InsufficientFunds), db.begin_nested():
        credit_notes.void(db, note.id, reason="r", voided_by="wanjiru")


def test_a_draft_that_the_books_have_left_behind_is_not_issued(db: Session, books: None, month: date) -> None:
    _contract(db)
    _came_back(db, month, 20_000)
    made = _draft(db, month)
    _came_back(db, month, 100)

    with pytest.raises(CreditNoteStale):
        credit_notes.issue(db, made.id, issued_by="oscar")


def test_a_month_has_an_invoice_or_a_credit_note(db: Session, books: None, month: date) -> None:
    _contract(db)
    with owed.booked_on(month):
        owed.payee(db, 10_000, rail=None)
    with pytest.raises(NothingToCredit), db.begin_nested():
        _draft(db, month)
    currency = money.currency(db, "USD")
    terms: dict[str, Any] = {
        "owner_ref": OWNER,
        "currency": currency,
        "month": month,
        "vat_basis_points": 0,
        "made_by": "wanjiru",
    }
    drafted = invoices.draft(db, **terms)
    _came_back(db, month, 20_000)

    with pytest.raises(CreditNoteExists):
        _draft(db, month)
    invoices.void(db, drafted.id, reason="r", voided_by="wanjiru")
    with pytest.raises(NothingToInvoice), db.begin_nested():
        invoices.draft(db, **terms)
    _draft(db, month)
    with pytest.raises(InvoiceExists):
        invoices.draft(db, **terms)
    with pytest.raises(CreditNoteExists):
        _draft(db, month)


def test_a_month_that_is_not_over_has_none_and_one_without_anything_neither(db: Session, month: date) -> None:
    _contract(db)

    with pytest.raises(periods.MonthNotOver):
        _draft(db, spending.next_month(month))
    with pytest.raises(NothingToCredit), db.begin_nested():
        _draft(db, month)
    with pytest.raises(NoSuchCreditNote):
        credit_notes.lines(db, "crn_none", PageRequest(1))


def test_its_owner_sees_it_once_it_is_issued_and_nobody_elses(db: Session, month: date) -> None:
    _contract(db)
    _came_back(db, month, 20_000)
    made = _draft(db, month)
    with pytest.raises(NoSuchCreditNote):
        credit_notes.lines(db, made.id, PageRequest(1), owner_ref=OWNER)

    credit_notes.issue(db, made.id, issued_by="oscar")

    assert len(credit_notes.lines(db, made.id, PageRequest(9), owner_ref=OWNER).items) == 1
    with pytest.raises(NoSuchCreditNote):
        credit_notes.lines(db, made.id, PageRequest(9), owner_ref="req_other")


def test_the_table_refuses_one_person_for_two(db: Session, month: date) -> None:
    _contract(db)
    _came_back(db, month, 20_000)
    _draft(db, month)

    alone = "UPDATE credit_notes SET state = 'issued', year = 2026, serial = 1, issued_by = made_by, issued_at = now()"
    with pytest.raises(IntegrityError, match="four_eyes"):
        db.execute(text(alone))


def test_two_issues_at_once_take_numbers_one_after_the_other(house: House) -> None:
    with house.sessions() as db:
        month = _last_month(db)
        before = (month - timedelta(days=1)).replace(day=1)
        _contract(db)
        for one in (month, before):
            _came_back(db, one, 20_000)
        notes = [_draft(db, month).id, _draft(db, before).id]
        db.commit()

    def issue(db: Session) -> int | None:
        return credit_notes.issue(db, notes[1], issued_by="oscar").serial

    with house.sessions() as first:
        assert credit_notes.issue(first, notes[0], issued_by="oscar").serial == 1
        with held_up(house, issue) as issuing:
            first.commit()
            assert issuing.result() == 2
