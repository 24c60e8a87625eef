"""What banks and providers say of payouts: files read once, lines matched to what was sent, the rest in suspense.

Only a booked line of an account is money: an accepted order is not paid. A line counts once, in however many files it
comes, and in whatever order files come; a payout never goes back but by failing or by being returned.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import IO, Any, TypeVar

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import Conflict, Invalid
from payments import ledger, payouts
from payments.files import camt, dialects, nacha, pain002, results
from payments.files.reading import Unreadable
from payments.ledger import BANK, HOUSE, SUSPENSE, AccountName, Entry, Line
from payments.models import BankEntry, BankEntryState, BankFile, Currency, PayingAccount, PayoutState
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
    if db.scalar(select(BankFile.id).where(BankFile.sha256 == mark)) is not None:
        raise FileRead("These bytes have been read already; nothing has changed.")
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
    """One movement of money as a bank booked it. amount : in ledger units, above zero if it came in."""

    account: str
    reference: str
    booked_on: date
    currency: str
    amount: int
    end_to_end_id: str | None
    return_reason: str | None


def _read_camt(db: Session, file_id: str, file: IO[bytes]) -> Counter[str]:
    found: Counter[str] = Counter()
    for lines in _batches(_lines(db, file)):
        found += _take_in(db, file_id, lines)
    return found


def _lines(db: Session, file: IO[bytes]) -> Iterator[_Line]:
    exponents = {row.code: row.ledger_exponent for row in db.scalars(select(Currency))}
    ours = {account.details.get("iban") for account in db.scalars(select(PayingAccount))} - {None}
    for one in camt.read(file):  # type: ignore[arg-type]  # a stream of bytes, whatever its class is called
        if isinstance(one, camt.Statement):
            if ours and one.account not in ours:
                raise ForeignAccount(f"The file is of {one.account}, which no paying account names.")
        elif one.booked and one.amount.amount:
            yield from _movements(one, exponents)


def _movements(entry: camt.Entry, exponents: dict[str, int]) -> Iterator[_Line]:
    """Each transfer of an entry; the entry as a whole where its bank gives no details, or not what each came to."""
    if entry.booked_on is None:
        raise Unreadable(f"The entry {entry.reference} is booked and has no day.", None)
    known = bool(entry.transactions) and all(one.amount is not None for one in entry.transactions)
    for number, one in enumerate(entry.transactions if known else (None,), 1):
        money = entry.amount if one is None or one.amount is None else one.amount
        if money.currency not in exponents:
            raise Unreadable(f"The books are not kept in {money.currency}.", None)
        yield _Line(
            account=entry.statement.account,
            reference=f"{entry.reference}#{number}#{money.amount}",
            booked_on=entry.booked_on,
            currency=money.currency,
            amount=money.at(exponents[money.currency]),
            end_to_end_id=None if one is None else one.end_to_end_id,
            return_reason=(one.return_reason or "returned") if one is not None and one.returned else None,
        )


_KNOWN = text("""
    SELECT account, reference FROM bank_entries
     WHERE (account, reference) IN (SELECT * FROM unnest(CAST(:accounts AS text[]), CAST(:references AS text[])))
""")
_NAMED = text("""
    SELECT p.end_to_end_id, p.id, p.net, p.currency, p.state FROM payouts p WHERE p.end_to_end_id = ANY(:names)
""")


def _take_in(db: Session, file_id: str, lines: Sequence[_Line]) -> Counter[str]:
    where = {"accounts": [one.account for one in lines], "references": [one.reference for one in lines]}
    known = {(row.account, row.reference) for row in db.execute(_KNOWN, where)}
    fresh = list({(one.account, one.reference): one for one in lines}.values())
    fresh = [one for one in fresh if (one.account, one.reference) not in known]
    named = _named(db, [one.end_to_end_id for one in fresh if one.end_to_end_id])
    matched = {place: payout for place, one in enumerate(fresh) if (payout := _match(db, one, named)) is not None}
    settled = _settle(db, fresh, matched)
    returned = _take_returns(db, fresh, matched)
    rows = [_row(file_id, one, matched.get(place), settled | returned) for place, one in enumerate(fresh)]
    db.add_all(rows)
    db.flush()
    _suspend(db, [row for row in rows if row.state == BankEntryState.SUSPENSE])
    return Counter({"known": len(lines) - len(fresh)}) + Counter(row.state for row in rows)


def _named(db: Session, names: Iterable[str]) -> dict[str, Any]:
    return {row.end_to_end_id: row for row in db.execute(_NAMED, {"names": sorted(set(names))})}


def _match(db: Session, line: _Line, named: dict[str, Any]) -> tuple[str, ...] | None:
    """The payouts that a line is about: by name and amount, or those of one whole run by their sum."""
    row = named.get(line.end_to_end_id or "")
    if row is not None and row.currency == line.currency:
        out, back = line.amount == -row.net, 0 < line.amount <= row.net
        return (row.id,) if out or back else None
    return _whole_run(db, line) if line.end_to_end_id is None and line.amount < 0 else None


_OF_SUM = text("""
    SELECT r.id FROM payout_runs r
     WHERE r.state = 'exported' AND r.currency = :currency AND r.total = :total
       AND NOT EXISTS (SELECT FROM payouts p WHERE p.run_id = r.id AND p.state NOT IN ('exported', 'dropped'))
     LIMIT 2
""")
_OF_RUN = text("SELECT id FROM payouts WHERE run_id = :run_id AND state = 'exported' ORDER BY id")


def _whole_run(db: Session, line: _Line) -> tuple[str, ...] | None:
    """A run that was booked in one line: only if there is one alone with this sum, of which nothing else is known."""
    found = db.scalars(_OF_SUM, {"currency": line.currency, "total": -line.amount}).all()
    return tuple(db.scalars(_OF_RUN, {"run_id": found[0]})) if len(found) == 1 else None


def _settle(db: Session, lines: Sequence[_Line], matched: dict[int, tuple[str, ...]]) -> set[str]:
    out = {payout for place, one in matched.items() if lines[place].amount < 0 for payout in one}
    return set(payouts.settle(db, [Outcome(payout_id) for payout_id in sorted(out)]))


def _take_returns(db: Session, lines: Sequence[_Line], matched: dict[int, tuple[str, ...]]) -> set[str]:
    back = {
        payouts_of[0]: Outcome(payouts_of[0], lines[place].return_reason or "returned", lines[place].amount)
        for place, payouts_of in matched.items()
        if lines[place].amount > 0
    }
    # A return may be told before the payment that it takes back.
    payouts.settle(db, [Outcome(payout_id) for payout_id in back])
    return set(payouts.take_returns(db, list(back.values())))


def _row(file_id: str, line: _Line, payout_ids: tuple[str, ...] | None, moved: set[str]) -> BankEntry:
    """A line as it is kept. One that is about a payout of which this was known already is money that nobody awaits."""
    is_news = payout_ids is not None and moved.issuperset(payout_ids)
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
        state=BankEntryState.MATCHED if is_news else BankEntryState.SUSPENSE,
        payout_id=payout_ids[0] if is_news and payout_ids else None,
    )


def _suspend(db: Session, rows: Sequence[BankEntry]) -> None:
    """Book money that nobody can place, so that the bank's balance by the books is the bank's."""
    entries = []
    for row in rows:
        bank, suspense = AccountName(BANK, HOUSE, row.currency), AccountName(SUSPENSE, HOUSE, row.currency)
        line = Line(bank, suspense, row.amount) if row.amount > 0 else Line(suspense, bank, -row.amount)
        entries.append(Entry(f"susp:{row.id}", "suspense", row.id, HOUSE, (line,)))
    ledger.post(db, entries)


# Answers to orders


def _read_pain002(db: Session, _file_id: str, file: IO[bytes]) -> Counter[str]:
    found: Counter[str] = Counter()
    for statuses in _batches(pain002.read(file)):  # type: ignore[arg-type]  # as above
        found += Counter(status.meaning.value for status in statuses)
        failed = [status for status in statuses if status.meaning == pain002.Meaning.FAILED]
        _fail(db, {status.end_to_end_id: _why(status) for status in failed if status.end_to_end_id})
        for status in failed:
            if status.level == pain002.Level.GROUP:
                _fail_run(db, status.message_id, _why(status))
    return found


def _why(status: pain002.Status) -> str:
    return " ".join(part for part in (status.reason, status.text) if part) or status.code or "refused"


def _fail(db: Session, reasons: dict[str, str]) -> None:
    named = _named(db, reasons)
    payouts.fail(db, [Outcome(row.id, reasons[name][:500]) for name, row in named.items()])


_RUN_NAMED = text("SELECT id FROM payout_runs WHERE replace(id, '_', '') = :name")


def _fail_run(db: Session, message_id: str, reason: str) -> None:
    """A whole message was refused: nothing of its run has left."""
    run_id = db.scalar(_RUN_NAMED, {"name": message_id})
    for some in _batches(db.scalars(_OF_RUN, {"run_id": run_id}).all()):
        payouts.fail(db, [Outcome(payout_id, reason[:500]) for payout_id in some])


_ENDING = text("""
    SELECT p.id, p.net, p.state, p.currency, c.ledger_exponent - c.iso_exponent AS finer, n.code
      FROM payouts p JOIN payout_runs r ON r.id = p.run_id AND r.rail = 'ach' JOIN currencies c ON c.code = p.currency
      JOIN unnest(CAST(:names AS text[]), CAST(:codes AS text[])) AS n(name, code)
        ON upper(right(p.end_to_end_id, 15)) = n.name
""")


def _read_nacha(db: Session, _file_id: str, file: IO[bytes]) -> Counter[str]:
    """Returns come with the day's settlement: a payout that was not booked yet has failed, one that was is returned."""
    found: Counter[str] = Counter()
    for some in _batches(nacha.read_returns(file)):
        back = [one for one in some if one.code.startswith("R")]
        found += Counter({"returned": len(back), "changed": len(some) - len(back)})
        names = {"names": [one.individual_id.upper() for one in back], "codes": [one.code for one in back]}
        rows = db.execute(_ENDING, names).all()
        payouts.fail(db, [Outcome(row.id, row.code) for row in rows if row.state == PayoutState.EXPORTED])
        gone = [row for row in rows if row.state == PayoutState.SETTLED]
        payouts.take_returns(db, [Outcome(row.id, row.code, row.net) for row in gone])
    return found


def _as_results(name: str) -> "Callable[[Session, str, IO[bytes]], Counter[str]]":
    def take(db: Session, _file_id: str, file: IO[bytes]) -> Counter[str]:
        found: Counter[str] = Counter()
        for some in _batches(dialects.read_results(dialects.DIALECTS[name], file)):
            found += Counter(one.outcome.value for one in some)
            named = _named(db, [one.end_to_end_id for one in some])
            told = [(named[one.end_to_end_id], one) for one in some if one.end_to_end_id in named]
            _hear(db, told)
        return found

    return take


def _hear(db: Session, told: Sequence[tuple[Any, results.Result]]) -> None:
    """What a provider says of payouts; a word that is not known, or says nothing of money, leaves them as they are."""
    by: dict[results.Outcome, list[Outcome]] = {}
    for row, one in told:
        by.setdefault(one.outcome, []).append(Outcome(row.id, (one.reason or one.word)[:500], row.net))
    payouts.settle(db, by.get(results.Outcome.SETTLED, []))
    payouts.fail(db, by.get(results.Outcome.FAILED, []))
    payouts.take_returns(db, by.get(results.Outcome.RETURNED, []))


_READERS: dict[str, Callable[[Session, str, IO[bytes]], Counter[str]]] = {
    "camt": _read_camt,
    "pain.002": _read_pain002,
    "nacha-returns": _read_nacha,
    "paypal": _as_results("paypal"),
    "mpesa": _as_results("mpesa"),
}


FORMATS = tuple(sorted(_READERS))


def files() -> Select[BankFile]:
    """All files that were read."""
    return select(BankFile)


def entries(*, state: str | None = None) -> Select[BankEntry]:
    """All lines that were booked, or those in a state."""
    rows = select(BankEntry)
    return rows if state is None else rows.where(BankEntry.state == state)
