"""Payouts that were not paid, where no bank tells: one person says so, and another one lets their pay be due again.

Some rails have no file of results that is read. For the others it is the last resort: what a bank books after all of a
payout that failed waits in suspense.
"""

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict
from payments import four_eyes, payouts, reconciliation
from payments.models import Payout, PayoutFailure, PayoutState, ProposalState
from payments.payouts import NoSuchPayout, Outcome


class PayoutNotInTransit(Conflict):
    """Only what has left and is not final can fail."""


class FailureExists(Conflict):
    """Somebody has said already that this payout failed."""


class NoFailure(Conflict):
    """Nobody has said that this payout failed, or it was decided."""


def propose(db: Session, payout_id: str, *, reason: str, made_by: str) -> PayoutFailure:
    """Say that a payout in transit was not paid; for another person to confirm, and nothing is posted before."""
    payout = _lock(db, payout_id)
    if payout.state != PayoutState.EXPORTED:
        raise PayoutNotInTransit(f"This payout is {payout.state}; it would have to be {PayoutState.EXPORTED}.")
    if db.scalar(_live(payout_id)) is not None:
        raise FailureExists("Have what was said of this payout refused, before you say something else.")
    made = PayoutFailure(id=ids.new("pff"), payout_id=payout_id, reason=reason, made_by=made_by)
    db.add(made)
    db.flush()
    db.refresh(made)
    return made


def confirm(db: Session, payout_id: str, *, confirmed_by: str) -> PayoutFailure:
    """Let what another person has said of a payout count: what it paid is due again."""
    reconciliation.hold_files(db)
    payout = _lock(db, payout_id)
    found = _proposed(db, payout_id)
    four_eyes.other_person(found.made_by, confirmed_by)
    if not payouts.fail(db, [Outcome(payout_id, found.reason)]):
        raise PayoutNotInTransit(f"This payout is {payout.state} by now; refuse what was said of it.")
    found.state, found.decided_by, found.decided_at = ProposalState.POSTED, confirmed_by, clock.now(db)
    db.flush()
    return found


def refuse(db: Session, payout_id: str, *, refused_by: str) -> PayoutFailure:
    """Drop what was said of a payout, wherever it stands by now; nothing moves."""
    _lock(db, payout_id)
    found = _proposed(db, payout_id)
    found.state, found.decided_by, found.decided_at = ProposalState.REFUSED, refused_by, clock.now(db)
    db.flush()
    return found


def _live(payout_id: str) -> Select[PayoutFailure]:
    return select(PayoutFailure).where(
        PayoutFailure.payout_id == payout_id, PayoutFailure.state == ProposalState.PROPOSED
    )


def _proposed(db: Session, payout_id: str) -> PayoutFailure:
    found = db.scalar(_live(payout_id).with_for_update().execution_options(populate_existing=True))
    if found is None:
        raise NoFailure("Nobody has said that this payout failed, or it was decided.")
    return found


def _lock(db: Session, payout_id: str) -> Payout:
    payout = db.get(Payout, payout_id, with_for_update={"of": Payout}, populate_existing=True)
    if payout is None:
        raise NoSuchPayout("There is no such payout.")
    return payout


def listed(*, state: str | None = None) -> Select[PayoutFailure]:
    """All that was said of payouts, or what is in a state."""
    rows = select(PayoutFailure)
    return rows if state is None else rows.where(PayoutFailure.state == state)
