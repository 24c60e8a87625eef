"""Invoices: what an owner spent in a month, by the books, with tax on the fee; numbered without gaps when issued.

What was spent is read from the journal (the view `spending`): answers and bonuses, less what was taken back. It is
presented as it was posted, by the contract of that moment (`earnings.pay_lines`): an agent sells its fee and passes the
work on, a principal sells both. Tax is on the fee either way, and is posted when the invoice is issued.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, literal, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.db import patience
from foundation.errors import Conflict, NotFound
from payments import contracts, ledger, money, periods, spending
from payments.ledger import BANK, HOUSE, RECEIVABLE_REQUESTER, SALES_TAX, AccountName, Entry, Line
from payments.models import CreditNote, Currency, Invoice, InvoiceLine, InvoiceState, Presentation


class NoSuchInvoice(NotFound):
    """There is no such invoice."""


class NothingToInvoice(Conflict):
    """Nothing was spent in this month."""


class InvoiceExists(Conflict):
    """This month has been invoiced already."""


class InvoiceMoveNotAllowed(Conflict):
    """The invoice is not where this can be done."""


class InvoiceStale(Conflict):
    """The books say something else than the draft."""


class PaymentDiffers(Conflict):
    """The payment is not what is due."""


def tax(fee: int, basis_points: int, currency: Currency) -> int:
    """Tax on a fee, in ledger units: rounded once, half to even, to what a bank can pay."""
    if not basis_points:
        return 0
    return money.convert(fee, basis_points, 10_000, currency.ledger_exponent, currency.iso_exponent) * _unit(currency)


def _unit(currency: Currency) -> int:
    """The smallest amount that a bank can pay, in ledger units."""
    unit: int = 10 ** (currency.ledger_exponent - currency.iso_exponent)
    return unit


# Writing

_LINES = text(f"""
    WITH spent AS (
        SELECT kind, cause_ref, count(DISTINCT entry_id) AS entries, sum(work) AS work, sum(fee) AS fee,
               sum(work) FILTER (WHERE presentation = 'agent') AS agent_work
          FROM {spending.OF_MONTH} s
         WHERE owner_ref = :owner_ref AND currency = :currency
         GROUP BY kind, cause_ref
    ), written AS (
        INSERT INTO invoice_lines (invoice_id, line, kind, cause_ref, entries, work, fee)
        SELECT :invoice_id, row_number() OVER (ORDER BY cause_ref, kind), kind, cause_ref, entries, work, fee FROM spent
    )
    SELECT coalesce(sum(work), 0) AS work, coalesce(sum(fee), 0) AS fee, coalesce(sum(agent_work), 0) AS agent_work
      FROM spent
""")


def draft(
    db: Session, *, owner_ref: str, currency: Currency, month: date, vat_basis_points: int, made_by: str
) -> Invoice:
    """An invoice of what an owner spent in a month, to be looked at; it has no number and nothing is posted.

    month : its first day. vat_basis_points : the tax on the fee that was in force, in hundredths of a per cent.
    """
    contracts.hold_turn(db, owner_ref)
    following = spending.next_month(month)
    if following > clock.now(db).date():
        raise periods.MonthNotOver("A month is invoiced once it is over.")
    end = datetime(following.year, following.month, 1, tzinfo=UTC)
    periods.require_booked(db, end)
    contract = contracts.in_force(db, owner_ref, end - timedelta(microseconds=1))
    which = {"owner_ref": owner_ref, "currency": currency.code}
    if db.scalar(select(Invoice.id).filter_by(**which, period=month).where(Invoice.state != InvoiceState.VOID)):
        raise InvoiceExists("This month has been invoiced already; make that one void first.")
    if db.scalar(select(CreditNote.id).filter_by(**which, period=month).where(CreditNote.state != InvoiceState.VOID)):
        raise InvoiceExists("This month has a credit note; make that one void first.")
    invoice_id = ids.new("inv")
    spent = db.execute(_LINES, {**which, "invoice_id": invoice_id, **spending.month_of(month)}).one()
    work, fee = int(spent.work), int(spent.fee)
    if work + fee <= 0 or fee < 0:
        raise NothingToInvoice("No more was spent in this month than came back; it may have a credit note.")
    vat = tax(fee, vat_basis_points, currency)
    invoice = Invoice(
        id=invoice_id, **which, period=month, entity=contract.entity, presentation=contract.presentation,
        billing=contract.billing, work=work, fee=fee, agent_work=int(spent.agent_work),
        vat_basis_points=vat_basis_points, vat=vat, total=work + fee + vat, made_by=made_by,
    )  # fmt: skip
    db.add(invoice)
    db.flush()
    db.refresh(invoice)
    return invoice


_SPENT = text(f"""
    SELECT coalesce(sum(work), 0) AS work, coalesce(sum(fee), 0) AS fee,
           coalesce(sum(work) FILTER (WHERE presentation = 'agent'), 0) AS agent_work FROM {spending.OF_MONTH} s
     WHERE owner_ref = :owner_ref AND currency = :currency
""")
_NUMBER = text("""
    INSERT INTO invoice_numbers AS n (entity, year, last) VALUES (:entity, :year, 1)
    ON CONFLICT (entity, year) DO UPDATE SET last = n.last + 1 RETURNING last
""")


def issue(db: Session, invoice_id: str, *, issued_by: str) -> Invoice:
    """Give a draft its number and post its tax. Of the rest, what the owner had on credit is due; if nothing, paid."""
    invoice = _lock(db, invoice_id, InvoiceState.DRAFT)
    where = {"owner_ref": invoice.owner_ref, "currency": invoice.currency}
    spent = db.execute(_SPENT, {**where, **spending.month_of(invoice.period)}).one()
    if (spent.work, spent.fee) != (invoice.work, invoice.fee) or invoice.agent_work not in {None, spent.agent_work}:
        raise InvoiceStale("More has been booked for this month since; make the draft void and another one.")
    now, due = clock.now(db), _on_credit(db, invoice) + invoice.vat
    year = now.astimezone(UTC).year
    serial = db.scalars(_NUMBER, {"entity": invoice.entity, "year": year}).one()
    entry_id = None
    if invoice.vat:
        owed = AccountName(RECEIVABLE_REQUESTER, **where)
        line = Line(owed, AccountName(SALES_TAX, invoice.entity, invoice.currency), invoice.vat)
        entry = Entry(f"inv:{invoice.entity}-{year}-{serial:06}", "invoice", invoice.id, issued_by, (line,))
        entry_id = ledger.post(db, [entry]).ids[entry.key]
    invoice.state, invoice.issued_by, invoice.issued_at = InvoiceState.ISSUED, issued_by, now
    invoice.year, invoice.serial, invoice.due, invoice.entry_id = year, serial, due, entry_id
    if not due:
        invoice.state, invoice.paid_at = InvoiceState.PAID, now
    db.flush()
    return invoice


def _on_credit(db: Session, invoice: Invoice) -> int:
    """How much of an invoice its owner owes: what they have on credit that no other invoice asks for.

    Rounded down to what a bank can pay; the rest stays owed and comes with a later one.
    """
    owed = ledger.debit_balance(db, RECEIVABLE_REQUESTER, invoice.owner_ref, invoice.currency)
    open_dues = select(func.coalesce(func.sum(Invoice.due), 0)).filter_by(
        owner_ref=invoice.owner_ref, currency=invoice.currency, state=InvoiceState.ISSUED
    )
    asked = int(db.scalars(open_dues).one() or 0)
    assert owed >= asked, "what is invoiced is owed"
    part = min(invoice.work + invoice.fee, owed - asked)
    return part - part % _unit(invoice.books)


def pay(db: Session, invoice_id: str, *, currency: str, amount: int, bank_reference: str, actor_ref: str) -> Invoice:
    """Book the payment of an invoice, whole, by the bank's reference; the same one again changes nothing."""
    invoice = _lock(db, invoice_id, InvoiceState.ISSUED, InvoiceState.PAID)
    if (currency, amount) != (invoice.currency, invoice.due):
        due = money.format_amount(invoice.due or 0, invoice.exponent)
        raise PaymentDiffers(f"Due are {due} {invoice.currency}; book what came as a top-up, or ask for the rest.")
    receivable = AccountName(RECEIVABLE_REQUESTER, invoice.owner_ref, invoice.currency)
    line = Line(AccountName(BANK, HOUSE, invoice.currency), receivable, amount)
    entry = Entry(f"pay:{bank_reference}", "payment", invoice.id, actor_ref, (line,))
    posted = ledger.post(db, [entry])
    if posted.fresh and invoice.state == InvoiceState.PAID:
        raise InvoiceMoveNotAllowed("This invoice was paid under another reference; book this as a top-up.")
    if posted.fresh:
        now = clock.now(db)
        invoice.state, invoice.paid_at, invoice.payment_id = InvoiceState.PAID, now, posted.ids[entry.key]
        db.flush()
    return invoice


def void(db: Session, invoice_id: str, *, reason: str, voided_by: str) -> Invoice:
    """Make a wrong invoice count no more; its number stays taken, its tax is taken back, its month can be invoiced."""
    invoice = _lock(db, invoice_id, InvoiceState.DRAFT, InvoiceState.ISSUED)
    if invoice.entry_id is not None:
        ledger.post(db, list(ledger.reversals(db, [invoice.entry_id], actor_ref=voided_by).values()))
    now = clock.now(db)
    invoice.state, invoice.voided_by, invoice.voided_at = InvoiceState.VOID, voided_by, now
    invoice.void_reason = reason
    db.flush()
    return invoice


def _lock(db: Session, invoice_id: str, *allowed: InvoiceState) -> Invoice:
    owner_ref = db.scalar(select(Invoice.owner_ref).where(Invoice.id == invoice_id))
    if owner_ref is None:
        raise NoSuchInvoice("There is no such invoice.")
    contracts.hold_turn(db, owner_ref)
    invoice = db.get_one(Invoice, invoice_id, with_for_update={"of": Invoice}, populate_existing=True)
    if invoice.state not in allowed:
        raise InvoiceMoveNotAllowed(f"This invoice is {invoice.state}; it would have to be {' or '.join(allowed)}.")
    return invoice


# Reading


def listed(*, owner_ref: str | None = None, state: str | None = None) -> Select[Invoice]:
    """All invoices, or an owner's, or those in a state."""
    wanted: dict[str, Any] = {"owner_ref": owner_ref, "state": state}
    rows = select(Invoice)
    for column, value in wanted.items():
        rows = rows if value is None else rows.where(getattr(Invoice, column) == value)
    return rows


def of_owner(owner_ref: str) -> Select[Invoice]:
    """What an owner sees of their invoices: not what is still a draft, or never was one."""
    return select(Invoice).where(Invoice.owner_ref == owner_ref, Invoice.serial.is_not(None))


def find(db: Session, invoice_id: str, *, owner_ref: str | None = None) -> Invoice:
    """An invoice, of anybody's or one that this owner sees."""
    known = listed() if owner_ref is None else of_owner(owner_ref)
    invoice = db.scalar(known.where(Invoice.id == invoice_id))
    if invoice is None:
        raise NoSuchInvoice("There is no such invoice.")
    return invoice


def lines(
    db: Session, invoice_id: str, request: pagination.PageRequest, *, owner_ref: str | None = None
) -> pagination.Page:
    """The lines of an invoice, of anybody's or one that this owner sees."""
    invoice = find(db, invoice_id, owner_ref=owner_ref)
    columns = (InvoiceLine.line, InvoiceLine.kind, InvoiceLine.cause_ref, InvoiceLine.entries, InvoiceLine.work)
    exponent = literal(invoice.exponent).label("exponent")
    rows = select(*columns, InvoiceLine.fee, exponent).where(InvoiceLine.invoice_id == invoice_id)
    return pagination.read(db, rows, InvoiceLine.line, request, newest_first=False)


@dataclass(frozen=True, slots=True)
class Revenue:
    """What a month brought in one currency of what is presented alike, in ledger units.

    revenue : the house's own sales. labour : what of them is the cost of work; an agent has none, it only passes on.
    """

    currency: str
    exponent: int
    presentation: str
    revenue: int
    labour: int
    passed_on: int


_REVENUE = text(f"""
    SELECT s.currency, k.ledger_exponent AS exponent, s.presentation, sum(s.work) AS work, sum(s.fee) AS fee
      FROM {spending.OF_MONTH} s JOIN currencies k ON k.code = s.currency
     GROUP BY 1, 2, 3 ORDER BY 1, 3
""")


def revenue(db: Session, month: date) -> list[Revenue]:
    """What a month brought by the books: an agent's fees, and a principal's sales and what they cost in labour.

    month : its first day.
    """
    # However much a month holds: all owners are in it.
    with patience(db):
        found = db.execute(_REVENUE, spending.month_of(month)).all()
    return [_presented(row, int(row.work), int(row.fee)) for row in found]


def _presented(row: Any, work: int, fee: int) -> Revenue:
    scale = row.currency, row.exponent, row.presentation
    if row.presentation == Presentation.PRINCIPAL:
        return Revenue(*scale, revenue=work + fee, labour=work, passed_on=0)
    return Revenue(*scale, revenue=fee, labour=0, passed_on=work)
