"""What banks and providers say of payouts: files read once, lines matched to what was sent, the rest in suspense.

Only a booked line of an account is money: an accepted order is not paid. A line counts once, in however many files it
comes, and in whatever order files come; a payout never goes back but by failing or by being returned.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from itertools import islice
from typing import IO, Any, TypeVar

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import ids, outbox
from foundation.errors import Conflict, Invalid, NotFound
from payments import ledger, money, payouts, rail_fees
from payments.files import camt, dialects, nacha, pain002, results
from payments.files.camt import Transaction
from payments.files.reading import Unreadable
from payments.ledger import BANK, HOUSE, SUSPENSE, AccountName, Entry, Line
from payments.models import BankBalance, BankEntry, BankEntryState, BankFile, Currency, PayingAccount, PayoutState
from payments.payouts import Outcome

_CHUNK = 64 * 1024
# Lines that are matched at once.
_AT_ONCE = 1000


class FileRead(Conflict):
    """This file has been read."""


class FileUnreadable(Invalid):
    """This is no such file."""


class FileFormatUnknown(Invalid):
    """Files of this format are not read."""


class ForeignAccount(Conflict):
    """The file is of an account that is not ours."""


def read(db: Session, file: IO[bytes], *, format_: str, read_by: str) -> BankFile:
    """Take in what a bank or provider says. All of the file counts, or nothing of it.

    format_ : camt, pain.002, nacha-returns, paypal or mpesa. Raises `FileRead` if these bytes were read before,
    `FileUnreadable`, and `ForeignAccount`.
    """
    if format_ not in _READERS:
        raise FileFormatUnknown(f"Formats are {', '.join(sorted(_READERS))}.")
    mark = _sha256(file)
    # One at a time: what two files tell of one payout at once would count twice.
    hold_files(db)
    if db.scalar(select(BankFile.id).where(BankFile.sha256 == mark)) is not None:
        raise FileRead("These bytes have been read already; nothing has changed.")
    with db.begin_nested():
        made = BankFile(id=ids.new("bfl"), sha256=mark, format=format_, outcome={}, read_by=read_by)
        db.add(made)
        db.flush()
        try:
            found = _READERS[format_](db, made.id, file)
        except Unreadable as error:
            raise FileUnreadable(str(error)) from error
        db.execute(_OUTCOME, {"id": made.id, "counts": json.dumps(dict(sorted(found.items())))})
    db.refresh(made)
    return made


_OUTCOME = text("UPDATE bank_files SET outcome = CAST(:counts AS jsonb) WHERE id = :id")


_One = TypeVar("_One")


def _batches(items: Iterable[_One]) -> Iterator[list[_One]]:
    """A stream in parts that are matched at once."""
    rest = iter(items)
    while some := list(islice(rest, _AT_ONCE)):
        yield some


def _sha256(file: IO[bytes]) -> bytes:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    file.seek(0)
    return digest.digest()


# Statements and notifications


@dataclass(frozen=True, slots=True)
class _Line:
    """One movement of money as a bank booked it. amount : in ledger units, above zero if it came in.

    charges : what the bank took for it, which may be in the amount.
    """

    account: str
    reference: str
    booked_on: date
    currency: str
    amount: int
    end_to_end_id: str | None
    return_reason: str | None
    charges: int = 0


def _read_camt(db: Session, file_id: str, file: IO[bytes]) -> Counter[str]:
    found: Counter[str] = Counter()
    exponents = {row.code: row.ledger_exponent for row in db.scalars(select(Currency))}
    statements: list[camt.Statement] = []
    for lines in _batches(_lines(db, file, exponents, statements)):
        found += _take_in(db, file_id, lines)
    db.add_all(_closings(file_id, statements, exponents))
    db.flush()
    return found


def _closings(file_id: str, statements: Sequence[camt.Statement], exponents: dict[str, int]) -> Iterator[BankBalance]:
    """What statements say that accounts held at the end of a day."""
    for one in statements:
        if one.closing is not None and one.closing_on is not None and one.closing.currency in exponents:
            units = one.closing.at(exponents[one.closing.currency])
            if abs(units) > money.AMOUNT_MAX:
                raise Unreadable(f"The balance of {one.account} is more than the books can hold.", None)
            yield BankBalance(
                id=ids.new("bbl"), file_id=file_id, account=one.account, currency=one.closing.currency,
                closed_on=one.closing_on, closing=units,
            )  # fmt: skip


def _lines(
    db: Session, file: IO[bytes], exponents: dict[str, int], statements: list[camt.Statement]
) -> Iterator[_Line]:
    """The lines of a file; its statements are added to those given."""
    ours = _our_accounts(db)
    for one in camt.read(file):  # type: ignore[arg-type]  # a stream of bytes, whatever its class is called
        if isinstance(one, camt.Statement):
            if one.account not in ours:
                raise ForeignAccount(f"The file is of {one.account}, which no paying account names that is confirmed.")
            statements.append(one)
        elif one.booked:
            yield from _movements(one, exponents)


def _our_accounts(db: Session) -> set[str]:
    """What the house's accounts are called in statements."""
    confirmed = db.scalars(select(PayingAccount).where(PayingAccount.confirmed_by.is_not(None)))
    names = (account.details.get(name) for account in confirmed for name in ("iban", "account"))
    return {name for name in names if name}


def _movements(entry: camt.Entry, exponents: dict[str, int]) -> Iterator[_Line]:
    """Each transfer of an entry that moves money."""
    if entry.booked_on is None:
        raise Unreadable(f"The entry {entry.reference} is booked and has no day.", None)
    for number, one in enumerate(_transfers(entry), 1):
        moved = one.amount or entry.amount
        if moved.currency not in exponents:
            raise Unreadable(f"The books are not kept in {moved.currency}.", None)
        units = moved.at(exponents[moved.currency])
        if abs(units) > money.AMOUNT_MAX:
            raise Unreadable(f"The entry {entry.reference} moves more than the books can hold.", None)
        if units:
            yield _Line(
                account=entry.statement.account,
                # Some banks give all entries of a batch one reference.
                reference=f"{entry.reference}#{number}#{moved.amount}#{one.end_to_end_id or ''}",
                booked_on=entry.booked_on,
                currency=moved.currency,
                amount=units,
                end_to_end_id=one.end_to_end_id,
                return_reason=(one.return_reason or "returned") if one.returned else None,
                charges=_charges(one.charges, moved.currency, exponents),
            )


def _charges(taken: camt.Money | None, currency: str, exponents: dict[str, int]) -> int:
    """What a bank took for a transfer, in the ledger units of its currency; in another one it is in no amount of it."""
    return taken.at(exponents[currency]) if taken is not None and taken.currency == currency else 0


def _transfers(entry: camt.Entry) -> tuple[Transaction, ...]:
    """What an entry consists of, where its bank's details come to what it booked; else the entry as a whole."""
    if len(entry.transactions) == 1:
        (one,) = entry.transactions
        return (replace(one, amount=entry.amount, charges=one.charges or entry.charges),)
    told = [one.amount for one in entry.transactions if one.amount is not None]
    is_whole = {one.currency for one in told} == {entry.amount.currency} and len(told) == len(entry.transactions)
    if is_whole and sum(one.amount for one in told) == entry.amount.amount:
        return entry.transactions
    return (Transaction(None, entry.amount, False, None, None, None),)


_KNOWN = text("""
    SELECT account, reference FROM bank_entries
     WHERE (account, reference) IN (SELECT * FROM unnest(CAST(:accounts AS text[]), CAST(:references AS text[])))
""")


def _take_in(db: Session, file_id: str, lines: Sequence[_Line]) -> Counter[str]:
    where = {"accounts": [one.account for one in lines], "references": [one.reference for one in lines]}
    known = {(row.account, row.reference) for row in db.execute(_KNOWN, where)}
    distinct = {(one.account, one.reference): one for one in lines}
    fresh = [one for name, one in distinct.items() if name not in known]
    placed = _place(db, fresh)
    moved = [(payout_id, fresh[place]) for place, about in placed.items() for payout_id in about]
    _move(db, moved)
    fees = _book_charges(db, file_id, [(name, line) for name, line in moved if line.charges and line.amount < 0])
    rows = [_row(file_id, one, placed.get(place)) for place, one in enumerate(fresh)]
    db.add_all(rows)
    db.flush()
    _suspend(db, [row for row in rows if row.state == BankEntryState.SUSPENSE])
    return Counter({"known": len(lines) - len(fresh)}) + Counter(row.state for row in rows) + fees


_NETS = text("""
    SELECT p.id, p.net, c.ledger_exponent AS exponent FROM payouts p JOIN currencies c ON c.code = p.currency
     WHERE p.id = ANY(:ids)
""")


def _book_charges(db: Session, file_id: str, charged: Sequence[tuple[str, "_Line"]]) -> Counter[str]:
    """Book by what lines moved more than their payouts: what their bank took, and said that it took."""
    rows = {row.id: row for row in db.execute(_NETS, {"ids": [name for name, _ in charged]})} if charged else {}
    told = []
    for name, line in charged:
        fee = money.format_amount(-line.amount - int(rows[name].net), rows[name].exponent)
        told.append(rail_fees.Told(name, fee, event_at=moment(line.booked_on)))
    return rail_fees.book(db, file_id, told) if told else Counter()


def _move(db: Session, told: Sequence[tuple[str, "_Line | BankEntry"]]) -> None:
    """Post what lines tell of payouts. All that came back left as well: a return may be told before its payment."""
    left = {payout_id: moment(line.booked_on) for payout_id, line in sorted(told, key=_out_first)}
    for some in _batches(sorted(left)):
        payouts.settle(db, [Outcome(payout_id, event_at=left[payout_id]) for payout_id in some])
    back = [(payout_id, line) for payout_id, line in told if line.amount > 0]
    payouts.take_returns(
        db,
        [Outcome(name, one.return_reason or "returned", one.amount, moment(one.booked_on)) for name, one in back],
    )


def _out_first(told: tuple[str, "_Line | BankEntry"]) -> bool:
    # Of two lines of a payout the last one in this order counts: the one by which it left.
    return told[1].amount < 0


def moment(day: date) -> datetime:
    """When something happened of which a bank says the day alone."""
    return datetime.combine(day, time(), UTC)


# Which payouts a line is about


_NAMED = text("""
    SELECT p.end_to_end_id, p.id, p.net, p.currency, p.state FROM payouts p WHERE p.end_to_end_id = ANY(:names)
     ORDER BY p.id FOR UPDATE
""")
# A run that was booked in one line has it at the first of its payouts.
_TOLD = text("""
    SELECT payout_id, amount > 0 AS is_back FROM bank_entries
     WHERE payout_id = ANY(:ids)
       AND (state = 'resolved' OR (state = 'matched' AND end_to_end_id IS NOT NULL))
     UNION
    SELECT p.id, false FROM payouts p
     WHERE p.id = ANY(:ids)
       AND EXISTS (SELECT FROM bank_entries b
                    WHERE b.state = 'matched' AND b.end_to_end_id IS NULL
                      AND b.payout_id = (SELECT s.id FROM payouts s WHERE s.run_id = p.run_id AND s.state <> 'dropped'
                                          ORDER BY s.id LIMIT 1))
""")


def _place(db: Session, lines: Sequence[_Line]) -> dict[int, tuple[str, ...]]:
    """The payouts that lines are about, by the lines' places. Each goes out once and comes back once, in all files."""
    named = _named(db, [one.end_to_end_id for one in lines if one.end_to_end_id])
    told = {(row.payout_id, row.is_back) for row in db.execute(_TOLD, {"ids": [row.id for row in named.values()]})}
    runs = _runs_awaited(db) if any(_is_nameless(one) for one in lines) else []
    placed: dict[int, tuple[str, ...]] = {}
    for place, line in enumerate(lines):
        row = named.get(line.end_to_end_id or "")
        about: tuple[str, ...] = (row.id,) if row is not None and _fits(line, row, charges=line.charges) else ()
        if _is_nameless(line):
            about = _whole_run(db, line, runs)
        moves = {(payout_id, line.amount > 0) for payout_id in about}
        if moves and not moves & told:
            placed[place] = about
            told |= moves
    return placed


def _named(db: Session, names: Iterable[str]) -> dict[str, Any]:
    return {row.end_to_end_id: row for row in db.execute(_NAMED, {"names": sorted(set(names))})}


_GONE = {PayoutState.EXPORTED, PayoutState.SETTLED, PayoutState.RETURNED}


def _fits(line: "_Line | BankEntry", payout: Any, *, charges: int = 0) -> bool:
    """Whether a line may be a payout's. Of one that came back, as somebody else has told, all must have come back.

    charges : what of a payment may be its bank's own.
    """
    if line.currency != payout.currency or payout.state not in _GONE:
        return False
    if charges and -line.amount == payout.net + charges:
        return True
    if line.amount < 0 or payout.state == PayoutState.RETURNED:
        return bool(abs(line.amount) == payout.net)
    return bool(line.amount <= payout.net)


def _is_nameless(line: _Line) -> bool:
    return line.end_to_end_id is None and line.amount < 0


_AWAITED = text("""
    SELECT r.id, r.currency, coalesce(a.details ->> 'iban', a.details ->> 'account') AS account,
           sum(p.net) FILTER (WHERE p.state = 'exported') AS total
      FROM payout_runs r JOIN payouts p ON p.run_id = r.id AND p.state <> 'dropped'
      LEFT JOIN paying_accounts a ON a.id = r.paying_account_id
     WHERE r.state = 'exported' GROUP BY r.id, r.currency, a.id HAVING bool_and(p.state IN ('exported', 'failed'))
""")
_OF_RUN = text("""
    SELECT id FROM payouts WHERE run_id = :run_id AND state = 'exported' AND end_to_end_id <> ALL(:but) ORDER BY id
""")


def _runs_awaited(db: Session) -> Sequence[Any]:
    """Runs of which nothing is known but that some of it was refused: their banks may book them in one line."""
    return db.execute(_AWAITED).all()


def _whole_run(db: Session, line: _Line, runs: Sequence[Any]) -> tuple[str, ...]:
    """The payouts of the run that comes to this sum, if it is one alone."""
    found = [
        run.id
        for run in runs
        if (run.currency, run.total) == (line.currency, -line.amount) and run.account in {None, line.account}
    ]
    return tuple(db.scalars(_OF_RUN, {"run_id": found[0], "but": []})) if len(found) == 1 else ()


def _row(file_id: str, line: _Line, about: tuple[str, ...] | None) -> BankEntry:
    """A line as it is kept."""
    return BankEntry(
        id=ids.new("ben"),
        file_id=file_id,
        account=line.account,
        reference=line.reference,
        booked_on=line.booked_on,
        currency=line.currency,
        amount=line.amount,
        end_to_end_id=line.end_to_end_id,
        return_reason=line.return_reason,
        state=BankEntryState.MATCHED if about else BankEntryState.SUSPENSE,
        payout_id=about[0] if about else None,
    )


def _suspend(db: Session, rows: Sequence[BankEntry]) -> None:
    """Book money that nobody can place, so that the bank's balance by the books is the bank's."""
    entries = []
    for row in rows:
        bank, suspense = AccountName(BANK, HOUSE, row.currency), AccountName(SUSPENSE, HOUSE, row.currency)
        line = Line(bank, suspense, row.amount) if row.amount > 0 else Line(suspense, bank, -row.amount)
        entry = Entry(f"susp:{row.id}", "suspense", row.id, HOUSE, (line,), event_at=moment(row.booked_on))
        entries.append(entry)
    ledger.post(db, entries)


# What people say of a line


_THIS = text("SELECT id, net, currency, state FROM payouts WHERE id = :id FOR UPDATE")


def fits(db: Session, line: BankEntry, payout_id: str) -> bool:
    """Whether a line can be a payout's: the whole of what left, or no more than that coming back, and told for once."""
    payout = db.execute(_THIS, {"id": payout_id}).one_or_none()
    told = {row.is_back for row in db.execute(_TOLD, {"ids": [payout_id]})}
    return payout is not None and _fits(line, payout) and (line.amount > 0) not in told


def settle_by(db: Session, line: BankEntry, payout_id: str) -> None:
    """Post what a line tells of a payout that `fits`; whoever calls holds the lock and takes it out of suspense."""
    _move(db, [(payout_id, line)])


def hold_files(db: Session) -> None:
    """Let nobody else say of payouts what a bank has booked, until this transaction ends."""
    outbox.hold_stream(db, "bank files")


# Answers to orders


def _read_pain002(db: Session, _file_id: str, file: IO[bytes]) -> Counter[str]:
    found: Counter[str] = Counter()
    refused: tuple[str, str] | None = None
    apart: set[str] = set()
    for statuses in _batches(pain002.read(file)):  # type: ignore[arg-type]  # as above
        found += Counter(status.meaning.value for status in statuses)
        failed = [status for status in statuses if status.meaning == pain002.Meaning.FAILED]
        _fail(db, {status.end_to_end_id: _why(status) for status in failed if status.end_to_end_id})
        # Our messages have one block of payments each.
        for status in failed:
            if status.level != pain002.Level.ORDER:
                refused = (status.message_id, _why(status))
        apart |= {one.end_to_end_id for one in statuses if one.end_to_end_id and one not in failed}
    if refused:
        _fail_run(db, *refused, but=apart)
    return found


def _why(status: pain002.Status) -> str:
    return " ".join(part for part in (status.reason, status.text) if part) or status.code or "refused"


def _fail(db: Session, reasons: dict[str, str]) -> None:
    named = _named(db, reasons)
    payouts.fail(db, [Outcome(row.id, reasons[name][:500]) for name, row in named.items()])


_RUN_NAMED = text("SELECT id FROM payout_runs WHERE replace(id, '_', '') = :name")


def _fail_run(db: Session, message_id: str, reason: str, *, but: set[str]) -> None:
    """A whole message was refused: nothing of its run has left, but for orders that were answered by themselves."""
    run_id = db.scalar(_RUN_NAMED, {"name": message_id})
    for some in _batches(db.scalars(_OF_RUN, {"run_id": run_id, "but": sorted(but)}).all()):
        payouts.fail(db, [Outcome(payout_id, reason[:500]) for payout_id in some])


_ENDING = text("""
    SELECT p.id, p.net, p.state, n.code
      FROM payouts p JOIN payout_runs r ON r.id = p.run_id AND r.rail = 'ach' JOIN currencies c ON c.code = p.currency
      JOIN unnest(CAST(:names AS text[]), CAST(:codes AS text[]), CAST(:amounts AS bigint[])) AS n(name, code, amount)
        ON upper(right(p.end_to_end_id, 15)) = n.name AND p.net = n.amount * 10 ^ (c.ledger_exponent - c.iso_exponent)
""")


def _read_nacha(db: Session, _file_id: str, file: IO[bytes]) -> Counter[str]:
    """Returns come with the day's settlement: a payout that was not booked yet has failed, one that was is returned."""
    found: Counter[str] = Counter()
    for some in _batches(nacha.read_returns(file)):
        back = [one for one in some if one.code.startswith("R")]
        told = {
            "names": [one.individual_id.upper() for one in back],
            "codes": [one.code for one in back],
            "amounts": [one.amount for one in back],
        }
        rows = db.execute(_ENDING, told).all()
        found += Counter(returned=len(rows), unknown=len(back) - len(rows), changed=len(some) - len(back))
        payouts.fail(db, [Outcome(row.id, row.code) for row in rows if row.state == PayoutState.EXPORTED])
        gone = [row for row in rows if row.state == PayoutState.SETTLED]
        payouts.take_returns(db, [Outcome(row.id, row.code, row.net) for row in gone])
    return found


def _as_results(name: str) -> "Callable[[Session, str, IO[bytes]], Counter[str]]":
    def take(db: Session, file_id: str, file: IO[bytes]) -> Counter[str]:
        found: Counter[str] = Counter()
        for some in _batches(dialects.read_results(dialects.DIALECTS[name], file)):
            found += Counter(one.outcome.value for one in some)
            named = _named(db, [one.end_to_end_id for one in some])
            told = [(named[one.end_to_end_id], one) for one in some if one.end_to_end_id in named]
            _hear(db, told)
            found += _book_fees(db, file_id, told)
        return found

    return take


def _hear(db: Session, told: Sequence[tuple[Any, results.Result]]) -> None:
    """What a provider says of payouts; a word that is not known, or says nothing of money, leaves them as they are."""
    by: dict[results.Outcome, list[Outcome]] = {}
    for row, one in told:
        by.setdefault(one.outcome, []).append(Outcome(row.id, (one.reason or one.word)[:500], row.net))
    payouts.settle(db, by.get(results.Outcome.SETTLED, []))
    back = by.get(results.Outcome.RETURNED, [])
    # What nobody claimed comes back without ever having been paid.
    payouts.fail(db, [*by.get(results.Outcome.FAILED, []), *back])
    payouts.take_returns(db, back)


def _book_fees(db: Session, file_id: str, told: Sequence[tuple[Any, results.Result]]) -> Counter[str]:
    """Book what a provider took for payouts that it says are paid."""
    paid = [(row, one) for row, one in told if one.outcome == results.Outcome.SETTLED and one.fee]
    fees = [rail_fees.Told(row.id, str(one.fee), one.fee_currency) for row, one in paid]
    return rail_fees.book(db, file_id, fees) if fees else Counter()


_READERS: dict[str, Callable[[Session, str, IO[bytes]], Counter[str]]] = {
    "camt": _read_camt,
    "pain.002": _read_pain002,
    "nacha-returns": _read_nacha,
    "paypal": _as_results("paypal"),
    "mpesa": _as_results("mpesa"),
}


FORMATS = tuple(sorted(_READERS))


# Of a file that is read while somebody waits for the answer: it is one transaction, all of it or nothing, and this much
# takes seconds. Longer ones are read on the machine, with `rookery statements read`, for as long as it takes.
UPLOAD_BYTES_MAX = 16 * 1024 * 1024


class NoSuchBankFile(NotFound):
    """There is no such bank file."""


_BY_STATE = text("""
    SELECT b.state, b.currency, c.ledger_exponent AS exponent, count(*) AS lines, sum(b.amount) AS amount
      FROM bank_entries b JOIN currencies c ON c.code = b.currency WHERE b.file_id = :id
     GROUP BY 1, 2, 3 ORDER BY 1, 2
""")


def find_file(db: Session, file_id: str) -> dict[str, Any]:
    """A file that was read, with how many lines came by it first, by what they are now, and their sums."""
    found = db.get(BankFile, file_id)
    if found is None:
        raise NoSuchBankFile("There is no such bank file.")
    return {"file": found, "lines": db.execute(_BY_STATE, {"id": file_id}).all()}


def files() -> Select[BankFile]:
    """All files that were read."""
    return select(BankFile)


def entries(*, state: str | None = None) -> Select[BankEntry]:
    """All lines that were booked, or those in a state."""
    rows = select(BankEntry)
    return rows if state is None else rows.where(BankEntry.state == state)
