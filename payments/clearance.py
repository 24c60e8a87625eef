"""Clearance: who may be paid out now, and why not. Pure and set-based: nothing is written, and nobody is asked.

A payout is barred by a block, by a screening that waits for a person or is stale, and by a threshold beyond which its
payee has to be verified and is not. Thresholds count all that has left and has not come back, what is in payouts that
have not left, and for a run that is prepared all that it could pay.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock
from payments import kyc, kyc_rules, screening, taxes
from payments.kyc_rules import Rule
from payments.models import KycPeriod, KycState, PayoutRun

KYC, SCREENING, BLOCKED = "kyc", "screening", "blocked"
# Payees that are looked at together.
_AT_ONCE = 1000

# What somebody was paid counts as what was earned, and as what was paid for it where that is another currency.
_AMOUNTS = text("""
    WITH gone AS (
        SELECT p.payee_id, p.currency, p.earned_currency, p.net, p.gross,
               p.state = 'prepared' OR coalesce(r.exported_at, now()) > now() - interval '365 days' AS is_recent
          FROM payouts p JOIN payout_runs r ON r.id = p.run_id
         WHERE p.payee_id = ANY(:payees) AND p.state IN ('prepared', 'exported', 'settled')
    ), coming AS (
        SELECT e.payee_id, e.currency, sum(e.amount - e.paid) AS amount
          FROM earnings e
         WHERE e.payee_id = ANY(:payees) AND e.status = 'due' AND e.due_at <= CAST(:cut_off AS timestamptz)
           AND NOT EXISTS (SELECT FROM payout_items i WHERE i.earning_id = e.id AND i.open)
           AND NOT EXISTS (SELECT FROM holds h WHERE h.payee_id = e.payee_id AND h.ended_at IS NULL
                              AND (h.until IS NULL OR h.until > now())
                              AND (h.earning_id IS NULL OR h.earning_id = e.id))
         GROUP BY e.payee_id, e.currency
    ), added AS (
        SELECT payee_id, earned_currency AS currency, gross AS amount, is_recent FROM gone
         UNION ALL
        SELECT payee_id, currency, net, is_recent FROM gone WHERE currency <> earned_currency
         UNION ALL
        SELECT payee_id, currency, amount, true FROM coming
         UNION ALL
        SELECT n.payee_id, r.currency,
               div(n.amount * f.numerator * 10::numeric ^ paid.ledger_exponent,
                   f.denominator * 10::numeric ^ earned.ledger_exponent), true
          FROM coming n JOIN run_rates x ON x.run_id = :run_id AND x.currency = n.currency
          JOIN fx_rates f ON f.id = x.rate_id JOIN payout_runs r ON r.id = x.run_id
          JOIN currencies earned ON earned.code = n.currency JOIN currencies paid ON paid.code = r.currency
    )
    SELECT payee_id, currency, sum(amount) AS total, coalesce(sum(amount) FILTER (WHERE is_recent), 0) AS recent
      FROM added GROUP BY payee_id, currency
""")
_PEOPLE = text("""
    SELECT p.id, p.country, k.state, k.expires_on
      FROM payees p
      LEFT JOIN LATERAL (SELECT state, expires_on FROM kyc_records WHERE payee_id = p.id
                          ORDER BY id DESC LIMIT 1) k ON true
     WHERE p.id = ANY(:payees)
""")


# Of one payee, in ledger units by currency and period.
_Counted = Mapping[tuple[str, KycPeriod], int]


@dataclass(frozen=True, slots=True)
class Standing:
    """One rule beside what it counts of one payee, in ledger units of its currency."""

    rule: Rule
    counted: int

    @property
    def needs_verification(self) -> bool:
        return self.counted > self.rule.threshold


def barred(db: Session, payee_ids: Collection[str], *, run: PayoutRun | None = None) -> dict[str, str]:
    """Who of these may not be paid out now, each with the first reason of `blocked`, `screening` and `kyc`.

    run : one that is being prepared; what is due by its cut-off counts as if it paid all of it.
    """
    if not payee_ids:
        return {}
    found = _screened_out(db, payee_ids)
    return {**_unverified(db, [each for each in payee_ids if each not in found], run), **found}


def _screened_out(db: Session, payee_ids: Collection[str]) -> dict[str, str]:
    version, found = screening.version_in_force(db), {}
    for one in screening.unsettled(db, payee_ids, version):
        # Where there is no list nobody has to be held against it; what was found otherwise still waits.
        if one.waits or (version is not None and not one.is_fresh):
            found[one.snapshot.payee_id] = SCREENING
        if one.is_blocked:
            found[one.snapshot.payee_id] = BLOCKED
    return found


def _unverified(db: Session, payee_ids: Sequence[str], run: PayoutRun | None) -> dict[str, str]:
    now = clock.now(db)
    people = db.execute(_PEOPLE, {"payees": list(payee_ids)}).all()
    rules = kyc_rules.in_force(db, {row.country for row in people}, now)
    asked = [row for row in people if rules[row.country] and not _is_verified(row, now)]
    if not asked:
        return {}
    ids_of = [row.id for row in asked]
    counted = _amounts(db, ids_of, due_by=run.cut_off, run_id=run.id) if run else _amounts(db, ids_of)
    held = {row.id: _standings(rules[row.country], counted.get(row.id, {})) for row in asked}
    return {payee_id: KYC for payee_id, rows in held.items() if any(row.needs_verification for row in rows)}


def _is_verified(row: Any, now: datetime) -> bool:
    return kyc.state_of(row.state, row.expires_on, taxes.local_day(row.country, now)) == KycState.VERIFIED


def _amounts(
    db: Session, payee_ids: Sequence[str], *, due_by: datetime | None = None, run_id: str | None = None
) -> dict[str, _Counted]:
    """What thresholds count of each. due_by : what is due by then counts too, also as what the run would pay for it."""
    found: dict[str, dict[tuple[str, KycPeriod], int]] = {}
    for row in db.execute(_AMOUNTS, {"payees": list(payee_ids), "run_id": run_id, "cut_off": due_by}):
        counted = found.setdefault(row.payee_id, {})
        counted[row.currency, KycPeriod.TOTAL] = int(row.total)
        counted[row.currency, KycPeriod.ROLLING_YEAR] = int(row.recent)
    return dict(found)


def _standings(rules: Sequence[Rule], counted: _Counted) -> list[Standing]:
    return [Standing(rule, counted.get((rule.currency, rule.period), 0)) for rule in rules]


_IN_RUN = text("""
    SELECT DISTINCT payee_id FROM payouts WHERE run_id = :run_id AND state = 'prepared' ORDER BY payee_id
""")
_OF = text("""
    SELECT id, payee_id FROM payouts WHERE run_id = :run_id AND state = 'prepared' AND payee_id = ANY(:payees)
""")


def stale(db: Session, run_id: str) -> Iterator[tuple[str, str]]:
    """Payouts of a run whose payees may not be paid out any more, with why; a thousand payees are asked at a time."""
    # Read once, and not anew for each thousand: all that are left would be sorted each time.
    found = db.scalars(_IN_RUN, {"run_id": run_id}, execution_options={"yield_per": _AT_ONCE})
    for payee_ids in found.partitions():
        if reasons := barred(db, payee_ids):
            for row in db.execute(_OF, {"run_id": run_id, "payees": list(reasons)}).all():
                yield row.id, reasons[row.payee_id]


def bar(db: Session, payee_id: str) -> str | None:
    """Why a run that is prepared now would leave this payee out, if it would; nobody is screened for it.

    A screening that a run would renew by itself does not count.
    """
    version = screening.version_in_force(db)
    (one,) = screening.standings(db, [payee_id], version)
    if one.is_blocked:
        return BLOCKED
    is_asked = version is not None and any(each.is_remote for each in screening.screeners(db))
    if one.waits or (is_asked and not one.is_fresh):
        return SCREENING
    return KYC if of_payee(db, payee_id).needs_verification else None


# What a payee is told


_MISSING = {
    KycState.NONE: "Your pay is beyond what can be paid out without a verification; ask for one.",
    KycState.PENDING: "Your verification is under way; your pay is kept for you until it is there.",
    KycState.EXPIRED: "Your verification has expired; ask for a new one.",
    KycState.REFUSED: "Your verification was refused; ask why, and for another one.",
}


@dataclass(frozen=True, slots=True)
class OwnStanding:
    """Where a payee stands, and by which rules; what is needed of them if their pay is kept back for it."""

    state: KycState
    expires_on: date | None
    needs_verification: bool
    standings: list[Standing]

    @property
    def missing(self) -> str | None:
        """What is asked of them, in a sentence."""
        return _MISSING[self.state] if self.needs_verification else None


def of_payee(db: Session, payee_id: str) -> OwnStanding:
    """A payee's own KYC state, and each rule for them beside what it counts: all that was paid out or is due."""
    now = clock.now(db)
    row = db.execute(_PEOPLE, {"payees": [payee_id]}).one()
    rules = kyc_rules.in_force(db, [row.country], now)[row.country]
    rows = _standings(rules, _amounts(db, [payee_id], due_by=now).get(payee_id, {}))
    state = kyc.state_of(row.state, row.expires_on, taxes.local_day(row.country, now))
    needs = state != KycState.VERIFIED and any(one.needs_verification for one in rows)
    return OwnStanding(state, row.expires_on, needs, rows)
