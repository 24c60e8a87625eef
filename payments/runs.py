"""Payout runs: who is paid over a rail, prepared by one person, approved by another, and then sent, step by step.

A run is prepared, released and cancelled in steps of a thousand, each a transaction of its own: whatever dies between
two of them, the next one goes on. An earning is in one payout that has not left at most. Money leaves the books before
anything leaves the house, so that whatever is sent twice carries the same name twice.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.errors import Conflict, Invalid, NotFound, within
from payments import four_eyes, fx, money, paying_accounts, payouts, rails
from payments.models import LeftOut, Payout, PayoutRun, RunRate, RunState
from payments.rails import Rail

# Payees of one step of preparing, and payouts of one step of releasing.
_AT_ONCE = 1000
# An approval is for today's run.
APPROVAL_LASTS = timedelta(hours=24)

NO_METHOD, COOLING, HELD, TOO_LITTLE, NO_RATE = "no_method", "cooling", "held", "too_little", "no_rate"


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


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit that was earned is worth in the currency that is paid, and at which scales the books keep both."""

    id: str | None
    numerator: int
    denominator: int
    earned_exponent: int
    exponent: int

    def worth(self, earned: int) -> int:
        """What is certainly paid for so much, in ledger units."""
        return money.convert_down(earned, self.numerator, self.denominator, self.earned_exponent, self.exponent)

    def costs(self, paid: int) -> int:
        """The least that has to be earned for so much to be paid, in ledger units."""
        return money.convert_up(paid, self.denominator, self.numerator, self.exponent, self.earned_exponent)


@dataclass(frozen=True, slots=True)
class Part:
    """One payment to a payee: how much of which of their earnings, and what that is paid as, in ledger units."""

    items: tuple[tuple[str, int], ...]
    net: int

    @property
    def gross(self) -> int:
        return sum(amount for _, amount in self.items)


# Preparing


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
_RATES = text("""
    SELECT r.currency, f.id, f.numerator, f.denominator, c.ledger_exponent AS earned_exponent
      FROM run_rates r JOIN fx_rates f ON f.id = r.rate_id JOIN currencies c ON c.code = r.currency
     WHERE r.run_id = :run_id
""")


def _rates(db: Session, run: PayoutRun) -> dict[str, Rate]:
    """By the currency that was earned in: the run's own is worth itself."""
    found = {
        row.currency: Rate(row.id, row.numerator, row.denominator, row.earned_exponent, run.exponent)
        for row in db.execute(_RATES, {"run_id": run.id})
    }
    return {**found, run.currency: Rate(None, 1, 1, run.exponent, run.exponent)}


_WITH_DUE = text("""
    SELECT p.id FROM payees p
     WHERE p.id > :after
       AND EXISTS (SELECT FROM earnings e WHERE e.payee_id = p.id AND e.status = 'due')
     ORDER BY p.id LIMIT :most FOR NO KEY UPDATE OF p
""")
_OWED = text("""
    SELECT e.payee_id, e.currency, m.id AS method_id, m.rail, m.fingerprint, m.cooling_until > now() AS is_cooling,
           array_agg(e.id ORDER BY e.due_at, e.id) FILTER (WHERE NOT h.is_held) AS earnings,
           array_agg(e.amount - e.paid ORDER BY e.due_at, e.id) FILTER (WHERE NOT h.is_held) AS rests,
           coalesce(sum(e.amount - e.paid) FILTER (WHERE h.is_held), 0) AS held
      FROM earnings e
      LEFT JOIN payout_methods m ON m.payee_id = e.payee_id AND m.status = 'active'
     CROSS JOIN LATERAL (SELECT EXISTS (
            SELECT FROM holds h WHERE h.payee_id = e.payee_id AND h.ended_at IS NULL
               AND (h.until IS NULL OR h.until > now()) AND (h.earning_id IS NULL OR h.earning_id = e.id)) AS is_held) h
     WHERE e.payee_id = ANY(:payees) AND e.status = 'due' AND e.due_at <= :cut_off
       AND (m.rail = :rail OR (m.rail IS NULL AND e.currency = :currency))
       AND NOT EXISTS (SELECT FROM payout_items i WHERE i.earning_id = e.id AND i.open)
     GROUP BY e.payee_id, e.currency, m.id ORDER BY e.payee_id, e.currency
""")
_WRITE = text("""
    WITH made AS (
        INSERT INTO payouts (id, run_id, payee_id, method_id, fingerprint, part, currency, earned_currency, fx_rate_id,
                             gross, net, end_to_end_id)
        SELECT id, CAST(:run_id AS text), payee, method, fingerprint, part, CAST(:currency AS text), earned, rate,
               gross, net, replace(id, '_', '')
          FROM unnest(CAST(:ids AS text[]), CAST(:payees AS text[]), CAST(:methods AS text[]),
                      CAST(:fingerprints AS bytea[]), CAST(:parts AS smallint[]), CAST(:earned AS text[]),
                      CAST(:rates AS text[]), CAST(:grosses AS bigint[]), CAST(:nets AS bigint[]))
               AS given(id, payee, method, fingerprint, part, earned, rate, gross, net)
    ), left_out AS (
        INSERT INTO left_out (run_id, payee_id, reason, currency, amount)
        SELECT CAST(:run_id AS text), * FROM unnest(CAST(:out_payees AS text[]), CAST(:out_reasons AS text[]),
                                                    CAST(:out_currencies AS text[]), CAST(:out_amounts AS bigint[]))
    )
    INSERT INTO payout_items (payout_id, earning_id, part, amount)
    SELECT * FROM unnest(CAST(:item_payouts AS text[]), CAST(:item_earnings AS text[]), CAST(:item_parts AS smallint[]),
                         CAST(:item_amounts AS bigint[]))
""")


@dataclass(frozen=True, slots=True)
class _Made:
    """A payout that is to be written. number : of its payee's, in this run; row : what it is for, as `_OWED` has it."""

    id: str
    row: Any
    number: int
    part: Part
    rate: Rate


def _prepare_some(db: Session, run: PayoutRun) -> bool:
    """The payouts of the next payees; whether there were any. Their rows are locked, so nothing changes meanwhile."""
    payee_ids = list(db.scalars(_WITH_DUE, {"after": run.prepared_through, "most": _AT_ONCE}))
    if not payee_ids:
        return False
    rail, rates = rails.find(run.rail), _rates(db, run)
    where = {"payees": payee_ids, "rail": rail.name, "currency": run.currency, "cut_off": run.cut_off}
    made: list[_Made] = []
    left_out: list[tuple[str, str, str, int]] = []
    numbers: Counter[str] = Counter()
    for row in db.execute(_OWED, where).all():
        rate = rates.get(row.currency)
        parts, reasons = _decide(row, rail, rate)
        for part in parts:
            assert rate is not None, "nothing is paid without a rate"
            made.append(_Made(ids.new("pyo"), row, numbers[row.payee_id], part, rate))
            numbers[row.payee_id] += 1
        left_out += [(row.payee_id, reason, row.currency, amount) for reason, amount in reasons.items()]
    _write(db, run, made, left_out)
    run.prepared_through = payee_ids[-1]
    run.n_payees += len(payee_ids)
    db.flush()
    return True


def _decide(row: Any, rail: Rail, rate: Rate | None) -> tuple[list[Part], dict[str, int]]:
    """A payee's payments of what they earned in one currency, and what is not paid and why, in its ledger units."""
    reasons = {HELD: int(row.held)} if row.held else {}
    owed = list(zip(row.earnings or (), (int(rest) for rest in row.rests or ()), strict=True))
    total = sum(rest for _, rest in owed)
    if owed and row.method_id is None:
        return [], {**reasons, NO_METHOD: total}
    if owed and row.is_cooling:
        return [], {**reasons, COOLING: total}
    if rate is None:
        return [], {**reasons, NO_RATE: total} if owed else reasons
    parts = split(owed, rail, rate)
    rest = total - sum(part.gross for part in parts)
    if rate.worth(rest) >= rail.unit(rate.exponent) or (owed and not parts):
        reasons[TOO_LITTLE] = rest
    return parts, reasons


def split(owed: Sequence[tuple[str, int]], rail: Rail, rate: Rate) -> list[Part]:
    """Payments that a rail takes out of what is owed, the oldest earning first; what is less than its unit stays owed.

    owed : earnings with what is unpaid of each, in ledger units. A last part below the rail's least is left for later.
    """
    unit = rail.unit(rate.exponent)
    most = rail.units(rail.most, rate.exponent) // unit * unit
    least = max(rail.units(rail.least, rate.exponent), unit)
    left = rate.worth(sum(rest for _, rest in owed)) // unit * unit
    waiting, parts, paid, taken = list(reversed(owed)), [], 0, 0
    while left >= least:
        net = min(left, most)
        left, paid = left - net, paid + net
        items = _take(waiting, rate.costs(paid) - taken)
        taken = rate.costs(paid)
        parts.append(Part(items, net))
    return parts


def _take(waiting: list[tuple[str, int]], wanted: int) -> tuple[tuple[str, int], ...]:
    """So much of what waits, from its end on; what is left of the last one goes on waiting."""
    items = []
    while wanted:
        earning_id, rest = waiting.pop()
        taken = min(rest, wanted)
        items.append((earning_id, taken))
        wanted -= taken
        if rest > taken:
            waiting.append((earning_id, rest - taken))
    return tuple(items)


def _write(db: Session, run: PayoutRun, made: Sequence[_Made], left_out: Sequence[tuple[str, str, str, int]]) -> None:
    items = [(one.id, one.number, *item) for one in made for item in one.part.items]
    db.execute(
        _WRITE,
        {
            "run_id": run.id,
            "currency": run.currency,
            "ids": [one.id for one in made],
            "payees": [one.row.payee_id for one in made],
            "methods": [one.row.method_id for one in made],
            "fingerprints": [one.row.fingerprint for one in made],
            "parts": [one.number for one in made],
            "earned": [one.row.currency for one in made],
            "rates": [one.rate.id for one in made],
            "grosses": [one.part.gross for one in made],
            "nets": [one.part.net for one in made],
            "out_payees": [payee_id for payee_id, _, _, _ in left_out],
            "out_reasons": [reason for _, reason, _, _ in left_out],
            "out_currencies": [currency for _, _, currency, _ in left_out],
            "out_amounts": [amount for _, _, _, amount in left_out],
            "item_payouts": [payout_id for payout_id, _, _, _ in items],
            "item_parts": [number for _, number, _, _ in items],
            "item_earnings": [earning_id for _, _, earning_id, _ in items],
            "item_amounts": [amount for _, _, _, amount in items],
        },
    )


# What is approved


_CONTENT = text("""
    SELECT p.end_to_end_id, p.fingerprint, p.net, p.currency, coalesce(p.fx_rate_id, '') AS rate FROM payouts p
     WHERE p.run_id = :run_id AND p.state <> 'dropped' ORDER BY p.id
""")
_STALE = text("""
    SELECT p.id, CASE WHEN m.status <> 'active' THEN 'another destination' ELSE 'held' END AS reason
      FROM payouts p JOIN payout_methods m ON m.id = p.method_id
     WHERE p.run_id = :run_id AND p.state = 'prepared'
       AND (m.status <> 'active'
            OR EXISTS (SELECT FROM holds h
                        WHERE h.payee_id = p.payee_id AND h.ended_at IS NULL AND (h.until IS NULL OR h.until > now())
                          AND (h.earning_id IS NULL
                               OR h.earning_id IN (SELECT earning_id FROM payout_items WHERE payout_id = p.id))))
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
    if not content_hash == _hash(run).hex() == _content(db, run).hex():
        raise RunChanged("This is not the run's hash; look at it again.")


def _hash(run: PayoutRun) -> bytes:
    assert run.content_hash is not None, "a draft has a hash"
    return run.content_hash


def _content(db: Session, run: PayoutRun) -> bytes:
    """SHA-256 over the payouts in the order of their ids: name, where to, how much, at which rate."""
    digest = hashlib.sha256(f"{run.id}|{run.rail}|{run.currency}\n".encode())
    for row in db.execute(_CONTENT, {"run_id": run.id}, execution_options={"yield_per": 1000}):
        digest.update(f"{row.end_to_end_id}|{row.fingerprint.hex()}|{row.net}|{row.currency}|{row.rate}\n".encode())
    return digest.digest()


def recheck(db: Session, run_id: str) -> PayoutRun:
    """Drop what has become stale since a run was prepared: that ends an approval, and the hash is another."""
    run = _lock(db, run_id, RunState.DRAFT, RunState.APPROVED)
    stale = {row.id: row.reason for row in db.execute(_STALE, {"run_id": run.id, "most": _AT_ONCE})}
    if stale:
        payouts.drop(db, stale)
        _redraft(db, run)
    return run


def drop(db: Session, payout_id: str, *, reason: str) -> PayoutRun:
    """Take one payout out of a run that has not left; what it would have paid is due as before."""
    run_id = db.scalar(select(Payout.run_id).where(Payout.id == payout_id))
    if run_id is None:
        raise payouts.NoSuchPayout("There is no such payout.")
    run = _lock(db, run_id, RunState.DRAFT, RunState.APPROVED)
    payouts.drop(db, {payout_id: reason})
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
    run = _lock(db, run_id, RunState.PREPARING, RunState.DRAFT, RunState.APPROVED)
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
    SELECT id, payee_id, gross, earned_currency, net FROM payouts
     WHERE run_id = :run_id AND state = 'prepared' ORDER BY id LIMIT :most
""")


def _release_some(db: Session, run: PayoutRun) -> bool:
    rows = db.execute(_NEXT_OUT, {"run_id": run.id, "most": _AT_ONCE}).all()
    if rows:
        payouts.send(db, run, rows)
    return bool(rows)


def _drop_some(db: Session, run: PayoutRun) -> bool:
    rows = db.execute(_NEXT_OUT, {"run_id": run.id, "most": _AT_ONCE}).all()
    payouts.drop(db, {row.id: "the run was cancelled" for row in rows})
    return bool(rows)


def _end_release(db: Session, run: PayoutRun) -> None:
    run.state, run.exported_at = RunState.EXPORTED, clock.now(db)
    db.flush()
    payouts.close_runs(db, [run.id])


def _end_cancel(db: Session, run: PayoutRun) -> None:
    run.state = RunState.CANCELLED
    db.flush()


_STEPS = {
    RunState.PREPARING: (_prepare_some, _redraft),
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
