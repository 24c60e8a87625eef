"""Redenomination: what is owed in a currency that is no longer money goes on in the one that took its place.

One person proposes it, another approves, and then payees are moved a thousand at a step; a step that is tried again
finds what the first has done. Each payee's due earnings become one in the successor, by the factor of the currencies'
table and rounded to the payee's favour (PAYMENTS, sections 8 and 9). What is held, asked back or in a payout that has
not left stays, and can be moved by a later one. What owners hold in the old currency is not touched.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.errors import Conflict, Invalid, NotFound, within
from payments import four_eyes, ledger, money
from payments.ledger import HOUSE, PAYABLE, REDENOMINATION, AccountName, Entry, Line
from payments.models import Currency, Redenomination, RedenominationState

# Payees of one step.
_AT_ONCE = 1000


class NoSuchRedenomination(NotFound):
    """There is no such redenomination."""


class NothingTakesItsPlace(Invalid):
    """Nothing that is owed in this currency can go on in another."""


class RedenominationUnderWay(Conflict):
    """What is owed in this currency is being moved, or is proposed to be."""


class RedenominationMoveNotAllowed(Conflict):
    """The redenomination is not where this can be done."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a redenomination would move now, in ledger units of the two currencies."""

    currency: str
    successor: str
    exponent: int
    successor_exponent: int
    n_payees: int
    amount_from: int
    amount_to: int


# What can be moved: each with what is unpaid of it, and since when its payee waits for it.
_OWED = """
    SELECT e.payee_id, e.id, e.amount - e.paid AS rest, e.due_at FROM earnings e
     WHERE e.currency = :currency AND e.status = 'due'
       AND NOT EXISTS (SELECT FROM payout_items i WHERE i.earning_id = e.id AND i.open)
       AND NOT EXISTS (SELECT FROM holds h WHERE h.earning_id = e.id AND h.ended_at IS NULL
                          AND (h.until IS NULL OR h.until > now()))
       AND NOT EXISTS (SELECT FROM clawbacks c WHERE c.earning_id = e.id AND c.entry_id IS NOT NULL)"""
# As `money.convert_up` does it for each payee.
_PREVIEW = text(f"""
    SELECT count(*) AS n_payees, coalesce(sum(owed), 0) AS amount_from,
           coalesce(sum(div(owed * :above + :below - 1, :below)), 0) AS amount_to
      FROM (SELECT payee_id, sum(rest) AS owed FROM ({_OWED}) o GROUP BY payee_id) p
""")


def preview(db: Session, currency: str) -> Preview:
    """What would be moved if it were done now. Nothing is written."""
    old, new = _currencies(db, currency)
    above, below = _factor(old, new)
    row = db.execute(_PREVIEW, {"currency": old.code, "above": above, "below": below}).one()
    return Preview(
        old.code, new.code, old.ledger_exponent, new.ledger_exponent, row.n_payees, int(row.amount_from),
        int(row.amount_to),
    )  # fmt: skip


def _currencies(db: Session, code: str) -> tuple[Currency, Currency]:
    """A currency that is over, and the one that it became so much of."""
    with within("/currency"):
        old = db.get(Currency, code)
        if old is None:
            raise money.CurrencyUnknown(f"The books are not kept in {code}.")
        if old.factor_num is None or old.valid_to is None or old.valid_to > clock.now(db).date():
            raise NothingTakesItsPlace(f"{code} is money still, or nobody has said what it became.")
    return old, db.get_one(Currency, old.successor)


def _factor(old: Currency, new: Currency) -> tuple[int, int]:
    """Ledger units of the new currency for one of the old, as a fraction."""
    assert old.factor_num is not None, "what has no factor is not moved"
    assert old.factor_den is not None, "what has no factor is not moved"
    return old.factor_den * 10**new.ledger_exponent, old.factor_num * 10**old.ledger_exponent


# Two people


def propose(db: Session, currency: str, *, proposed_by: str) -> Redenomination:
    """Say that what is owed in a currency should go on in its successor; another person has to approve it."""
    old, new = _currencies(db, currency)
    db.execute(_TAKE_TURNS, {"currency": f"rdn:{old.code}"})
    state = Redenomination.state.in_([RedenominationState.PROPOSED, RedenominationState.MOVING])
    if db.scalar(select(Redenomination.id).where(Redenomination.currency == old.code, state)) is not None:
        raise RedenominationUnderWay("There is one of this currency already; wait for it, or have it refused.")
    made = Redenomination(id=ids.new("rdn"), currency=old.code, successor=new.code, proposed_by=proposed_by)
    db.add(made)
    db.flush()
    db.refresh(made)
    return made


_TAKE_TURNS = text("SELECT pg_advisory_xact_lock(hashtextextended(:currency, 0))")


def approve(db: Session, redenomination_id: str, *, approved_by: str) -> Redenomination:
    """Let it be done, by another person than who proposed it: from here on payees are moved, step by step."""
    found = _lock(db, redenomination_id, RedenominationState.PROPOSED)
    four_eyes.other_person(found.proposed_by, approved_by)
    return _decide(db, found, RedenominationState.MOVING, approved_by)


def refuse(db: Session, redenomination_id: str, *, refused_by: str) -> Redenomination:
    """Drop one that was proposed; nothing is moved."""
    found = _lock(db, redenomination_id, RedenominationState.PROPOSED)
    return _decide(db, found, RedenominationState.REFUSED, refused_by)


def _decide(db: Session, found: Redenomination, state: RedenominationState, decided_by: str) -> Redenomination:
    found.state, found.decided_by, found.decided_at = state, decided_by, clock.now(db)
    db.flush()
    return found


def _lock(db: Session, redenomination_id: str, *allowed: RedenominationState) -> Redenomination:
    found = db.get(
        Redenomination, redenomination_id, with_for_update={"of": Redenomination}, populate_existing=True
    )  # fmt: skip
    if found is None:
        raise NoSuchRedenomination("There is no such redenomination.")
    if found.state not in allowed:
        raise RedenominationMoveNotAllowed(f"This one is {found.state}; it would have to be {' or '.join(allowed)}.")
    return found


# Steps


def go_on(db: Session) -> Iterator[None]:
    """Every redenomination that is moving, step by step. A work."""
    moving = select(Redenomination.id).where(Redenomination.state == RedenominationState.MOVING)
    for redenomination_id in db.scalars(moving.order_by(Redenomination.id)).all():
        yield from steps(db, redenomination_id)


def steps(db: Session, redenomination_id: str) -> Iterator[None]:
    """Move the payees of one, a thousand at a step; what is done may be committed at each step."""
    while True:
        found = _lock(db, redenomination_id, *RedenominationState)
        if found.state != RedenominationState.MOVING:
            return
        if not _move_some(db, found):
            found.state, found.ended_at = RedenominationState.DONE, clock.now(db)
            db.flush()
        yield


_PAYEES = text("""
    SELECT p.id FROM payees p
     WHERE p.id > :after
       AND EXISTS (SELECT FROM earnings e WHERE e.payee_id = p.id AND e.currency = :currency AND e.status = 'due')
     ORDER BY p.id LIMIT :most FOR UPDATE OF p
""")
_OF_PAYEES = text(f"""
    SELECT payee_id, array_agg(id ORDER BY id) AS earnings, array_agg(rest ORDER BY id) AS rests,
           sum(rest) AS owed, min(due_at) AS due_at
      FROM ({_OWED} AND e.payee_id = ANY(:payees)) o GROUP BY payee_id ORDER BY payee_id
""")


def _move_some(db: Session, found: Redenomination) -> bool:
    """Move the next payees, whose rows are locked; whether there were any."""
    where = {"currency": found.currency, "after": found.moved_through, "most": _AT_ONCE}
    payee_ids = list(db.scalars(_PAYEES, where))
    if not payee_ids:
        return False
    rows = db.execute(_OF_PAYEES, {"currency": found.currency, "payees": payee_ids}).all()
    above, below = _factor(found.books, found.successor_books)
    became = [-(-int(row.owed) * above // below) for row in rows]
    entries = [_entry(found, row, amount) for row, amount in zip(rows, became, strict=True)]
    posted = ledger.post(db, entries)
    _write(db, found, rows, became, [posted.ids[entry.key] for entry in entries])
    found.moved_through, found.n_payees = payee_ids[-1], found.n_payees + len(rows)
    found.amount_from += sum(int(row.owed) for row in rows)
    found.amount_to += sum(became)
    db.flush()
    return True


def _entry(found: Redenomination, row: Any, amount: int) -> Entry:
    """Each currency for itself: what meets between the two is on no account."""
    old, new = (AccountName(PAYABLE, row.payee_id, code) for code in (found.currency, found.successor))
    lines = (
        Line(old, AccountName(REDENOMINATION, HOUSE, found.currency), int(row.owed)),
        Line(AccountName(REDENOMINATION, HOUSE, found.successor), new, amount),
    )
    key = f"rdn:{row.payee_id}:{found.currency}:{found.id}"
    return Entry(key, "redenomination", found.id, str(found.decided_by), lines)


# For no answer, so the new earnings refer to themselves.
_WRITE = text("""
    WITH made AS (
        INSERT INTO earnings (id, payee_id, answer_ref, kind, currency, amount, status, entry_id, due_at)
        SELECT id, payee, id, 'redenomination', CAST(:currency AS text), amount, 'due', entry, due_at
          FROM unnest(CAST(:ids AS text[]), CAST(:payees AS text[]), CAST(:amounts AS bigint[]),
                      CAST(:entries AS text[]), CAST(:due AS timestamptz[])) AS g(id, payee, amount, entry, due_at)
    ), gone AS (
        SELECT * FROM unnest(CAST(:old AS text[]), CAST(:into AS text[]), CAST(:rests AS bigint[]))
                   AS g(earning_id, into_id, amount)
    ), kept AS (
        INSERT INTO redenomination_items (redenomination_id, earning_id, into_id, amount)
        SELECT CAST(:redenomination_id AS text), earning_id, into_id, amount FROM gone
    )
    UPDATE earnings e SET paid = e.amount, status = 'redenominated' FROM gone g WHERE e.id = g.earning_id
""")


def _write(
    db: Session, found: Redenomination, rows: Sequence[Any], became: Sequence[int], entry_ids: Sequence[str]
) -> None:
    made = [ids.new("ern") for _ in rows]
    gone = [
        (earning_id, into_id, int(rest))
        for into_id, row in zip(made, rows, strict=True)
        for earning_id, rest in zip(row.earnings, row.rests, strict=True)
    ]
    db.execute(
        _WRITE,
        {
            "redenomination_id": found.id,
            "currency": found.successor,
            "ids": made,
            "payees": [row.payee_id for row in rows],
            "amounts": list(became),
            "entries": list(entry_ids),
            "due": [row.due_at for row in rows],
            "old": [earning_id for earning_id, _, _ in gone],
            "into": [into_id for _, into_id, _ in gone],
            "rests": [rest for _, _, rest in gone],
        },
    )


def listed(*, currency: str | None = None) -> Select[Redenomination]:
    """All redenominations, or those of a currency."""
    rows = select(Redenomination)
    return rows if currency is None else rows.where(Redenomination.currency == currency)
