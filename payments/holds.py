"""Holds: what is owed and not paid out for the time being, with a reason and an end. Nothing is posted for one."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, Invalid, NotFound, within
from foundation.outbox import publish
from payments import four_eyes, payees
from payments.adjustments import NoSuchEarning
from payments.events import PayHeld
from payments.models import Earning, Hold

log = structlog.get_logger()
# Longer than this nobody is kept waiting without a court.
DAYS_MAX = 90


class HoldEndInvalid(Invalid):
    """A hold needs an end."""


class HoldOver(Conflict):
    """The hold has ended."""


def place(
    db: Session,
    *,
    payee_id: str,
    reason: str,
    made_by: str,
    earning_id: str | None = None,
    until: datetime | None = None,
    is_legal: bool = False,
) -> Hold:
    """Keep an earning, or all that a payee is owed, from being paid out.

    It ends by itself at `until`, ninety days from now at most; a legal one (a court's, a sanction's) by two people.
    """
    payees.find(db, payee_id)
    payees.lock(db, [payee_id])
    if earning_id is not None and db.scalar(select(Earning.payee_id).where(Earning.id == earning_id)) != payee_id:
        raise NoSuchEarning("This payee has no such earning.")
    with within("/until"):
        _check_end(db, until, is_legal=is_legal)
    hold = Hold(
        id=ids.new("hld"), payee_id=payee_id, earning_id=earning_id, reason=reason, until=until, is_legal=is_legal,
        made_by=made_by,
    )  # fmt: skip
    db.add(hold)
    db.flush()
    publish(db, PayHeld(hold.id, payee_id))
    return hold


def freeze(db: Session, payee_id: str, *, made_by: str) -> Hold:
    """Hold all pay of a payee because they ask for it: somebody else may act in their name.

    It holds for ninety days unless finance ends it before. While one holds, asking again changes nothing.
    """
    payees.lock(db, [payee_id])
    theirs = listed(payee_id=payee_id, active=True).where(Hold.made_by == made_by, Hold.earning_id.is_(None))
    found = db.scalar(theirs.order_by(Hold.id).limit(1))
    if found is not None:
        return found
    until = clock.now(db) + timedelta(days=DAYS_MAX)
    made = place(db, payee_id=payee_id, reason="Frozen by the payee.", made_by=made_by, until=until)
    log.warning("pay frozen by its payee", payee_id=payee_id, hold_id=made.id)
    return made


def _check_end(db: Session, until: datetime | None, *, is_legal: bool) -> None:
    if is_legal:
        if until is not None:
            raise HoldEndInvalid("A legal hold has no date; two people end it.")
        return
    now = clock.now(db)
    if until is None or not now < until <= now + timedelta(days=DAYS_MAX):
        raise HoldEndInvalid(f"Say until when, in the next {DAYS_MAX} days.")


def find(db: Session, hold_id: str) -> Hold:
    """The hold with this id."""
    hold = db.get(Hold, hold_id)
    if hold is None:
        raise NotFound("There is no such hold.")
    return hold


def end(db: Session, hold_id: str, *, reason: str, ended_by: str) -> Hold:
    """End a hold before its date. A legal one is ended by another person than who made it."""
    hold = find(db, hold_id)
    payees.lock(db, [hold.payee_id])
    db.refresh(hold)
    if hold.ended_at is not None or (hold.until is not None and hold.until <= clock.now(db)):
        raise HoldOver("This hold has ended already.")
    if hold.is_legal:
        four_eyes.other_person(hold.made_by, ended_by)
    hold.ended_by, hold.ended_at, hold.end_reason = ended_by, clock.now(db), reason
    db.flush()
    return hold


def listed(*, payee_id: str | None = None, active: bool | None = None) -> Select[Hold]:
    """All holds, or a payee's; those that hold now, or those that are over."""
    rows = select(Hold)
    if payee_id is not None:
        rows = rows.where(Hold.payee_id == payee_id)
    holds_now = and_(Hold.ended_at.is_(None), or_(Hold.until.is_(None), Hold.until > func.now()))
    return rows if active is None else rows.where(holds_now if active else ~holds_now)


def of_payee(db: Session, payee_id: str) -> Sequence[Hold]:
    """What holds a payee's money back now."""
    return db.scalars(listed(payee_id=payee_id, active=True).order_by(Hold.id)).all()
