"""Closing the books month by month: one person proposes, another confirms what the first has looked at.

A closed month takes no entry any more, nor does any month before it; a trigger of the journal holds that. What becomes
known later counts for a day of an open month and says when it really happened (`ledger.Entry.event_at`).
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import clock, pagination
from foundation.db import patience
from foundation.errors import Conflict, NotFound
from payments import four_eyes, horizon, statements
from payments.models import Period, PeriodState

_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")
_CLOSED = (PeriodState.CLOSED, PeriodState.REOPENING)


class NoSuchMonth(NotFound):
    """There is no such month in the books."""


class MonthNotOver(Conflict):
    """The month is not over."""


class StillBooking(Conflict):
    """What began in the month may still be on its way into the books."""


class EarlierMonthOpen(Conflict):
    """An earlier month has to be closed first."""


class LaterMonthClosed(Conflict):
    """A later month has to be opened first."""


class PeriodMoveNotAllowed(Conflict):
    """The month is not where this can be done."""


class TrialBalanceChanged(Conflict):
    """The trial balance is not the one that was looked at."""


@dataclass(frozen=True, slots=True)
class Closing:
    """A month with its trial balance as it is now, and the hash that whoever confirms has to give."""

    period: Period
    items: Sequence[Any]
    hash: str


def parse(month: str) -> date:
    """The first day of a month that is written as 2026-10. Raises `NoSuchMonth` for anything else."""
    found = _MONTH.fullmatch(month)
    return date(int(found[1]), int(found[2]), 1) if found else _refuse(month)


def _refuse(month: str) -> date:
    raise NoSuchMonth(f"Name a month such as 2026-10, not {month[:20]}.")


# Closing


def close(db: Session, month: date, *, closed_by: str) -> Period:
    """Propose that a month be closed, with its trial balance as it is. A new proposal takes the place of an old one."""
    _take_turns(db)
    _require_over(db, month)
    _require_order(db, month)
    period = db.get(Period, month, populate_existing=True)
    if period is None:
        period = Period(month=month, state=PeriodState.OPEN)
        db.add(period)
    _require(period, PeriodState.OPEN, PeriodState.CLOSING)
    period.state, period.closed_by, period.trial_hash = PeriodState.CLOSING, closed_by, _hash(month, _trial(db, month))
    db.flush()
    db.refresh(period)
    return period


def confirm(db: Session, month: date, *, trial_hash: str, confirmed_by: str) -> Period:
    """Close a month: another person gives the hash of the trial balance that they have looked at.

    Whoever is posting to it is waited for; whoever comes after that is refused. Nobody waits while it is added up.
    """
    _take_turns(db)
    period = _find(db, month, PeriodState.CLOSING)
    four_eyes.other_person(str(period.closed_by), confirmed_by)
    _require_order(db, month)
    since = horizon.final(db) or ""
    # Counted first: if there are no more in the end, whatever was added up between is all there is.
    n_entries = _count(db, month, since)
    found = _hash(month, _trial(db, month))
    if found.hex() != trial_hash:
        raise _trial_changed()
    db.execute(_HOLD, {"month": month.year * 12 + month.month})
    # Whatever came meanwhile has changed the hash, for an entry adds to what went through accounts.
    if _count(db, month, since) != n_entries:
        raise _trial_changed()
    # After the wait: whatever was let in was written before.
    now = db.scalar(_NOW)
    period.state, period.trial_hash = PeriodState.CLOSED, found
    period.confirmed_by, period.closed_at = confirmed_by, now
    db.flush()
    return period


def _trial_changed() -> TrialBalanceChanged:
    return TrialBalanceChanged("The month's trial balance has another hash; look at it again.")


# Opening again


def reopen(db: Session, month: date, *, reopening_by: str) -> Period:
    """Propose that the last closed month be opened again. Until somebody else confirms it, it stays closed."""
    _take_turns(db)
    period = _find(db, month, *_CLOSED)
    _require_last(db, month)
    period.state, period.reopening_by = PeriodState.REOPENING, reopening_by
    period.reopened_by = period.reopened_at = None
    db.flush()
    return period


def confirm_reopening(db: Session, month: date, *, reopened_by: str) -> Period:
    """Open a month again, by another person than the one who proposed that."""
    _take_turns(db)
    period = _find(db, month, PeriodState.REOPENING)
    four_eyes.other_person(str(period.reopening_by), reopened_by)
    _require_last(db, month)
    period.state, period.reopened_by, period.reopened_at = PeriodState.OPEN, reopened_by, clock.now(db)
    period.closed_by = period.confirmed_by = period.closed_at = period.trial_hash = None
    db.flush()
    return period


# What must be


_TURN = text("SELECT pg_advisory_xact_lock(7265005, -1)")
# Entries that are written when their month is over hold zero, all others their month: the trigger in migration 0034.
_HOLD = text("SELECT pg_advisory_xact_lock(7265005, 0), pg_advisory_xact_lock(7265005, :month)")
_NOW = text("SELECT clock_timestamp()")
_FIRST_OPEN = text("""
    SELECT min(effective_on) FROM journal_entries
     WHERE effective_on < :month
       AND effective_on >= coalesce((SELECT max(month) + interval '1 month' FROM periods
                                      WHERE state IN ('closed', 'reopening')), '-infinity')
""")


def _take_turns(db: Session) -> None:
    """One at a time decides about months: each looks at those before and after."""
    db.execute(_TURN)


_UNDER_WAY = text("""
    SELECT EXISTS (SELECT FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < :moment)
""")


def require_booked(db: Session, before: datetime) -> None:
    """Refuse while anything may still be booked for a time before this moment, which is over.

    What is posted carries the day on which its transaction began, and may be committed after midnight.
    """
    if db.scalar(_UNDER_WAY, {"moment": before}):
        raise StillBooking("Something that began in this month is still at work; try again in a moment.")


def _require_over(db: Session, month: date) -> None:
    today = clock.now(db).date()
    if month >= today.replace(day=1):
        raise MonthNotOver(f"It is {today}; a month is closed once it is over.")


def _require_order(db: Session, month: date) -> None:
    _require_last(db, month)
    with patience(db):
        first = db.scalar(_FIRST_OPEN, {"month": month})
    if first is not None:
        raise EarlierMonthOpen(f"There are entries in {_name(first)}, which is open; close that one first.")


def _require_last(db: Session, month: date) -> None:
    later = select(Period.month).where(Period.month > month, Period.state.in_(_CLOSED)).order_by(Period.month.desc())
    last = db.scalars(later.limit(1)).one_or_none()
    if last is not None:
        raise LaterMonthClosed(f"{_name(last)} is closed, and all before it; have that one opened again first.")


def _find(db: Session, month: date, *allowed: PeriodState) -> Period:
    period = db.get(Period, month, populate_existing=True)
    if period is None:
        raise NoSuchMonth("Nobody has proposed anything about this month.")
    _require(period, *allowed)
    return period


def _require(period: Period, *allowed: PeriodState) -> None:
    if period.state not in allowed:
        raise PeriodMoveNotAllowed(f"{_name(period.month)} is {period.state}; it would have to be {allowed[0]}.")


def _name(month: date) -> str:
    return month.isoformat()[:7]


# The trial balance of a month


def _trial(db: Session, month: date) -> Sequence[Any]:
    return statements.trial_balance(db, _last_day(month))


_COUNT = text("SELECT count(*) FROM journal_entries WHERE effective_on <= :day AND id >= :since")


def _count(db: Session, month: date, since: str) -> int:
    """The entries in a month's trial balance, from an id on before which there are never more."""
    with patience(db):
        return int(db.execute(_COUNT, {"day": _last_day(month), "since": since}).scalar_one())


def _last_day(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _hash(month: date, rows: Sequence[Any]) -> bytes:
    """SHA-256 of the month and of a line for each role and currency, as `checks.CHECKS` computes it too."""
    lines = [f"{row.role}|{row.kind}|{row.currency}|{int(row.debits)}|{int(row.credits)}" for row in rows]
    return hashlib.sha256("\n".join([_name(month), *lines]).encode()).digest()


def shown(db: Session, month: date) -> Closing:
    """A month about which something was proposed, with what its trial balance is now."""
    period = _find(db, month, *PeriodState)
    rows = _trial(db, month)
    return Closing(period, rows, _hash(month, rows).hex())


def page(db: Session, request: pagination.PageRequest) -> pagination.Page:
    """The months about which something was proposed, the last one first."""
    rows = select(Period).order_by(Period.month.desc()).limit(request.limit + 1)
    if request.after is not None:
        rows = rows.where(Period.month < date.fromisoformat(request.after))
    found = db.scalars(rows).all()
    items = found[: request.limit]
    return pagination.Page(items, items[-1].month.isoformat() if len(found) > request.limit else None)
