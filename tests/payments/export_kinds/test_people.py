"""What people are told of their money: statements that tie to the books, tax years by payment date, invoices."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.errors import NotFound
from payments import (
    adjustments,
    contracts,
    funding,
    invoices,
    ledger,
    money,
    payee_statements,
    payees,
    payouts,
    statements,
    taxes,
)
from payments.export_kinds import people, withheld
from payments.ledger import BANK, IN_TRANSIT, AccountName, Entry, Line
from payments.models import Billing, Invoice, Payee, Payout, Presentation
from payments.payouts import Outcome
from tests.payments import exported, owed
from tests.payments.exported import ask, make


@pytest.fixture
def today(db: Session) -> date:
    return clock.now(db).date()


def _month(day: date) -> str:
    return f"{day:%Y-%m}"


def _moved(rows: Sequence[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(row["type"], row["amount"], row["balance"]) for row in rows]


# Statements


def test_a_statement_goes_from_what_was_owed_to_what_is_owed(db: Session, books: None, today: date) -> None:
    ada = owed.payee(db)
    with owed.booked_on(today.replace(day=1) - timedelta(days=1)):
        owed.owe(db, ada, 700)
    owed.owe(db, ada, 12_300, 45)
    earning = db.scalars(text("SELECT id FROM earnings WHERE amount = 45")).one()
    adjustments.reverse(db, [earning], reason="A mistake.", actor_ref="finance")
    owed.pay_out(db)

    export, content = make(db, "payee-statement", payee_id=ada.id, month=_month(today))

    found = exported.rows(content)
    assert _moved(found) == [
        ("opening", "0.0000", "0.0700"),
        ("earning", "1.2300", "1.3000"),
        ("earning", "0.0045", "1.3045"),
        ("reversal", "-0.0045", "1.3000"),
        ("payout", "-1.3000", "0.0000"),
        ("closing", "0.0000", "0.0000"),
    ]
    assert found[3]["reason"] == "A mistake."
    paid = found[4]
    assert (paid["gross"], paid["fee"], paid["withheld"], paid["net"]) == ("1.3000", "0.0000", "0.0000", "1.3000")
    assert paid["reference"].startswith("pyo_")
    assert export.sums == {"USD": "-0.0700"}


def test_a_statement_says_what_was_taken_of_pay_when_it_was_earned(db: Session, books: None, today: date) -> None:
    owed.levy(db, 500, authority="KRA", basis="accrual")
    owed.levy(db, 100, authority="NHIF", basis="accrual")
    ada = owed.payee(db, 10_0000)
    owed.pay_out(db)

    _, content = make(db, "payee-statement", payee_id=ada.id, month=_month(today))

    found = exported.rows(content)
    assert _moved(found) == [
        ("opening", "0.0000", "0.0000"),
        ("earning", "10.0000", "10.0000"),
        ("withholding", "-0.6000", "9.4000"),
        ("payout", "-9.4000", "0.0000"),
        ("closing", "0.0000", "0.0000"),
    ]
    shown = [(row["withheld"], row["withheld_by"]) for row in found[1:4]]
    assert shown == [("0.0000", ""), ("0.6000", "KRA 0.5000, NHIF 0.1000"), ("0.0000", "")]
    assert found[2]["reference"] == found[1]["reference"]


def test_a_statement_ties_to_the_account_in_every_currency(db: Session, books: None, today: date) -> None:
    ada = owed.payee(db, 50_000, 3, currency="EUR")
    owed.owe(db, ada, 777)
    owed.payee(db, 999_999)
    exported.enter_rate(db, "EUR", "USD", "1.085")
    owed.pay_out(db)

    found = exported.rows(make(db, "payee-statement", payee_id=ada.id, month=_month(today))[1])

    for currency in ("EUR", "USD"):
        own = [row for row in found if row["currency"] == currency]
        held = Decimal(statements.balance(db, "payable", ada.id, currency)).scaleb(-4)
        assert Decimal(own[-1]["balance"]) == held
        assert sum(Decimal(row["amount"]) for row in own) + Decimal(own[0]["balance"]) == held
    (paid,) = [row for row in found if row["type"] == "payout" and row["currency"] == "EUR"]
    assert (paid["fx_rate"], paid["fx_source"], paid["net_currency"], paid["net"]) == ("1.085", "ECB", "USD", "5.4200")


def test_one_month_opens_with_what_the_one_before_has_closed_with(db: Session, books: None, today: date) -> None:
    ada = owed.payee(db)
    last_month = today.replace(day=1) - timedelta(days=3)
    with owed.booked_on(last_month):
        owed.owe(db, ada, 700, 800)
    owed.owe(db, ada, 1)

    before, after = (
        exported.rows(make(db, "payee-statement", payee_id=ada.id, month=_month(day))[1]) for day in (last_month, today)
    )

    assert before[-1]["balance"] == after[0]["balance"] == "0.1500"
    assert [row["type"] for row in before] == ["opening", "earning", "earning", "closing"]


def test_what_came_back_is_owed_again_with_the_reason(db: Session, books: None, today: date) -> None:
    ada = owed.payee(db, 50_000)
    run = owed.sent(db)
    payouts.fail(db, [Outcome(one.id, "account closed") for one in db.scalars(payouts.listed(run_id=run.id))])

    found = exported.rows(make(db, "payee-statement", payee_id=ada.id, month=_month(today))[1])

    assert _moved(found)[-2:] == [("failed", "5.0000", "5.0000"), ("closing", "0.0000", "5.0000")]
    assert found[-2]["reason"] == "account closed"


def test_pages_of_a_statement_are_the_lines_of_its_file(db: Session, books: None, today: date) -> None:
    ada = owed.payee(db, *range(1, 8))
    rows: list[dict[str, str]] = []
    after = None
    for _ in range(9):
        page = payee_statements.page(db, ada.id, _month(today), pagination.PageRequest(2, after))
        rows += page.items
        after = page.last
        if after is None:
            break

    assert len(rows) == 9
    assert rows == exported.rows(make(db, "payee-statement", payee_id=ada.id, month=_month(today))[1])


def test_a_statement_as_json_says_the_same(db: Session, books: None, today: date) -> None:
    ada = owed.payee(db, 7)
    given = {"payee_id": ada.id, "month": _month(today)}

    shown = json.loads(make(db, "payee-statement", "json", **given)[1])

    assert shown == exported.rows(make(db, "payee-statement", **given)[1])


def test_nobody_is_an_empty_statement_and_a_stranger_none(db: Session, today: date) -> None:
    ada = owed.payee(db)

    assert exported.rows(make(db, "payee-statement", payee_id=ada.id, month=_month(today))[1]) == []
    with pytest.raises(NotFound):
        ask(db, "payee-statement", payee_id=ids.new("pye"), month=_month(today))


# Tax years


def _from_india(db: Session) -> Payee:
    made = payees.register(db, owner_ref="wrk_asha", name="Asha", country="IN")
    owed.set_method(db, made)
    return made


def _paid_at(db: Session, to: Payee, *moments: tuple[str, datetime]) -> Payout:
    """A payout of 5 USD to somebody that was settled, or returned, at these moments; the books need not agree."""
    owed.owe(db, to, 50_000)
    run = owed.sent(db)
    (payout,) = db.scalars(payouts.listed(run_id=run.id)).all()
    line = Line(AccountName(IN_TRANSIT, "paypal", "USD"), AccountName(BANK, ledger.HOUSE, "USD"), 50_000)
    ledger.post(
        db, [Entry(f"{kind}:{payout.id}", kind, payout.id, "test", (line,), event_at=at) for kind, at in moments]
    )
    return payout


def _year(db: Session, country: str, year: int) -> list[tuple[str, str, str]]:
    found = exported.rows(make(db, "tax-year", country=country, year=year)[1])
    return [(row["payments"], row["returns"], row["paid"]) for row in found]


def test_a_year_is_that_of_the_country_to_the_second(db: Session) -> None:
    asha = _from_india(db)
    # Midnight in Kolkata, where a tax year begins on the first of April.
    begins = datetime(2026, 3, 31, 18, 30, tzinfo=UTC)
    for at in (begins - timedelta(seconds=1), begins, datetime(2027, 3, 31, 18, 29, 59, tzinfo=UTC)):
        _paid_at(db, asha, ("settled", at))

    assert _year(db, "IN", 2025) == [("1", "0", "5.0000")]
    assert _year(db, "IN", 2026) == [("2", "0", "10.0000")]
    assert _year(db, "IN", 2027) == []
    assert _year(db, "KE", 2026) == []


def test_what_counts_is_the_day_it_was_paid_and_not_the_day_it_was_earned(db: Session, books: None) -> None:
    owed.payee(db, 50_000)
    year = clock.now(db).year
    owed.sent(db)
    assert _year(db, "KE", year) == []

    payouts.settle(db, [Outcome(one.id) for one in db.scalars(payouts.listed())])

    assert _year(db, "KE", year) == [("1", "0", "5.0000")]


def test_what_came_back_counts_against_the_year_in_which_it_did(db: Session) -> None:
    ada = owed.payee(db)
    _paid_at(
        db, ada, ("settled", datetime(2026, 12, 31, 20, tzinfo=UTC)), ("returned", datetime(2027, 1, 5, tzinfo=UTC))
    )

    assert _year(db, "KE", 2026) == [("1", "0", "5.0000")]
    assert _year(db, "KE", 2027) == [("0", "1", "-5.0000")]


def test_a_certificate_lists_the_payments_of_one_person_by_their_own_days(db: Session) -> None:
    asha, bo = _from_india(db), owed.payee(db)
    late = _paid_at(db, asha, ("settled", datetime(2026, 4, 1, 20, tzinfo=UTC)))
    early = _paid_at(db, asha, ("settled", datetime(2026, 3, 31, 20, tzinfo=UTC)))
    _paid_at(db, bo, ("settled", datetime(2026, 4, 1, 20, tzinfo=UTC)))

    export, content = make(db, "tax-certificate", "json", payee_id=asha.id, year=2026)

    shown = [(row["day"], row["payout_id"], row["paid"], row["withheld"]) for row in json.loads(content)]
    assert shown == [("2026-04-01", early.id, "5.0000", "0.0000"), ("2026-04-02", late.id, "5.0000", "0.0000")]
    assert export.sums == {"USD": "10.0000"}
    assert _year(db, "IN", 2026) == [("2", "0", "10.0000")]


def test_a_year_and_its_certificate_hold_what_was_taken_when_pay_was_earned(db: Session, books: None) -> None:
    owed.levy(db, 500, authority="KRA", basis="accrual")
    ada = owed.payee(db, 10_0000)
    owed.pay_out(db)
    owed.owe(db, ada, 2_0000, currency="EUR")
    today = taxes.local_day("KE", clock.now(db))

    year = exported.rows(make(db, "tax-year", country="KE", year=today.year)[1])
    _, content = make(db, "tax-certificate", "json", payee_id=ada.id, year=today.year)

    shown = [(row["currency"], row["paid"], row["withheld"], row["gross"], row["payments"]) for row in year]
    assert shown == [("EUR", "0.0000", "0.1000", "0.1000", "0"), ("USD", "9.5000", "0.5000", "10.0000", "1")]
    month_ends = (today.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    taken = [row for row in json.loads(content) if row["type"] == "earned"]
    assert [(row["day"], row["currency"], row["withheld"], row["withheld_by"]) for row in taken] == [
        (str(month_ends), "EUR", "0.1000", "KRA 0.1000"), (str(month_ends), "USD", "0.5000", "KRA 0.5000")
    ]  # fmt: skip
    assert exported.rows(make(db, "tax-year", country="KE", year=today.year + 1)[1]) == []


def test_a_year_far_away_is_refused(db: Session) -> None:
    with pytest.raises(people.TaxYearInvalid):
        ask(db, "tax-year", country="KE", year=1999)


def test_what_is_withheld_has_one_place(db: Session, books: None) -> None:
    owed.payee(db, 50_000)
    owed.pay_out(db)

    of_payout = withheld.of_payout("o.id", "4").replace(
        withheld.ROWS, "SELECT id AS payout_id, unnest(ARRAY['KRA', 'NHIF']) AS authority, 1250 AS amount FROM payouts"
    )
    found = db.execute(text(f"SELECT w.* FROM payouts o CROSS JOIN LATERAL {of_payout} AS w")).one()

    assert (found.amount, found.authorities) == (2500, "KRA 0.1250, NHIF 0.1250")


# Invoices


def _invoice(db: Session, today: date) -> Invoice:
    last = today.replace(day=1) - timedelta(days=1)
    funding.register(db, owed.OWNER)
    terms = contracts.propose(
        db, owner_ref=owed.OWNER, entity="ROOK", presentation=Presentation.AGENT, billing=Billing.PREPAID,
        valid_from=clock.now(db) - timedelta(days=200), made_by="finance",
    )  # fmt: skip
    contracts.confirm(db, terms.id, confirmed_by="approver")
    with owed.booked_on(last):
        owed.payee(db, 12_300, 200)
    usd = money.currency(db, "USD")
    return invoices.draft(
        db, owner_ref=owed.OWNER, currency=usd, month=last.replace(day=1), vat_basis_points=1600, made_by="finance"
    )


def test_an_invoice_adds_up_to_its_total(db: Session, books: None, today: date) -> None:
    invoice = _invoice(db, today)
    draft = exported.rows(make(db, "invoice", invoice_id=invoice.id)[1])
    invoices.issue(db, invoice.id, issued_by="finance")

    export, content = make(db, "invoice", invoice_id=invoice.id)

    found = exported.rows(content)
    assert sum(Decimal(row["amount"]) for row in found) == Decimal(invoice.total).scaleb(-4)
    assert export.sums == {"USD": money.format_amount(invoice.total, 4)}
    assert [row["kind"] for row in found] == ["earning", "tax"]
    assert {row["number"] for row in found} == {invoice.number}
    assert {row["number"] for row in draft} == {""}


def test_an_owner_has_their_own_invoices_and_no_drafts(db: Session, books: None, today: date) -> None:
    invoice = _invoice(db, today)

    for owner in (owed.OWNER, "req_other"):
        with pytest.raises(invoices.NoSuchInvoice):
            people.invoice(db, invoice.id, owner_ref=owner)
    invoices.issue(db, invoice.id, issued_by="finance")

    assert people.invoice(db, invoice.id, owner_ref=owed.OWNER)
    with pytest.raises(invoices.NoSuchInvoice):
        people.invoice(db, invoice.id, owner_ref="req_other")
