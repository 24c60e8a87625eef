"""Clawbacks: what was paid out and is asked back, such as pay for answers that turn out to be fraud.

The requester has their money back as soon as two people say so; the payee owes what they got of it to the house from
then on. That comes back out of later pay, within a cap (`netting`), or is given up by two people; what authorities took
when it was earned is taken back from them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, NotFound
from payments import accruals, active_time, floors, four_eyes, ledger, payees
from payments.adjustments import NoSuchEarning
from payments.ledger import FUNDS, PAYABLE, RECEIVABLE_PAYEE, RESERVE, WITHHELD, WRITE_OFF, AccountName, Entry, Line
from payments.models import Clawback, ClawbackState, Earning, EarningKind, EarningStatus, Reserve

# How much of a payout may go to what its payee owes: a quarter, in hundredths of a per cent.
NETTED_BASIS_POINTS_MAX = 2_500


class NoSuchClawback(NotFound):
    """There is no such clawback."""


class EarningNotPaid(Conflict):
    """Only what was paid out whole is asked back."""


class ClawbackExists(Conflict):
    """This earning is asked back already."""


class ClawbackDecided(Conflict):
    """The clawback is not where this can be done."""


class EarningChanged(Conflict):
    """The earning is not worth what it was when it was asked back."""


class NettingUnderWay(Conflict):
    """A run that has not left yet takes some of this clawback."""


# Asking back


def propose(db: Session, earning_id: str, *, reason: str, made_by: str) -> Clawback:
    """Ask for a paid earning back; for another person to confirm, and nothing is posted before."""
    earning = _lock_earning(db, earning_id)
    if db.scalar(select(Clawback.id).where(Clawback.earning_id == earning_id, Clawback.state != ClawbackState.REFUSED)):
        raise ClawbackExists("This earning is asked back already.")
    clawback = Clawback(
        id=ids.new("clw"), earning_id=earning.id, payee_id=earning.payee_id, currency=earning.currency,
        amount=earning.paid_out, reason=reason, made_by=made_by,
    )  # fmt: skip
    db.add(clawback)
    db.flush()
    db.refresh(clawback)
    return clawback


def confirm(db: Session, clawback_id: str, *, confirmed_by: str) -> Clawback:
    """Ask back for good, by another person: the requester has price and fee again, and the payee owes what they got."""
    clawback = _lock(db, clawback_id, ClawbackState.PROPOSED)
    four_eyes.other_person(clawback.made_by, confirmed_by)
    earning = _lock_earning(db, clawback.earning_id)
    if earning.paid_out != clawback.amount:
        raise EarningChanged("It came back, was repaired and paid again since; refuse this one and ask for it anew.")
    entry = _turned_round(db, earning, key=f"claw:{clawback.id}", actor_ref=confirmed_by)
    entry_id, now = ledger.post(db, [entry]).ids[entry.key], clock.now(db)
    accruals.forget(db, [earning.id])
    clawback.returned = sum(line.amount for line in entry.lines if line.credit.role == FUNDS)
    clawback.state, clawback.decided_by, clawback.decided_at = ClawbackState.OPEN, confirmed_by, now
    clawback.entry_id = entry_id
    db.flush()
    return clawback


def _turned_round(db: Session, earning: Earning, *, key: str, actor_ref: str) -> Entry:
    """What the earning's entry moved, moved back: but from the payee's debt, and to the requester's free funds.

    What authorities took of it comes from them.
    """
    assert earning.entry_id is not None, "what was paid is in the books"
    mirror = ledger.reversals(db, [earning.entry_id], actor_ref=actor_ref)[earning.entry_id]
    reserve = db.get(Reserve, earning.cause_ref) if earning.cause_ref is not None else None
    taxes = accruals.shares_of(db, earning.id)
    lines: list[Line] = []
    for line in mirror.lines:
        to, currency = line.credit, line.credit.currency
        if reserve and to.role == RESERVE:
            to = AccountName(FUNDS, reserve.owner_ref, currency)
        if line.debit.role == PAYABLE:
            debt = AccountName(RECEIVABLE_PAYEE, earning.payee_id, currency)
            lines.append(Line(debt, to, line.amount - sum(amount for _, amount in taxes)))
            lines += [Line(AccountName(WITHHELD, authority, currency), to, amount) for authority, amount in taxes]
        else:
            lines.append(Line(line.debit, to, line.amount))
    return Entry(key, "clawback", mirror.cause_ref, actor_ref, tuple(lines))


def refuse(db: Session, clawback_id: str, *, refused_by: str) -> Clawback:
    """Drop a clawback that was proposed; nothing moves."""
    clawback, now = _lock(db, clawback_id, ClawbackState.PROPOSED), clock.now(db)
    clawback.state, clawback.decided_by, clawback.decided_at = ClawbackState.REFUSED, refused_by, now
    db.flush()
    return clawback


# Giving up


def propose_write_off(db: Session, clawback_id: str, *, reason: str, proposed_by: str) -> Clawback:
    """Say that what is still owed will not come back; for another person to agree. A later word takes its place."""
    clawback = _lock(db, clawback_id, ClawbackState.OPEN)
    clawback.write_off_by, clawback.write_off_reason = proposed_by, reason
    db.flush()
    return clawback


def write_off(db: Session, clawback_id: str, *, confirmed_by: str) -> Clawback:
    """Give up what is still owed, by another person than who proposed it: it is the house's loss."""
    clawback = _lock(db, clawback_id, ClawbackState.OPEN)
    if clawback.write_off_by is None:
        raise ClawbackDecided("Nobody has proposed to write this off.")
    four_eyes.other_person(clawback.write_off_by, confirmed_by)
    if db.scalar(_IS_NETTED, {"id": clawback.id}):
        raise NettingUnderWay("A run is about to take some of it from its payee; wait for that, or drop the payout.")
    line = Line(
        AccountName(WRITE_OFF, ledger.HOUSE, clawback.currency),
        AccountName(RECEIVABLE_PAYEE, clawback.payee_id, clawback.currency),
        clawback.owed,
    )
    ledger.post(db, [Entry(f"wof:{clawback.id}", "write_off", clawback.id, confirmed_by, (line,))])
    now, lost = clock.now(db), clawback.owed
    clawback.state, clawback.written_off = ClawbackState.WRITTEN_OFF, lost
    clawback.written_off_by, clawback.written_off_at = confirmed_by, now
    db.flush()
    return clawback


_IS_NETTED = text("SELECT EXISTS (SELECT FROM nettings WHERE clawback_id = :id AND open)")


# Coming back


@dataclass(frozen=True, slots=True)
class Debt:
    """What of a clawback no run takes yet, in ledger units."""

    id: str
    owed: int


_DEBTS = text("""
    SELECT c.payee_id, c.currency, c.id, c.amount - c.recovered - c.written_off - coalesce(
               (SELECT sum(n.amount) FROM nettings n WHERE n.clawback_id = c.id AND n.open), 0) AS owed
      FROM clawbacks c WHERE c.payee_id = ANY(:payees) AND c.state = 'open' ORDER BY c.id
""")


def debts(db: Session, payee_ids: Sequence[str]) -> dict[tuple[str, str], list[Debt]]:
    """What payees owe, the oldest first, by payee and currency. The caller has locked them."""
    found: dict[tuple[str, str], list[Debt]] = defaultdict(list)
    for row in db.execute(_DEBTS, {"payees": list(payee_ids)}):
        if row.owed:
            found[row.payee_id, row.currency].append(Debt(row.id, int(row.owed)))
    return found


_SPARED = text(f"""
    WITH worked AS MATERIALIZED (
        SELECT e.payee_id, e.currency, t.region, t.cause_ref, t.milliseconds,
               (t.worked_on AT TIME ZONE 'UTC')::date AS day
          FROM earnings e JOIN active_time t ON t.answer_ref = e.answer_ref WHERE e.id = ANY(:earnings)
    )
    SELECT w.payee_id, w.currency, c.ledger_exponent AS exponent, sum(w.counted_ms * r.hourly) AS hourly_ms
      FROM ({active_time.capped("worked")}) w JOIN currencies c ON c.code = w.currency
     CROSS JOIN LATERAL ({floors.in_force("w.region", "w.currency", "w.day")}) r
     GROUP BY w.payee_id, w.currency, c.ledger_exponent
""")


def spared(db: Session, earning_ids: Sequence[str]) -> dict[tuple[str, str], int]:
    """The floor's pay for the time of these earnings, in ledger units, by payee and currency: no debt takes it."""
    if not earning_ids:
        return {}
    rows = db.execute(_SPARED, {"earnings": list(earning_ids)})
    return {(row.payee_id, row.currency): floors.worth(int(row.hourly_ms), row.exponent) for row in rows}


def netting(
    owed: Sequence[int], due: int, *, cap_basis_points: int = NETTED_BASIS_POINTS_MAX, least_left: int = 0
) -> list[int]:
    """How much of a payout goes to each debt of its payee, the first of them first; all in ledger units.

    owed : debts, oldest first. due : what the payout would be. No more goes than the cap's share of it, rounded down in
    the payee's favour, and never so much that less than `least_left` (the pay floor's) remains.
    """
    assert due >= 0, "nobody is paid less than nothing"
    left = max(min(due * cap_basis_points // 10_000, due - least_left), 0)
    taken = []
    for debt in owed:
        taken.append(min(debt, left))
        left -= taken[-1]
    return taken


_UNDER_WAY = text("""
    SELECT EXISTS (SELECT FROM payout_items i JOIN payouts p ON p.id = i.payout_id
                    WHERE i.earning_id = :earning_id AND p.state = 'exported')
        OR EXISTS (SELECT FROM unclaimed_items WHERE earning_id = :earning_id AND counts)
""")


def _lock_earning(db: Session, earning_id: str) -> Earning:
    """The paid earning, held together with its payee."""
    payee_id = db.scalar(select(Earning.payee_id).where(Earning.id == earning_id))
    if payee_id is None:
        raise NoSuchEarning("There is no such earning.")
    payees.lock(db, [payee_id])
    earning = db.get_one(Earning, earning_id, with_for_update={"of": Earning}, populate_existing=True)
    if earning.status != EarningStatus.PAID:
        raise EarningNotPaid(f"This earning is {earning.status}; what has not left whole is taken back or held.")
    if not earning.paid_out:
        raise EarningNotPaid("All of it went to authorities when it was earned; take it back instead.")
    if earning.kind == EarningKind.REDENOMINATION:
        raise EarningNotPaid("It stands for earnings in a currency that is over; settle it outside.")
    if db.scalar(_UNDER_WAY, {"earning_id": earning_id}):
        raise EarningNotPaid("Its payout has not arrived, or came back and nobody claims it; wait for that.")
    return earning


def _lock(db: Session, clawback_id: str, *allowed: ClawbackState) -> Clawback:
    payee_id = db.scalar(select(Clawback.payee_id).where(Clawback.id == clawback_id))
    if payee_id is None:
        raise NoSuchClawback("There is no such clawback.")
    payees.lock(db, [payee_id])
    clawback = db.get_one(Clawback, clawback_id, with_for_update={"of": Clawback}, populate_existing=True)
    if clawback.state not in allowed:
        raise ClawbackDecided(f"This clawback is {clawback.state}; it would have to be {' or '.join(allowed)}.")
    return clawback


def listed(*, payee_id: str | None = None, state: str | None = None) -> Select[Clawback]:
    """All clawbacks, or a payee's, or those in a state."""
    wanted: dict[str, Any] = {"payee_id": payee_id, "state": state}
    rows = select(Clawback)
    for column, value in wanted.items():
        rows = rows if value is None else rows.where(getattr(Clawback, column) == value)
    return rows
