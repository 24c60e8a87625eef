"""Pay that came back and that nobody claims: kept apart after a notice, until its payee claims it or a state does.

To be unclaimed is another way in which an earning is not owed any more: items say how much of which, and count as long
as the payee has not claimed it. So what is payable is still what is due and unpaid, and whoever claims is due it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, Invalid, NotFound, within
from payments import four_eyes, ledger, payees, payouts
from payments.ledger import BANK, HOUSE, PAYABLE, AccountName, Entry, Line
from payments.ledger import UNCLAIMED as ROLE
from payments.models import Payout, PayoutState, Unclaimed, UnclaimedState

# How long payees have after they were told, if nobody says otherwise.
NOTICE_DAYS = 30
# Of one filing.
FILED_MAX = 1_000


class NoSuchUnclaimed(NotFound):
    """There is no such unclaimed pay."""


class NotReturned(Conflict):
    """Only what came back is unclaimed."""


class UnclaimedExists(Conflict):
    """This payout is unclaimed, or somebody has proposed it."""


class NothingUnclaimed(Conflict):
    """Nothing of this payout is owed any more."""


class StillClaimable(Conflict):
    """The payee still has time to claim it."""


class NoticeInvalid(Invalid):
    """Nobody can have been told on that day."""


class UnclaimedMoveNotAllowed(Conflict):
    """The unclaimed pay is not where this can be done."""


class FilingUnknown(NotFound):
    """Nothing is proposed to go by this filing."""


class FilingTaken(Conflict):
    """A filing hands over once."""


# Keeping


def propose(
    db: Session, payout_id: str, *, noticed_on: date, made_by: str, notice_days: int = NOTICE_DAYS
) -> Unclaimed:
    """Say that nobody claims what a returned payout had paid; for another person to confirm once the notice is over.

    noticed_on : the day on which the payee was told that it came back. They have `notice_days` from then on.
    """
    today = clock.now(db).date()
    if noticed_on > today:
        with within("/noticed_on"):
            raise NoticeInvalid("The payee has to be told first.")
    payout = _lock_payout(db, payout_id)
    live = Unclaimed.state != UnclaimedState.REFUSED
    if db.scalar(select(Unclaimed.id).where(Unclaimed.payout_id == payout.id, live)) is not None:
        raise UnclaimedExists("Somebody has proposed this, or it was done.")
    _rests(db, payout.id)
    made = Unclaimed(
        id=ids.new("unc"), payout_id=payout.id, payee_id=payout.payee_id, currency=payout.earned_currency,
        noticed_on=noticed_on, claimable_until=noticed_on + timedelta(days=notice_days), made_by=made_by,
    )  # fmt: skip
    db.add(made)
    db.flush()
    db.refresh(made)
    return made


def _lock_payout(db: Session, payout_id: str) -> Payout:
    """A returned payout, held together with its payee."""
    payout = db.get(Payout, payout_id)
    if payout is None:
        raise payouts.NoSuchPayout("There is no such payout.")
    payees.lock(db, [payout.payee_id])
    db.refresh(payout)
    if payout.state != PayoutState.RETURNED:
        raise NotReturned(f"This payout is {payout.state}.")
    return payout


# Other payouts may have paid some of it meanwhile, and some may have been taken back or be asked back.
_RESTS = text("""
    SELECT e.id, least(i.amount, e.amount - e.paid) AS amount,
           EXISTS (SELECT FROM payout_items o WHERE o.earning_id = e.id AND o.open) AS is_leaving
      FROM payout_items i JOIN earnings e ON e.id = i.earning_id
     WHERE i.payout_id = :payout_id AND e.status = 'due' ORDER BY e.id FOR UPDATE OF e
""")


def _rests(db: Session, payout_id: str) -> Sequence[Any]:
    """What of a payout's earnings is still owed: id and amount in ledger units."""
    rows = db.execute(_RESTS, {"payout_id": payout_id}).all()
    if any(row.is_leaving for row in rows):
        raise NothingUnclaimed("A run is about to pay it again; drop its payout from there first.")
    if not rows:
        raise NothingUnclaimed("What it had paid was paid again, or taken back.")
    return rows


_KEEP = text("""
    WITH items AS (
        INSERT INTO unclaimed_items (unclaimed_id, earning_id, amount)
        SELECT CAST(:id AS text), * FROM unnest(CAST(:earnings AS text[]), CAST(:amounts AS bigint[]))
        RETURNING earning_id, amount
    )
    UPDATE earnings e
       SET paid = e.paid + i.amount, status = CASE WHEN e.paid + i.amount = e.amount THEN 'paid' ELSE 'due' END
      FROM items i WHERE e.id = i.earning_id
""")


def confirm(db: Session, unclaimed_id: str, *, confirmed_by: str) -> Unclaimed:
    """Keep pay apart that nobody claims, by another person and after the notice: it is not owed as pay any more."""
    found = _lock(db, unclaimed_id, UnclaimedState.PROPOSED)
    four_eyes.other_person(found.made_by, confirmed_by)
    now = clock.now(db)
    if now.date() <= found.claimable_until:
        raise StillClaimable(f"The payee has until {found.claimable_until} to claim it.")
    rows = _rests(db, found.payout_id)
    amount = sum(int(row.amount) for row in rows)
    key = f"unc:{found.payout_id}"
    line = Line(_payable(found), _kept(found), amount)
    ledger.post(db, [Entry(key, "unclaimed", found.id, confirmed_by, (line,))])
    given = {"earnings": [row.id for row in rows], "amounts": [int(row.amount) for row in rows]}
    found.state, found.decided_by, found.decided_at = UnclaimedState.KEPT, confirmed_by, now
    found.amount = amount
    db.flush()
    db.execute(_KEEP, {"id": found.id, **given})
    db.expire_all()
    return found


def _payable(found: Unclaimed) -> AccountName:
    return AccountName(PAYABLE, found.payee_id, found.currency)


def _kept(found: Unclaimed) -> AccountName:
    return AccountName(ROLE, found.payee_id, found.currency)


def refuse(db: Session, unclaimed_id: str, *, refused_by: str) -> Unclaimed:
    """Drop what was proposed, such as because the payee was reached; it is owed as before."""
    found = _lock(db, unclaimed_id, UnclaimedState.PROPOSED)
    found.state, found.decided_by, found.decided_at = UnclaimedState.REFUSED, refused_by, clock.now(db)
    db.flush()
    return found


# Claiming


_GIVE_BACK = text("""
    WITH items AS (
        UPDATE unclaimed_items SET counts = false WHERE unclaimed_id = :id RETURNING earning_id, amount
    )
    UPDATE earnings e SET paid = e.paid - i.amount, status = 'due' FROM items i WHERE e.id = i.earning_id
""")


def claim(db: Session, unclaimed_id: str, *, claimed_by: str, payee_id: str | None = None) -> Unclaimed:
    """Owe somebody again what was kept for them: the next run pays it, wherever their pay goes then.

    payee_id : whose it must be, if they claim it themselves.
    """
    found = _lock(db, unclaimed_id, UnclaimedState.KEPT, payee_id=payee_id)
    key = f"clm:{found.id}"
    line = Line(_kept(found), _payable(found), found.amount)
    ledger.post(db, [Entry(key, "claim", found.id, claimed_by, (line,))])
    found.state, found.claimed_by, found.claimed_at = UnclaimedState.CLAIMED, claimed_by, clock.now(db)
    found.filing = found.filed_by = None
    db.flush()
    db.execute(_GIVE_BACK, {"id": found.id})
    db.expire_all()
    return found


# Handing over


@dataclass(frozen=True, slots=True)
class Filing:
    """What goes to the state together. amount : its sum, in ledger units of its one currency."""

    filing: str
    currency: str
    exponent: int
    amount: int
    parts: int


def file(db: Session, unclaimed_ids: Sequence[str], *, filing: str, filed_by: str) -> Filing:
    """Say by which filing kept money goes to the state; for another person to confirm. Adds to what was said before."""
    found = _lock_kept(db, unclaimed_ids)
    whole = {one.id: one for one in [*_filed(db, filing), *found]}.values()
    if any(one.state == UnclaimedState.HANDED_OVER for one in whole):
        raise FilingTaken("Something was handed over by this filing already.")
    if len({one.currency for one in whole}) > 1 or len(whole) > FILED_MAX:
        raise FilingTaken(f"A filing is of one currency, and of {FILED_MAX} parts at most; begin another one.")
    for one in found:
        one.filing, one.filed_by = filing, filed_by
    db.flush()
    return _sum(list(whole))


def _sum(whole: Sequence[Unclaimed]) -> Filing:
    first = whole[0]
    return Filing(str(first.filing), first.currency, first.exponent, sum(one.amount for one in whole), len(whole))


def _lock_kept(db: Session, unclaimed_ids: Sequence[str]) -> list[Unclaimed]:
    wanted = sorted(set(unclaimed_ids))
    rows = select(Unclaimed).where(Unclaimed.id.in_(wanted)).order_by(Unclaimed.id)
    found = list(db.scalars(rows.with_for_update(of=Unclaimed).execution_options(populate_existing=True)))
    if len(found) < len(wanted):
        raise NoSuchUnclaimed(f"There is no {min(set(wanted) - {one.id for one in found})}.")
    for one in found:
        _refuse_elsewhere(one, UnclaimedState.KEPT)
        if one.filing is not None:
            raise FilingTaken(f"{one.id} is to go by the filing {one.filing}; have that one refused first.")
    return found


def _filed(db: Session, filing: str) -> list[Unclaimed]:
    rows = select(Unclaimed).where(Unclaimed.filing == filing).order_by(Unclaimed.id)
    return list(db.scalars(rows.with_for_update(of=Unclaimed).execution_options(populate_existing=True)))


def hand_over(db: Session, filing: str, *, currency: str, amount: int, confirmed_by: str) -> Filing:
    """Let all of a filing leave the bank for the state, by another person than whoever has filed it.

    amount : the sum that they have looked at, in ledger units; if it is another one now it is refused.
    """
    found = _of_filing(db, filing)
    for one in found:
        four_eyes.other_person(str(one.filed_by), confirmed_by)
    whole = _sum(found)
    if (whole.currency, whole.amount) != (currency, amount):
        raise FilingTaken("The filing is of another sum now; look at it again.")
    lines = tuple(Line(_kept(one), AccountName(BANK, HOUSE, one.currency), one.amount) for one in found)
    ledger.post(db, [Entry(f"esc:{filing}", "hand_over", filing, confirmed_by, lines)])
    now = clock.now(db)
    for one in found:
        one.state, one.handed_by, one.handed_at = UnclaimedState.HANDED_OVER, confirmed_by, now
    db.flush()
    return whole


def unfile(db: Session, filing: str) -> Filing:
    """Drop a filing before it is confirmed; what it was of is kept as before."""
    found = _of_filing(db, filing)
    whole = _sum(found)
    for one in found:
        one.filing = one.filed_by = None
    db.flush()
    return whole


def _of_filing(db: Session, filing: str) -> list[Unclaimed]:
    found = _filed(db, filing)
    if not found:
        raise FilingUnknown("Nothing goes by this filing.")
    for one in found:
        _refuse_elsewhere(one, UnclaimedState.KEPT)
    return found


def _refuse_elsewhere(found: Unclaimed, allowed: UnclaimedState) -> None:
    if found.state != allowed:
        raise UnclaimedMoveNotAllowed(f"{found.id} is {found.state}; it would have to be {allowed}.")


def _lock(db: Session, unclaimed_id: str, allowed: UnclaimedState, *, payee_id: str | None = None) -> Unclaimed:
    owner = db.scalar(select(Unclaimed.payee_id).where(Unclaimed.id == unclaimed_id))
    if owner is None or (payee_id is not None and owner != payee_id):
        raise NoSuchUnclaimed("There is no such unclaimed pay.")
    payees.lock(db, [owner])
    found = db.get_one(Unclaimed, unclaimed_id, with_for_update={"of": Unclaimed}, populate_existing=True)
    _refuse_elsewhere(found, allowed)
    return found


# Lists


def listed(*, payee_id: str | None = None, state: str | None = None, filing: str | None = None) -> Select[Unclaimed]:
    """All unclaimed pay, or a payee's, in a state, of a filing."""
    wanted: dict[str, Any] = {"payee_id": payee_id, "state": state, "filing": filing}
    rows = select(Unclaimed)
    for column, value in wanted.items():
        rows = rows if value is None else rows.where(getattr(Unclaimed, column) == value)
    return rows


def of_payee(payee_id: str) -> Select[Unclaimed]:
    """What is kept for a payee, and what they have claimed."""
    return listed(payee_id=payee_id).where(Unclaimed.state.in_([UnclaimedState.KEPT, UnclaimedState.CLAIMED]))


_AGES = text("""
    SELECT u.currency, c.ledger_exponent AS exponent, CAST(date_trunc('year', u.decided_at) AS date) AS since,
           count(*) AS n, sum(u.amount) AS amount, min(CAST(u.decided_at AS date)) AS oldest
      FROM unclaimed u JOIN currencies c ON c.code = u.currency WHERE u.state = 'kept' GROUP BY 1, 2, 3 ORDER BY 1, 3
""")


def ages(db: Session) -> Sequence[Any]:
    """What is kept, by currency and by the year since which: since, n, amount in ledger units, and the oldest day.

    States claim it by such years.
    """
    return db.execute(_AGES).all()
