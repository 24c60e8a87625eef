"""Payout runs: who is paid over a rail, prepared by one person, approved by another, and then sent, step by step.

It is prepared, rechecked, released and cancelled in steps of a thousand, each a transaction of its own: whatever dies
between two of them, the next one goes on. An earning is in one payout that has not left at most. Money leaves the books
before anything leaves the house, so that whatever is sent twice carries the same name twice.
"""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.errors import Conflict, Invalid, NotFound, within
from payments import clearance, four_eyes, fx, paying_accounts, payouts, preparing, rails, withholding
from payments.models import LeftOut, Payout, PayoutRun, RunRate, RunState

# Payouts of one step.
AT_ONCE = 1000
# An approval is for today's run.
APPROVAL_LASTS = timedelta(hours=24)


class NoSuchRun(NotFound):
    """There is no such payout run."""


class RunMoveNotAllowed(Conflict):
    """The run is not where this can be done."""


class RunChanged(Conflict):
    """The run is not the one that was looked at."""


class DestinationByApprover(Conflict):
    """Who has set a destination of this run cannot approve it."""


class CutOffInvalid(Invalid):
    """What becomes due later is for a later run."""


# Beginning


def begin(db: Session, *, rail: str, prepared_by: str, cut_off: datetime | None = None) -> PayoutRun:
    """A run of all that has become due until the cut-off, or until now, for payees who are paid over this rail.

    What was earned in another currency is paid at the rate that is in force now; raises if one is missing or stale.
    """
    chosen, now = rails.find(rail), clock.now(db)
    if cut_off is not None and cut_off > now:
        with within("/cut_off"):
            raise CutOffInvalid("The cut-off must not be in the future.")
    run = PayoutRun(
        id=ids.new("run"),
        rail=chosen.name,
        currency=chosen.currency,
        state=RunState.PREPARING,
        cut_off=cut_off or now,
        paying_account_id=paying_accounts.of_rail(db, chosen),
        prepared_by=prepared_by,
    )
    db.add(run)
    db.flush()
    for currency in db.scalars(_FOREIGN, {"rail": chosen.name, "currency": chosen.currency}).all():
        rate = fx.in_force(db, currency, chosen.currency)
        db.add(RunRate(run_id=run.id, currency=currency, rate_id=rate.id))
    db.flush()
    db.refresh(run)
    return run


_FOREIGN = text("""
    SELECT DISTINCT e.currency FROM earnings e
      JOIN payout_methods m ON m.payee_id = e.payee_id AND m.status = 'active' AND m.rail = :rail
     WHERE e.status = 'due' AND e.currency <> :currency ORDER BY 1
""")
# What is approved


# A line for each payout, a thousand in a row. A name is JSON, in which it cannot pass for the next payout; whatever was
# prepared before 0060 has none, and the hash that it had.
_CONTENT = text("""
    SELECT string_agg(line, '' ORDER BY id) AS lines
      FROM (SELECT p.id, (row_number() OVER (ORDER BY p.id) - 1) / 1000 AS part,
                   concat_ws('|', p.end_to_end_id, encode(p.fingerprint, 'hex'), p.net, p.currency,
                             coalesce(p.fx_rate_id, ''), p.withheld, to_json(p.name)) || chr(10) AS line
              FROM payouts p WHERE p.run_id = :run_id AND p.state <> 'dropped') AS each
     GROUP BY part ORDER BY part
""")
_STALE = text("""
    SELECT p.id, CASE WHEN m.status <> 'active' THEN 'another destination' ELSE 'held' END AS reason
      FROM payouts p JOIN payout_methods m ON m.id = p.method_id
     WHERE p.run_id = :run_id AND p.state = 'prepared'
       AND (m.status <> 'active'
            OR EXISTS (SELECT FROM holds h
                        WHERE h.payee_id = p.payee_id AND h.ended_at IS NULL AND (h.until IS NULL OR h.until > now())
                          AND (h.earning_id IS NULL
                               OR h.earning_id IN (SELECT earning_id FROM payout_items WHERE payout_id = p.id
                                                    UNION ALL
                                                   SELECT earning_id FROM nettings WHERE payout_id = p.id))))
     ORDER BY p.id LIMIT :most
""")
_SET_BY = text("""
    SELECT EXISTS (SELECT FROM payouts p JOIN payout_methods m ON m.id = p.method_id
                    WHERE p.run_id = :run_id AND p.state <> 'dropped' AND m.set_by = :person)
""")


def approve(db: Session, run_id: str, *, content_hash: str, approved_by: str) -> PayoutRun:
    """Another person than who prepared it lets a run go out as it is: its hash, which they have looked at, is given.

    Refused if anything of it is stale: a destination that was changed, a payee who is held. `recheck` drops these.
    """
    run = _lock(db, run_id, RunState.DRAFT)
    four_eyes.other_person(run.prepared_by, approved_by)
    if db.scalar(_SET_BY, {"run_id": run.id, "person": approved_by}):
        raise DestinationByApprover("You have set a destination that this run pays to; ask somebody else.")
    _refuse_changed(db, run, content_hash)
    run.state, run.approved_by, run.approved_at = RunState.APPROVED, approved_by, clock.now(db)
    db.flush()
    return run


def _refuse_changed(db: Session, run: PayoutRun, content_hash: str) -> None:
    if db.execute(_STALE, {"run_id": run.id, "most": 1}).first() is not None:
        raise RunChanged("A destination was changed or a payee held since it was prepared; have it rechecked.")
    if next(clearance.stale(db, run.id), None) is not None:
        raise RunChanged("Somebody in it may not be paid out any more; have it rechecked.")
    if withholding.has_moved(db, run):
        raise RunChanged(
            "Tax rules, documents or periods have changed since it was begun; cancel it and begin another."
        )
    if not content_hash == _hash(run).hex() == _content(db, run).hex():
        raise RunChanged("This is not the run's hash; look at it again.")


def _hash(run: PayoutRun) -> bytes:
    assert run.content_hash is not None, "a draft has a hash"
    return run.content_hash


def _content(db: Session, run: PayoutRun) -> bytes:
    """SHA-256 over the payouts in the order of their ids: reference, where to, how much, at which rate, less which tax,
    and to whom.
    """
    digest = hashlib.sha256(f"{run.id}|{run.rail}|{run.currency}\n".encode())
    for lines in db.scalars(_CONTENT, {"run_id": run.id}, execution_options={"yield_per": 10}):
        digest.update(lines.encode())
    return digest.digest()


def recheck(db: Session, run_id: str) -> PayoutRun:
    """Have what has become stale since a run was prepared dropped, step by step: that ends an approval."""
    run = _lock(db, run_id, RunState.DRAFT, RunState.APPROVED)
    run.state, run.approved_by, run.approved_at = RunState.RECHECKING, None, None
    db.flush()
    return run


def _recheck_some(db: Session, run: PayoutRun) -> bool:
    stale = dict(itertools.islice(clearance.stale(db, run.id), AT_ONCE))
    stale |= {row.id: row.reason for row in db.execute(_STALE, {"run_id": run.id, "most": AT_ONCE})}
    return bool(payouts.drop(db, stale))


def drop(db: Session, payout_id: str, *, reason: str) -> PayoutRun:
    """Take one payout out of a run that has not left, once; what it would have paid is due as before."""
    run_id = db.scalar(select(Payout.run_id).where(Payout.id == payout_id))
    if run_id is None:
        raise payouts.NoSuchPayout("There is no such payout.")
    run = _lock(db, run_id, RunState.DRAFT, RunState.APPROVED)
    if payouts.drop(db, {payout_id: reason}):
        _redraft(db, run)
    return run


_TOTALS = text("""
    SELECT count(*) AS n, coalesce(sum(net), 0) AS total FROM payouts WHERE run_id = :run_id AND state <> 'dropped'
""")


def _redraft(db: Session, run: PayoutRun) -> None:
    """Bring totals and hash up to what a run holds now; whoever approved it approved something else."""
    db.flush()
    totals = db.execute(_TOTALS, {"run_id": run.id}).one()
    run.n_payouts, run.total, run.content_hash = totals.n, int(totals.total), _content(db, run)
    run.state, run.approved_by, run.approved_at = RunState.DRAFT, None, None
    db.flush()


# Leaving


def release(db: Session, run_id: str, *, released_by: str) -> PayoutRun:
    """Let an approved run go: from here on its payouts leave the books, step by step, and then its file can be had."""
    run = _lock(db, run_id, RunState.APPROVED)
    approved_at = run.approved_at
    assert approved_at is not None, "an approved run has a time"
    if approved_at < clock.now(db) - APPROVAL_LASTS:
        raise RunChanged("It was approved more than a day ago; have it rechecked and approved again.")
    _refuse_changed(db, run, _hash(run).hex())
    run.state, run.released_by = RunState.RELEASING, released_by
    db.flush()
    return run


def reopen(db: Session, run_id: str) -> PayoutRun:
    """Take an approval back, so that it can be given again."""
    run = _lock(db, run_id, RunState.APPROVED)
    _redraft(db, run)
    return run


def cancel(db: Session, run_id: str) -> PayoutRun:
    """Give up a run that has not left; what it would have paid is due as before, once its steps have come through."""
    run = _lock(db, run_id, RunState.PREPARING, RunState.RECHECKING, RunState.DRAFT, RunState.APPROVED)
    run.state = RunState.CANCELLING
    db.flush()
    return run


# Steps


def go_on(db: Session) -> Iterator[None]:
    """Every run that is on its way, step by step. A work.

    In another order each time: one that cannot go on ends the work, and must not always come before the others.
    """
    moving = select(PayoutRun.id).where(PayoutRun.state.in_(_STEPS)).order_by(func.random())
    for run_id in db.scalars(moving).all():
        yield from steps(db, run_id)


def steps(db: Session, run_id: str) -> Iterator[None]:
    """Bring one run to where it waits for a person; what has been done may be committed at each step."""
    while True:
        run = db.get(PayoutRun, run_id, with_for_update={"of": PayoutRun}, populate_existing=True)
        if run is None:
            raise NoSuchRun("There is no such payout run.")
        if run.state not in _STEPS:
            return
        step, end = _STEPS[RunState(run.state)]
        if not step(db, run):
            end(db, run)
        yield


_NEXT_OUT = text("""
    SELECT id FROM payouts WHERE run_id = :run_id AND state = 'prepared' ORDER BY id LIMIT :most
""")


def _release_some(db: Session, run: PayoutRun) -> bool:
    rows = db.execute(_NEXT_OUT, {"run_id": run.id, "most": AT_ONCE}).all()
    if rows:
        payouts.send(db, run, [row.id for row in rows])
    return bool(rows)


def _drop_some(db: Session, run: PayoutRun) -> bool:
    rows = db.execute(_NEXT_OUT, {"run_id": run.id, "most": AT_ONCE}).all()
    return bool(payouts.drop(db, {row.id: "the run was cancelled" for row in rows}))


def _end_release(db: Session, run: PayoutRun) -> None:
    run.state, run.exported_at = RunState.EXPORTED, clock.now(db)
    db.flush()
    payouts.close_runs(db, [run.id])


def _end_cancel(db: Session, run: PayoutRun) -> None:
    run.state = RunState.CANCELLED
    db.flush()


_STEPS = {
    RunState.PREPARING: (preparing.prepare_some, _redraft),
    RunState.RECHECKING: (_recheck_some, _redraft),
    RunState.RELEASING: (_release_some, _end_release),
    RunState.CANCELLING: (_drop_some, _end_cancel),
}


def _lock(db: Session, run_id: str, *allowed: RunState) -> PayoutRun:
    run = db.get(PayoutRun, run_id, with_for_update={"of": PayoutRun}, populate_existing=True)
    if run is None:
        raise NoSuchRun("There is no such payout run.")
    if run.state not in allowed:
        raise RunMoveNotAllowed(f"This run is {run.state}; it would have to be {' or '.join(allowed)}.")
    return run


# Lists


def find(db: Session, run_id: str) -> PayoutRun:
    """The run with this id."""
    found = db.get(PayoutRun, run_id, populate_existing=True)
    if found is None:
        raise NoSuchRun("There is no such payout run.")
    return found


def listed(*, state: str | None = None) -> Select[PayoutRun]:
    """All runs, or those in a state."""
    rows = select(PayoutRun)
    return rows if state is None else rows.where(PayoutRun.state == state)


_REASONS = text("""
    SELECT l.reason, l.currency, c.ledger_exponent AS exponent, count(*) AS n_payees, sum(l.amount) AS amount
      FROM left_out l JOIN currencies c ON c.code = l.currency WHERE l.run_id = :run_id GROUP BY 1, 2, 3 ORDER BY 1, 2
""")


def reasons(db: Session, run_id: str) -> Sequence[Any]:
    """Why a run does not pay some, with how many they are and what is owed to them: reason, currency, exponent,
    n_payees, amount in ledger units.
    """
    return db.execute(_REASONS, {"run_id": run_id}).all()


def left_out(db: Session, run_id: str, request: pagination.PageRequest) -> pagination.Page:
    """Who is not paid by a run although something is owed to them, and why."""
    find(db, run_id)
    rows = select(LeftOut).where(LeftOut.run_id == run_id)
    return pagination.read(db, rows, LeftOut.place, request, newest_first=False)
