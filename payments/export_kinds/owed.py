"""What is owed and what was paid: payables, earnings, payouts, and whom a run has left out."""

from typing import Any

from sqlalchemy.orm import Session

from payments import runs
from payments.export_kinds import spans, withheld
from payments.export_kinds.kind import MONEY, NUMBER, SHEETS, TEXT, Drawing, Kind, Layout, Money, Parameters, iso

# An exact rate, which has 15 decimals at most.
FX_RATE = """
    CAST(trim_scale(div(f.numerator * 1000000000000000::numeric, f.denominator) * 0.000000000000001) AS text)
"""

# Owed now

_PAYABLES = Layout(
    "Payables",
    {
        "payee_id": TEXT,
        "name": TEXT,
        "country": TEXT,
        "currency": TEXT,
        "amount_due": MONEY,
        "earnings": NUMBER,
        "oldest_due_at": TEXT,
    },
)
_OWED = f"""
    SELECT p.id AS payee_id, p.name, p.country, e.currency, c.ledger_exponent AS exponent,
           sum(e.amount - e.paid) AS amount_due, count(*) AS earnings, {iso("min(e.due_at)")} AS oldest_due_at
      FROM earnings e JOIN payees p ON p.id = e.payee_id JOIN currencies c ON c.code = e.currency
     WHERE e.status = 'due'
     GROUP BY p.id, p.name, p.country, e.currency, c.ledger_exponent
"""


def _draw_payables(_db: Session, _given: Parameters) -> Drawing:
    return _PAYABLES.drawing(_OWED, "payee_id, currency", {})


PAYABLES = Kind("payables", _draw_payables, _PAYABLES.writers(*SHEETS))

# Earned

_EARNINGS = Layout(
    "Earnings",
    {
        "earning_id": TEXT,
        "due_at": TEXT,
        "payee_id": TEXT,
        "name": TEXT,
        "kind": TEXT,
        "answer_ref": TEXT,
        "cause_ref": TEXT,
        "status": TEXT,
        "currency": TEXT,
        "amount": MONEY,
        "withheld": MONEY,
        "paid": MONEY,
        "entry_id": TEXT,
    },
)
_EARNED = f"""
    SELECT e.id AS earning_id, {iso("e.due_at")} AS due_at, p.id AS payee_id, p.name, e.kind, e.answer_ref, e.cause_ref,
           e.status, e.currency, c.ledger_exponent AS exponent, e.amount, e.withheld, e.paid - e.withheld AS paid,
           e.entry_id
      FROM earnings e JOIN payees p ON p.id = e.payee_id JOIN currencies c ON c.code = e.currency
     WHERE e.due_at >= :since AND e.due_at < :until
"""


def _draw_earnings(_db: Session, given: Parameters) -> Drawing:
    return _EARNINGS.drawing(_EARNED, "earning_id", _moments(given))


def _moments(given: Parameters) -> dict[str, Any]:
    values = spans.read(given).values
    return {"since": values["since"], "until": values["until"]}


EARNINGS = Kind("earnings", _draw_earnings, _EARNINGS.writers(*SHEETS), optional=spans.NAMES)

# Paid

_PAYOUTS = Layout(
    "Payouts",
    {
        "payout_id": TEXT,
        "run_id": TEXT,
        "rail": TEXT,
        "sent_at": TEXT,
        "state": TEXT,
        "ended_at": TEXT,
        "payee_id": TEXT,
        "name": TEXT,
        "country": TEXT,
        "currency": TEXT,
        "net": MONEY,
        "fee": MONEY,
        "withheld": MONEY,
        "withheld_by": TEXT,
        "earned_currency": TEXT,
        "gross": Money("earned_currency", "earned_exponent"),
        "fx_rate": TEXT,
        "fx_source": TEXT,
        "end_to_end_id": TEXT,
        "reason": TEXT,
    },
)
_PAID = f"""
    SELECT o.id AS payout_id, o.run_id, r.rail, {iso("r.exported_at")} AS sent_at, o.state,
           {iso("o.ended_at")} AS ended_at, p.id AS payee_id, coalesce(o.name, p.name) AS name, p.country, o.currency,
           c.ledger_exponent AS exponent, o.net, o.earned_currency, k.ledger_exponent AS earned_exponent, o.gross,
           o.fee, w.amount AS withheld, w.authorities AS withheld_by, {FX_RATE} AS fx_rate, f.source AS fx_source,
           o.end_to_end_id, o.reason
      FROM payouts o JOIN payout_runs r ON r.id = o.run_id JOIN payees p ON p.id = o.payee_id
      JOIN currencies c ON c.code = o.currency JOIN currencies k ON k.code = o.earned_currency
      LEFT JOIN fx_rates f ON f.id = o.fx_rate_id
     CROSS JOIN LATERAL {withheld.of_payout("o.id", "c.ledger_exponent")} AS w
     WHERE r.exported_at >= :since AND r.exported_at < :until AND o.state <> 'dropped'
"""


def _draw_payouts(_db: Session, given: Parameters) -> Drawing:
    return _PAYOUTS.drawing(_PAID, "payout_id", _moments(given))


PAYOUTS = Kind("payouts", _draw_payouts, _PAYOUTS.writers(*SHEETS), optional=spans.NAMES)

# Not paid

_LEFT_OUT = Layout(
    "Left out",
    {"run_id": TEXT, "payee_id": TEXT, "name": TEXT, "reason": TEXT, "currency": TEXT, "amount": MONEY},
)
_OMITTED = """
    SELECT l.run_id, l.payee_id, p.name, l.reason, l.currency, c.ledger_exponent AS exponent, l.amount
      FROM left_out l JOIN payees p ON p.id = l.payee_id JOIN currencies c ON c.code = l.currency
     WHERE l.run_id = :run_id
"""


def _draw_left_out(db: Session, given: Parameters) -> Drawing:
    run = runs.find(db, given["run_id"])
    return _LEFT_OUT.drawing(_OMITTED, "payee_id, reason, currency", {"run_id": run.id})


LEFT_OUT = Kind("left-out", _draw_left_out, _LEFT_OUT.writers(*SHEETS), required=frozenset({"run_id"}))
