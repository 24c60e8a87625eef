"""Finished batches held against the floor: where the median answer is below it, whoever is below it is lifted to it.

The requester pays: out of what was set aside for it with the batch, then out of their free funds. What neither holds is
kept as owed, and the weekly floor (`floor_weeks.py`) makes up for it at the house's expense. Answers of a week that was
counted already have been lifted with it and are left out; what is paid here is pay of the week of its answers. So no
hour is lifted twice, and none is left below because of the order.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import NotFound
from payments import accruals, active_time, earnings, floors, funding, ledger, money, payees
from payments.funding import Rest
from payments.ledger import RESERVE, AccountName, Entry, InsufficientFunds
from payments.models import BatchFloor, BatchFloorPay, BatchFloorState, Currency, Presentation, Reserve

# Payees of one step.
_AT_ONCE = 1000
_ACTOR = "floor"
# What comes within this is counted together; a batch that is never finished is counted as it is after a week.
REST = timedelta(hours=1)
PATIENCE = timedelta(days=7)


class NoSuchReserve(NotFound):
    """Nothing was ever reserved for this."""


# Only where it can come to something: there is a floor in the batch's currency, or money to give back.
_BEGIN = text("""
    INSERT INTO batch_floors AS f (id, cause_ref, round, currency, finished_at)
    SELECT w.id, r.cause_ref, 1 + coalesce((SELECT max(round) FROM batch_floors o WHERE o.cause_ref = r.cause_ref), 0),
           r.currency, now()
      FROM unnest(CAST(:causes AS text[]), CAST(:ids AS text[])) AS w(cause_ref, id)
      JOIN reserves r ON r.cause_ref = w.cause_ref
     WHERE r.contingency > 0
        OR EXISTS (SELECT FROM floor_rules l WHERE l.currency = r.currency AND l.confirmed_by IS NOT NULL)
     ORDER BY r.cause_ref
    ON CONFLICT (cause_ref) WHERE state <> 'closed' DO UPDATE SET finished_at = now()
     WHERE f.state = 'waiting'
""")


def begin(db: Session, cause_refs: Iterable[str]) -> None:
    """Have batches held against the floor when they have rested: whoever runs them says when something is over in them.

    Before any balance is locked: steps hold the batch's row, then balances.
    """
    if cause_refs:
        wanted = sorted(set(cause_refs))
        db.execute(_BEGIN, {"causes": wanted, "ids": [ids.new("bfl") for _ in wanted]})


@dataclass(frozen=True, slots=True)
class Due:
    """A batch that has rested. is_overdue : it is to be counted whether it is finished or not, or is being counted."""

    floor_id: str
    cause_ref: str
    is_overdue: bool


_DUE = text("""
    SELECT id AS floor_id, cause_ref,
           state <> 'waiting' OR created_at <= now() - CAST(:patience AS interval) AS is_overdue
      FROM batch_floors
     WHERE state <> 'closed' AND (state <> 'waiting' OR finished_at <= now() - CAST(:rest AS interval)
                                  OR created_at <= now() - CAST(:patience AS interval))
     ORDER BY id LIMIT :most
""")


def due(db: Session) -> list[Due]:
    """Batches to be counted now, if whoever runs them agrees that they are finished; or to `begin` anew if not."""
    rows = db.execute(_DUE, {"rest": REST, "patience": PATIENCE, "most": _AT_ONCE})
    return [Due(row.floor_id, row.cause_ref, row.is_overdue) for row in rows]


# Steps


def steps(db: Session, floor_id: str) -> Iterator[None]:
    """Count a batch's payees and pay them, a thousand at a step; what is done may be committed at each step."""
    while True:
        row = db.get_one(BatchFloor, floor_id, with_for_update={"of": BatchFloor}, populate_existing=True)
        if row.state == BatchFloorState.CLOSED:
            return
        _STEP[BatchFloorState(row.state)](db, row)
        db.flush()
        yield


def _look(db: Session, row: BatchFloor) -> None:
    """Find the regions whose median is below the floor of now, before any payee is counted."""
    row.hourly = {one.region: one.hourly for one in _regions(db, row.cause_ref) if one.is_below}
    row.state = BatchFloorState.COUNTING


def _count_some(db: Session, row: BatchFloor) -> None:
    """Write down what the next payees lack; after the last of them find the money."""
    following = _next_payees(db, row) if row.hourly else []
    if not following:
        _fund(db, row)
        row.state, row.through = BatchFloorState.PAYING, ""
        return
    payees.lock(db, following)
    found = _shortages(db, row.cause_ref, row.hourly, of=following)
    db.add_all(
        BatchFloorPay(
            floor_id=row.id, payee_id=one.payee_id, region=one.region, week=part.week,
            milliseconds=int(part.ms), pay=int(part.pay), lacking=lacking,
        )
        for one in found
        for part, lacking in zip(one.weeks, one.shares, strict=True)
    )  # fmt: skip
    row.through = following[-1]
    row.lacking += sum(one.lacking for one in found)
    row.n_payees += len({one.payee_id for one in found})


def _pay_some(db: Session, row: BatchFloor) -> None:
    """Pay the next payees what there is money for; after the last of them give back what is left."""
    following = list(db.scalars(_LACKING, {"id": row.id, "after": row.through, "most": _AT_ONCE}))
    if not following or not row.funded:
        left = Rest(row.cause_ref, f"{row.cause_ref}:flr:{row.round}:rest", row.funded - row.paid)
        funding.release_contingency(db, left, actor_ref=_ACTOR)
        row.state, row.closed_at = BatchFloorState.CLOSED, clock.now(db)
        return
    payees.lock(db, following)
    row.paid += _pay(db, row, db.execute(_PARTS, {"id": row.id, "payees": following}).all())
    row.through = following[-1]


_STEP = {
    BatchFloorState.WAITING: _look,
    BatchFloorState.COUNTING: _count_some,
    BatchFloorState.PAYING: _pay_some,
}


# What a batch pays

# Wages are whole units, rounded down. The floor is the one of the day of the last answer.
_REGIONS = text(f"""
    WITH worked AS MATERIALIZED (
        SELECT t.payee_id, t.region, t.cause_ref, t.milliseconds, t.worked_on, e.currency, e.amount
          FROM active_time t JOIN earnings e ON e.answer_ref = t.answer_ref
         WHERE t.cause_ref = :cause_ref AND e.status <> 'reversed'
    ), counted AS MATERIALIZED ({active_time.capped("worked")}), regions AS (
        SELECT region, currency, count(*) AS answers, count(DISTINCT payee_id) AS payees,
               sum(counted_ms) AS milliseconds,
               percentile_disc(0.5) WITHIN GROUP (ORDER BY {active_time.WAGE}) AS median,
               (max(worked_on) AT TIME ZONE 'UTC')::date AS day
          FROM counted GROUP BY region, currency
    )
    SELECT region, currency, c.ledger_exponent AS exponent, answers, payees, milliseconds, median, f.hourly,
           coalesce(median < f.hourly, false) AS is_below
      FROM regions g JOIN currencies c ON c.code = currency
      LEFT JOIN LATERAL ({floors.in_force("g.region", "g.currency", "g.day")}) f ON true
     ORDER BY region
""")


def _regions(db: Session, cause_ref: str) -> Sequence[Any]:
    """How a batch pays by region, all of it in the one currency of its reserve."""
    return db.execute(_REGIONS, {"cause_ref": cause_ref}).all()


_NEXT = text("""
    SELECT DISTINCT payee_id FROM active_time WHERE cause_ref = :cause_ref AND payee_id > :after
     ORDER BY payee_id LIMIT :most
""")
# By the week in which answers became due; less what was given for it when the batch was finished before.
_COUNTED = text(f"""
    WITH worked AS MATERIALIZED (
        SELECT e.payee_id, e.currency, t.region, t.cause_ref, t.milliseconds, e.amount,
               to_char(e.due_at AT TIME ZONE 'UTC', 'IYYY-"W"IW') AS week
          FROM active_time t JOIN earnings e ON e.answer_ref = t.answer_ref
         WHERE t.cause_ref = :cause_ref AND e.status IN ('due', 'paid')
           AND (CAST(:payees AS text[]) IS NULL OR e.payee_id = ANY(:payees))
    ), counted AS ({active_time.capped("worked")})
    SELECT c.payee_id, c.region, c.week, k.ledger_exponent AS exponent, sum(c.counted_ms) AS ms,
           sum(c.counted_ms) * min(CAST(h.hourly AS numeric)) AS hourly_ms,
           sum(c.amount) + coalesce((
               SELECT sum(p.top_up) FROM batch_floor_pay p JOIN batch_floors f ON f.id = p.floor_id
                WHERE f.cause_ref = :cause_ref AND p.payee_id = c.payee_id AND p.region = c.region
                  AND p.week = c.week), 0) AS pay
      FROM counted c JOIN jsonb_each_text(:hourly) h(region, hourly) ON h.region = c.region
      JOIN currencies k ON k.code = c.currency
     WHERE NOT EXISTS (SELECT FROM weekly_pay w WHERE w.payee_id = c.payee_id AND w.week = c.week
                                                  AND w.currency = c.currency)
     GROUP BY c.payee_id, c.region, c.week, c.currency, k.ledger_exponent ORDER BY c.payee_id, c.region, c.week
""").bindparams(bindparam("hourly", type_=JSONB))


@dataclass(frozen=True, slots=True)
class Shortage:
    """What somebody is below the floor in a batch, in ledger units; shares : by week, in proportion to their time."""

    payee_id: str
    region: str
    weeks: Sequence[Any]
    lacking: int
    shares: Sequence[int]


def _next_payees(db: Session, row: BatchFloor) -> list[str]:
    return list(db.scalars(_NEXT, {"cause_ref": row.cause_ref, "after": row.through, "most": _AT_ONCE}))


def _shortages(
    db: Session, cause_ref: str, hourly: dict[str, int], *, of: Sequence[str] | None = None
) -> list[Shortage]:
    """Who is below the floor in a batch and by how much: of these payees, or of all."""
    terms = {"cause_ref": cause_ref, "payees": None if of is None else list(of), "hourly": hourly}
    parts: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in db.execute(_COUNTED, terms):
        parts[row.payee_id, row.region].append(row)
    found = [_shortage(*whose, weeks) for whose, weeks in parts.items()]
    return [one for one in found if one.lacking > 0]


def _shortage(payee_id: str, region: str, weeks: Sequence[Any]) -> Shortage:
    floor = floors.worth(sum(int(week.hourly_ms) for week in weeks), weeks[0].exponent)
    lacking = max(floor - sum(int(week.pay) for week in weeks), 0)
    shares = money.allocate(lacking, [int(week.ms) for week in weeks]) if lacking else [0] * len(weeks)
    return Shortage(payee_id, region, weeks, lacking, shares)


# Money


def _fund(db: Session, row: BatchFloor) -> None:
    """Set aside what payees lack, as far as there is money for it; what was set aside beyond it goes back at once."""
    reserve = db.get_one(Reserve, row.cause_ref, populate_existing=True)
    held = reserve.contingency + _take_free(db, row, reserve, max(row.lacking - reserve.contingency, 0))
    row.funded = min(row.lacking, held)
    beyond = Rest(row.cause_ref, f"{row.cause_ref}:flr:{row.round}", held - row.funded)
    funding.release_contingency(db, beyond, actor_ref=_ACTOR)


def _take_free(db: Session, row: BatchFloor, reserve: Reserve, wanted: int) -> int:
    """Set aside so much of the owner's free funds, or what there is; none if they are spending them this moment."""
    taken = min(wanted, funding.available(db, reserve.owner_ref, row.currency))
    if taken <= 0:
        return 0
    try:
        with db.begin_nested():
            funding.reserve(
                db, owner_ref=reserve.owner_ref, cause_ref=row.cause_ref, key=f"{row.cause_ref}:flr:{row.round}",
                currency=row.currency, amount=taken, contingency=taken,
            )  # fmt: skip
    except InsufficientFunds:
        return 0
    return taken


_LACKING = text("""
    SELECT DISTINCT payee_id FROM batch_floor_pay WHERE floor_id = :id AND payee_id > :after AND lacking > 0
     ORDER BY payee_id LIMIT :most
""")
# A week that was counted since has been lifted by the house.
_PARTS = text("""
    SELECT p.payee_id, p.region, p.week, p.lacking FROM batch_floor_pay p JOIN batch_floors f ON f.id = p.floor_id
     WHERE p.floor_id = :id AND p.payee_id = ANY(:payees) AND p.lacking > 0
       AND NOT EXISTS (SELECT FROM weekly_pay w
                        WHERE w.payee_id = p.payee_id AND w.week = p.week AND w.currency = f.currency)
     ORDER BY p.payee_id, p.region, p.week
""")
_WRITE = text("""
    WITH given AS (
        SELECT * FROM unnest(CAST(:payees AS text[]), CAST(:regions AS text[]), CAST(:weeks AS text[]),
                             CAST(:top_ups AS bigint[]), CAST(:entries AS text[]))
                      AS g(payee_id, region, week, top_up, entry_id)
    ), written AS (
        UPDATE batch_floor_pay p SET top_up = g.top_up, entry_id = g.entry_id FROM given g
         WHERE p.floor_id = :id AND p.payee_id = g.payee_id AND p.region = g.region AND p.week = g.week
    )
    INSERT INTO earnings (id, payee_id, answer_ref, cause_ref, kind, currency, amount, status, entry_id, due_at)
    SELECT i.id, g.payee_id, i.id, :cause_ref, 'floor', :currency, sum(g.top_up), 'due', g.entry_id, now()
      FROM given g JOIN unnest(CAST(:paid AS text[]), CAST(:ids AS text[])) AS i(entry_id, id) USING (entry_id)
     GROUP BY i.id, g.payee_id, g.entry_id
""")


def _pay(db: Session, row: BatchFloor, parts: Sequence[Any]) -> int:
    """Owe these parts of what payees lack, as far as they are funded; returns how much in all.

    Each part is rounded down by itself where there is too little for all; what that leaves goes back with the rest.
    """
    given = [(part, part.lacking * row.funded // row.lacking) for part in parts]
    given = [(part, top_up) for part, top_up in given if top_up]
    sums: dict[str, int] = defaultdict(int)
    for part, top_up in given:
        sums[part.payee_id] += top_up
    presentation = funding.presentation_of(db, row.cause_ref)
    entries = {payee_id: _entry(row, payee_id, amount, presentation) for payee_id, amount in sums.items()}
    posted = ledger.post(db, list(entries.values()))
    total = sum(sums.values())
    funding.draw_contingency(db, row.cause_ref, total)
    funding.book(db, spent=[Rest(row.cause_ref, row.id, total)])
    entry_of = {payee_id: posted.ids[entry.key] for payee_id, entry in entries.items()}
    columns = {
        "payees": [part.payee_id for part, _ in given],
        "regions": [part.region for part, _ in given],
        "weeks": [part.week for part, _ in given],
        "top_ups": [top_up for _, top_up in given],
        "entries": [entry_of[part.payee_id] for part, _ in given],
        "paid": list(entry_of.values()),
        "ids": [ids.new("ern") for _ in entry_of],
    }
    db.execute(_WRITE, {"id": row.id, "cause_ref": row.cause_ref, "currency": row.currency, **columns})
    accruals.take(db, columns["ids"])
    return total


def _entry(row: BatchFloor, payee_id: str, amount: int, presentation: Presentation) -> Entry:
    """The payee is owed so much out of the batch's reserve, without a fee: nobody earns by paying too little."""
    key = f"flr:{row.cause_ref}:{payee_id}" + ("" if row.round == 1 else f":{row.round}")
    source = AccountName(RESERVE, row.cause_ref, row.currency)
    lines = earnings.pay_lines(source, payee_id=payee_id, amount=amount, basis_points=0, presentation=presentation)
    return Entry(key, "floor", row.cause_ref, _ACTOR, lines)


# Reading


@dataclass(frozen=True, slots=True)
class Region:
    """How a batch pays in one region, in ledger units an hour.

    median : of its answers' hourly wages. floor : in force on the day of the last answer; None where there is none.
    difference : what those who are below it would get together, if the median is below it.
    """

    region: str
    exponent: int
    answers: int
    payees: int
    milliseconds: int
    median: int
    floor: int | None
    difference: int


@dataclass(frozen=True, slots=True)
class Preview:
    """How a batch stands to the floor now, what lifting it would cost, and what there is for it, in ledger units."""

    cause_ref: str
    currency: str
    exponent: int
    lacking: int
    contingency: int
    available: int
    regions: list[Region]


def preview(db: Session, cause_ref: str) -> Preview:
    """Whether a batch pays the floor by its median, and what its requester would add now. Nothing is written."""
    reserve = db.get(Reserve, cause_ref)
    if reserve is None:
        raise NoSuchReserve("Nothing was ever reserved for this; look its id up.")
    found = _regions(db, cause_ref)
    below = {row.region: row.hourly for row in found if row.is_below}
    lacking: dict[str, int] = defaultdict(int)
    for one in _shortages(db, cause_ref, below):
        lacking[one.region] += one.lacking
    return Preview(
        cause_ref=cause_ref,
        currency=reserve.currency,
        exponent=db.get_one(Currency, reserve.currency).ledger_exponent,
        lacking=sum(lacking.values()),
        contingency=reserve.contingency,
        available=funding.available(db, reserve.owner_ref, reserve.currency),
        regions=[
            Region(
                row.region, row.exponent, row.answers, row.payees, int(row.milliseconds), int(row.median), row.hourly,
                lacking[row.region],
            )
            for row in found
        ],
    )  # fmt: skip


def listed(*, cause_ref: str | None = None, state: str | None = None) -> Select[BatchFloor]:
    """All rounds in which batches were held against the floor, or a batch's, or those in a state."""
    rows = select(BatchFloor)
    rows = rows if cause_ref is None else rows.where(BatchFloor.cause_ref == cause_ref)
    return rows if state is None else rows.where(BatchFloor.state == state)
