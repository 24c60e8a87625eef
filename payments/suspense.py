"""What banks have booked and nobody could place: one person says what it is, another one lets it be posted.

Suspense holds it until then. What is a payout's, or in the books already, has its entry in suspense turned round, and
another one answers for the bank; all else goes from suspense to where it belongs.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, Invalid, NotFound
from payments import four_eyes, ledger, reconciliation
from payments.funding import OwnerUnknown
from payments.ledger import BANK, BANK_INTEREST, FUNDS, HOUSE, RAIL_FEE, SUSPENSE, AccountName, Entry, Line, Role
from payments.models import BankEntry, BankEntryState, Owner, ProposalState, Resolution, ResolutionKind

# What of a bank's lines may be the house's own: charges, and interest of either sign.
OWN_ROLES = {role.name: role for role in (RAIL_FEE, BANK_INTEREST)}
# How far from the day of a line a payout that it may be was sent, and how many are shown.
_DAYS = 21
_CANDIDATES_MAX = 50
# What was taken in by itself, and answers for a bank's line already, or for none.
_NOT_BOOKED_BY_HAND = ("suspense", "settled", "returned")


class NoSuchBankEntry(NotFound):
    """There is no such line."""


class NotInSuspense(Conflict):
    """The line is placed already."""


class ResolutionExists(Conflict):
    """Somebody has said what this line is."""


class NoResolution(Conflict):
    """Nobody has said what this line is, or somebody has said it anew."""


class ResolutionUnfit(Conflict):
    """The line cannot be that."""


class ResolutionIncomplete(Invalid):
    """A resolution names what belongs to its kind, and nothing else."""


_NAMES = {
    ResolutionKind.TOP_UP: "owner_ref",
    ResolutionKind.PAYOUT: "payout_id",
    ResolutionKind.OWN: "role",
    ResolutionKind.BOOKED: "booked_id",
}


def propose(
    db: Session, bank_entry_id: str, *, kind: ResolutionKind, reason: str, made_by: str, **named: str | None
) -> Resolution:
    """Say what a line in suspense is; for another person to confirm, and nothing is posted before.

    named : what belongs to the kind, and nothing else: owner_ref, payout_id, role or booked_id.
    """
    _check_names(kind, named)
    line = _lock(db, bank_entry_id)
    if db.scalar(_live(line.id)) is not None:
        raise ResolutionExists("Have what was said of this line refused, before you say something else.")
    made = Resolution(
        id=ids.new("sol"), bank_entry_id=line.id, currency=line.currency, kind=kind, reason=reason, made_by=made_by,
        **named,
    )  # fmt: skip
    _refuse_unfit(db, made, line)
    try:
        with db.begin_nested():
            db.add(made)
    except IntegrityError as error:
        raise ResolutionUnfit("This journal entry answers for another line of a bank already.") from error
    db.refresh(made)
    return made


def _check_names(kind: ResolutionKind, named: dict[str, str | None]) -> None:
    wanted = {_NAMES[kind]} if kind in _NAMES else set()
    if wanted != {name for name, value in named.items() if value is not None}:
        instead = f"{kind} names {wanted.pop()} alone." if wanted else f"{kind} names nothing else."
        raise ResolutionIncomplete(instead)


def _live(bank_entry_id: str) -> Select[Resolution]:
    return select(Resolution).where(
        Resolution.bank_entry_id == bank_entry_id, Resolution.state == ProposalState.PROPOSED
    )


def _refuse_unfit(db: Session, made: Resolution, line: BankEntry) -> None:
    """Refuse what the line cannot be as things stand; asked again when it is posted."""
    match made.kind:
        case ResolutionKind.TOP_UP | ResolutionKind.SENT_BACK if line.amount < 0:
            raise ResolutionUnfit("Money went out by this line; nobody has paid it in.")
        case ResolutionKind.TOP_UP if db.get(Owner, made.owner_ref) is None:
            raise OwnerUnknown("Money for nobody would be hard to find again; look the requester up.")
        case ResolutionKind.OWN if made.role not in OWN_ROLES:
            raise ResolutionUnfit(f"The house's own is {' or '.join(sorted(OWN_ROLES))}.")
        case ResolutionKind.PAYOUT if not reconciliation.fits(db, line, str(made.payout_id)):
            raise ResolutionUnfit(
                "A line is a payout's that was sent and that no other line has told of: the whole of it, "
                "in its currency, or no more than that coming back."
            )
        case ResolutionKind.BOOKED if not _moves_as_much(db, line, str(made.booked_id)):
            raise ResolutionUnfit("This entry does not move the bank's money as the line does, or came of one.")


_MOVED = text("""
    SELECT sum(p.amount) AS amount FROM journal_entries e
      JOIN postings p ON p.entry_id = e.id AND p.currency = :currency
      JOIN accounts a ON a.id = p.account_id AND a.role = 'bank'
     WHERE e.id = :id AND e.kind <> ALL(:but) AND e.reverses_id IS NULL
       -- A fee that a bank has booked came with its payout's line.
       AND NOT (e.kind = 'fee' AND e.event_at IS NOT NULL)
       AND NOT EXISTS (SELECT FROM journal_entries r WHERE r.reverses_id = e.id)
""")


def _moves_as_much(db: Session, line: BankEntry, entry_id: str) -> bool:
    given = {"id": entry_id, "currency": line.currency, "but": list(_NOT_BOOKED_BY_HAND)}
    return bool(db.scalar(_MOVED, given) == line.amount)


def confirm(db: Session, bank_entry_id: str, *, resolution_id: str, confirmed_by: str) -> Resolution:
    """Post what another person has said of a line. resolution_id : of the proposal that was looked at."""
    reconciliation.hold_files(db)
    line = _lock(db, bank_entry_id)
    found = _proposed(db, line)
    if found.id != resolution_id:
        raise NoResolution("This is not what is proposed now; look at it again.")
    four_eyes.other_person(found.made_by, confirmed_by)
    _refuse_unfit(db, found, line)
    if found.payout_id is not None:
        reconciliation.settle_by(db, line, found.payout_id)
    entry = _leaving(db, found, line, confirmed_by)
    entry_id, now = ledger.post(db, [entry]).ids[entry.key], clock.now(db)
    found.state, found.decided_by, found.decided_at = ProposalState.POSTED, confirmed_by, now
    found.entry_id = entry_id
    line.state, line.payout_id = BankEntryState.RESOLVED, found.payout_id
    db.flush()
    return found


def _leaving(db: Session, found: Resolution, line: BankEntry, actor_ref: str) -> Entry:
    """The entry that takes a line out of suspense."""
    match found.kind:
        case ResolutionKind.TOP_UP:
            to = AccountName(FUNDS, str(found.owner_ref), line.currency)
            return _entry("fund", "top_up", line, to, actor_ref, cause_ref=found.owner_ref)
        case ResolutionKind.SENT_BACK:
            return _entry("back", "sent_back", line, AccountName(BANK, HOUSE, line.currency), actor_ref)
        case ResolutionKind.OWN:
            role: Role = OWN_ROLES[str(found.role)]
            return _entry("own", "own", line, AccountName(role, HOUSE, line.currency), actor_ref)
    (entry_id,) = db.scalars(_SUSPENDED, {"key": f"susp:{line.id}"})
    mirror = ledger.reversals(db, [entry_id], actor_ref=actor_ref)[entry_id]
    return replace(mirror, event_at=_answered_at(db, found, line))


_SUSPENDED = text("SELECT id FROM journal_entries WHERE idempotency_key = :key")
_ANSWERED = text("""
    SELECT coalesce(event_at, CAST(effective_on AS timestamp) AT TIME ZONE 'UTC') FROM journal_entries
     WHERE id = :id OR idempotency_key = :key
""")


def _answered_at(db: Session, found: Resolution, line: BankEntry) -> datetime:
    """When the entry moved the bank that answers for the line: of one day, what both say of it adds up to nothing."""
    key = f"{'set' if line.amount < 0 else 'ret'}:{found.payout_id}"
    at: datetime = db.execute(_ANSWERED, {"id": found.booked_id, "key": key}).scalar_one()
    return at


def _entry(
    key: str, kind: str, line: BankEntry, to: AccountName, actor_ref: str, *, cause_ref: str | None = None
) -> Entry:
    suspense = AccountName(SUSPENSE, HOUSE, line.currency)
    move = Line(suspense, to, line.amount) if line.amount > 0 else Line(to, suspense, -line.amount)
    return Entry(f"{key}:{line.id}", kind, cause_ref or line.id, actor_ref, (move,))


def refuse(db: Session, bank_entry_id: str, *, refused_by: str) -> Resolution:
    """Drop what was said of a line; it stays in suspense."""
    found = _proposed(db, _lock(db, bank_entry_id))
    found.state, found.decided_by, found.decided_at = ProposalState.REFUSED, refused_by, clock.now(db)
    db.flush()
    return found


def _proposed(db: Session, line: BankEntry) -> Resolution:
    found = db.scalar(_live(line.id).with_for_update().execution_options(populate_existing=True))
    if found is None:
        raise NoResolution("Nobody has said what this line is.")
    return found


def _lock(db: Session, bank_entry_id: str) -> BankEntry:
    line = db.get(BankEntry, bank_entry_id, with_for_update={"of": BankEntry}, populate_existing=True)
    if line is None:
        raise NoSuchBankEntry("There is no such line of a bank.")
    if line.state != BankEntryState.SUSPENSE:
        raise NotInSuspense(f"This line is {line.state}.")
    return line


_LIKE_IT = text("""
    SELECT p.id, p.payee_id, p.run_id, p.currency, c.ledger_exponent AS exponent, p.net, p.state, p.end_to_end_id,
           r.rail, r.exported_at
      FROM payouts p JOIN payout_runs r ON r.id = p.run_id JOIN currencies c ON c.code = p.currency
     WHERE p.currency = :currency AND p.state IN ('exported', 'settled') AND p.net = :net
       AND r.exported_at >= CAST(:booked_on AS date) - CAST(:days AS integer)
       AND r.exported_at < CAST(:booked_on AS date) + CAST(:days AS integer)
     ORDER BY abs(extract(epoch FROM r.exported_at - CAST(:booked_on AS date))), p.id LIMIT :most
""")


def candidates(db: Session, bank_entry_id: str) -> Sequence[Any]:
    """Payouts of a line's amount and currency that left within three weeks of its day, nearest first, 50 at most."""
    line = db.get(BankEntry, bank_entry_id)
    if line is None:
        raise NoSuchBankEntry("There is no such line of a bank.")
    asked = {"currency": line.currency, "net": abs(line.amount), "booked_on": line.booked_on}
    return db.execute(_LIKE_IT, {**asked, "days": _DAYS, "most": _CANDIDATES_MAX}).all()


def listed(*, state: str | None = None) -> Select[Resolution]:
    """All that was said of lines, or what is in a state."""
    rows = select(Resolution)
    return rows if state is None else rows.where(Resolution.state == state)
