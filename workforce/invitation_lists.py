"""Lists of people: a team brings its own, whom it vouches for, in a CSV file.

The file is looked through while it is sent, and what would become of each of its lines is kept. Once another person
lets it, everybody new in it is invited, some at a step; whoever goes on after a crash invites nobody twice. The same
file again finds everybody there. Who a person is, their team says by an id of its own: by that they are known again.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Any

from sqlalchemy import Select, insert, select, text
from sqlalchemy.orm import Session, joinedload

from foundation import addresses, clock, ids
from foundation.errors import Conflict, Invalid, NotFound, within
from foundation.http import load
from foundation.limits import DAY, Limit
from payments import four_eyes
from workforce import import_lines, invitations, schemas
from workforce.import_lines import Record
from workforce.invitations import AlreadyInvited
from workforce.models import Fate, Guest, InvitationLine, InvitationList, ListState

QUOTA = Limit("invitation-lists", 20, DAY)
BYTES_MAX = 1024 * 1024
PEOPLE_MAX = 5_000
_PIECE = 64 * 1024
_AT_ONCE = 100
_DAYS_KEPT = 7
_FIELDS = schemas.ListedPerson()
_COLUMNS = list(_FIELDS.fields)


class NoSuchList(NotFound):
    """There is no such list of people."""


class ListUnreadable(Invalid):
    """This is no list of people."""


class ListMoveNotAllowed(Conflict):
    """The list is in another state."""


@dataclass(frozen=True, slots=True)
class _Wrong:
    pointer: str
    reason: str


def check(db: Session, file: IO[bytes], *, team: str, activates: bool, made_by: str) -> InvitationList:
    """Look through a file of people, and keep what would become of each line. Nobody is invited yet."""
    people = dict(_read(file))
    _find_twins(people)
    known_ids, invited = _known(db, team, [one for one in people.values() if not isinstance(one, _Wrong)])
    rows = list[dict[str, Any]]()
    for line, one in people.items():
        if isinstance(one, _Wrong):
            rows.append(_row(line, Fate.BAD, {"pointer": one.pointer, "reason": one.reason}))
        else:
            is_there = one["external_id"] in known_ids or one["email"].lower() in invited
            # Of whom is there already nothing is kept that they have not said themselves.
            said = {**one, "email": None, "name": None} if is_there else one
            rows.append(_row(line, Fate.THERE if is_there else Fate.NEW, said))
    counts = Counter(row["fate"] for row in rows)
    made = InvitationList(
        id=ids.new("ivl"),
        team=team,
        activates=activates,
        state=ListState.CHECKED,
        n_lines=len(rows),
        n_new=counts[Fate.NEW],
        n_there=counts[Fate.THERE],
        n_bad=counts[Fate.BAD],
        made_by=made_by,
        expires_at=clock.now(db) + timedelta(days=_DAYS_KEPT),
    )
    db.add(made)
    db.flush()
    if rows:
        db.execute(insert(InvitationLine), [{**row, "list_id": made.id, "team": team} for row in rows])
    db.refresh(made)
    return made


def _row(line: int, fate: Fate, said: Mapping[str, Any]) -> dict[str, Any]:
    blank = dict.fromkeys((*_COLUMNS, "pointer", "reason"))
    return {**blank, "languages": {}, **said, "line": line, "fate": fate.value}


def _read(file: IO[bytes]) -> Iterator[tuple[int, dict[str, Any] | _Wrong]]:
    """What stands in each line that is not empty: a person, or what is wrong."""
    lines = import_lines.lines(iter(lambda: file.read(_PIECE), b""))
    header = next(import_lines.csv_rows(lines), None)
    columns = _columns_of(header)
    # A header may be quoted over several lines.
    before = 0 if header is None else header.n_lines
    n_people = 0
    for record in import_lines.csv_records(lines, columns):
        if record.fault is None and record.value is None:
            continue
        n_people += 1
        if n_people > PEOPLE_MAX:
            raise ListUnreadable(f"A list has at most {PEOPLE_MAX:,} people; send several.")
        yield before + record.line, _Wrong("", record.fault) if record.fault is not None else _person(record)


def _columns_of(header: Record | None) -> list[str]:
    try:
        return import_lines.exact_columns(header, _COLUMNS, optional=["languages"])
    except ValueError as error:
        raise ListUnreadable(str(error)) from error


def _person(record: Record) -> dict[str, Any] | _Wrong:
    try:
        said: dict[str, Any] = load(_FIELDS, record.value)
        with within("/email"):
            said["email"] = addresses.parse(said["email"])
    except Invalid as problem:
        first = problem.errors[0]
        return _Wrong(first["pointer"], first["reason"])
    return said


def _find_twins(people: dict[int, dict[str, Any] | _Wrong]) -> None:
    """Whoever stands in a file twice is wrong the second time."""
    seen = dict[tuple[str, str], int]()
    for line, one in people.items():
        if isinstance(one, _Wrong):
            continue
        for column, value in {"external_id": one["external_id"], "email": one["email"].lower()}.items():
            first = seen.setdefault((column, value), line)
            if first != line:
                people[line] = _Wrong(f"/{column}", f"Line {first} has the same.")


_KNOWN_IDS = text("""
    SELECT l.external_id FROM invitation_lines l JOIN invitations i ON i.id = l.invitation_id
     WHERE l.team = :team AND l.external_id = ANY(:given) AND l.fate = 'invited' AND i.status IN ('sent', 'accepted')
""")
_INVITED = text("""
    SELECT lower(email) FROM invitations
     WHERE ended_at IS NULL AND role = 'worker' AND lower(email) = ANY(:given) AND requester_id IS NULL
""")


def _known(db: Session, team: str, people: Sequence[Mapping[str, Any]]) -> tuple[set[str], set[str]]:
    """Which of a team's people have come or are invited, by their ids; and at which addresses somebody is invited."""
    by_id = {"team": team, "given": [one["external_id"] for one in people]}
    by_address = {"given": [one["email"].lower() for one in people]}
    return set(db.scalars(_KNOWN_IDS, by_id)), set(db.scalars(_INVITED, by_address))


def apply(db: Session, list_id: str, *, decided_by: str) -> InvitationList:
    """Let everybody new in a list be invited, as another person than who sent it says. Twice changes nothing."""
    found = find(db, list_id, lock=True)
    if found.state in {ListState.INVITING, ListState.DONE}:
        return found
    _require(found, ListState.CHECKED)
    found.decided_by, found.decided_at = four_eyes.other_person(found.made_by, decided_by), clock.now(db)
    found.state = ListState.INVITING if found.n_new else ListState.DONE
    db.flush()
    return found


def cancel(db: Session, list_id: str, *, decided_by: str) -> InvitationList:
    """Invite nobody more of a list; whoever was invited stays so. Twice changes nothing."""
    found = find(db, list_id, lock=True)
    if found.state == ListState.CANCELLED:
        return found
    _require(found, ListState.CHECKED, ListState.INVITING)
    found.state, found.decided_by, found.decided_at = ListState.CANCELLED, decided_by, clock.now(db)
    db.flush()
    return found


def _require(found: InvitationList, *states: ListState) -> None:
    if found.state not in states:
        raise ListMoveNotAllowed(f"This list is {found.state}.")


def find(db: Session, list_id: str, *, lock: bool = False) -> InvitationList:
    """The list with this id."""
    found = db.get(InvitationList, list_id, with_for_update=lock or None, populate_existing=True)
    if found is None:
        raise NoSuchList("There is no list of people with this id.")
    return found


def listed(*, team: str | None = None, state: str | None = None) -> Select[InvitationList]:
    """All lists, those of a team, or those in a state."""
    wanted = {InvitationList.team: team, InvitationList.state: state}
    return select(InvitationList).where(*(column == value for column, value in wanted.items() if value is not None))


def lines(db: Session, list_id: str, *, fate: str | None = None) -> Select[InvitationLine]:
    """The lines of a list, or those that something becomes of, each with its invitation."""
    rows = select(InvitationLine).options(joinedload(InvitationLine.invitation))
    rows = rows.where(InvitationLine.list_id == find(db, list_id).id)
    return rows if fate is None else rows.where(InvitationLine.fate == fate)


# In the background


_WAITING = select(InvitationList.id).where(InvitationList.state == ListState.INVITING).order_by(InvitationList.id)
_NEW = select(InvitationLine).where(InvitationLine.fate == Fate.NEW).order_by(InvitationLine.line)
_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('invitation_lists:' || :team, 0))")


def go_on(db: Session) -> Iterator[None]:
    """Invite on in every list that was let, some people of each in turn. A work."""
    while waiting := db.scalars(_WAITING).all():
        for list_id in waiting:
            step(db, list_id)
            yield


def step(db: Session, list_id: str) -> None:
    """Invite some people of one list, unless somebody else is doing it."""
    rows = select(InvitationList).where(InvitationList.id == list_id, InvitationList.state == ListState.INVITING)
    found = db.scalar(rows.with_for_update(skip_locked=True).execution_options(populate_existing=True))
    if found is None:
        return
    # Two lists of one team may name the same person.
    db.execute(_TURN, {"team": found.team})
    some = db.scalars(_NEW.where(InvitationLine.list_id == list_id).limit(_AT_ONCE)).all()
    known_ids, _ = _known(db, found.team, [{"external_id": one.external_id, "email": one.email or ""} for one in some])
    for one in some:
        is_invited = one.external_id not in known_ids and _invite(db, found, one)
        one.fate = Fate.INVITED if is_invited else Fate.THERE
        # The name waits for who comes; whoever is there has said their own.
        one.email, one.name = None, one.name if is_invited else None
    n_invited = sum(one.fate == Fate.INVITED for one in some)
    found.n_new, found.n_invited = found.n_new - len(some), found.n_invited + n_invited
    found.n_there += len(some) - n_invited
    if found.n_new == 0:
        found.state = ListState.DONE
    db.flush()


def _invite(db: Session, found: InvitationList, one: InvitationLine) -> bool:
    """Ask one person to come; whether nobody had asked them."""
    assert one.email is not None, "a line that waits has its address"
    try:
        made = invitations.invite(
            db, email=one.email, role=Guest.WORKER, activates=found.activates, made_by=found.made_by, is_vouched=True
        )
    except AlreadyInvited:
        return False
    one.invitation_id = made.id
    return True


_EXPIRE = text("""
    UPDATE invitation_lists SET state = 'expired' WHERE id = ANY(ARRAY(
        SELECT id FROM invitation_lists WHERE state = 'checked' AND expires_at <= now()
         ORDER BY expires_at LIMIT 20 FOR UPDATE SKIP LOCKED))
""")
# What is of no more use: of lists that are over, and of whom an invitation is.
_FORGET = text("""
    UPDATE invitation_lines SET name = NULL, email = NULL WHERE (list_id, line) IN (
        SELECT l.list_id, l.line FROM invitation_lines l
          JOIN invitation_lists s ON s.id = l.list_id LEFT JOIN invitations i ON i.id = l.invitation_id
         WHERE l.name IS NOT NULL
           AND CASE WHEN i.id IS NULL THEN s.state NOT IN ('checked', 'inviting') ELSE i.ended_at IS NOT NULL END
         LIMIT 500 FOR UPDATE OF l SKIP LOCKED)
""")


def forget(db: Session) -> int:
    """End lists that nobody has let, and forget who is in them where it is of no more use; how many. A sweep."""
    expired = db.execute(_EXPIRE)
    forgotten = db.execute(_FORGET)
    return int(expired.rowcount + forgotten.rowcount)  # type: ignore[attr-defined]  # cursor results have it
