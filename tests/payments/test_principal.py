"""What a principal sells, and what work costs it: posted so from its contract on, and taken back as it was posted."""

from datetime import date, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock
from payments import (
    account_codes,
    adjustments,
    clawbacks,
    contracts,
    credit_notes,
    earnings,
    funding,
    invoices,
    ledger,
    money,
)
from payments.invoices import InvoiceStale, Revenue
from payments.ledger import FUNDS, RESERVE
from payments.models import Billing, Earning, Invoice, Payee, Presentation
from tests.payments import owed
from tests.payments.owed import APPROVER, OWNER, PREPARER
from tests.payments.test_batch_floors import Did, _lift, _person, _rule, _work

AGENT, PRINCIPAL = Presentation.AGENT, Presentation.PRINCIPAL
ROLES = ("reserve", "funds", "payable", "platform_fee", "labour_revenue", "labour", "receivable_payee")


def _contract(db: Session, presentation: Presentation, *, days: int = 0, confirmed: bool = True) -> None:
    """Terms that hold from so many days from now on; what is newer counts."""
    funding.register(db, OWNER)
    made = contracts.propose(
        db, owner_ref=OWNER, entity="ROOK", presentation=presentation, billing=Billing.PREPAID,
        valid_from=clock.now(db) + timedelta(days=days), made_by=PREPARER,
    )  # fmt: skip
    if confirmed:
        contracts.confirm(db, made.id, confirmed_by=APPROVER)


def _lines(db: Session, entry_id: str | None) -> list[tuple[str, str, int]]:
    """An entry's lines: debit, credit and amount."""
    rows = db.execute(
        text("""SELECT d.role AS debit, c.role AS credit, l.amount FROM journal_lines l
                  JOIN accounts d ON d.id = l.debit_id JOIN accounts c ON c.id = l.credit_id
                 WHERE l.entry_id = :id ORDER BY l.line"""),
        {"id": entry_id},
    )
    return [(row.debit, row.credit, row.amount) for row in rows]


def _by_key(db: Session, key: str) -> list[tuple[str, str, int]]:
    (entry_id,) = db.scalars(text("SELECT id FROM journal_entries WHERE idempotency_key LIKE :key"), {"key": key})
    return _lines(db, entry_id)


def _earning(db: Session, of: Payee) -> Earning:
    db.expire_all()
    return db.query(Earning).filter_by(payee_id=of.id).order_by(Earning.id.desc()).first() or Earning()


def _earned(db: Session, amount: int = 10_000) -> Earning:
    return _earning(db, owed.payee(db, amount))


def _net(db: Session) -> dict[str, int]:
    """What is on the accounts of each role, debits positive, if anything is."""
    found = {row.role: int(row.debits - row.credits) for row in ledger.trial_balance(db) if row.role in ROLES}
    return {role: amount for role, amount in found.items() if amount}


SOLD = [("reserve", "labour_revenue", 12_000), ("labour", "payable", 10_000)]
PASSED = [("reserve", "payable", 10_000), ("reserve", "platform_fee", 2_000)]


def _turned(lines: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    return [(credit, debit, amount) for debit, credit, amount in lines]


# Answers


def test_a_principal_sells_work_and_fee_and_the_work_is_its_cost(db: Session, books: None) -> None:
    _contract(db, PRINCIPAL)

    assert _lines(db, _earned(db).entry_id) == SOLD
    assert _net(db) == {"payable": -10_000, "labour_revenue": -12_000, "labour": 10_000}


def test_an_agent_passes_the_work_on_and_earns_its_fee(db: Session, books: None) -> None:
    _contract(db, AGENT)

    assert _lines(db, _earned(db).entry_id) == PASSED


@pytest.mark.parametrize(
    ("days", "confirmed"), [(1, True), (-1, False)], ids=["one that is for later", "one that waits for another person"]
)
def test_a_contract_that_does_not_hold_yet_posts_as_before(
    db: Session, books: None, *, days: int, confirmed: bool
) -> None:
    _contract(db, PRINCIPAL, days=days, confirmed=confirmed)

    assert _lines(db, _earned(db).entry_id) == PASSED


def test_what_counts_is_the_contract_at_the_moment_of_acceptance(db: Session, books: None) -> None:
    _contract(db, AGENT, days=-2)
    owed.pay_in(db, 24_000)
    to = owed.payee(db)
    funding.reserve(db, owner_ref=OWNER, cause_ref="bat_a", key="a", currency="USD", amount=24_000)
    earnings.pend(db, [earnings.Work(name, to.id, "bat_a", "USD", 10_000) for name in ("ans_a", "ans_b")])
    earnings.accept(db, ["ans_a"])
    _contract(db, PRINCIPAL, days=-1)

    earnings.accept(db, ["ans_b"])

    assert (_by_key(db, "earn:ans_a:1"), _by_key(db, "earn:ans_b:1")) == (PASSED, SOLD)


def test_answers_of_owners_who_differ_are_posted_together_each_by_its_own_contract(db: Session, books: None) -> None:
    _contract(db, PRINCIPAL)
    owed.pay_in(db, 12_000)
    funding.register(db, "req_other")
    funding.top_up(db, owner_ref="req_other", currency="USD", amount=12_000, bank_reference="other", actor_ref=PREPARER)
    to = owed.payee(db)
    for owner, name in ((OWNER, "mine"), ("req_other", "theirs")):
        funding.reserve(db, owner_ref=owner, cause_ref=f"bat_{name}", key=name, currency="USD", amount=12_000)
        earnings.pend(db, [earnings.Work(f"ans_{name}", to.id, f"bat_{name}", "USD", 10_000)])

    earnings.accept(db, ["ans_mine", "ans_theirs"])

    assert (_by_key(db, "earn:ans_mine:1"), _by_key(db, "earn:ans_theirs:1")) == (SOLD, PASSED)


def test_without_a_fee_a_principal_sells_the_work_alone(db: Session, books: None) -> None:
    made = contracts.propose(
        db, owner_ref=_registered(db), entity="ROOK", presentation=PRINCIPAL, billing=Billing.PREPAID,
        valid_from=clock.now(db), made_by=PREPARER, fee_basis_points=0,
    )  # fmt: skip
    contracts.confirm(db, made.id, confirmed_by=APPROVER)

    expected = [("reserve", "labour_revenue", 10_000), ("labour", "payable", 10_000)]
    assert _lines(db, _earned(db).entry_id) == expected


def _registered(db: Session) -> str:
    funding.register(db, OWNER)
    return OWNER


# Bonuses and floors


def test_a_bonus_of_a_principals_owner_is_sold_too(db: Session, books: None) -> None:
    _contract(db, PRINCIPAL)
    owed.pay_in(db, 12_000)
    to = owed.payee(db)

    made = owed.give_bonus(
        db, owner_ref=OWNER, payee_id=to.id, currency="USD", amount=10_000, reason="r", actor_ref=PREPARER
    )

    assert _lines(db, made.entry_id) == [("funds", "labour_revenue", 12_000), ("labour", "payable", 10_000)]
    adjustments.reverse(db, [made.id], reason="r", actor_ref=PREPARER)
    assert _net(db) == {"funds": -12_000}


def test_what_lifts_a_batch_of_a_principals_owner_is_sold_without_a_fee(db: Session, books: None) -> None:
    _contract(db, PRINCIPAL)
    _rule(db)
    ada = _person(db)
    _work(db, ada, Did(3_600, 10_000), contingency=40_000)

    _lift(db)

    floor = _earning(db, ada)
    assert (floor.kind, floor.amount) == ("floor", 40_000)
    assert _lines(db, floor.entry_id) == [("reserve", "labour_revenue", 40_000), ("labour", "payable", 40_000)]
    adjustments.reverse(db, [floor.id], reason="r", actor_ref=PREPARER)
    assert _net(db) == {"funds": -40_000, "payable": -10_000, "labour_revenue": -12_000, "labour": 10_000}


# What is put right


@pytest.mark.parametrize(("first", "then"), [(PRINCIPAL, AGENT), (AGENT, PRINCIPAL)])
def test_what_is_taken_back_is_what_was_posted_whatever_the_contract_says_by_now(
    db: Session, books: None, first: Presentation, then: Presentation
) -> None:
    _contract(db, first, days=-2)
    earning = _earned(db)
    posted = _lines(db, earning.entry_id)
    _contract(db, then, days=-1)

    (effect,) = adjustments.reverse(db, [earning.id], reason="r", actor_ref=PREPARER)

    assert effect.returned == 12_000
    assert _by_key(db, f"rev:{earning.entry_id}") == _turned(posted)
    assert _net(db) == {"funds": -12_000}


@pytest.mark.parametrize(("first", "then"), [(PRINCIPAL, AGENT), (AGENT, PRINCIPAL)])
@pytest.mark.parametrize(("amount", "units"), [("0.5000", 5_000), ("2.0000", 20_000)])
def test_what_is_repaired_stays_presented_as_it_was_accepted(
    db: Session, books: None, *, first: Presentation, then: Presentation, amount: str, units: int
) -> None:
    _contract(db, first, days=-2)
    earning = _earned(db)
    owed.pay_in(db, 12_000)
    _contract(db, then, days=-1)

    effect = adjustments.repair(db, earning.id, amount=amount, reason="r", actor_ref=PREPARER)

    assert effect.returned == 12_000 - units * 6 // 5
    repaired = _by_key(db, f"earn:{earning.answer_ref}:2")
    scale = [
        (debit, credit, part * units // 10_000) for debit, credit, part in (SOLD if first == PRINCIPAL else PASSED)
    ]
    assert repaired == scale
    assert ledger.balance(db, FUNDS, OWNER, "USD") == 12_000 + effect.returned
    assert ledger.balance(db, RESERVE, str(earning.cause_ref), "USD") == 0


def test_a_clawback_takes_the_sale_back_and_its_labour_is_the_payees_debt(db: Session, books: None) -> None:
    _contract(db, PRINCIPAL, days=-2)
    earning = _earned(db)
    owed.pay_out(db)
    _contract(db, AGENT, days=-1)
    made = clawbacks.propose(db, earning.id, reason="r", made_by=PREPARER)

    clawbacks.confirm(db, made.id, confirmed_by=APPROVER)

    assert made.returned == 12_000
    assert _lines(db, made.entry_id) == [
        ("labour_revenue", "funds", 12_000), ("receivable_payee", "labour", 10_000),
    ]  # fmt: skip
    assert _net(db) == {"funds": -12_000, "receivable_payee": 10_000}


# Figures


def _month(db: Session) -> date:
    """The first day of the last month that is over."""
    return (clock.now(db).date().replace(day=1) - timedelta(days=1)).replace(day=1)


def _mixed(db: Session, month: date) -> tuple[Earning, Earning]:
    """10,000 of work passed on by an agent, and 20,000 sold by a principal, in one month."""
    _contract(db, AGENT, days=-3)
    with owed.booked_on(month):
        first = _earned(db, 10_000)
        _contract(db, PRINCIPAL, days=-2)
        return first, _earned(db, 20_000)


@pytest.mark.parametrize("last", [AGENT, PRINCIPAL])
def test_an_invoice_across_a_change_of_contract_shows_each_part_as_it_was_posted(
    db: Session, books: None, last: Presentation
) -> None:
    month = _month(db)
    _mixed(db, month)

    made = _draft(db, month, last)
    invoices.issue(db, made, issued_by=PREPARER)

    invoice = invoices.find(db, made)
    assert invoice.presentation == last
    assert (invoice.work, invoice.fee, invoice.vat) == (30_000, 6_000, 600)
    # The agent's fee of 2,000, and the principal's 24,000.
    assert (invoice.sold, invoice.passed_on) == (26_000, 10_000)


def _draft(db: Session, month: date, presentation: Presentation = AGENT) -> str:
    currency = money.currency(db, "USD")
    # The contracts that the parts were posted by are younger than the month.
    _contract(db, presentation, days=-200)
    return invoices.draft(
        db, owner_ref=OWNER, currency=currency, month=month, vat_basis_points=1_000, made_by=PREPARER
    ).id


def test_revenue_across_a_change_of_contract_is_what_the_books_say(db: Session, books: None) -> None:
    month = _month(db)
    first, second = _mixed(db, month)

    assert invoices.revenue(db, month) == [
        Revenue("USD", 4, "agent", revenue=2_000, labour=0, passed_on=10_000),
        Revenue("USD", 4, "principal", revenue=24_000, labour=20_000, passed_on=0),
    ]
    sums = _net(db)
    assert (sums["platform_fee"], sums["labour_revenue"], sums["labour"]) == (-2_000, -24_000, 20_000)

    adjustments.reverse(db, [first.id, second.id], reason="r", actor_ref=PREPARER)
    this_month = clock.now(db).date().replace(day=1)
    back = {row.presentation: (row.revenue, row.labour, row.passed_on) for row in invoices.revenue(db, this_month)}
    assert back == {"agent": (-2_000, 0, -10_000), "principal": (-24_000, -20_000, 0)}


def test_a_credit_note_across_a_change_of_contract_shows_each_part_as_it_was_posted(db: Session, books: None) -> None:
    first, second = _mixed(db, clock.now(db).date())
    month = _month(db)
    with owed.booked_on(month):
        adjustments.reverse(db, [first.id, second.id], reason="r", actor_ref=PREPARER)
    _contract(db, AGENT, days=-200)

    note = credit_notes.draft(
        db, owner_ref=OWNER, currency=money.currency(db, "USD"), month=month, vat_basis_points=0, made_by=PREPARER
    )
    credit_notes.issue(db, note.id, issued_by=APPROVER)

    assert (note.work, note.fee, note.sold, note.passed_on) == (30_000, 6_000, 26_000, 10_000)


def test_a_draft_is_stale_when_what_is_passed_on_has_changed_and_its_sums_have_not(db: Session, books: None) -> None:
    month = _month(db)
    _contract(db, AGENT, days=-3)
    with owed.booked_on(month):
        first = _earned(db, 10_000)
    made = _draft(db, month)
    _contract(db, PRINCIPAL, days=-2)
    with owed.booked_on(month):
        adjustments.reverse(db, [first.id], reason="r", actor_ref=PREPARER)
        _earned(db, 10_000)

    with pytest.raises(InvoiceStale):
        invoices.issue(db, made, issued_by=PREPARER)


def test_a_month_that_was_billed_before_the_books_told_is_presented_by_its_contract(db: Session) -> None:
    for presentation, parts in ((AGENT, (2, 10)), (PRINCIPAL, (12, 0))):
        old = Invoice(presentation=presentation, work=10, fee=2)
        assert (old.sold, old.passed_on) == parts


def test_the_journal_of_a_principal_needs_codes_for_its_sales_and_its_labour(db: Session, books: None) -> None:
    _contract(db, PRINCIPAL)
    _earned(db)

    roles = set(db.scalars(text("SELECT DISTINCT role FROM accounts")))
    assert {"labour", "labour_revenue"} <= roles <= set(ledger.ROLES)
    assert account_codes.ACCOUNT.fullmatch("labour_revenue")
