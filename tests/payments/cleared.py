"""What keeps payees from being paid out, for tests: rules, verifications, lists and blocks."""

import io
from datetime import date, timedelta

from sqlalchemy.orm import Session

from foundation import clock
from payments import blocks, kyc, kyc_rules, screening, watch_list
from payments.kyc import Finding
from payments.models import Block, KycRule, Payee, ScreeningRound

RECORDER, APPROVER, OTHER = "wanjiru", "oscar", "olga"


def rule(
    db: Session,
    threshold: str | None,
    *,
    currency: str = "USD",
    period: str = "total",
    country: str | None = None,
    valid_from: date = date(2026, 1, 1),
    valid_to: date | None = None,
) -> KycRule:
    """A KYC rule in force."""
    terms = kyc_rules.Terms(currency, period, valid_from, "A circular.", country, threshold, valid_to)
    entered = kyc_rules.enter(db, terms, entered_by=RECORDER)
    return kyc_rules.confirm(db, entered.id, confirmed_by=APPROVER)


def verify(db: Session, of: Payee, *, days: int = 365, recorded_by: str = RECORDER) -> None:
    """Somebody is verified for so long from today on."""
    until = clock.now(db).date() + timedelta(days=days)
    kyc.record(db, of.id, Finding("pending"), recorded_by=recorded_by)
    found = Finding("verified", provider="Smile ID", reference="job 1", expires_on=until)
    kyc.record(db, of.id, found, recorded_by=recorded_by)


def listing(db: Session, *rows: str, begun_by: str = "ops") -> ScreeningRound:
    """A list of these rows (name,country,account), and a round that has come to its end."""
    text = "\n".join(["name,country,account", *rows])
    watch_list.take(db, io.BytesIO(text.encode()), imported_by=begun_by)
    return go_through(db, begun_by=begun_by)


def go_through(db: Session, *, begun_by: str = "ops") -> ScreeningRound:
    """A whole round."""
    begun = screening.begin_round(db, begun_by=begun_by)
    for _ in screening.steps(db, begun.id):
        pass
    return begun


def block(db: Session, of: Payee) -> Block:
    """Somebody is blocked by two people."""
    made = blocks.propose(db, payee_id=of.id, reason="A court.", made_by=RECORDER)
    return blocks.confirm(db, made.id, confirmed_by=APPROVER)
