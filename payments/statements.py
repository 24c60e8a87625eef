"""What went through an account and what was left: statements, balances at any moment, trial balances at a day's end.

Moments are those of entries' ids. A balance is the last snapshot before a moment and the lines since; a snapshot is by
ids as well and lies behind the horizon, so nothing is ever added before it (PAYMENTS, section 1, medici).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import ids, pagination
from foundation.db import patience
from foundation.errors import Invalid, NotFound
from payments import horizon, snapshots
from payments.models import Account, AccountKind

# Accounts of which a sweep takes snapshots at once.
_AT_ONCE = 20
_ROWS_AT_ONCE = 1000
_DEBIT_SIDE = {AccountKind.ASSET, AccountKind.EXPENSE}

OPENING, LINE, CLOSING = "opening", "line", "closing"


class NoSuchAccount(NotFound):
    """There is no such account."""


class TimesReversed(Invalid):
    """A statement ends after it begins."""


@dataclass(frozen=True, slots=True)
class Turnover:
    """An account and what went through it, in ledger units; its balance is above zero on the side it stands on."""

    id: str
    role: str
    owner_ref: str
    currency: str
    exponent: int
    kind: str
    bounded: bool
    debits: int
    credits: int

    @property
    def balance(self) -> int:
        return _signed(self.kind, self.debits, self.credits)


@dataclass(frozen=True, slots=True)
class Move:
    """A line of a statement: the balance that it opens or closes with, or what one line of an entry moved."""

    type: str
    balance: int
    exponent: int
    entry_id: str | None = None
    line: int | None = None
    kind: str | None = None
    cause_ref: str | None = None
    # The account on the other side of the line, role:owner.
    other: str | None = None
    effective_on: date | None = None
    created_at: datetime | None = None
    debit: int = 0
    credit: int = 0


def _signed(kind: str, debit: int, credit: int) -> int:
    """What a debit and a credit make together on the side that a kind of account stands on."""
    return debit - credit if kind in _DEBIT_SIDE else credit - debit


# Balances


_TURNOVERS = text(f"""
    SELECT a.id, a.role, a.owner_ref, a.currency, k.ledger_exponent AS exponent, a.kind, a.bounded, b.debits, b.credits
      FROM accounts a JOIN currencies k ON k.code = a.currency
     CROSS JOIN LATERAL {snapshots.before(account="a.id", entry="CAST(:before AS text)")} AS b
     WHERE a.id = ANY(:accounts)
""")


# As things are now, bounded accounts have it in their balance.
_TURNOVERS_NOW = text(f"""
    SELECT a.id, a.role, a.owner_ref, a.currency, k.ledger_exponent AS exponent, a.kind, a.bounded, b.debits, b.credits
      FROM accounts a JOIN currencies k ON k.code = a.currency
     CROSS JOIN LATERAL (
            SELECT debits, credits FROM balances WHERE account_id = a.id AND a.bounded
             UNION ALL
            SELECT debits, credits FROM {snapshots.before(account="a.id", entry="CAST(:before AS text)")} AS u
             WHERE NOT a.bounded) AS b
     WHERE a.id = ANY(:accounts)
""")


def turnovers(db: Session, account_ids: Sequence[str], at: datetime | None = None) -> dict[str, Turnover]:
    """What has gone through accounts before a moment, or until now, by their ids; in one statement."""
    statement, before = (_TURNOVERS_NOW, snapshots.END) if at is None else (_TURNOVERS, ids.earliest("jnl", at))
    rows = db.execute(statement, {"accounts": list(account_ids), "before": before})
    return {row.id: _turnover(row) for row in rows}


def _turnover(row: Any) -> Turnover:
    return Turnover(
        id=row.id,
        role=row.role,
        owner_ref=row.owner_ref,
        currency=row.currency,
        exponent=row.exponent,
        kind=row.kind,
        bounded=row.bounded,
        debits=int(row.debits),
        credits=int(row.credits),
    )


def balance(db: Session, role: str, owner_ref: str, currency: str, at: datetime | None = None) -> int:
    """What an account held before a moment, or holds now, in ledger units, above zero on the side it stands on."""
    account_id = find(db, role, owner_ref, currency)
    return turnovers(db, [account_id], at)[account_id].balance


def find(db: Session, role: str, owner_ref: str, currency: str) -> str:
    """The id of an account by its name."""
    named = (Account.role == role, Account.owner_ref == owner_ref, Account.currency == currency)
    found = db.scalar(select(Account.id).where(*named))
    if found is None:
        raise NoSuchAccount(f"Nothing was ever posted to {role}:{owner_ref} in {currency}.")
    return found


def accounts(
    db: Session,
    request: pagination.PageRequest,
    *,
    role: str | None = None,
    owner_ref: str | None = None,
    currency: str | None = None,
) -> pagination.Page:
    """Accounts, newest first, with what went through them."""
    rows = select(Account)
    for column, wanted in ((Account.role, role), (Account.owner_ref, owner_ref), (Account.currency, currency)):
        rows = rows if wanted is None else rows.where(column == wanted)
    found = pagination.read(db, rows, Account.id, request)
    moved = turnovers(db, [account.id for account in found.items])
    return pagination.Page([moved[account.id] for account in found.items], found.last)


TRIAL = text("""
    SELECT a.role COLLATE "C" AS role, a.kind, p.currency, c.ledger_exponent AS exponent,
           sum(greatest(p.amount, 0)) AS debits, sum(greatest(-p.amount, 0)) AS credits
      FROM postings p JOIN journal_entries e ON e.id = p.entry_id
      JOIN accounts a ON a.id = p.account_id JOIN currencies c ON c.code = p.currency
     WHERE e.effective_on <= :day
     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3
""")


def trial_balance(db: Session, day: date) -> Sequence[Any]:
    """Debits and credits of every role and currency by the entries that count for a day or one before it."""
    with patience(db):
        return db.execute(TRIAL, {"day": day}).all()


# Statements


_SIDE = """
    SELECT entry_id, line, {other} AS other_id, {debit} AS debit, {credit} AS credit FROM journal_lines
     WHERE {own} = :account AND (entry_id, line) >= (:entry, :line) AND entry_id < :before
     ORDER BY entry_id, line LIMIT CAST(:most AS bigint)
"""
_DEBITS = _SIDE.format(own="debit_id", other="credit_id", debit="amount", credit="0")
_CREDITS = _SIDE.format(own="credit_id", other="debit_id", debit="0", credit="amount")
# In one statement, so that what it opens with and what it lists are of one moment. A row at least: the opening.
_STATEMENT = text(f"""
    WITH moves AS (({_DEBITS}) UNION ALL ({_CREDITS}) ORDER BY entry_id, line LIMIT CAST(:most AS bigint))
    SELECT a.kind AS account_kind, k.ledger_exponent AS exponent, b.debits AS opening_debits,
           b.credits AS opening_credits, m.entry_id, m.line, m.debit, m.credit, e.kind, e.cause_ref, e.effective_on,
           e.created_at, o.role || ':' || o.owner_ref AS other
      FROM accounts a JOIN currencies k ON k.code = a.currency
     CROSS JOIN {snapshots.before(account=":account", entry="CAST(:entry AS text)", line="CAST(:line AS int)")} AS b
      LEFT JOIN (moves m JOIN journal_entries e ON e.id = m.entry_id JOIN accounts o ON o.id = m.other_id) ON true
     WHERE a.id = :account
     ORDER BY m.entry_id, m.line
""")


def account_statement(
    db: Session,
    role: str,
    owner_ref: str,
    currency: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[Move]:
    """An account's whole statement from a moment on and before another: the opening balance, every line, the closing.

    All of one moment, row by row: nobody's memory holds it.
    """
    account_id = find(db, role, owner_ref, currency)
    start, before = _bounds(since, until)
    yield from _moves(db, account_id, (start, 0), before)


def page(
    db: Session,
    account_id: str,
    request: pagination.PageRequest,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pagination.Page:
    """A page of a statement: the first begins with the opening balance, the last ends with the closing one.

    Each page is of one moment. What is written meanwhile is on a later one, unless the statement has an end.
    """
    start, before = _bounds(since, until)
    place = (start, 0)
    if request.after is not None:
        entry_id, _, line = request.after.partition(":")
        place = (entry_id, int(line) + 1)
    found = list(_moves(db, account_id, place, before, most=request.limit + 1))
    if not found:
        raise NoSuchAccount("There is no such account.")
    opening, lines, closing = found[0], found[1:-1], found[-1]
    shown = lines[: request.limit]
    first = [opening] if request.after is None else []
    if len(lines) > request.limit:
        return pagination.Page([*first, *shown], f"{shown[-1].entry_id}:{shown[-1].line}")
    return pagination.Page([*first, *shown, closing], None)


def _bounds(since: datetime | None, until: datetime | None) -> tuple[str, str]:
    if since is not None and until is not None and until < since:
        raise TimesReversed("Let the statement end after it begins.", errors=[_REVERSED])
    return (
        "" if since is None else ids.earliest("jnl", since),
        snapshots.END if until is None else ids.earliest("jnl", until),
    )


_REVERSED = {"pointer": "?/until", "reason": "Is before since."}


def _moves(
    db: Session, account_id: str, place: tuple[str, int], before: str, *, most: int | None = None
) -> Iterator[Move]:
    """The opening balance, the lines from a place on, and the balance after them; nothing if there is no account."""
    asked = {"account": account_id, "entry": place[0], "line": place[1], "before": before, "most": most}
    last, left = None, 0
    for row in db.execute(_STATEMENT, asked, execution_options={"yield_per": _ROWS_AT_ONCE}):
        if last is None:
            left = _signed(row.account_kind, int(row.opening_debits), int(row.opening_credits))
            yield Move(OPENING, left, row.exponent)
        last = row
        if row.entry_id is not None:
            left += _signed(row.account_kind, row.debit, row.credit)
            yield _move(row, left)
    if last is not None:
        yield Move(CLOSING, left, last.exponent)


def _move(row: Any, left: int) -> Move:
    return Move(
        type=LINE,
        balance=left,
        exponent=row.exponent,
        entry_id=row.entry_id,
        line=row.line,
        kind=row.kind,
        cause_ref=row.cause_ref,
        other=row.other,
        effective_on=row.effective_on,
        created_at=row.created_at,
        debit=row.debit,
        credit=row.credit,
    )


# Snapshots


_MOVED = text("""
    SELECT a.id FROM accounts a
      LEFT JOIN LATERAL (SELECT up_to_entry FROM balance_snapshots WHERE account_id = a.id
                          ORDER BY up_to_entry DESC LIMIT 1) AS s ON true
     WHERE NOT a.bounded
       AND (EXISTS (SELECT FROM journal_lines l WHERE l.debit_id = a.id
                       AND l.entry_id >= coalesce(s.up_to_entry, '') AND l.entry_id < :before)
            OR EXISTS (SELECT FROM journal_lines l WHERE l.credit_id = a.id
                          AND l.entry_id >= coalesce(s.up_to_entry, '') AND l.entry_id < :before))
     ORDER BY a.id LIMIT :most
""")
_SNAPSHOT = text(f"""
    INSERT INTO balance_snapshots (account_id, up_to_entry, debits, credits)
    SELECT a.id, :before, b.debits, b.credits FROM accounts a
     CROSS JOIN LATERAL {snapshots.before(account="a.id", entry="CAST(:before AS text)")} AS b
     WHERE a.id = ANY(:accounts)
    ON CONFLICT DO NOTHING
""")


def take_snapshots(db: Session) -> int:
    """Keep what has gone through unbounded accounts before the horizon, where it moved since; how many. A sweep."""
    before = horizon.final(db)
    if before is None:
        return 0
    moved = list(db.scalars(_MOVED, {"before": before, "most": _AT_ONCE}))
    if moved:
        db.execute(_SNAPSHOT, {"before": before, "accounts": moved})
    return len(moved)
