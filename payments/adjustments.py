"""What is put right after the fact: earnings taken back or repaired, bonuses, and pay for a fault of the house.

Nothing that is in the books changes: a reversal takes an entry back, and the right one is posted beside it. What has
left in a payout, or is about to, is not touched here. Whoever changes what a payee is owed holds their row's lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import ids, pagination
from foundation.errors import Conflict, NotFound, within
from payments import accruals, earnings, funding, ledger, money, payees
from payments.funding import Rest
from payments.ledger import FUNDS, GOODWILL, HOUSE, PAYABLE, RESERVE, AccountName, Entry, EntryConflict, Line
from payments.models import (
    Adjustment,
    AdjustmentKind,
    Currency,
    Earning,
    EarningKind,
    EarningStatus,
    JournalEntry,
    Presentation,
)

# So many earnings at once: what a person can answer for.
EARNINGS_MAX = 1000


class NoSuchEarning(NotFound):
    """There is no such earning."""


class EarningInPayout(Conflict):
    """The earning is in a payout that has not left yet."""


class EarningPaid(Conflict):
    """The earning has been paid out."""


class EarningAskedBack(Conflict):
    """The earning was asked back from its payee."""


class PayeeBlocked(Conflict):
    """What is owed to this payee is blocked."""


class EarningRedenominated(Conflict):
    """The earning's currency was redenominated."""


class EarningNotDue(Conflict):
    """Only what is due can be taken back or repaired."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What an adjustment changes, in ledger units: the earning's worth, and what its requester pays or gets back.

    returned : to the requester, fee included; below zero, they pay more.
    """

    earning_id: str
    payee_id: str
    currency: str
    exponent: int
    amount_before: int
    amount_after: int
    returned: int


_LOCKED = text("""
    SELECT e.id, e.payee_id, e.answer_ref, e.cause_ref, e.kind, e.currency, e.amount, e.paid, e.withheld,
           e.revision, e.status, e.entry_id, c.ledger_exponent AS exponent, r.owner_ref, r.fee_basis_points,
           -- What left its source; a principal's labour is its own.
           (SELECT coalesce(sum(l.amount), 0) FROM journal_lines l JOIN accounts a ON a.id = l.debit_id
             WHERE l.entry_id = e.entry_id AND a.role <> 'labour')::bigint AS cost,
           CASE WHEN EXISTS (SELECT FROM journal_lines l JOIN accounts a ON a.id = l.debit_id AND a.role = 'labour'
                              WHERE l.entry_id = e.entry_id) THEN 'principal' ELSE 'agent' END AS presentation,
           EXISTS (SELECT FROM payout_items i WHERE i.earning_id = e.id AND i.open)
           OR EXISTS (SELECT FROM nettings n WHERE n.earning_id = e.id AND n.open) AS is_open,
           EXISTS (SELECT FROM clawbacks b WHERE b.earning_id = e.id AND b.entry_id IS NOT NULL) AS is_asked_back,
           EXISTS (SELECT FROM blocks k WHERE k.payee_id = e.payee_id AND k.state = 'active') AS is_blocked
      FROM earnings e JOIN currencies c ON c.code = e.currency LEFT JOIN reserves r ON r.cause_ref = e.cause_ref
     WHERE e.id = ANY(:ids) ORDER BY e.id FOR UPDATE OF e
""")
_REVERSED = text("UPDATE earnings SET status = 'reversed' WHERE id = ANY(:ids)")
_REPAIRED = text("""
    UPDATE earnings SET amount = :amount, revision = :revision, entry_id = :entry_id WHERE id = :id
""")


def preview_reversal(db: Session, earning_ids: Sequence[str]) -> list[Effect]:
    """What taking these earnings back would change. Nothing is written."""
    return [_taken_back(row) for row in _reversible(db, earning_ids)]


def reverse(db: Session, earning_ids: Sequence[str], *, reason: str, actor_ref: str) -> list[Effect]:
    """Take earnings back, and give the requester what they cost; one that is taken back already stays as it is."""
    rows = _reversible(db, earning_ids)
    _take_back(db, rows, actor_ref=actor_ref)
    rests = [Rest(row.cause_ref, f"rev:{row.entry_id}", row.cost) for row in rows if row.cause_ref]
    funding.release(db, rests, actor_ref=actor_ref)
    db.execute(_REVERSED, {"ids": [row.id for row in rows]})
    effects = [_taken_back(row) for row in rows]
    _note(db, AdjustmentKind.REVERSAL, effects, reason=reason, actor_ref=actor_ref)
    return effects


def repair(db: Session, earning_id: str, *, amount: str, reason: str, actor_ref: str) -> Effect:
    """Make an earning worth another amount, a decimal string; its requester pays the difference or gets it back.

    Raises `InsufficientFunds` if they hold less.
    """
    (row,) = _lock(db, [earning_id])
    _refuse_gone(row)
    units = _units(db, row, amount)
    effect = _effect(row, units)
    if units == row.amount:
        return effect
    key, revision = f"rep:{row.id}:{row.revision + 1}", row.revision + 1
    _take_back(db, [row], actor_ref=actor_ref)
    if effect.returned < 0:
        funding.reserve(
            db, owner_ref=row.owner_ref, cause_ref=row.cause_ref, key=key, currency=row.currency,
            amount=-effect.returned,
        )  # fmt: skip
    source = AccountName(RESERVE, row.cause_ref, row.currency)
    # Presented as it was when it was accepted, whatever the contract says by now.
    lines = earnings.pay_lines(
        source, payee_id=row.payee_id, amount=units, basis_points=row.fee_basis_points,
        presentation=Presentation(row.presentation),
    )  # fmt: skip
    entry = Entry(f"earn:{row.answer_ref}:{revision}", "earning", row.answer_ref, actor_ref, lines)
    entry_id = ledger.post(db, [entry]).ids[entry.key]
    funding.book(db, spent=[Rest(row.cause_ref, key, row.cost - effect.returned)])
    funding.release(db, [Rest(row.cause_ref, key, max(effect.returned, 0))], actor_ref=actor_ref)
    db.execute(_REPAIRED, {"id": row.id, "amount": units, "revision": revision, "entry_id": entry_id})
    accruals.take(db, [row.id])
    _note(db, AdjustmentKind.REPAIR, [effect], reason=reason, actor_ref=actor_ref)
    return effect


def preview_repair(db: Session, earning_id: str, *, amount: str) -> Effect:
    """What repairing an earning would change. Nothing is written."""
    (row,) = _lock(db, [earning_id])
    _refuse_gone(row)
    return _effect(row, _units(db, row, amount))


def _units(db: Session, row: Any, amount: str) -> int:
    if row.kind != EarningKind.ANSWER:
        raise EarningNotDue(f"{row.id} is for no answer; take it back and give another.")
    with within("/amount"):
        return money.parse(amount, db.get_one(Currency, row.currency))


@dataclass(frozen=True, slots=True)
class Gift:
    """What somebody is paid beyond their answers, in ledger units.

    reference : whoever gives has one for each gift, such as an appeal's id; it pays once and for ever.
    """

    payee_id: str
    currency: str
    amount: int
    reference: str
    reason: str


@dataclass(frozen=True, slots=True)
class BonusCost:
    """What a bonus would cost its requester, and what they have free, in ledger units."""

    currency: str
    exponent: int
    amount: int
    fee: int
    available: int

    @property
    def cost(self) -> int:
        return self.amount + self.fee


def preview_bonus(db: Session, gift: Gift, *, owner_ref: str) -> BonusCost:
    """What a bonus would cost. Nothing is written."""
    payees.find(db, gift.payee_id)
    cost = funding.with_fee(gift.amount, funding.fee_in_force(db, owner_ref))
    return BonusCost(
        currency=gift.currency,
        exponent=money.currency(db, gift.currency).ledger_exponent,
        amount=gift.amount,
        fee=cost - gift.amount,
        available=funding.available(db, owner_ref, gift.currency),
    )


def give_bonus(db: Session, gift: Gift, *, owner_ref: str, actor_ref: str) -> Earning:
    """Pay somebody out of a requester's funds, with the fee, once per reference. Raises `InsufficientFunds`."""
    terms, source = funding.terms_in_force(db, owner_ref), AccountName(FUNDS, owner_ref, gift.currency)
    lines = earnings.pay_lines(
        source, payee_id=gift.payee_id, amount=gift.amount, basis_points=terms.fee, presentation=terms.presentation
    )
    return _give(db, gift, EarningKind.BONUS, f"bonus:{owner_ref}:{gift.reference}", lines, actor_ref=actor_ref)


def give_goodwill(db: Session, gift: Gift, *, actor_ref: str) -> Earning:
    """Pay somebody at the house's own expense, once per reference."""
    ours, theirs = AccountName(GOODWILL, HOUSE, gift.currency), AccountName(PAYABLE, gift.payee_id, gift.currency)
    lines = (Line(ours, theirs, gift.amount),)
    return _give(db, gift, EarningKind.GOODWILL, f"goodwill:{gift.reference}", lines, actor_ref=actor_ref)


def _give(db: Session, gift: Gift, kind: EarningKind, key: str, lines: tuple[Line, ...], *, actor_ref: str) -> Earning:
    payees.find(db, gift.payee_id)
    payees.lock(db, [gift.payee_id])
    given = _given(db, gift, key)
    if given is not None:
        return given
    entry_id = ledger.post(db, [Entry(key, kind.value, gift.reference, actor_ref, lines)]).ids[key]
    made = earnings.make_due(
        db, payee_id=gift.payee_id, ref=ids.new("bon" if kind == EarningKind.BONUS else "gdw"), kind=kind,
        currency=gift.currency, amount=gift.amount, entry_id=entry_id,
    )  # fmt: skip
    effect = Effect(made.id, gift.payee_id, gift.currency, made.exponent, 0, gift.amount, 0)
    _note(db, AdjustmentKind(kind.value), [effect], reason=gift.reason, actor_ref=actor_ref)
    return made


def _given(db: Session, gift: Gift, key: str) -> Earning | None:
    """What this reference has paid already, at whatever fee there was then."""
    entries = select(JournalEntry.id).where(JournalEntry.idempotency_key == key)
    found = db.scalar(select(Earning).where(Earning.entry_id.in_(entries)))
    if found is not None and (found.payee_id, found.currency, found.amount) != (
        gift.payee_id, gift.currency, gift.amount
    ):  # fmt: skip
        raise EntryConflict(f"{gift.reference} has paid something else; give another reference.")
    return found


def page(db: Session, request: pagination.PageRequest, *, payee_id: str | None = None) -> pagination.Page:
    """All adjustments, newest first, or those of one payee."""
    rows = select(Adjustment)
    if payee_id is not None:
        rows = rows.join(Earning, Earning.id == Adjustment.earning_id).where(Earning.payee_id == payee_id)
    return pagination.read(db, rows, Adjustment.id, request)


def _lock(db: Session, earning_ids: Sequence[str]) -> Sequence[Any]:
    wanted = sorted(set(earning_ids))
    payees.lock(db, db.scalars(select(Earning.payee_id).where(Earning.id.in_(wanted))).all())
    rows = db.execute(_LOCKED, {"ids": wanted}).all()
    if len(rows) < len(wanted):
        raise NoSuchEarning(f"There is no earning {min(set(wanted) - {row.id for row in rows})}.")
    return rows


def _reversible(db: Session, earning_ids: Sequence[str]) -> list[Any]:
    rows = [row for row in _lock(db, earning_ids) if row.status != EarningStatus.REVERSED]
    for row in rows:
        _refuse_gone(row)
    return rows


def _refuse_gone(row: Any) -> None:
    """Refuse what is not owed: not yet, not any more, or about to leave; or in another currency than it was earned."""
    if row.status == EarningStatus.REDENOMINATED or row.kind == EarningKind.REDENOMINATION:
        raise EarningRedenominated(f"{row.id} went through a redenomination; give or ask for the difference apart.")
    if row.is_open:
        raise EarningInPayout(f"{row.id} is in a payout that has not left; drop it from its run first.")
    # Even if its payout came back: its requester has the money again, and the payee's debt stands against it.
    if row.is_asked_back:
        raise EarningAskedBack(f"{row.id} was asked back; what is owed for it now settles that.")
    # What authorities took when it was earned has not gone for good.
    if row.paid > row.withheld:
        raise EarningPaid(f"{row.id} has been paid; what went out is asked back, not taken back.")
    if row.status != EarningStatus.DUE and not row.withheld:
        raise EarningNotDue(f"{row.id} is {row.status}.")
    if row.is_blocked:
        raise PayeeBlocked(f"{row.payee_id} is blocked; what lies apart is not changed before the block is lifted.")


def _take_back(db: Session, rows: Sequence[Any], *, actor_ref: str) -> None:
    """Turn round what made these earnings due and what authorities took of them, in one posting."""
    taxes = accruals.entries_of(db, [row.id for row in rows])
    mirrored = ledger.reversals(db, [*(row.entry_id for row in rows), *taxes], actor_ref=actor_ref)
    ledger.post(db, list(mirrored.values()))
    accruals.untax(db, [row.id for row in rows])
    spent = [Rest(row.cause_ref, row.entry_id, -row.cost) for row in rows if row.cause_ref]
    funding.book(db, spent=spent)


def _taken_back(row: Any) -> Effect:
    return _effect(row, 0)


def _effect(row: Any, amount: int) -> Effect:
    # What it cost is what its entry moved, at the fee of that time; some was the house's own money.
    is_ours = row.kind == EarningKind.GOODWILL or (row.kind == EarningKind.FLOOR and row.cause_ref is None)
    cost = funding.with_fee(amount, row.fee_basis_points) if amount else 0
    returned = 0 if is_ours else row.cost - cost
    return Effect(row.id, row.payee_id, row.currency, row.exponent, row.amount, amount, returned)


def _note(db: Session, kind: AdjustmentKind, effects: Sequence[Effect], *, reason: str, actor_ref: str) -> None:
    db.add_all(
        Adjustment(
            id=ids.new("adj"),
            earning_id=effect.earning_id,
            kind=kind,
            amount_before=effect.amount_before,
            amount_after=effect.amount_after,
            reason=reason,
            made_by=actor_ref,
        )
        for effect in effects
    )
    db.flush()
