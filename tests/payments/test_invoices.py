"""Contracts, credit and invoices: what was spent in a month, by the books, numbered without gaps, and paid for once."""

import os
from datetime import date, timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation import clock, embedded
from foundation import db as database
from foundation.errors import NotFound
from foundation.pagination import PageRequest
from payments import adjustments, clawbacks, contracts, earnings, funding, invoices, ledger, money, periods, spending
from payments.contracts import AlreadyInForce, ContractMissing, CreditExceeded, DateTooFar, NotPostpaid
from payments.four_eyes import SamePerson
from payments.funding import OwnerUnknown
from payments.invoices import (
    InvoiceExists,
    InvoiceMoveNotAllowed,
    InvoiceStale,
    NothingToInvoice,
    PaymentDiffers,
    Revenue,
)
from payments.ledger import FUNDS, RECEIVABLE_REQUESTER, SALES_TAX, EntryConflict
from payments.models import Billing, Currency, Earning, Invoice, Payee, Presentation
from tests import travel
from tests.conftest import House, held_up, travelling_house
from tests.payments import owed
from tests.payments.owed import OWNER

AGENT, PRINCIPAL = Presentation.AGENT, Presentation.PRINCIPAL
PREPAID, POSTPAID = Billing.PREPAID, Billing.POSTPAID


@pytest.fixture
def month(db: Session) -> date:
    """The first day of the last month that is over."""
    return _month_before(clock.now(db).date())


def _month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


def _usd(db: Session) -> Currency:
    return money.currency(db, "USD")


def _contract(
    db: Session, billing: Billing = POSTPAID, presentation: Presentation = AGENT, *, days: int = -200
) -> None:
    funding.register(db, OWNER)
    made = contracts.propose(
        db, owner_ref=OWNER, entity="ROOK", presentation=presentation, billing=billing,
        valid_from=clock.now(db) + timedelta(days=days), made_by="wanjiru",
    )  # fmt: skip
    contracts.confirm(db, made.id, confirmed_by="oscar")


def _limit(db: Session, amount: int, *, days: int = -100) -> None:
    made = contracts.propose_limit(
        db, owner_ref=OWNER, currency=_usd(db), amount=amount, valid_from=clock.now(db) + timedelta(days=days),
        made_by="wanjiru",
    )  # fmt: skip
    contracts.confirm_limit(db, made.id, confirmed_by="oscar")


def _draw(db: Session, amount: int, key: str = "d1") -> str:
    return contracts.draw(db, owner_ref=OWNER, currency=_usd(db), amount=amount, key=key, actor_ref="wanjiru")


def _owes(db: Session) -> int:
    return ledger.debit_balance(db, RECEIVABLE_REQUESTER, OWNER, "USD")


def _free(db: Session) -> int:
    return ledger.balance(db, FUNDS, OWNER, "USD")


def _spend_credit(db: Session, on: date, *amounts: int, cause: str = "bat_c") -> Payee:
    """Answers that are paid for out of free funds, whoever's they are."""
    ada, total = owed.payee(db), sum(funding.with_fee(amount) for amount in amounts)
    funding.reserve(db, owner_ref=OWNER, cause_ref=cause, key=cause, currency="USD", amount=total)
    answers = [f"ans_{cause}_{number}" for number in range(len(amounts))]
    pairs = zip(answers, amounts, strict=True)
    earnings.pend(db, [earnings.Work(answer, ada.id, cause, "USD", amount) for answer, amount in pairs])
    with owed.booked_on(on):
        earnings.accept(db, answers)
    return ada


def _postpaid(db: Session, month: date, *amounts: int, presentation: Presentation = AGENT) -> None:
    """An owner who has spent exactly what they drew."""
    _contract(db, POSTPAID, presentation)
    _limit(db, 10**9)
    _draw(db, sum(funding.with_fee(amount) for amount in amounts))
    _spend_credit(db, month, *amounts)


def _draft(db: Session, month: date, vat: int = 0) -> Invoice:
    return invoices.draft(db, owner_ref=OWNER, currency=_usd(db), month=month, vat_basis_points=vat, made_by="wanjiru")


def _issued(db: Session, month: date, vat: int = 0) -> Invoice:
    return invoices.issue(db, _draft(db, month, vat).id, issued_by="wanjiru")


# Contracts and limits


def test_terms_hold_once_another_person_has_confirmed_them(db: Session) -> None:
    funding.register(db, OWNER)
    made = contracts.propose(
        db, owner_ref=OWNER, entity="ROOK", presentation=AGENT, billing=POSTPAID, valid_from=clock.now(db),
        made_by="wanjiru",
    )  # fmt: skip
    with pytest.raises(SamePerson):
        contracts.confirm(db, made.id, confirmed_by="wanjiru")
    with pytest.raises(ContractMissing):
        contracts.in_force(db, OWNER, clock.now(db))

    contracts.confirm(db, made.id, confirmed_by="oscar")

    assert contracts.in_force(db, OWNER, clock.now(db)) == made
    with pytest.raises(AlreadyInForce):
        contracts.confirm(db, made.id, confirmed_by="amina")


def test_the_newest_terms_whose_time_has_come_hold(db: Session) -> None:
    now = clock.now(db)
    _contract(db, PREPAID, days=-20)
    _contract(db, POSTPAID, days=-10)
    _contract(db, PREPAID, days=10)

    of = {days: contracts.in_force(db, OWNER, now + timedelta(days=days)).billing for days in (-15, 0, 11)}

    assert of == {-15: "prepaid", 0: "postpaid", 11: "prepaid"}
    with pytest.raises(ContractMissing):
        contracts.in_force(db, OWNER, now - timedelta(days=21))


def test_terms_are_for_somebody_who_is_known_and_for_the_time_around_now(db: Session) -> None:
    with pytest.raises(OwnerUnknown):
        contracts.propose_limit(
            db, owner_ref="req_none", currency=_usd(db), amount=1, valid_from=clock.now(db), made_by="wanjiru"
        )
    funding.register(db, OWNER)
    for days in (-367, 367):
        with pytest.raises(DateTooFar):
            _limit(db, 1, days=days)
    with pytest.raises(NotFound):
        contracts.confirm(db, "ctr_none", confirmed_by="oscar")


def test_contracts_and_limits_are_listed_by_owner(db: Session) -> None:
    _contract(db)
    _limit(db, 5)

    assert [made.billing for made in db.scalars(contracts.listed(owner_ref=OWNER))] == ["postpaid"]
    assert [made.amount for made in db.scalars(contracts.limits(owner_ref=OWNER))] == [5]
    assert db.scalars(contracts.limits(owner_ref="req_other")).all() == []
    assert db.scalars(contracts.listed(owner_ref="req_other")).all() == []


# Credit


def test_what_is_drawn_is_free_to_spend_and_owed(db: Session, books: None) -> None:
    _contract(db)
    _limit(db, 50_000)

    _draw(db, 30_000)

    assert (_free(db), _owes(db)) == (30_000, 30_000)


def test_a_draw_is_made_once_for_its_key_also_when_the_limit_is_reached(db: Session, books: None) -> None:
    _contract(db)
    _limit(db, 30_000)

    first = _draw(db, 30_000)

    assert _draw(db, 30_000) == first
    assert _owes(db) == 30_000


def test_nobody_draws_beyond_the_limit_in_force(db: Session, books: None) -> None:
    _contract(db)
    _limit(db, 50_000)
    _limit(db, 30_000, days=-1)
    _limit(db, 90_000, days=1)
    _draw(db, 20_000)

    with pytest.raises(CreditExceeded, match=r"1\.0000 USD"), db.begin_nested():
        _draw(db, 10_001, "d2")

    _draw(db, 10_000, "d2")
    assert (_free(db), _owes(db)) == (30_000, 30_000)


def test_who_pays_beforehand_has_no_credit(db: Session, books: None) -> None:
    _contract(db, PREPAID)
    _limit(db, 50_000)

    with pytest.raises(NotPostpaid):
        _draw(db, 1)


def test_without_a_contract_or_a_limit_there_is_no_credit(db: Session, books: None) -> None:
    funding.register(db, OWNER)
    with pytest.raises(ContractMissing):
        _draw(db, 1)
    _contract(db)
    with pytest.raises(CreditExceeded, match=r"0\.0000 USD"), db.begin_nested():
        _draw(db, 1)

    contracts.propose_limit(
        db, owner_ref=OWNER, currency=_usd(db), amount=9, valid_from=clock.now(db), made_by="wanjiru"
    )
    with pytest.raises(CreditExceeded), db.begin_nested():
        _draw(db, 1)


def test_two_draws_at_once_stay_within_the_limit(house: House) -> None:
    with house.sessions() as db:
        _contract(db)
        _limit(db, 30_000)
        db.commit()
    refused: list[str] = []

    def act(db: Session) -> None:
        try:
            _draw(db, 20_000, "d2")
        except CreditExceeded as problem:
            refused.append(problem.detail)
            db.rollback()

    with house.sessions() as first:
        _draw(first, 20_000)
        with held_up(house, act) as acting:
            first.commit()
            acting.result()

    assert len(refused) == 1


def test_two_who_draft_one_month_at_once_make_one_invoice(house: House) -> None:
    with house.sessions() as db:
        past = _month_before(clock.now(db).date())
        _postpaid(db, past, 10_000)
        db.commit()

    with house.sessions() as first:
        _draft(first, past)
        with held_up(house, lambda other: _draft(other, past)) as acting:
            first.commit()
            with pytest.raises(InvoiceExists):
                acting.result(timeout=10)


# Drafts


def test_an_invoice_is_what_was_spent_in_its_month(db: Session, books: None, month: date) -> None:
    _contract(db, PREPAID)
    with owed.booked_on(month):
        ada = owed.payee(db, 10_000, 5_000)
    with owed.booked_on(_month_before(month)):
        owed.payee(db, 700)
    with owed.booked_on(spending.next_month(month)):
        owed.payee(db, 900)
    owed.pay_in(db, 2_400)
    with owed.booked_on(spending.next_month(month) - timedelta(days=1)):
        owed.give_bonus(db, owner_ref=OWNER, payee_id=ada.id, currency="USD", amount=2_000, reason="r", actor_ref="f")

    invoice = _draft(db, month, 1_600)

    assert (invoice.work, invoice.fee, invoice.vat, invoice.total) == (17_000, 3_400, 500, 20_900)
    assert (invoice.state, invoice.number) == ("draft", None)
    lines = invoices.lines(db, invoice.id, PageRequest(10)).items
    assert [(line.kind, line.entries, line.work, line.fee) for line in lines] == [
        ("bonus", 1, 2_000, 400),
        ("earning", 2, 15_000, 3_000),
    ]


def test_what_came_back_in_a_month_is_taken_off(db: Session, books: None, month: date) -> None:
    _contract(db, PREPAID)
    with owed.booked_on(_month_before(month)):
        ada, ben = owed.payee(db, 10_000), owed.payee(db, 20_000)
        owed.pay_out(db)
    with owed.booked_on(month):
        cyn = owed.payee(db, 50_000, 3_000)
        made = clawbacks.propose(db, _earning(db, ada), reason="r", made_by="wanjiru")
        clawbacks.confirm(db, made.id, confirmed_by="oscar")
        adjustments.reverse(db, [_earning(db, cyn, 3_000)], reason="r", actor_ref="ops")

    invoice = _draft(db, month)

    assert (invoice.work, invoice.fee) == (40_000, 8_000)
    lines = invoices.lines(db, invoice.id, PageRequest(10)).items
    assert sorted((line.kind, line.work, line.fee) for line in lines) == [
        ("clawback", -10_000, -2_000),
        ("earning", 53_000, 10_600),
        ("reversal", -3_000, -600),
    ]
    assert _draft(db, _month_before(month)).work == 30_000
    assert ben.id != ada.id


def _earning(db: Session, of: Payee, amount: int | None = None) -> str:
    rows = db.query(Earning).filter_by(payee_id=of.id)
    return (rows if amount is None else rows.filter_by(amount=amount)).one().id


def test_a_month_in_which_more_came_back_than_was_spent_is_not_invoiced(db: Session, books: None, month: date) -> None:
    _contract(db, PREPAID)
    with pytest.raises(NothingToInvoice):
        _draft(db, month)
    ada = owed.payee(db, 10_000)
    with owed.booked_on(month):
        adjustments.reverse(db, [_earning(db, ada)], reason="r", actor_ref="ops")
    with pytest.raises(NothingToInvoice), db.begin_nested():
        _draft(db, month)

    assert db.scalar(text("SELECT count(*) FROM invoice_lines")) == 0


def test_a_month_is_not_invoiced_while_what_began_in_it_is_at_work(engines: embedded.Engines, worker_name: str) -> None:
    with travelling_house(engines, f"midnight_{worker_name}_{os.getpid()}") as url:
        late, engine = database.make_engine(url), database.make_engine(url)
        with travel.ids_following(engine), database.sessions(engine)() as db:
            # Whose transaction began when is told by the usual clock, so that a month passes while one is open.
            with psycopg.connect(engines.superuser, dbname=engine.url.database) as connection:
                connection.execute("DROP VIEW travel.pg_stat_activity")
            month = clock.now(db).date().replace(day=1)
            _postpaid(db, month, 10_000)
            db.commit()

            with late.connect() as other:
                other.execute(text("SELECT 1"))
                travel.move(db, timedelta(days=40))
                db.commit()
                with pytest.raises(periods.StillBooking):
                    _draft(db, month)
                db.rollback()

            assert _draft(db, month).work == 10_000
        late.dispose()
        engine.dispose()


def test_goodwill_is_not_invoiced(db: Session, books: None, month: date) -> None:
    _contract(db, PREPAID)
    ada = owed.payee(db)
    with owed.booked_on(month):
        owed.give_goodwill(db, payee_id=ada.id, currency="USD", amount=500, reason="r", actor_ref="f")

    with pytest.raises(NothingToInvoice):
        _draft(db, month)


def test_only_a_month_that_is_over_is_invoiced_and_once(db: Session, books: None, month: date) -> None:
    _postpaid(db, month, 10_000)
    with pytest.raises(periods.MonthNotOver):
        _draft(db, spending.next_month(month))
    _draft(db, month)

    with pytest.raises(InvoiceExists):
        _draft(db, month)


def test_an_invoice_needs_a_contract_of_its_time(db: Session, books: None, month: date) -> None:
    _contract(db, days=0)
    with owed.booked_on(month):
        owed.payee(db, 10_000)

    with pytest.raises(ContractMissing):
        _draft(db, month)


@pytest.mark.parametrize(
    ("day", "following"),
    [
        (date(2026, 1, 1), date(2026, 2, 1)),
        (date(2026, 11, 1), date(2026, 12, 1)),
        (date(2026, 12, 1), date(2027, 1, 1)),
    ],
)
def test_one_month_follows_another(day: date, following: date) -> None:
    assert spending.next_month(day) == following


@pytest.mark.parametrize(
    ("fee", "basis_points", "vat"),
    [(10_000, 1_600, 1_600), (10_000, 0, 0), (3_125, 1_600, 500), (10_312, 1_600, 1_600), (9_375, 1_600, 1_500),
     (1, 10_000, 0), (50, 10_000, 0), (150, 10_000, 200), (51, 10_000, 100), (280, 1_800, 100), (748, 2_000, 100)],
)  # fmt: skip
def test_tax_is_rounded_once_half_to_even_to_what_a_bank_can_pay(
    db: Session, fee: int, basis_points: int, vat: int
) -> None:
    assert invoices.tax(fee, basis_points, _usd(db)) == vat


@given(st.integers(0, 10**12), st.integers(0, 10_000), st.sampled_from([(2, 4), (0, 2), (3, 4), (4, 6)]))
def test_tax_is_off_by_half_a_unit_of_the_bank_at_most(fee: int, basis_points: int, scales: tuple[int, int]) -> None:
    currency = Currency(code="XXX", iso_exponent=scales[0], ledger_exponent=scales[1])
    unit = 10 ** (scales[1] - scales[0])

    vat = invoices.tax(fee, basis_points, currency)

    assert vat % unit == 0
    assert abs(vat * 10_000 - fee * basis_points) * 2 <= unit * 10_000


# Issuing


def test_what_was_spent_on_credit_is_due_with_the_tax(db: Session, books: None, month: date) -> None:
    _postpaid(db, month, 10_000, 5_000)

    invoice = _issued(db, month, 1_000)

    assert (invoice.total, invoice.due, invoice.state) == (18_300, 18_300, "issued")
    assert invoice.number == f"ROOK-{clock.now(db).year}-000001"
    assert _owes(db) == 18_300
    assert ledger.debit_balance(db, SALES_TAX, "ROOK", "USD") == -300


def test_what_was_paid_beforehand_is_not_due_again(db: Session, books: None, month: date) -> None:
    _contract(db, PREPAID)
    with owed.booked_on(month):
        owed.payee(db, 10_000)

    invoice = _issued(db, month, 1_600)

    assert (invoice.total, invoice.due, _owes(db)) == (12_300, 300, 300)


def test_an_invoice_of_which_nothing_is_due_is_paid(db: Session, books: None, month: date) -> None:
    _contract(db, PREPAID)
    with owed.booked_on(month):
        owed.payee(db, 10_000)

    invoice = _issued(db, month)

    assert (invoice.state, invoice.due, _owes(db)) == ("paid", 0, 0)


def test_credit_that_was_not_spent_waits_for_the_month_in_which_it_is(db: Session, books: None, month: date) -> None:
    _contract(db)
    _limit(db, 10**9)
    _draw(db, 100_000)
    _spend_credit(db, _month_before(month), 10_000, cause="bat_1")
    _spend_credit(db, month, 30_000, cause="bat_2")

    first, second = _issued(db, _month_before(month)), _issued(db, month)

    assert (first.due, second.due, _owes(db)) == (12_000, 36_000, 100_000)


def test_no_more_is_due_than_is_owed(db: Session, books: None, month: date) -> None:
    _contract(db)
    _limit(db, 10**9)
    owed.pay_in(db, 30_000)
    _draw(db, 18_000)
    _spend_credit(db, _month_before(month), 10_000, cause="bat_1")
    _spend_credit(db, month, 10_000, cause="bat_2")

    first, second = _issued(db, _month_before(month)), _issued(db, month)

    assert (first.due, second.due, second.state) == (12_000, 6_000, "issued")


def test_what_a_bank_cannot_pay_stays_owed_for_a_later_invoice(db: Session, books: None, month: date) -> None:
    _contract(db)
    _limit(db, 10**9)
    _draw(db, 24_000)
    _spend_credit(db, _month_before(month), 10_033, cause="bat_1")
    _spend_credit(db, month, 9_967, cause="bat_2")

    first, second = _issued(db, _month_before(month)), _issued(db, month)

    assert (first.total, first.due, second.total, second.due) == (12_040, 12_000, 11_960, 11_900)
    for number, invoice in enumerate((first, second)):
        invoices.pay(
            db, invoice.id, currency="USD", amount=invoice.due or 0, bank_reference=f"p{number}", actor_ref="wanjiru"
        )
    assert _owes(db) == 100


def test_numbers_have_no_gaps_and_are_of_their_entity(db: Session, books: None, month: date) -> None:
    _contract(db, PREPAID)
    months = [month := _month_before(month) for _ in range(3)]
    for each in months:
        with owed.booked_on(each):
            owed.payee(db, 10_000)
    drafts = [_draft(db, each) for each in months]

    invoices.void(db, drafts[0].id, reason="Not yet", voided_by="wanjiru")
    issued = [invoices.issue(db, draft.id, issued_by="wanjiru") for draft in drafts[1:]]

    assert [invoice.serial for invoice in issued] == [1, 2]
    assert drafts[0].number is None
    with pytest.raises(InvoiceMoveNotAllowed, match="void"):
        invoices.issue(db, drafts[0].id, issued_by="wanjiru")


def test_a_number_that_was_not_kept_is_given_again(house: House) -> None:
    month = _two_drafts(house)
    with house.sessions() as db:
        first, second = db.scalars(invoices.listed(state="draft")).all()
        invoices.issue(db, first.id, issued_by="wanjiru")
        db.rollback()
        assert invoices.issue(db, second.id, issued_by="wanjiru").serial == 1
        db.commit()
    assert month


def _two_drafts(house: House) -> date:
    with house.sessions() as db:
        month = _month_before(clock.now(db).date())
        _contract(db, PREPAID)
        for each in (month, _month_before(month)):
            with owed.booked_on(each):
                owed.payee(db, 10_000)
            _draft(db, each)
        db.commit()
    return month


def test_a_draft_that_the_books_have_overtaken_is_not_issued(db: Session, books: None, month: date) -> None:
    _postpaid(db, month, 10_000)
    draft = _draft(db, month)
    with owed.booked_on(month):
        owed.payee(db, 700)

    with pytest.raises(InvoiceStale):
        invoices.issue(db, draft.id, issued_by="wanjiru")

    invoices.void(db, draft.id, reason="More came", voided_by="wanjiru")
    assert _issued(db, month).work == 10_700


def test_invoices_tie_out_to_the_books_by_sql(db: Session, books: None, month: date) -> None:
    _postpaid(db, month, 10_000, 333, 7)
    _issued(db, month)

    by_the_books = text("""
        SELECT sum(l.amount) FILTER (WHERE c.role = 'payable'), sum(l.amount) FILTER (WHERE c.role = 'platform_fee')
          FROM journal_lines l JOIN journal_entries e ON e.id = l.entry_id AND e.kind = 'earning'
          JOIN accounts d ON d.id = l.debit_id JOIN accounts c ON c.id = l.credit_id
          JOIN reserves r ON d.role = 'reserve' AND r.cause_ref = d.owner_ref
         WHERE r.owner_ref = :owner AND date_trunc('month', e.effective_on) = :month
    """)
    expected = tuple(db.execute(by_the_books, {"owner": OWNER, "month": month}).one())
    assert tuple(db.execute(text("SELECT sum(work), sum(fee) FROM invoices WHERE state = 'issued'")).one()) == expected


# Paying and making void


def test_a_payment_settles_an_invoice_once(db: Session, books: None, month: date) -> None:
    _postpaid(db, month, 10_000)
    invoice = _issued(db, month)

    for _ in range(2):
        paid = invoices.pay(db, invoice.id, currency="USD", amount=12_000, bank_reference="b 7", actor_ref="wanjiru")

    assert (paid.state, _owes(db)) == ("paid", 0)
    sums = {row.role: int(row.debits - row.credits) for row in ledger.trial_balance(db)}
    assert sums["bank"] == 12_000
    with pytest.raises(InvoiceMoveNotAllowed, match="another reference"), db.begin_nested():
        invoices.pay(db, invoice.id, currency="USD", amount=12_000, bank_reference="b 8", actor_ref="wanjiru")
    with pytest.raises(InvoiceMoveNotAllowed, match="paid"):
        invoices.void(db, invoice.id, reason="r", voided_by="wanjiru")


def test_a_payment_is_what_is_due(db: Session, books: None, month: date) -> None:
    _postpaid(db, month, 10_000)
    invoice = _issued(db, month)

    for currency, amount in (("USD", 11_900), ("USD", 12_100), ("EUR", 12_000)):
        with pytest.raises(PaymentDiffers, match=r"1\.2000 USD"):
            invoices.pay(db, invoice.id, currency=currency, amount=amount, bank_reference="b 7", actor_ref="wanjiru")


def test_a_bank_reference_pays_one_invoice(db: Session, books: None, month: date) -> None:
    _contract(db)
    _limit(db, 10**9)
    _draw(db, 24_000)
    _spend_credit(db, _month_before(month), 10_000, cause="bat_1")
    _spend_credit(db, month, 10_000, cause="bat_2")
    first, second = _issued(db, _month_before(month)), _issued(db, month)
    invoices.pay(db, first.id, currency="USD", amount=12_000, bank_reference="b 7", actor_ref="wanjiru")

    with pytest.raises(EntryConflict), db.begin_nested():
        invoices.pay(db, second.id, currency="USD", amount=12_000, bank_reference="b 7", actor_ref="wanjiru")


def test_a_draft_is_not_paid_and_nobody_elses_is_found(db: Session, books: None, month: date) -> None:
    _postpaid(db, month, 10_000)
    draft = _draft(db, month)

    with pytest.raises(InvoiceMoveNotAllowed, match="draft"):
        invoices.pay(db, draft.id, currency="USD", amount=12_000, bank_reference="b 7", actor_ref="wanjiru")
    with pytest.raises(NotFound):
        invoices.pay(db, "inv_none", currency="USD", amount=12_000, bank_reference="b 7", actor_ref="wanjiru")


def test_a_void_invoice_keeps_its_number_gives_its_tax_back_and_makes_room(
    db: Session, books: None, month: date
) -> None:
    _postpaid(db, month, 10_000)
    wrong = _issued(db, month, 1_600)
    assert _owes(db) == 12_300

    invoices.void(db, wrong.id, reason="The rate was another", voided_by="wanjiru")
    right = _issued(db, month, 800)

    assert (wrong.state, wrong.serial, right.serial) == ("void", 1, 2)
    assert (right.due, _owes(db)) == (12_200, 12_200)
    assert ledger.debit_balance(db, SALES_TAX, "ROOK", "USD") == -200


def test_an_owner_sees_what_was_issued_to_them(db: Session, books: None, month: date) -> None:
    _contract(db, PREPAID)
    for each in (month, _month_before(month)):
        with owed.booked_on(each):
            owed.payee(db, 10_000)
    draft, issued = _draft(db, month), _issued(db, _month_before(month))

    assert db.scalars(invoices.of_owner(OWNER)).all() == [issued]
    assert db.scalars(invoices.of_owner("req_other")).all() == []
    assert set(db.scalars(invoices.listed(owner_ref=OWNER))) == {draft, issued}
    assert invoices.lines(db, issued.id, PageRequest(10), owner_ref=OWNER).items
    for invoice, owner in ((draft, OWNER), (issued, "req_other")):
        with pytest.raises(NotFound):
            invoices.lines(db, invoice.id, PageRequest(10), owner_ref=owner)


# Agent or principal


@pytest.mark.parametrize(("presentation", "parts"), [(AGENT, (2_000, 10_000)), (PRINCIPAL, (12_000, 0))])
def test_an_agent_sells_the_fee_and_a_principal_the_work_as_well(
    db: Session, books: None, month: date, presentation: Presentation, parts: tuple[int, int]
) -> None:
    _postpaid(db, month, 10_000, presentation=presentation)

    invoice = _issued(db, month, 1_000)

    assert ((invoice.sold, invoice.passed_on), invoice.vat) == (parts, 200)
    assert invoice.sold + invoice.passed_on + invoice.vat == invoice.total == invoice.due == 12_200


@pytest.mark.parametrize(
    ("presentation", "shown"),
    [
        (AGENT, {"revenue": 2_000, "labour": 0, "passed_on": 10_000}),
        (PRINCIPAL, {"revenue": 12_000, "labour": 10_000, "passed_on": 0}),
    ],
)
def test_the_revenue_of_a_month_is_shown_as_its_contracts_say(
    db: Session, books: None, month: date, presentation: Presentation, shown: dict[str, int]
) -> None:
    _postpaid(db, month, 10_000, presentation=presentation)

    (found,) = invoices.revenue(db, month)

    assert found == Revenue("USD", 4, presentation.value, **shown)
    income = [row.role for row in ledger.trial_balance(db) if row.kind == "income"]
    assert income == ["platform_fee" if presentation == AGENT else "labour_revenue"]


def test_without_a_contract_revenue_is_an_agents(db: Session, books: None, month: date) -> None:
    with owed.booked_on(month):
        owed.payee(db, 10_000)

    assert [found.presentation for found in invoices.revenue(db, month)] == ["agent"]
    assert invoices.revenue(db, _month_before(month)) == []


# The tables


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'draft'", "draft_has_none"),
        ("due = total + 1", "due_range"),
        ("serial = NULL", "issued_by_somebody"),
        ("paid_at = now()", "paid_when"),
        ("state = 'paid', paid_at = now()", "paid_is_posted"),
        ("state = 'void'", "voided"),
        ("void_reason = 'r'", "voided_by_somebody"),
        ("state = 'lost'", "state_known"),
    ],
)
def test_the_table_refuses_what_cannot_be(db: Session, month: date, change: str, constraint: str) -> None:
    _postpaid(db, month, 10_000)
    _issued(db, month)

    with pytest.raises(IntegrityError, match=constraint), db.begin_nested():
        db.execute(text(f"UPDATE invoices SET {change}"))


@pytest.mark.parametrize("table", ["contracts", "credit_limits"])
def test_terms_are_confirmed_by_another_person_whoever_writes(db: Session, table: str) -> None:
    _contract(db)
    _limit(db, 5)

    with pytest.raises(IntegrityError, match="four_eyes"), db.begin_nested():
        db.execute(text(f"UPDATE {table} SET confirmed_by = made_by"))
