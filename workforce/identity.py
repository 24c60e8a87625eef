"""Identity checks: who looked at who somebody is, and what came of it.

A provider begins a check and tells what comes of it through `decide`. The one that is shipped is a person: ops look at
it themselves, so there is nothing to begin. Another one is an entry of `PROVIDERS`.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from sqlalchemy import Select, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, NotFound, invalid
from workforce import onboarding
from workforce.models import CheckState, IdentityCheck

# How long a check that was passed is good for, unless it is said.
DAYS, DAYS_MAX = 365, 3650
_AT_ONCE = 500

Begin = Callable[[Session, IdentityCheck], None]
MANUAL = "manual"
# No provider that looks at anything: a team that brings its own people.
TEAM = "team"
PROVIDERS: Mapping[str, Begin] = {MANUAL: lambda _db, _check: None}

_FROM = {
    CheckState.IN_REVIEW: {CheckState.REQUESTED},
    CheckState.PASSED: {CheckState.REQUESTED, CheckState.IN_REVIEW},
    CheckState.REFUSED: {CheckState.REQUESTED, CheckState.IN_REVIEW},
}


class CheckOpen(Conflict):
    """An identity check is under way."""


class CheckMoveNotAllowed(Conflict):
    """An identity check cannot go from its present state to this one."""


def request(db: Session, worker_id: str, *, provider: str = MANUAL) -> IdentityCheck:
    """Ask for a worker's identity to be looked at; one check is open at a time."""
    onboarding.find(db, worker_id)
    check_id = ids.new("idc")
    row = insert(IdentityCheck).values(id=check_id, worker_id=worker_id, provider=provider, state=CheckState.REQUESTED)
    if db.scalar(row.on_conflict_do_nothing().returning(IdentityCheck.id)) is None:
        raise CheckOpen("Wait for what comes of it.")
    made = db.get_one(IdentityCheck, check_id)
    PROVIDERS[provider](db, made)
    return made


def vouch(db: Session, worker_id: str, *, decided_by: str) -> IdentityCheck:
    """Note that the team that brings a worker stands for who they are; decided_by : who let it bring them."""
    now = clock.now(db)
    made = IdentityCheck(
        id=ids.new("idc"), worker_id=worker_id, provider=TEAM, state=CheckState.PASSED, decided_by=decided_by,
        decided_at=now, expires_on=(now + timedelta(days=DAYS)).date(),
    )  # fmt: skip
    db.add(made)
    db.flush()
    return made


def decide(
    db: Session, check_id: str, *, state: str, decided_by: str, reason: str | None = None, days: int | None = None
) -> IdentityCheck:
    """Say where a check stands. One that is refused has a reason, one that is passed is good for some days."""
    check = db.get(IdentityCheck, check_id, with_for_update=True, populate_existing=True)
    if check is None:
        raise NotFound("There is no such identity check.")
    if (state == CheckState.REFUSED) != (reason is not None):
        raise invalid({"reason": ["Is for a refusal, which needs one."]})
    if days is not None and state != CheckState.PASSED:
        raise invalid({"days": ["Is for a check that is passed."]})
    if check.state not in _FROM[CheckState(state)]:
        raise CheckMoveNotAllowed(f"It is {check.state} and cannot become {state}.")
    now = clock.now(db)
    check.state, check.reason, check.decided_by, check.decided_at = state, reason, decided_by, now
    if state == CheckState.PASSED:
        check.expires_on = (now + timedelta(days=days or DAYS)).date()
    db.flush()
    return check


_EXPIRE = text("""
    UPDATE identity_checks SET state = 'expired'
     WHERE id = ANY(ARRAY(SELECT id FROM identity_checks
                           WHERE state = 'passed' AND expires_on < (now() AT TIME ZONE 'UTC')::date
                           ORDER BY expires_on LIMIT :limit FOR UPDATE SKIP LOCKED))
""")


def expire(db: Session) -> int:
    """End checks whose last day is over; how many. A sweep."""
    return int(db.execute(_EXPIRE, {"limit": _AT_ONCE}).rowcount)  # type: ignore[attr-defined]


def listed(*, state: str | None = None) -> Select[IdentityCheck]:
    """All checks, or those in a state."""
    rows = select(IdentityCheck)
    return rows if state is None else rows.where(IdentityCheck.state == state)


def of_worker(worker_id: str) -> Select[IdentityCheck]:
    """The checks of one worker."""
    return select(IdentityCheck).where(IdentityCheck.worker_id == worker_id)
