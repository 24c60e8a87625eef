"""Payouts: single payments, from their run to what the bank says of them. Set-based: many at once, all or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound
from foundation.outbox import publish
from payments import ledger, money
from payments.events import PayoutsSent
from payments.ledger import (
    BANK,
    FX_CLEARING,
    HOUSE,
    IN_TRANSIT,
    PAYABLE,
    RAIL_FEE,
    RECEIVABLE_PAYEE,
    WITHHELD,
    AccountName,
    Entry,
    Line,
)
from payments.models import Payout, PayoutRun, PayoutState

_ACTOR = "payouts"


class NoSuchPayout(NotFound):
    """There is no such payout."""


_DROP = text("""
    WITH given AS (SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:reasons AS text[])) AS g(id, reason)),
    dropped AS (
        UPDATE payouts p SET state = 'dropped', reason = g.reason, ended_at = now() FROM given g
         WHERE p.id = g.id AND p.state = 'prepared' RETURNING p.id
    ), items AS (UPDATE payout_items SET open = false WHERE payout_id IN (SELECT id FROM dropped)),
    netted AS (UPDATE nettings SET open = false WHERE payout_id IN (SELECT id FROM dropped))
    SELECT count(*) FROM dropped
""")


def drop(db: Session, reasons: Mapping[str, str]) -> int:
    """Take payouts out of runs that have not left, by id with the reason, and say how many that were.

    Their earnings are due as before.
    """
    if not reasons:
        return 0
    return int(db.execute(_DROP, {"ids": list(reasons), "reasons": list(reasons.values())}).scalar_one())


# Leaving


_TAXES = """(SELECT jsonb_object_agg(w.authority, w.amount) FROM withholdings w WHERE w.payout_id = p.id) AS taxes"""
_LEAVING = text(f"""
    SELECT p.id, p.payee_id, p.gross, p.earned_currency, p.currency, p.net, {_TAXES},
           (SELECT jsonb_object_agg(n.clawback_id, n.amount)
              FROM (SELECT clawback_id, sum(amount) AS amount FROM nettings WHERE payout_id = p.id
                     GROUP BY clawback_id) n) AS debts
      FROM payouts p WHERE p.id = ANY(:ids) AND p.state = 'prepared' ORDER BY p.id
""")
_SEND = text("""
    WITH sent AS (UPDATE payouts SET state = 'exported' WHERE id = ANY(:ids) AND state = 'prepared' RETURNING id),
    gone AS (
        UPDATE payout_items SET open = false, counts = true WHERE payout_id IN (SELECT id FROM sent)
        RETURNING earning_id, amount
    ), netted AS (
        UPDATE nettings SET open = false, counts = true WHERE payout_id IN (SELECT id FROM sent)
        RETURNING earning_id, clawback_id, amount
    ), recovered AS (
        UPDATE clawbacks c
           SET recovered = c.recovered + n.amount,
               state = CASE WHEN c.recovered + n.amount = c.amount THEN 'recovered' ELSE c.state END
          FROM (SELECT clawback_id, sum(amount) AS amount FROM netted GROUP BY 1) n WHERE c.id = n.clawback_id
    ), sums AS (
        SELECT earning_id, sum(amount) AS amount
          FROM (SELECT earning_id, amount FROM gone UNION ALL SELECT earning_id, amount FROM netted) AS each GROUP BY 1
    )
    UPDATE earnings e
       SET paid = e.paid + s.amount, status = CASE WHEN e.paid + s.amount = e.amount THEN 'paid' ELSE 'due' END
      FROM sums s WHERE e.id = s.earning_id
""")


def send(db: Session, run: PayoutRun, payout_ids: Sequence[str]) -> None:
    """Payouts of a run leave the books: what was payable is in transit, with the authorities, or pays a debt."""
    rows = db.execute(_LEAVING, {"ids": list(payout_ids)}).all()
    transit, actor = AccountName(IN_TRANSIT, run.rail, run.currency), run.approved_by or HOUSE
    entries = [Entry(f"out:{row.id}", "payout", row.id, actor, _leaving(row, transit)) for row in rows]
    ledger.post(db, [*entries, *(entry for row in rows for entry in _netted(row, actor))])
    db.execute(_SEND, {"ids": list(payout_ids)})
    if rows:
        publish(db, PayoutsSent(run.id, [row.id for row in rows]))


def _leaving(row: Any, transit: AccountName) -> tuple[Line, ...]:
    payable = AccountName(PAYABLE, row.payee_id, row.earned_currency)
    to = [(transit, int(row.net)), *_authorities(row)]
    if row.earned_currency == row.currency:
        return tuple(Line(payable, place, amount) for place, amount in to)
    clearing = AccountName(FX_CLEARING, HOUSE, row.currency)
    bought = Line(payable, AccountName(FX_CLEARING, HOUSE, row.earned_currency), row.gross)
    return (bought, *(Line(clearing, place, amount) for place, amount in to))


def _authorities(row: Any) -> list[tuple[AccountName, int]]:
    """What of a payout is the authorities'."""
    taxes = sorted((row.taxes or {}).items())
    return [(AccountName(WITHHELD, authority, row.currency), int(amount)) for authority, amount in taxes]


def _netted(row: Any, actor: str) -> list[Entry]:
    """What its payee owed and pays beside it, for each debt; that is not taken back if the payout comes back."""
    payable = AccountName(PAYABLE, row.payee_id, row.earned_currency)
    debt = AccountName(RECEIVABLE_PAYEE, row.payee_id, row.earned_currency)
    return [
        Entry(f"net:{row.id}:{name}", "netting", name, actor, (Line(payable, debt, int(amount)),))
        for name, amount in sorted((row.debts or {}).items())
    ]


# What became of them


def _coming_back(row: Any, parts: Sequence[tuple[AccountName, int]]) -> tuple[Line, ...]:
    """What a payout that did not arrive is posted as, from where its money is now: it is owed as it was earned.

    Nobody was paid, so nothing was to be withheld.
    """
    payable = AccountName(PAYABLE, row.payee_id, row.earned_currency)
    places = [*((place, amount) for place, amount in parts if amount), *_authorities(row)]
    if row.earned_currency == row.currency:
        return tuple(Line(place, payable, amount) for place, amount in places)
    clearing = AccountName(FX_CLEARING, HOUSE, row.currency)
    back = [Line(place, clearing, amount) for place, amount in places]
    return (*back, Line(AccountName(FX_CLEARING, HOUSE, row.earned_currency), payable, row.gross))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a payout, by whose word. amount : what came back of one that was returned, in ledger units.

    event_at : when its bank booked that, if a bank has said it.
    """

    payout_id: str
    reason: str = ""
    amount: int = 0
    event_at: datetime | None = None


_LOCKED = text(f"""
    SELECT p.id, p.run_id, p.payee_id, p.currency, p.earned_currency, p.gross, p.net, p.state, r.rail, {_TAXES}
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
    when = _moments(outcomes)
    ledger.post(db, [_entry("set", "settled", row, each, when) for row, each in zip(rows, lines, strict=True)])
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
    came = {outcome.payout_id: outcome.amount for outcome in outcomes}
    entries, when = [], _moments(outcomes)
    for row in rows:
        bank, fee = AccountName(BANK, HOUSE, row.currency), AccountName(RAIL_FEE, HOUSE, row.currency)
        lines = _coming_back(row, [(bank, came[row.id]), (fee, row.net - came[row.id])])
        entries.append(_entry("ret", "returned", row, lines, when))
    ledger.post(db, entries)
    _take_back(db, rows, PayoutState.RETURNED, outcomes)
    return [row.id for row in rows]


def _in_state(db: Session, outcomes: Sequence[Outcome], state: PayoutState) -> list[Any]:
    found = db.execute(_LOCKED, {"ids": sorted({outcome.payout_id for outcome in outcomes})}).all()
    return [row for row in found if row.state == state]


def _transit(row: Any) -> AccountName:
    return AccountName(IN_TRANSIT, row.rail, row.currency)


def _moments(outcomes: Sequence[Outcome]) -> dict[str, datetime]:
    return {outcome.payout_id: outcome.event_at for outcome in outcomes if outcome.event_at is not None}


def _entry(
    key: str, kind: str, row: Any, lines: tuple[Line, ...], when: Mapping[str, datetime] = MappingProxyType({})
) -> Entry:
    return Entry(f"{key}:{row.id}", kind, row.id, _ACTOR, lines, event_at=when.get(row.id))


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


def searched(
    *,
    rail: str | None = None,
    currency: str | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    **wanted: str | None,
) -> Select[Payout]:
    """Payouts over a rail, in a currency, that were prepared on days from the first to the last, both included, in UTC.

    wanted : as of `listed`.
    """
    rows = listed(**wanted)
    rows = rows if rail is None else rows.where(Payout.run_id.in_(select(PayoutRun.id).where(PayoutRun.rail == rail)))
    rows = rows if currency is None else rows.where(Payout.currency == currency)
    # Ids tell when they were made, and are what pages go by.
    rows = rows if first_day is None else rows.where(Payout.id >= ids.earliest("pyo", _midnight(first_day)))
    if last_day is None:
        return rows
    return rows.where(Payout.id < ids.earliest("pyo", _midnight(last_day + timedelta(days=1))))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def of_payee(payee_id: str) -> Select[Payout]:
    """What a payee may see: what has left, whatever became of it."""
    return listed(payee_id=payee_id).where(Payout.state.not_in([PayoutState.PREPARED, PayoutState.DROPPED]))


@dataclass(frozen=True, slots=True)
class Sent:
    """A payout as its payee is told of it; owner_ref : the person as another package knows them."""

    id: str
    owner_ref: str
    net: str
    currency: str
    rail: str


_SENT = text("""
    SELECT p.id, y.owner_ref, p.net, p.currency, c.ledger_exponent AS exponent, r.rail
      FROM payouts p JOIN payees y ON y.id = p.payee_id JOIN payout_runs r ON r.id = p.run_id
      JOIN currencies c ON c.code = p.currency
     WHERE p.id = ANY(:ids) ORDER BY p.id
""")


def to_be_told(db: Session, payout_ids: Sequence[str]) -> list[Sent]:
    """What payees are told of payouts that were sent."""
    rows = db.execute(_SENT, {"ids": list(payout_ids)})
    return [
        Sent(row.id, row.owner_ref, money.format_amount(row.net, row.exponent), row.currency, row.rail) for row in rows
    ]


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
