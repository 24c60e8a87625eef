"""What an answer is worth to its payee: pending when it is weighed, due and in the books when it is accepted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from payments import accruals, funding, ledger
from payments.funding import Rest
from payments.ledger import (
    HOUSE,
    LABOUR,
    LABOUR_REVENUE,
    PAYABLE,
    PLATFORM_FEE,
    RESERVE,
    AccountName,
    Entry,
    Line,
)
from payments.models import Earning, EarningKind, EarningStatus, Presentation


@dataclass(frozen=True, slots=True)
class Work:
    """An answer to be paid: to whom, out of which reserve, at the price its claim fixed (ledger units)."""

    answer_ref: str
    payee_id: str
    cause_ref: str
    currency: str
    amount: int


_PEND = text("""
    INSERT INTO earnings (id, payee_id, answer_ref, cause_ref, currency, amount, status)
    SELECT *, 'pending' FROM unnest(CAST(:ids AS text[]), CAST(:payees AS text[]), CAST(:answers AS text[]),
                         CAST(:causes AS text[]), CAST(:currencies AS text[]), CAST(:amounts AS bigint[]))
    ON CONFLICT (answer_ref) DO NOTHING
""")
_TAKE = text(f"""
    SELECT e.id, e.payee_id, e.answer_ref, e.cause_ref, e.currency, e.amount, r.fee_basis_points,
           {funding.presentation_sql("r.owner_ref")} AS presentation
      FROM earnings e JOIN reserves r ON r.cause_ref = e.cause_ref
     WHERE e.answer_ref = ANY(:answers) AND e.status = 'pending' ORDER BY e.id FOR UPDATE OF e
""")
_DUE = text("""
    UPDATE earnings e SET status = 'due', due_at = now(), entry_id = posted.entry_id
      FROM unnest(CAST(:ids AS text[]), CAST(:entries AS text[])) AS posted(id, entry_id) WHERE e.id = posted.id
""")


def pend(db: Session, work: Sequence[Work]) -> None:
    """Record what new answers will be worth. Nothing is posted yet; an answer has one earning, however often told."""
    if work:
        db.execute(
            _PEND,
            {
                "ids": [ids.new("ern") for _ in work],
                "payees": [item.payee_id for item in work],
                "answers": [item.answer_ref for item in work],
                "causes": [item.cause_ref for item in work],
                "currencies": [item.currency for item in work],
                "amounts": [item.amount for item in work],
            },
        )


def accept(db: Session, answer_refs: Sequence[str], *, rests: Sequence[Rest] = (), actor_ref: str = HOUSE) -> int:
    """Make pending earnings due, and give back what their causes will not need; returns how many became due.

    One posting for both, what is earned (`pay_lines`) beside reserve -> funds, so that every balance is locked once and
    in one order however many others post at the same time. Presented as contracts say at this moment. Where pay is
    taxed when it is earned, payees are locked first, and their tax is taken of what was just posted.
    """
    taxed = set(accruals.hold(db, answer_refs))
    taken = db.execute(_TAKE, {"answers": list(answer_refs)}).all() if answer_refs else []
    due = {_entry(row): row for row in taken}
    given_back = funding.release_entries(db, rests, actor_ref=actor_ref)
    posted = ledger.post(db, [*due, *given_back])
    if due:
        ids_of = {row.id: posted.ids[entry.key] for entry, row in due.items()}
        db.execute(_DUE, {"ids": list(ids_of), "entries": list(ids_of.values())})
    spent = [Rest(row.cause_ref, row.id, funding.with_fee(row.amount, row.fee_basis_points)) for row in taken]
    funding.book(db, spent=spent, released=[rest for entry, rest in given_back.items() if entry.key in posted.fresh])
    accruals.take(db, [row.id for row in taken if row.payee_id in taxed])
    return len(taken)


_END = text("""
    UPDATE earnings e SET status = 'reversed', entry_id = posted.entry_id
      FROM unnest(CAST(:ids AS text[]), CAST(:entries AS text[])) AS posted(id, entry_id) WHERE e.id = posted.id
""")


def end(db: Session, answer_refs: Sequence[str], *, actor_ref: str) -> int:
    """End pending earnings that will never be due, and give back what was kept for them; returns how many.

    An answer that has no earning yet is left for when it has one.
    """
    taken = db.execute(_TAKE, {"answers": list(answer_refs)}).all() if answer_refs else []
    if not taken:
        return 0
    rests = [Rest(row.cause_ref, row.answer_ref, funding.with_fee(row.amount, row.fee_basis_points)) for row in taken]
    given_back = funding.release_entries(db, rests, actor_ref=actor_ref)
    posted = ledger.post(db, list(given_back))
    entry_of = {rest.key: posted.ids[entry.key] for entry, rest in given_back.items()}
    db.execute(_END, {"ids": [row.id for row in taken], "entries": [entry_of[row.answer_ref] for row in taken]})
    funding.book(db, released=[rest for entry, rest in given_back.items() if entry.key in posted.fresh])
    return len(taken)


def _entry(row: Any) -> Entry:
    source = AccountName(RESERVE, row.cause_ref, row.currency)
    lines = pay_lines(
        source, payee_id=row.payee_id, amount=row.amount, basis_points=row.fee_basis_points,
        presentation=Presentation(row.presentation),
    )  # fmt: skip
    return Entry(f"earn:{row.answer_ref}:1", "earning", row.answer_ref, HOUSE, lines)


def pay_lines(
    source: AccountName, *, payee_id: str, amount: int, basis_points: int, presentation: Presentation
) -> tuple[Line, ...]:
    """Owe a payee so much, and earn the fee for it, out of a requester's money.

    An agent passes the pay on and earns the fee. A principal sells both, and the pay is its cost (PAYMENTS, section 8).
    """
    payable, cost = AccountName(PAYABLE, payee_id, source.currency), funding.with_fee(amount, basis_points)
    if presentation == Presentation.PRINCIPAL:
        sold = Line(source, AccountName(LABOUR_REVENUE, HOUSE, source.currency), cost)
        return (sold, Line(AccountName(LABOUR, HOUSE, source.currency), payable, amount))
    lines = [Line(source, payable, amount)]
    if fee := cost - amount:
        lines.append(Line(source, AccountName(PLATFORM_FEE, HOUSE, source.currency), fee))
    return tuple(lines)


def make_due(
    db: Session, *, payee_id: str, ref: str, kind: EarningKind, currency: str, amount: int, entry_id: str
) -> Earning:
    """An earning that is for no answer and in the books already, less what is taxed of it; the payee is locked."""
    made = Earning(
        id=ids.new("ern"),
        payee_id=payee_id,
        answer_ref=ref,
        kind=kind,
        currency=currency,
        amount=amount,
        status=EarningStatus.DUE,
        entry_id=entry_id,
        due_at=clock.now(db),
    )
    db.add(made)
    db.flush()
    accruals.take(db, [made.id])
    db.refresh(made)
    return made


_TOTALS = text("""
    SELECT e.currency, c.ledger_exponent AS exponent, count(*) AS answers,
           coalesce(sum(e.amount) FILTER (WHERE e.status = 'pending'), 0) AS pending,
           coalesce(sum(e.amount - e.paid) FILTER (WHERE e.status = 'due'), 0) AS due,
           coalesce(sum(e.amount - e.paid) FILTER (WHERE e.status = 'due' AND EXISTS (
               SELECT FROM holds h WHERE h.payee_id = e.payee_id AND h.ended_at IS NULL
                  AND (h.until IS NULL OR h.until > now())
                  AND (h.earning_id IS NULL OR h.earning_id = e.id))), 0) AS held,
           sum(e.withheld) AS withheld, sum(e.paid - e.withheld - coalesce(r.amount, 0)) AS paid
      FROM earnings e JOIN currencies c ON c.code = e.currency
      LEFT JOIN (SELECT earning_id, sum(amount) AS amount FROM redenomination_items GROUP BY earning_id) r
        ON r.earning_id = e.id
     WHERE e.payee_id = :payee_id GROUP BY e.currency, c.ledger_exponent ORDER BY e.currency
""")


def totals(db: Session, payee_id: str) -> Sequence[Any]:
    """A payee's pending, due and paid sums in every currency, what of the due is held, and what was taxed when due."""
    return db.execute(_TOTALS, {"payee_id": payee_id}).all()


def page(db: Session, payee_id: str, request: pagination.PageRequest) -> pagination.Page:
    """A payee's earnings, newest first, each beside its currency."""
    rows = select(Earning).where(Earning.payee_id == payee_id)
    return pagination.read(db, rows, Earning.id, request)


def listed(*, since: datetime | None = None, until: datetime | None = None, **wanted: str | None) -> Select[Earning]:
    """All earnings, or those that became due from a moment on, or before one.

    wanted : payee_id, cause_ref, status and kind, each to narrow the list.
    """
    rows = select(Earning)
    for column, value in wanted.items():
        rows = rows if value is None else rows.where(getattr(Earning, column) == value)
    rows = rows if since is None else rows.where(Earning.due_at >= since)
    return rows if until is None else rows.where(Earning.due_at < until)
