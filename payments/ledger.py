"""Journal entries of paired lines and balances. Posting is set-based: a few statements for any batch."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from foundation import db as database
from foundation import ids, pagination
from foundation.errors import Conflict, Problem, Unavailable
from payments import snapshots
from payments.models import AccountKind, JournalEntry


class InsufficientFunds(Problem):
    """There is not enough money on the account."""

    status = 402


class AccountFull(Conflict):
    """The account has turned over all that one account can."""


class EntryConflict(Conflict):
    """An entry with this key exists and says something else."""


class PeriodClosed(Conflict):
    """The books of that month are closed."""


class ClockBehind(Unavailable):
    """The clock of the machine that books is far behind the others'."""


@dataclass(frozen=True, slots=True, eq=False)
class Role:
    """What an account is for, on which side of the books it stands, and whether it may go below zero."""

    name: str
    kind: AccountKind
    bounded: bool


BANK = Role("bank", AccountKind.ASSET, bounded=False)
FUNDS = Role("funds", AccountKind.LIABILITY, bounded=True)
RESERVE = Role("reserve", AccountKind.LIABILITY, bounded=True)
PAYABLE = Role("payable", AccountKind.LIABILITY, bounded=True)
# What is owed to somebody who may not be paid, by a sanction or a court.
PAYABLE_BLOCKED = Role("payable_blocked", AccountKind.LIABILITY, bounded=True)
PLATFORM_FEE = Role("platform_fee", AccountKind.INCOME, bounded=False)
# What a principal sells, work and fee in one, and what the work has cost: an agent's pay passes by both.
LABOUR_REVENUE = Role("labour_revenue", AccountKind.INCOME, bounded=False)
LABOUR = Role("labour", AccountKind.EXPENSE, bounded=False)
# What has left for a rail and has not been booked by its bank: by rail.
IN_TRANSIT = Role("in_transit", AccountKind.LIABILITY, bounded=False)
# Money that a bank has booked and nobody can place.
SUSPENSE = Role("suspense", AccountKind.LIABILITY, bounded=False)
GOODWILL = Role("goodwill", AccountKind.EXPENSE, bounded=False)
RAIL_FEE = Role("rail_fee", AccountKind.EXPENSE, bounded=False)
# What was owed in one currency and paid in another: value meets here, each currency by itself.
FX_CLEARING = Role("fx_clearing", AccountKind.ASSET, bounded=False)
# What was owed in a currency that is over, and what that became: each currency by itself.
REDENOMINATION = Role("redenomination", AccountKind.ASSET, bounded=False)
# What an owner has spent on credit, and what a payee is asked to give back.
RECEIVABLE_REQUESTER = Role("receivable_requester", AccountKind.ASSET, bounded=False)
RECEIVABLE_PAYEE = Role("receivable_payee", AccountKind.ASSET, bounded=False)
WRITE_OFF = Role("write_off", AccountKind.EXPENSE, bounded=False)
# Tax that is the state's: by the legal entity that has charged it.
SALES_TAX = Role("sales_tax", AccountKind.LIABILITY, bounded=False)
# Tax on pay, on its way to the authority it is owned by.
WITHHELD = Role("withheld", AccountKind.LIABILITY, bounded=False)
# What the house adds to weeks that paid less than the floor.
FLOOR_TOPUP = Role("floor_topup", AccountKind.EXPENSE, bounded=False)
# What a bank adds to what lies there, or takes for it.
BANK_INTEREST = Role("bank_interest", AccountKind.INCOME, bounded=False)
# By how much a bank changed money better, or worse, than the rate that a run paid at.
FX_GAIN = Role("fx_gain", AccountKind.INCOME, bounded=False)
FX_LOSS = Role("fx_loss", AccountKind.EXPENSE, bounded=False)
# Pay that came back and that nobody claims: by payee.
UNCLAIMED = Role("unclaimed", AccountKind.LIABILITY, bounded=True)
ROLES = {
    role.name: role
    for role in (
        BANK, FUNDS, RESERVE, PAYABLE, PLATFORM_FEE, IN_TRANSIT, SUSPENSE, GOODWILL, RAIL_FEE, FX_CLEARING,
        RECEIVABLE_REQUESTER, RECEIVABLE_PAYEE, WRITE_OFF, SALES_TAX, WITHHELD, FLOOR_TOPUP, PAYABLE_BLOCKED, UNCLAIMED,
        BANK_INTEREST, FX_GAIN, FX_LOSS, REDENOMINATION, LABOUR_REVENUE, LABOUR,
    )
}  # fmt: skip
# Where a bigint ends.
TURNOVER_MAX = 2**63 - 1
# The owner of accounts that belong to the house itself.
HOUSE = "house"


@dataclass(frozen=True, slots=True)
class AccountName:
    """An account by what it is for and whose it is; its id is looked up, or made, when something is posted."""

    role: Role
    owner_ref: str
    currency: str


@dataclass(frozen=True, slots=True)
class Line:
    """Move an amount of ledger units from the credit account to the debit account."""

    debit: AccountName
    credit: AccountName
    amount: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact to post. The key is natural (`earn:<answer>`), so a retry finds what the first try wrote."""

    key: str
    kind: str
    cause_ref: str
    actor_ref: str
    lines: tuple[Line, ...]
    # The id of an entry that this one takes back.
    reverses_id: str | None = None
    # The day it counts for in the books, if that is not today; and when it really happened, with its zone.
    effective_on: date | None = None
    event_at: datetime | None = None

    def request_hash(self) -> bytes:
        parts = [self.key, self.kind, self.cause_ref]
        parts += [f"{_name(line.debit)}|{_name(line.credit)}|{line.amount}" for line in self.lines]
        # Only what is given: the hashes of entries from before there were dates stay as they are.
        parts += [] if self.effective_on is None else [f"effective_on {self.effective_on}"]
        parts += [] if self.event_at is None else [f"event_at {self.event_at.astimezone(UTC).isoformat()}"]
        return hashlib.sha256("\n".join(parts).encode()).digest()


@dataclass(frozen=True, slots=True)
class Posted:
    """The entry id of every key, and the keys that were written now."""

    ids: dict[str, str]
    fresh: frozenset[str]


_OPEN = text("""
    WITH opened AS (
        INSERT INTO accounts (id, role, owner_ref, currency, kind, bounded)
        SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:roles AS text[]), CAST(:owners AS text[]),
                             CAST(:currencies AS text[]), CAST(:kinds AS text[]), CAST(:bounded AS boolean[]))
        ON CONFLICT (role, owner_ref, currency) DO NOTHING RETURNING id, bounded
    )
    INSERT INTO balances (account_id, debits, credits) SELECT id, 0, 0 FROM opened WHERE bounded
""")
_FIND = text("""
    SELECT a.id, a.role, a.owner_ref, a.currency
      FROM accounts a
      JOIN unnest(CAST(:roles AS text[]), CAST(:owners AS text[]), CAST(:currencies AS text[]))
           AS wanted(role, owner_ref, currency)
     USING (role, owner_ref, currency)
""")
_ENTRIES = text("""
    INSERT INTO journal_entries (id, idempotency_key, request_hash, kind, lines, cause_ref, actor_ref, reverses_id,
                                 effective_on, event_at)
    SELECT id, key, hash, kind, lines, cause, actor, reverses, coalesce(effective_on, CAST(now() AS date)), event_at
      FROM unnest(CAST(:ids AS text[]), CAST(:keys AS text[]), CAST(:hashes AS bytea[]), CAST(:kinds AS text[]),
                  CAST(:lines AS smallint[]), CAST(:causes AS text[]), CAST(:actors AS text[]),
                  CAST(:reverses AS text[]), CAST(:days AS date[]), CAST(:moments AS timestamptz[]))
           AS given(id, key, hash, kind, lines, cause, actor, reverses, effective_on, event_at)
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id, idempotency_key
""")
_CLOSED_BEFORE = text("""
    SELECT CAST(max(month) + interval '1 month' AS date) FROM periods WHERE state IN ('closed', 'reopening')
""")
_EXISTING = text("""
    SELECT id, idempotency_key, request_hash FROM journal_entries WHERE idempotency_key = ANY(:keys)
""")
_LINES = text("""
    INSERT INTO journal_lines (entry_id, line, debit_id, credit_id, currency, amount)
    SELECT * FROM unnest(CAST(:entries AS text[]), CAST(:numbers AS smallint[]), CAST(:debits AS text[]),
                         CAST(:credits AS text[]), CAST(:currencies AS text[]), CAST(:amounts AS bigint[]))
""")
# Balances are locked in the order of their ids, so that two batches cannot wait for each other. One that would fall
# below zero, or could not count its turnover any more, is not moved.
_MOVE_BALANCES = text("""
    WITH moves AS (
        SELECT account_id, m.debits, m.credits
          FROM unnest(CAST(:accounts AS text[]), CAST(:debits AS bigint[]), CAST(:credits AS bigint[]))
               AS m(account_id, debits, credits)
          JOIN balances b USING (account_id) ORDER BY account_id FOR UPDATE OF b
    )
    UPDATE balances b SET debits = b.debits + m.debits, credits = b.credits + m.credits FROM moves m
     WHERE b.account_id = m.account_id AND b.credits - b.debits >= m.debits - m.credits
       AND b.debits <= :most - m.debits AND b.credits <= :most - m.credits
""")
_FULL = text("""
    SELECT EXISTS (SELECT FROM balances b
                     JOIN unnest(CAST(:accounts AS text[]), CAST(:debits AS bigint[]), CAST(:credits AS bigint[]))
                          AS m(account_id, debits, credits) USING (account_id)
                    WHERE b.debits > :most - m.debits OR b.credits > :most - m.credits)
""")


def post(db: Session, entries: Sequence[Entry]) -> Posted:
    """Write entries and move balances.

    An entry whose key is already in the books is not written again; if it says something else, `EntryConflict`.
    If a bounded account would go below zero, `InsufficientFunds`, and the caller's transaction must not commit. What is
    new for a month that is closed is `PeriodClosed`; let it count from a later day on, with its true `event_at`.
    """
    if not entries:
        return Posted({}, frozenset())
    distinct = _distinct(entries)
    _refuse_closed(db, distinct)
    fresh = _insert_entries(db, distinct)
    written = [entry for entry in distinct if entry.key in fresh]
    known = {} if len(written) == len(distinct) else _existing(db, [e for e in distinct if e.key not in fresh])
    accounts = _accounts(db, (name for entry in written for line in entry.lines for name in (line.debit, line.credit)))
    _insert_lines(db, written, fresh, accounts)
    _move_balances(db, written, accounts)
    return Posted(fresh | known, frozenset(fresh))


def _distinct(entries: Sequence[Entry]) -> list[Entry]:
    # In the order of their keys, so that two batches with the same entries cannot wait for each other.
    by_key: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: entry.key):
        first = by_key.setdefault(entry.key, entry)
        if first is not entry and first.request_hash() != entry.request_hash():
            raise EntryConflict(f"The entry {entry.key} is there twice with different lines.")
    return list(by_key.values())


def _refuse_closed(db: Session, entries: Sequence[Entry]) -> None:
    """Refuse early, while the transaction is whole, what the table's trigger would refuse."""
    if all(entry.effective_on is None for entry in entries):
        return
    opens: date | None = db.scalar(_CLOSED_BEFORE)
    if opens is None:
        return
    late = [entry for entry in entries if entry.effective_on is not None and entry.effective_on < opens]
    if late and len(_existing(db, late)) < len(late):
        raise _closed(opens)


def _closed(opens: date) -> PeriodClosed:
    last = opens - timedelta(days=1)
    return PeriodClosed(f"The books are closed up to {last}; give a later day, or have the month opened again.")


def _insert_entries(db: Session, entries: Sequence[Entry]) -> dict[str, str]:
    try:
        return _write_entries(db, entries)
    except DBAPIError as error:
        state = database.sqlstate(error)
        if state == "RK001":
            raise _closed(date.fromisoformat(error.orig.diag.message_detail)) from error  # type: ignore[union-attr]
        if state == "RK002":
            raise ClockBehind("This machine's clock is far behind; set it, then try again.") from error
        raise


def _write_entries(db: Session, entries: Sequence[Entry]) -> dict[str, str]:
    rows = db.execute(
        _ENTRIES,
        {
            "ids": [ids.new("jnl") for _ in entries],
            "keys": [entry.key for entry in entries],
            "hashes": [entry.request_hash() for entry in entries],
            "kinds": [entry.kind for entry in entries],
            "lines": [len(entry.lines) for entry in entries],
            "causes": [entry.cause_ref for entry in entries],
            "actors": [entry.actor_ref for entry in entries],
            "reverses": [entry.reverses_id for entry in entries],
            "days": [entry.effective_on for entry in entries],
            "moments": [entry.event_at for entry in entries],
        },
    )
    return {row.idempotency_key: row.id for row in rows}


def _existing(db: Session, entries: Sequence[Entry]) -> dict[str, str]:
    hashes = {entry.key: entry.request_hash() for entry in entries}
    found = db.execute(_EXISTING, {"keys": list(hashes)}).all()
    for row in found:
        if bytes(row.request_hash) != hashes[row.idempotency_key]:
            raise EntryConflict(f"The books already hold {row.idempotency_key} with other lines.")
    return {row.idempotency_key: row.id for row in found}


def _accounts(db: Session, names: Iterable[AccountName]) -> dict[AccountName, str]:
    wanted = sorted(set(names), key=_name)
    if not wanted:
        return {}
    keys = {
        "roles": [name.role.name for name in wanted],
        "owners": [name.owner_ref for name in wanted],
        "currencies": [name.currency for name in wanted],
    }
    by_key = {(name.role.name, name.owner_ref, name.currency): name for name in wanted}

    def find() -> dict[AccountName, str]:
        return {by_key[row.role, row.owner_ref, row.currency]: row.id for row in db.execute(_FIND, keys)}

    found = find()
    if len(found) < len(wanted):
        missing = [name for name in wanted if name not in found]
        db.execute(
            _OPEN,
            {
                "ids": [ids.new("acc") for _ in missing],
                "roles": [name.role.name for name in missing],
                "owners": [name.owner_ref for name in missing],
                "currencies": [name.currency for name in missing],
                "kinds": [name.role.kind.value for name in missing],
                "bounded": [name.role.bounded for name in missing],
            },
        )
        found = find()
    return found


def _insert_lines(
    db: Session, entries: Sequence[Entry], fresh: dict[str, str], accounts: dict[AccountName, str]
) -> None:
    numbered = [(fresh[entry.key], number, line) for entry in entries for number, line in enumerate(entry.lines, 1)]
    if numbered:
        db.execute(
            _LINES,
            {
                "entries": [entry_id for entry_id, _, _ in numbered],
                "numbers": [number for _, number, _ in numbered],
                "debits": [accounts[line.debit] for _, _, line in numbered],
                "credits": [accounts[line.credit] for _, _, line in numbered],
                "currencies": [line.debit.currency for _, _, line in numbered],
                "amounts": [line.amount for _, _, line in numbered],
            },
        )


def _move_balances(db: Session, entries: Sequence[Entry], accounts: dict[AccountName, str]) -> None:
    """The last thing a posting does, for whoever moves one of these balances as well waits until it is committed."""
    moves: dict[str, list[int]] = {}
    for entry in entries:
        for line in entry.lines:
            for side, name in enumerate((line.debit, line.credit)):
                if name.role.bounded:
                    moves.setdefault(accounts[name], [0, 0])[side] += line.amount
    if not moves:
        return
    if any(max(move) > TURNOVER_MAX for move in moves.values()):
        raise _account_full()
    where = {
        "accounts": list(moves),
        "debits": [debit for debit, _ in moves.values()],
        "credits": [credit for _, credit in moves.values()],
        "most": TURNOVER_MAX,
    }
    moved = db.execute(_MOVE_BALANCES, where)
    if moved.rowcount < len(moves):  # type: ignore[attr-defined]  # a cursor result has it
        if db.scalar(_FULL, where):
            raise _account_full()
        raise InsufficientFunds("The account does not hold that much; top it up first.")


def _account_full() -> AccountFull:
    return AccountFull("More money has gone through this account than its books can count; use another owner.")


def _name(name: AccountName) -> str:
    return f"{name.role.name}:{name.owner_ref}:{name.currency}"


_MIRROR = text("""
    SELECT l.entry_id, e.cause_ref, l.currency, l.amount, d.role AS debit_role, d.owner_ref AS debit_owner,
           c.role AS credit_role, c.owner_ref AS credit_owner
      FROM journal_lines l JOIN journal_entries e ON e.id = l.entry_id
      JOIN accounts d ON d.id = l.debit_id JOIN accounts c ON c.id = l.credit_id
     WHERE l.entry_id = ANY(:entries) ORDER BY l.entry_id, l.line
""")


def reversals(db: Session, entry_ids: Sequence[str], *, actor_ref: str) -> dict[str, Entry]:
    """The entries that take others back, line by line, by the ids of those; to be posted by the caller, once each."""
    lines: dict[str, list[Line]] = defaultdict(list)
    causes: dict[str, str] = {}
    for row in db.execute(_MIRROR, {"entries": list(entry_ids)}):
        debit = AccountName(ROLES[row.debit_role], row.debit_owner, row.currency)
        credit = AccountName(ROLES[row.credit_role], row.credit_owner, row.currency)
        lines[row.entry_id].append(Line(credit, debit, row.amount))
        causes[row.entry_id] = row.cause_ref
    return {
        entry_id: Entry(f"rev:{entry_id}", "reversal", causes[entry_id], actor_ref, tuple(mirror), entry_id)
        for entry_id, mirror in lines.items()
    }


_TRIAL = text("""
    SELECT a.role, a.kind, p.currency, c.ledger_exponent AS exponent, sum(greatest(p.amount, 0)) AS debits,
           sum(greatest(-p.amount, 0)) AS credits
      FROM postings p JOIN accounts a ON a.id = p.account_id JOIN currencies c ON c.code = p.currency
     GROUP BY a.role, a.kind, p.currency, c.ledger_exponent ORDER BY a.role, p.currency
""")
BALANCE = text("""
    SELECT coalesce(sum(b.credits - b.debits), 0)
      FROM accounts a JOIN balances b ON b.account_id = a.id
     WHERE a.role = :role AND a.owner_ref = :owner_ref AND a.currency = :currency
""")


def trial_balance(db: Session) -> Sequence[Any]:
    """Debits and credits of every role and currency, from the lines themselves."""
    with database.patience(db):
        return db.execute(_TRIAL).all()


def count_lines(db: Session) -> int:
    """How many lines the journal has."""
    return int(db.scalars(text("SELECT count(*) FROM journal_lines")).one())


def balance(db: Session, role: Role, owner_ref: str, currency: str) -> int:
    """What a bounded account holds, in ledger units."""
    return int(db.execute(BALANCE, {"role": role.name, "owner_ref": owner_ref, "currency": currency}).scalar_one())


_DEBIT_BALANCE = text(f"""
    SELECT coalesce(sum(b.debits - b.credits), 0)
      FROM accounts a CROSS JOIN LATERAL {snapshots.until_now(account="a.id")} AS b
     WHERE a.owner_ref = :owner_ref AND a.role = :role AND a.currency = :currency
""")


def debit_balance(db: Session, role: Role, owner_ref: str, currency: str) -> int:
    """What is on an account that keeps no live balance: debits less credits, in ledger units, all lines counted."""
    which = {"role": role.name, "owner_ref": owner_ref, "currency": currency}
    return int(db.execute(_DEBIT_BALANCE, which).scalar_one())


_TIE_OUT = text("""
    SELECT c.code AS currency, c.ledger_exponent AS exponent,
           coalesce((SELECT sum(b.credits - b.debits) FROM accounts a JOIN balances b ON b.account_id = a.id
                      WHERE a.role IN ('payable', 'payable_blocked') AND a.currency = c.code), 0) AS payable,
           coalesce((SELECT sum(amount - paid) FROM earnings WHERE status = 'due' AND currency = c.code), 0) AS unpaid,
           coalesce((SELECT sum(reserved) FROM reserves WHERE currency = c.code), 0) AS reserved,
           coalesce((SELECT sum(spent) FROM reserves WHERE currency = c.code), 0) AS spent,
           coalesce((SELECT sum(released) FROM reserves WHERE currency = c.code), 0) AS released,
           coalesce((SELECT sum(b.credits - b.debits) FROM accounts a JOIN balances b ON b.account_id = a.id
                      WHERE a.role = 'reserve' AND a.currency = c.code), 0) AS remaining,
           coalesce((SELECT sum(b.credits + b.debits) FROM accounts a JOIN balances b ON b.account_id = a.id
                      WHERE a.currency = c.code), 0) AS stored,
           coalesce((SELECT sum(abs(p.amount)) FROM postings p JOIN accounts a ON a.id = p.account_id AND a.bounded
                      WHERE p.currency = c.code), 0) AS recomputed
      FROM currencies c WHERE EXISTS (SELECT FROM accounts a WHERE a.currency = c.code) ORDER BY c.code
""")


def tie_out(db: Session) -> Sequence[Any]:
    """The sums that must agree, in every currency: payable = unpaid, reserved = spent + released + remaining,
    stored = recomputed (the turnover of all accounts with a live balance).
    """
    with database.patience(db):
        return db.execute(_TIE_OUT).all()


_LINES_OF = text("""
    SELECT l.entry_id, d.role || ':' || d.owner_ref AS debit, c.role || ':' || c.owner_ref AS credit, l.currency,
           l.amount, k.ledger_exponent AS exponent
      FROM journal_lines l JOIN accounts d ON d.id = l.debit_id JOIN accounts c ON c.id = l.credit_id
      JOIN currencies k ON k.code = l.currency
     WHERE l.entry_id = ANY(:entries) ORDER BY l.entry_id, l.line
""")


@dataclass(frozen=True, slots=True)
class Fact:
    """A journal entry with its lines, as people read it."""

    id: str
    idempotency_key: str
    kind: str
    cause_ref: str
    actor_ref: str
    effective_on: date
    event_at: datetime | None
    created_at: datetime
    lines: list[Any]


# The day after the one from which ids count time.
_AFTER_ALL_BEGAN = date(1970, 1, 2)


def journal(
    db: Session,
    page: pagination.PageRequest,
    *,
    first_day: date | None = None,
    last_day: date | None = None,
    **wanted: str | None,
) -> pagination.Page:
    """The journal, newest first, or what of it counts for days from the first to the last, both included.

    wanted : cause_ref and kind, each to narrow it.
    """
    rows = select(JournalEntry)
    for column, value in wanted.items():
        rows = rows if value is None else rows.where(getattr(JournalEntry, column) == value)
    if first_day is not None:
        # Nothing is dated ahead, so that ids end the search: a day earlier, because clocks differ.
        from_there = datetime.combine(max(first_day, _AFTER_ALL_BEGAN), time(), tzinfo=UTC) - timedelta(days=1)
        least = ids.earliest("jnl", from_there)
        rows = rows.where(JournalEntry.effective_on >= first_day, JournalEntry.id >= least)
    rows = rows if last_day is None else rows.where(JournalEntry.effective_on <= last_day)
    found = pagination.read(db, rows, JournalEntry.id, page)
    lines: dict[str, list[Any]] = defaultdict(list)
    for line in db.execute(_LINES_OF, {"entries": [entry.id for entry in found.items]}):
        lines[line.entry_id].append(line)
    return replace(found, items=[_fact(entry, lines[entry.id]) for entry in found.items])


def _fact(entry: JournalEntry, lines: list[Any]) -> Fact:
    return Fact(
        id=entry.id,
        idempotency_key=entry.idempotency_key,
        kind=entry.kind,
        cause_ref=entry.cause_ref,
        actor_ref=entry.actor_ref,
        effective_on=entry.effective_on,
        event_at=entry.event_at,
        created_at=entry.created_at,
        lines=lines,
    )
