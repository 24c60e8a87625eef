"""Credit notes: for months in which more came back to an owner than they spent, in a series of numbers of their own.

The mirror of `invoices.py`. What came back is in the owner's free funds since it came; the tax on its fee goes there
when the note is issued, by another person than who drafted it.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, literal, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.errors import Conflict, NotFound
from payments import contracts, four_eyes, invoices, ledger, periods, spending
from payments.ledger import FUNDS, SALES_TAX, AccountName, Entry, Line
from payments.models import CreditNote, CreditNoteLine, CreditNoteState, Currency, Invoice, InvoiceState


class NoSuchCreditNote(NotFound):
    """There is no such credit note."""


class NothingToCredit(Conflict):
    """No more came back in this month than was spent."""


class CreditNoteExists(Conflict):
    """This month has a credit note or an invoice already."""


class CreditNoteMoveNotAllowed(Conflict):
    """The credit note is not where this can be done."""


class CreditNoteStale(Conflict):
    """The books say something else than the credit note's draft."""


# Writing

_LINES = text(f"""
    WITH spent AS (
        SELECT kind, cause_ref, count(DISTINCT entry_id) AS entries, sum(work) AS work, sum(fee) AS fee,
               sum(work) FILTER (WHERE presentation = 'agent') AS agent_work
          FROM {spending.OF_MONTH} s
         WHERE owner_ref = :owner_ref AND currency = :currency
         GROUP BY kind, cause_ref
    ), written AS (
        INSERT INTO credit_note_lines (note_id, line, kind, cause_ref, entries, work, fee)
        SELECT :note_id, row_number() OVER (ORDER BY cause_ref, kind), kind, cause_ref, entries, work, fee FROM spent
    )
    SELECT -coalesce(sum(work), 0) AS work, -coalesce(sum(fee), 0) AS fee, -coalesce(sum(agent_work), 0) AS agent_work
      FROM spent
""")


def draft(
    db: Session, *, owner_ref: str, currency: Currency, month: date, vat_basis_points: int, made_by: str
) -> CreditNote:
    """A credit note of what came back to an owner in a month, to be looked at; nothing is posted, it has no number.

    month : its first day. vat_basis_points : the tax on the fee when it was invoiced, in hundredths of a per cent.
    """
    contracts.hold_turn(db, owner_ref)
    following = spending.next_month(month)
    if following > clock.now(db).date():
        raise periods.MonthNotOver("A month gets its credit note once it is over.")
    end = datetime(following.year, following.month, 1, tzinfo=UTC)
    periods.require_booked(db, end)
    contract = contracts.in_force(db, owner_ref, end - timedelta(microseconds=1))
    which = {"owner_ref": owner_ref, "currency": currency.code}
    _refuse_taken(db, month, **which)
    note_id = ids.new("crn")
    back = db.execute(_LINES, {**which, "note_id": note_id, **spending.month_of(month)}).one()
    work, fee = int(back.work), int(back.fee)
    if work + fee <= 0 or fee < 0:
        raise NothingToCredit("No more came back in this month than was spent; it may have an invoice.")
    vat = invoices.tax(fee, vat_basis_points, currency)
    note = CreditNote(
        id=note_id, **which, period=month, entity=contract.entity, presentation=contract.presentation, work=work,
        fee=fee, agent_work=int(back.agent_work), vat_basis_points=vat_basis_points, vat=vat, total=work + fee + vat,
        made_by=made_by,
    )  # fmt: skip
    db.add(note)
    db.flush()
    db.refresh(note)
    return note


def _refuse_taken(db: Session, month: date, *, owner_ref: str, currency: str) -> None:
    which = {"owner_ref": owner_ref, "currency": currency, "period": month}
    for table, void in ((CreditNote, CreditNoteState.VOID), (Invoice, InvoiceState.VOID)):
        if db.scalar(select(table.id).filter_by(**which).where(table.state != void)):
            raise CreditNoteExists("This month has one already, or an invoice; make that void first.")


_BACK = text(f"""
    SELECT -coalesce(sum(work), 0) AS work, -coalesce(sum(fee), 0) AS fee,
           -coalesce(sum(work) FILTER (WHERE presentation = 'agent'), 0) AS agent_work FROM {spending.OF_MONTH} s
     WHERE owner_ref = :owner_ref AND currency = :currency
""")
_NUMBER = text("""
    INSERT INTO credit_note_numbers AS n (entity, year, last) VALUES (:entity, :year, 1)
    ON CONFLICT (entity, year) DO UPDATE SET last = n.last + 1 RETURNING last
""")


def issue(db: Session, note_id: str, *, issued_by: str) -> CreditNote:
    """Give a draft its number, by another person, and its tax back to the owner's free funds."""
    note = _lock(db, note_id, CreditNoteState.DRAFT)
    four_eyes.other_person(note.made_by, issued_by)
    where = {"owner_ref": note.owner_ref, "currency": note.currency}
    back = db.execute(_BACK, {**where, **spending.month_of(note.period)}).one()
    if (back.work, back.fee) != (note.work, note.fee) or note.agent_work not in {None, back.agent_work}:
        raise CreditNoteStale("More has been booked for this month since; make the draft void and another one.")
    now = clock.now(db)
    year = now.astimezone(UTC).year
    serial = db.scalars(_NUMBER, {"entity": note.entity, "year": year}).one()
    if note.vat:
        tax = AccountName(SALES_TAX, note.entity, note.currency)
        key = f"crn:{note.entity}-CN-{year}-{serial:06}"
        entry = Entry(key, "credit_note", note.id, issued_by, (Line(tax, AccountName(FUNDS, **where), note.vat),))
        note.entry_id = ledger.post(db, [entry]).ids[key]
    note.state, note.issued_by, note.issued_at = CreditNoteState.ISSUED, issued_by, now
    note.year, note.serial = year, serial
    db.flush()
    return note


def void(db: Session, note_id: str, *, reason: str, voided_by: str) -> CreditNote:
    """Make a wrong credit note count no more; its number stays taken, and its tax is taken out of free funds again.

    Raises `InsufficientFunds` if the owner has spent it.
    """
    note = _lock(db, note_id, CreditNoteState.DRAFT, CreditNoteState.ISSUED)
    if note.entry_id is not None:
        ledger.post(db, list(ledger.reversals(db, [note.entry_id], actor_ref=voided_by).values()))
    now = clock.now(db)
    note.state, note.voided_by, note.voided_at, note.void_reason = CreditNoteState.VOID, voided_by, now, reason
    db.flush()
    return note


def _lock(db: Session, note_id: str, *allowed: CreditNoteState) -> CreditNote:
    owner_ref = db.scalar(select(CreditNote.owner_ref).where(CreditNote.id == note_id))
    if owner_ref is None:
        raise NoSuchCreditNote("There is no such credit note.")
    contracts.hold_turn(db, owner_ref)
    note = db.get_one(CreditNote, note_id, with_for_update={"of": CreditNote}, populate_existing=True)
    if note.state not in allowed:
        raise CreditNoteMoveNotAllowed(f"This one is {note.state}; it would have to be {' or '.join(allowed)}.")
    return note


# Reading


def listed(*, owner_ref: str | None = None, state: str | None = None) -> Select[CreditNote]:
    """All credit notes, or an owner's, or those in a state."""
    wanted: dict[str, Any] = {"owner_ref": owner_ref, "state": state}
    rows = select(CreditNote)
    for column, value in wanted.items():
        rows = rows if value is None else rows.where(getattr(CreditNote, column) == value)
    return rows


def of_owner(owner_ref: str) -> Select[CreditNote]:
    """What an owner sees of their credit notes: not what is still a draft, or never was one."""
    return select(CreditNote).where(CreditNote.owner_ref == owner_ref, CreditNote.serial.is_not(None))


def lines(
    db: Session, note_id: str, request: pagination.PageRequest, *, owner_ref: str | None = None
) -> pagination.Page:
    """The lines of a credit note, of anybody's or one that this owner sees; what came back is below zero."""
    known = listed() if owner_ref is None else of_owner(owner_ref)
    note = db.scalar(known.where(CreditNote.id == note_id))
    if note is None:
        raise NoSuchCreditNote("There is no such credit note.")
    columns = (CreditNoteLine.line, CreditNoteLine.kind, CreditNoteLine.cause_ref, CreditNoteLine.entries)
    exponent = literal(note.exponent).label("exponent")
    rows = select(*columns, CreditNoteLine.work, CreditNoteLine.fee, exponent).where(CreditNoteLine.note_id == note_id)
    return pagination.read(db, rows, CreditNoteLine.line, request, newest_first=False)
