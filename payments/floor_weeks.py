"""Weeks held against the floor, payee by payee, and what the house adds.

A week is one of ISO 8601 and begins on Monday at midnight UTC, for everybody: weeks by each payee's own clock would end
at 38 different moments. It holds the pay that became due in it and the time of the answers that this is for, so that
each answer counts once and with its pay, whenever it was worked; a top-up of another week is no pay, and what lifted a
batch (`batch_floors.py`) is pay of the week in which its answers became due. Pay in a currency is held against the
rules in that currency alone: work that no confirmed rule is for is left out, and counted as such.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.errors import Conflict, Invalid, NotFound
from payments import accruals, active_time, floors, ledger
from payments.ledger import FLOOR_TOPUP, HOUSE, PAYABLE, AccountName, Entry, Line
from payments.models import FloorWeek, FloorWeekState

WEEK = re.compile(r"20[0-9]{2}-W(?:0[1-9]|[1-4][0-9]|5[0-3])")
# Payees of one step.
_AT_ONCE = 1000
_ACTOR = "floor"
# What became due in a week has been committed by then.
_SETTLED_AFTER = timedelta(hours=1)


class WeekInvalid(Invalid):
    """There is no such week in the calendar."""


class WeekNotOver(Conflict):
    """The week is not over yet."""


class NoSuchWeek(NotFound):
    """This week was never held against the floor."""


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment on, before another one."""

    since: datetime
    until: datetime


def span(week: str) -> Span:
    """When a week such as 2026-W05 begins and ends."""
    try:
        if WEEK.fullmatch(week) is None:
            raise ValueError
        monday = date.fromisocalendar(int(week[:4]), int(week[6:]), 1)
    except ValueError as error:
        raise WeekInvalid("Give a week as in 2026-W05; not every year has a 53rd.") from error
    since = datetime(monday.year, monday.month, monday.day, tzinfo=UTC)
    return Span(since, since + timedelta(days=7))


def begin(db: Session, week: str, *, begun_by: str) -> FloorWeek:
    """Have a week that is over held against the floor; one that was begun before is as it is."""
    if span(week).until + _SETTLED_AFTER > clock.now(db):
        raise WeekNotOver("A week can be held against the floor an hour after its Sunday has ended in UTC.")
    db.execute(
        text("INSERT INTO floor_weeks (week, begun_by) VALUES (:week, :begun_by) ON CONFLICT DO NOTHING"),
        {"week": week, "begun_by": begun_by},
    )
    return db.get_one(FloorWeek, week, populate_existing=True)


# Steps


def go_on(db: Session) -> Iterator[None]:
    """Every week that has been begun and is not closed, step by step. A work."""
    counting = select(FloorWeek.week).where(FloorWeek.state == FloorWeekState.COUNTING).order_by(FloorWeek.week)
    for week in db.scalars(counting).all():
        yield from steps(db, week)


def steps(db: Session, week: str) -> Iterator[None]:
    """Go through a week's payees, a thousand at a step, and close it; what is done may be committed at each step."""
    while True:
        row = db.get(FloorWeek, week, with_for_update=True, populate_existing=True)
        if row is None:
            raise NoSuchWeek("This week was never begun.")
        if row.state == FloorWeekState.CLOSED:
            return
        if not _count_some(db, row):
            row.state, row.closed_at = FloorWeekState.CLOSED, clock.now(db)
            db.flush()
        yield


# Their rows are locked as by whoever changes what they are owed; new answers of theirs may come meanwhile.
_PAID_IN_IT = text("""
    SELECT p.id FROM payees p
     WHERE p.id > :after
       AND EXISTS (SELECT FROM earnings e WHERE e.payee_id = p.id AND e.due_at >= :since AND e.due_at < :until)
     ORDER BY p.id LIMIT :most FOR NO KEY UPDATE OF p
""")
# What was reversed is neither pay nor work. A payout that failed or came back has cost its payee nothing.
_COUNTED = text(f"""
    WITH due AS MATERIALIZED (
        SELECT payee_id, currency, answer_ref, kind, amount FROM earnings
         WHERE payee_id = ANY(:payees) AND due_at >= :since AND due_at < :until
           AND status IN ('due', 'paid', 'redenominated') AND kind <> 'redenomination'
    ), worked AS MATERIALIZED (
        SELECT d.payee_id, d.currency, t.region, t.cause_ref, t.milliseconds,
               (t.worked_on AT TIME ZONE 'UTC')::date AS day
          FROM due d JOIN active_time t ON t.answer_ref = d.answer_ref
    ), days AS (
        SELECT payee_id, currency, region, day, sum(counted_ms) AS ms
          FROM ({active_time.capped("worked", until=":until")}) counted GROUP BY payee_id, currency, region, day
    ), hours AS (
        SELECT d.payee_id, d.currency, sum(d.ms) AS milliseconds,
               coalesce(sum(d.ms) FILTER (WHERE r.id IS NULL), 0) AS left_out_ms,
               coalesce(sum(d.ms * r.hourly), 0) AS hourly_ms
          FROM days d LEFT JOIN LATERAL ({floors.in_force("d.region", "d.currency", "d.day")}) r ON true
         GROUP BY d.payee_id, d.currency
    ), lifted AS (
        SELECT b.payee_id, f.currency, sum(b.top_up) AS amount
          FROM batch_floor_pay b JOIN batch_floors f ON f.id = b.floor_id
          JOIN earnings e ON e.entry_id = b.entry_id AND e.status <> 'reversed'
         WHERE b.payee_id = ANY(:payees) AND b.week = :week GROUP BY b.payee_id, f.currency
    ), paid AS (
        SELECT payee_id, currency, sum(amount) AS pay FROM (
            SELECT payee_id, currency, amount FROM due WHERE kind <> 'floor'
             UNION ALL SELECT payee_id, currency, amount FROM lifted) p
         GROUP BY payee_id, currency
    ), cost AS (
        SELECT o.payee_id, o.currency, sum(o.fee) AS fees FROM payouts o JOIN payout_runs r ON r.id = o.run_id
         WHERE o.payee_id = ANY(:payees) AND o.state IN ('exported', 'settled')
           AND r.exported_at >= :since AND r.exported_at < :until
         GROUP BY o.payee_id, o.currency
    )
    SELECT payee_id, currency, c.ledger_exponent AS exponent, milliseconds, left_out_ms, hourly_ms, pay,
           coalesce(fees, 0) AS fees
      FROM hours JOIN paid USING (payee_id, currency) LEFT JOIN cost USING (payee_id, currency)
      JOIN currencies c ON c.code = currency
     ORDER BY payee_id, currency
""")
# For no answer, so they refer to themselves.
_WRITE = text("""
    WITH kept AS (
        INSERT INTO weekly_pay (week, payee_id, currency, milliseconds, left_out_ms, pay, fees, floor, top_up, entry_id)
        SELECT CAST(:week AS text), * FROM unnest(
            CAST(:payees AS text[]), CAST(:currencies AS text[]), CAST(:milliseconds AS bigint[]),
            CAST(:left_out AS bigint[]), CAST(:pay AS bigint[]), CAST(:fees AS bigint[]), CAST(:floors AS bigint[]),
            CAST(:top_ups AS bigint[]), CAST(:entries AS text[]))
        RETURNING payee_id, currency, top_up, entry_id
    )
    INSERT INTO earnings (id, payee_id, answer_ref, kind, currency, amount, status, entry_id, due_at)
    SELECT g.id, k.payee_id, g.id, 'floor', k.currency, k.top_up, 'due', k.entry_id, now()
      FROM kept k JOIN unnest(CAST(:entries AS text[]), CAST(:ids AS text[])) AS g(entry_id, id) USING (entry_id)
""")


@dataclass(frozen=True, slots=True)
class _Week:
    """What somebody earned in a week in one currency, and what must be added; row : of `_COUNTED`."""

    row: Any
    floor: int
    top_up: int


def _count_some(db: Session, row: FloorWeek) -> bool:
    """Count the next payees' week and add what it lacks; whether there were any."""
    between = span(row.week)
    when: dict[str, Any] = {"since": between.since, "until": between.until}
    payee_ids = list(db.scalars(_PAID_IN_IT, {"after": row.counted_through, "most": _AT_ONCE, **when}))
    if not payee_ids:
        return False
    counted = [_weigh(found) for found in db.execute(_COUNTED, {"payees": payee_ids, "week": row.week, **when})]
    _write(db, row.week, counted, _post(db, row.week, counted))
    row.counted_through = payee_ids[-1]
    row.n_payees += len({one.row.payee_id for one in counted})
    row.n_topped_up += len({one.row.payee_id for one in counted if one.top_up})
    row.n_left_out += len({one.row.payee_id for one in counted if one.row.left_out_ms})
    db.flush()
    return True


def _weigh(row: Any) -> _Week:
    floor = floors.worth(int(row.hourly_ms), row.exponent)
    lacking = floor - int(row.pay or 0) + int(row.fees)
    return _Week(row, floor, max(lacking, 0) if floor else 0)


def _post(db: Session, week: str, counted: Sequence[_Week]) -> list[str | None]:
    """Book what is added; the entry of each week counted, or none."""
    entries = [_entry(week, one) for one in counted]
    posted = ledger.post(db, [entry for entry in entries if entry is not None])
    return [None if entry is None else posted.ids[entry.key] for entry in entries]


def _entry(week: str, one: _Week) -> Entry | None:
    if not one.top_up:
        return None
    payee_id, currency = one.row.payee_id, one.row.currency
    line = Line(AccountName(FLOOR_TOPUP, HOUSE, currency), AccountName(PAYABLE, payee_id, currency), one.top_up)
    return Entry(f"flr:{payee_id}:{week}:{currency}", "floor", payee_id, _ACTOR, (line,))


def _write(db: Session, week: str, counted: Sequence[_Week], entries: Sequence[str | None]) -> None:
    made = [ids.new("ern") for _ in counted]
    db.execute(
        _WRITE,
        {
            "week": week,
            "payees": [one.row.payee_id for one in counted],
            "currencies": [one.row.currency for one in counted],
            "milliseconds": [int(one.row.milliseconds) for one in counted],
            "left_out": [int(one.row.left_out_ms) for one in counted],
            "pay": [int(one.row.pay or 0) for one in counted],
            "fees": [int(one.row.fees) for one in counted],
            "floors": [one.floor for one in counted],
            "top_ups": [one.top_up for one in counted],
            "entries": list(entries),
            "ids": made,
        },
    )
    accruals.take(db, [each for each, entry_id in zip(made, entries, strict=True) if entry_id is not None])


# Lists


@dataclass(frozen=True, slots=True)
class Added:
    """What the house added to a week in one currency, in ledger units, and to how many payees."""

    currency: str
    exponent: int
    payees: int
    amount: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A week with what was added to it so far."""

    week: str
    state: str
    begun_by: str
    n_payees: int
    n_topped_up: int
    n_left_out: int
    created_at: datetime
    closed_at: datetime | None
    added: list[Added]


_ADDED = text("""
    SELECT w.week, w.currency, c.ledger_exponent AS exponent, count(*) AS payees, sum(w.top_up) AS amount
      FROM weekly_pay w JOIN currencies c ON c.code = w.currency
     WHERE w.week = ANY(:weeks) AND w.top_up > 0
     GROUP BY w.week, w.currency, c.ledger_exponent ORDER BY w.week, w.currency
""")


def page(db: Session, request: pagination.PageRequest) -> pagination.Page:
    """All weeks that were begun, the newest first, each with what was added to it."""
    found = pagination.read(db, select(FloorWeek), FloorWeek.week, request)
    return pagination.Page(items=standings(db, found.items), last=found.last)


def standings(db: Session, weeks: Sequence[FloorWeek]) -> list[Standing]:
    """Weeks with what was added to them so far."""
    added: dict[str, list[Added]] = {row.week: [] for row in weeks}
    for row in db.execute(_ADDED, {"weeks": list(added)}):
        added[row.week].append(Added(row.currency, row.exponent, row.payees, int(row.amount)))
    return [
        Standing(
            week=row.week,
            state=row.state,
            begun_by=row.begun_by,
            n_payees=row.n_payees,
            n_topped_up=row.n_topped_up,
            n_left_out=row.n_left_out,
            created_at=row.created_at,
            closed_at=row.closed_at,
            added=added[row.week],
        )
        for row in weeks
    ]
