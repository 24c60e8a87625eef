"""Payout methods: where a payee wants their money. A new one has to cool off: changing it is what thieves do first."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Invalid, NotFound, within
from foundation.outbox import publish
from payments import contacts, destinations, notices, payees, rails, sealing
from payments.destinations import Destination
from payments.events import DestinationChanged, DestinationShared
from payments.models import MethodStatus, PayoutMethod

# Nothing is paid to a destination that is newer than this.
COOLING = timedelta(hours=72)
# So many others who share an account are told by name.
_SHARED_TOLD = 50

log = structlog.get_logger()


class RailReachesNot(Invalid):
    """This rail does not go to destinations of this kind."""


class NoMethod(NotFound):
    """No payout method is set."""


def choose(
    db: Session, payee_id: str, *, rail: str, kind: str, given: Mapping[str, object], set_by: str
) -> PayoutMethod:
    """Pay somebody to this destination from now on, once it has cooled off. The same again changes nothing.

    Their contacts are told by mail, also those that were contacts until lately, and also of the first destination.
    Raises subclasses of `Invalid` for what cannot be one, with pointers below /destination.
    """
    chosen = rails.find(rail)
    if kind not in chosen.kinds:
        wrong = {"pointer": "/kind", "reason": f"Must be one of {', '.join(chosen.kinds)}."}
        raise RailReachesNot(f"{chosen.name} does not go to a destination of this kind.", errors=[wrong])
    with within("/destination"):
        destination = destinations.parse(kind, given)
    payees.lock(db, [payee_id])
    keys = sealing.keys_of(db)
    mark = destinations.fingerprint(destination, sealing.fingerprint_key(keys))
    before = active(db, payee_id)
    if before is not None and (before.rail, bytes(before.fingerprint)) == (chosen.name, mark):
        return before
    if before is not None:
        before.status, before.retired_at = MethodStatus.RETIRED, clock.now(db)
        db.flush()
    made = PayoutMethod(
        id=ids.new("pym"),
        payee_id=payee_id,
        rail=chosen.name,
        kind=kind,
        sealed=sealing.seal(destination, keys, owner=payee_id),
        fingerprint=mark,
        account_fingerprint=destinations.account_fingerprint(destination, sealing.fingerprint_key(keys)),
        masked=destination.masked,
        set_by=set_by,
        cooling_until=clock.now(db) + COOLING,
    )
    db.add(made)
    db.flush()
    _tell(db, made, before)
    return made


def _tell(db: Session, made: PayoutMethod, before: PayoutMethod | None) -> None:
    contacts.tell(db, made.payee_id, notices.of_method(made))
    if before is not None:
        publish(db, DestinationChanged(made.payee_id, before.id, made.id))
    same = PayoutMethod.account_fingerprint == made.account_fingerprint
    rows = select(PayoutMethod.payee_id).where(same, PayoutMethod.status == MethodStatus.ACTIVE)
    sharing = db.scalars(rows.order_by(PayoutMethod.payee_id).limit(_SHARED_TOLD)).all()
    if len(sharing) > 1:
        publish(db, DestinationShared(made.id, list(sharing)))


def tell_changed(_db: Session, told: Sequence[DestinationChanged]) -> None:
    """React to changed destinations: a line in the log for each, for whoever watches it."""
    for event in told:
        log.info("payout destination changed", payee_id=event.payee_id, method_id=event.new_method_id)


def tell_shared(_db: Session, told: Sequence[DestinationShared]) -> None:
    """React to accounts that several payees share: a line in the log for each."""
    for event in told:
        log.warning("payout destination shared", method_id=event.method_id, payee_ids=event.payee_ids)


def active(db: Session, payee_id: str) -> PayoutMethod | None:
    """Where a payee is paid to, if they have said so."""
    rows = select(PayoutMethod).where(PayoutMethod.payee_id == payee_id, PayoutMethod.status == MethodStatus.ACTIVE)
    return db.scalar(rows.execution_options(populate_existing=True))


def find_active(db: Session, payee_id: str) -> PayoutMethod:
    """Where a payee is paid to."""
    found = active(db, payee_id)
    if found is None:
        raise NoMethod("You have not said yet where your pay should go.")
    return found


def listed(*, payee_id: str | None = None) -> Select[PayoutMethod]:
    """All methods that are or were in use, or a payee's."""
    rows = select(PayoutMethod)
    return rows if payee_id is None else rows.where(PayoutMethod.payee_id == payee_id)


def opened(method: PayoutMethod, keys: Mapping[str, bytes]) -> Destination:
    """The destination itself, for the file that pays to it."""
    return sealing.unseal(bytes(method.sealed), keys, owner=method.payee_id)
