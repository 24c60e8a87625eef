"""KYC: how far payees are known, as somebody recorded it. Nobody has to be to earn; for payouts see `kyc_rules.py`.

Who looks at papers is a provider of the operator's, and no papers are kept here: only what came of them, and the name
under which the provider keeps them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from foundation import clock, ids
from foundation.errors import Conflict, Invalid, within
from payments import payees, taxes
from payments.four_eyes import SamePerson
from payments.models import KycRecord, KycState

# A verification that is older than this was of somebody else.
_YEARS_MAX = 10
_FOLLOWS: Mapping[KycState, frozenset[KycState]] = {
    KycState.NONE: frozenset({KycState.PENDING}),
    KycState.PENDING: frozenset({KycState.VERIFIED, KycState.REFUSED}),
    # Verified again is renewed.
    KycState.VERIFIED: frozenset({KycState.VERIFIED, KycState.PENDING, KycState.EXPIRED, KycState.REFUSED}),
    KycState.EXPIRED: frozenset({KycState.PENDING, KycState.VERIFIED}),
    KycState.REFUSED: frozenset({KycState.PENDING}),
}


class KycMoveNotAllowed(Conflict):
    """From where this payee stands, this is not the next state."""


class KycRecordInvalid(Invalid):
    """This cannot be recorded of a payee."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is recorded. A verification says by whom, under which reference and until when; a refusal says why."""

    state: str
    provider: str | None = None
    reference: str | None = None
    expires_on: date | None = None
    note: str | None = None


def record(db: Session, payee_id: str, finding: Finding, *, recorded_by: str) -> KycRecord:
    """Bring a payee into another KYC state; for anybody but themselves. Acts on runs from now on."""
    payee = payees.find(db, payee_id)
    if payee.owner_ref == recorded_by:
        raise SamePerson("This is about yourself; another person has to record it.")
    payees.lock(db, [payee_id])
    now = clock.now(db)
    _refuse_invalid(finding, taxes.local_day(payee.country, now))
    before, wanted = state_on(last(db, payee_id), payee.country, now), KycState(finding.state)
    if wanted not in _FOLLOWS[before]:
        raise KycMoveNotAllowed(f"This payee is {before}; next can be {' or '.join(sorted(_FOLLOWS[before]))}.")
    made = KycRecord(
        id=ids.new("kyc"), payee_id=payee_id, state=wanted, provider=finding.provider, reference=finding.reference,
        expires_on=finding.expires_on, note=finding.note, recorded_by=recorded_by,
    )  # fmt: skip
    db.add(made)
    db.flush()
    db.refresh(made)
    return made


def _refuse_invalid(finding: Finding, today: date) -> None:
    is_verified = finding.state == KycState.VERIFIED
    with within("/state"):
        if finding.state == KycState.NONE:
            raise KycRecordInvalid("Nobody becomes unknown again; record that they are refused or expired.")
    for name in ("provider", "reference", "expires_on") if is_verified else ():
        with within(f"/{name}"):
            if getattr(finding, name) is None:
                raise KycRecordInvalid("A verification says by whom, under which reference and until when.")
    with within("/expires_on"):
        if finding.expires_on is not None and not is_verified:
            raise KycRecordInvalid("Only a verification expires.")
        if finding.expires_on is not None and not today <= finding.expires_on <= _in_years(today, _YEARS_MAX):
            raise KycRecordInvalid(f"Give a day from today on, in the next {_YEARS_MAX} years.")
    with within("/note"):
        if finding.state == KycState.REFUSED and finding.note is None:
            raise KycRecordInvalid("Say why it is refused.")


def _in_years(day: date, years: int) -> date:
    return day + timedelta(days=366 * years)


def last(db: Session, payee_id: str) -> KycRecord | None:
    """What was recorded of a payee last."""
    return db.scalar(select(KycRecord).where(KycRecord.payee_id == payee_id).order_by(KycRecord.id.desc()).limit(1))


def state_on(record: KycRecord | None, country: str, at: datetime) -> KycState:
    """Where somebody of this country stands by their last record, at a moment (aware)."""
    if record is None:
        return KycState.NONE
    return state_of(record.state, record.expires_on, taxes.local_day(country, at))


def state_of(recorded: str | None, expires_on: date | None, day: date) -> KycState:
    """What a record is on a day of the payee's country: a verification is good to the end of its last day."""
    if recorded == KycState.VERIFIED and expires_on is not None and expires_on < day:
        return KycState.EXPIRED
    return KycState(recorded or KycState.NONE)


def listed(db: Session, *, payee_id: str | None = None, expiring_within_days: int | None = None) -> Select[KycRecord]:
    """All records, or a payee's; or the verifications in force that end within so many days, by UTC."""
    rows = select(KycRecord)
    if payee_id is not None:
        rows = rows.where(KycRecord.payee_id == payee_id)
    if expiring_within_days is None:
        return rows
    later, today = aliased(KycRecord), clock.now(db).date()
    is_last = ~select(later.id).where(later.payee_id == KycRecord.payee_id, later.id > KycRecord.id).exists()
    until = today + timedelta(days=expiring_within_days)
    return rows.where(KycRecord.state == KycState.VERIFIED, KycRecord.expires_on.between(today, until), is_last)
