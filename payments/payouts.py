"""Payouts: single payments, from their run to what the bank says of them. Set-based: many at once, all or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation.errors import NotFound
from payments import ledger
from payments.ledger import BANK, FX_CLEARING, HOUSE, IN_TRANSIT, PAYABLE, RAIL_FEE, AccountName, Entry, Line
from payments.models import Payout, PayoutRun, PayoutState

_ACTOR = "payouts"


class NoSuchPayout(NotFound):
    """There is no such payout."""


_DROP = text("""
    WITH given AS (SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:reasons AS text[])) AS g(id, reason)),
    dropped AS (
        UPDATE payouts p SET state = 'dropped', reason = g.reason, ended_at = now() FROM given g
         WHERE p.id = g.id AND p.state = 'prepared' RETURNING p.id
    )
    UPDATE payout_items SET open = false WHERE payout_id IN (SELECT id FROM dropped)
""")


def drop(db: Session, reasons: Mapping[str, str]) -> None:
    """Take payouts out of runs that have not left, by id with the reason; their earnings are due as before."""
    if reasons:
        db.execute(_DROP, {"ids": list(reasons), "reasons": list(reasons.values())})


_SEND = text("""
    WITH sent AS (UPDATE payouts SET state = 'exported' WHERE id = ANY(:ids) AND state = 'prepared' RETURNING id),
    gone AS (
        UPDATE payout_items SET open = false, counts = true WHERE payout_id IN (SELECT id FROM sent)
        RETURNING earning_id, amount
    ), sums AS (SELECT earning_id, sum(amount) AS amount FROM gone GROUP BY earning_id)
    UPDATE earnings e
       SET paid = e.paid + s.amount, status = CASE WHEN e.paid + s.amount = e.amount THEN 'paid' ELSE 'due' END
      FROM sums s WHERE e.id = s.earning_id
""")


def send(db: Session, run: PayoutRun, rows: Sequence[Any]) -> None:
    """Payouts of a run leave the books: what was payable is in transit. rows : as `runs` reads them."""
    transit = AccountName(IN_TRANSIT, run.rail, run.currency)
    entries = [
        Entry(f"out:{row.id}", "payout", row.id, run.approved_by or HOUSE, _leaving(row, transit)) for row in rows
    ]
    ledger.post(db, entries)
    db.execute(_SEND, {"ids": [row.id for row in rows]})


def _leaving(row: Any, transit: AccountName) -> tuple[Line, ...]:
    payable = AccountName(PAYABLE, row.payee_id, row.earned_currency)
    if row.earned_currency == transit.currency:
        return (Line(payable, transit, row.net),)
    return (
        Line(payable, AccountName(FX_CLEARING, HOUSE, row.earned_currency), row.gross),
        Line(AccountName(FX_CLEARING, HOUSE, transit.currency), transit, row.net),
    )


def _coming_back(row: Any, parts: Sequence[tuple[AccountName, int]]) -> tuple[Line, ...]:
    """What a payout that did not arrive is posted as, from where its money is now: it is owed as it was earned."""
    payable = AccountName(PAYABLE, row.payee_id, row.earned_currency)
    if row.earned_currency == row.currency:
        return tuple(Line(place, payable, amount) for place, amount in parts if amount)
    clearing = AccountName(FX_CLEARING, HOUSE, row.currency)
    back = [Line(place, clearing, amount) for place, amount in parts if amount]
    return (*back, Line(AccountName(FX_CLEARING, HOUSE, row.earned_currency), payable, row.gross))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a payout, by whose word. amount : what came back of one that was returned, in ledger units.

    booked_on : the day on which its bank says that it was; the books tell of it on the day on which they hear it.
    """

    payout_id: str
    reason: str = ""
    amount: int = 0
    booked_on: date | None = None


_LOCKED = text("""
    SELECT p.id, p.run_id, p.payee_id, p.currency, p.earned_currency, p.gross, p.net, p.state, r.rail
      FROM payouts p JOIN payout_runs r ON r.id = p.run_id
     WHERE p.id = ANY(:ids) ORDER BY p.id FOR UPDATE OF p
""")
_SETTLED = text("UPDATE payouts SET state = 'settled', ended_at = now() WHERE id = ANY(:ids)")
_BACK = text("""
    WITH ended AS (
        UPDATE payouts p SET state = :state, reason = g.reason, ended_at = now()
          FROM unnest(CAST(:ids AS text[]), CAST(:reasons AS text[])) AS g(id, reason) WHERE p.id = g.id RETURNING p.id
    ), back AS (
        UPDATE payout_items SET counts = false WHERE payout_id IN (SELECT id FROM ended) RETURNING earning_id, amount
    ), sums AS (SELECT earning_id, sum(amount) AS amount FROM back GROUP BY earning_id)
    UPDATE earnings e SET paid = e.paid - s.amount, status = 'due' FROM sums s WHERE e.id = s.earning_id
""")


def settle(db: Session, outcomes: Sequence[Outcome]) -> list[str]:
    """The bank has booked these: they are paid. Returns the ids of those that had been sent and were not final."""
    rows = _in_state(db, outcomes, PayoutState.EXPORTED)
    lines = [(Line(_transit(row), AccountName(BANK, HOUSE, row.currency), row.net),) for row in rows]
    days = {outcome.payout_id: outcome.booked_on for outcome in outcomes}
    told = zip(rows, lines, strict=True)
    ledger.post(db, [_entry("set", "settled", row, each, days[row.id]) for row, each in told])
    db.execute(_SETTLED, {"ids": [row.id for row in rows]})
    close_runs(db, {row.run_id for row in rows})
    return [row.id for row in rows]


def fail(db: Session, outcomes: Sequence[Outcome]) -> list[str]:
    """These never left the bank: what they paid is due again. Returns the ids of those that were in transit."""
    rows = _in_state(db, outcomes, PayoutState.EXPORTED)
    lines = [_coming_back(row, [(_transit(row), row.net)]) for row in rows]
    ledger.post(db, [_entry("fail", "failed", row, each) for row, each in zip(rows, lines, strict=True)])
    _take_back(db, rows, PayoutState.FAILED, outcomes)
    return [row.id for row in rows]


def take_returns(db: Session, outcomes: Sequence[Outcome]) -> list[str]:
    """These came back after they were settled: what they paid is due again, and what is missing is the house's cost."""
    rows = _in_state(db, outcomes, PayoutState.SETTLED)
    told = {outcome.payout_id: outcome for outcome in outcomes}
    entries = []
    for row in rows:
        bank, fee = AccountName(BANK, HOUSE, row.currency), AccountName(RAIL_FEE, HOUSE, row.currency)
        came = told[row.id].amount
        lines = _coming_back(row, [(bank, came), (fee, row.net - came)])
        entries.append(_entry("ret", "returned", row, lines, told[row.id].booked_on))
    ledger.post(db, entries)
    _take_back(db, rows, PayoutState.RETURNED, outcomes)
    return [row.id for row in rows]


def _in_state(db: Session, outcomes: Sequence[Outcome], state: PayoutState) -> list[Any]:
    found = db.execute(_LOCKED, {"ids": sorted({outcome.payout_id for outcome in outcomes})}).all()
    return [row for row in found if row.state == state]


def _transit(row: Any) -> AccountName:
    return AccountName(IN_TRANSIT, row.rail, row.currency)


def _entry(key: str, kind: str, row: Any, lines: tuple[Line, ...], booked_on: date | None = None) -> Entry:
    return Entry(f"{key}:{row.id}", kind, row.id, _ACTOR, lines, event_at=booked_at(booked_on))


def booked_at(day: date | None) -> datetime | None:
    """When it happened, as the books say it: banks tell the day alone."""
    return None if day is None else datetime.combine(day, time(), UTC)


def _take_back(db: Session, rows: Sequence[Any], state: PayoutState, outcomes: Sequence[Outcome]) -> None:
    why = {outcome.payout_id: outcome.reason for outcome in outcomes}
    where = {"ids": [row.id for row in rows], "reasons": [why[row.id] for row in rows], "state": state.value}
    db.execute(_BACK, where)
    close_runs(db, {row.run_id for row in rows})


_CLOSE = text("""
    UPDATE payout_runs r SET state = 'closed', closed_at = now()
     WHERE r.id = ANY(:ids) AND r.state = 'exported'
       AND NOT EXISTS (SELECT FROM payouts p WHERE p.run_id = r.id AND p.state = 'exported')
""")


def close_runs(db: Session, run_ids: Sequence[str] | set[str]) -> None:
    """Close those of these runs of which nothing is in transit any more."""
    db.execute(_CLOSE, {"ids": sorted(run_ids)})


def listed(*, run_id: str | None = None, payee_id: str | None = None, state: str | None = None) -> Select[Payout]:
    """All payouts, or those of a run, of a payee, in a state."""
    wanted = {"run_id": run_id, "payee_id": payee_id, "state": state}
    rows = select(Payout)
    for column, value in wanted.items():
        rows = rows if value is None else rows.where(getattr(Payout, column) == value)
    return rows


def of_payee(payee_id: str) -> Select[Payout]:
    """What a payee may see: what has left, whatever became of it."""
    return listed(payee_id=payee_id).where(Payout.state.not_in([PayoutState.PREPARED, PayoutState.DROPPED]))


@dataclass(frozen=True, slots=True)
class Total:
    """How many payouts of a run are in a state, and their sum in ledger units."""

    state: str
    payouts: int
    net: int
    exponent: int


_TOTALS = text("SELECT state, count(*) AS n, sum(net) AS net FROM payouts WHERE run_id = :run_id GROUP BY 1 ORDER BY 1")


def totals(db: Session, run: PayoutRun) -> list[Total]:
    """A run's payouts by state."""
    rows = db.execute(_TOTALS, {"run_id": run.id})
    return [Total(row.state, row.n, int(row.net), run.exponent) for row in rows]
