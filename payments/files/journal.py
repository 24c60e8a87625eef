"""The journal for accountants: lines that QuickBooks, Xero and the like import, and plain text for beancount."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import IO

from payments.files import cells
from payments.files.orders import Unfit
from payments.files.tables import Amount, Cell, Kind, Table
from payments.files.writing import Hashing, Lines, check_encodable, decimal_text

# What QuickBooks takes as a journal number.
NUMBER_MAX = 21
_HEADER = ("Date", "Number", "Account", "Debit", "Credit", "Currency", "Memo")
_ROOTS = frozenset({"Assets", "Liabilities", "Equity", "Income", "Expenses"})
# Accounts are opened on this day, before anything can have moved.
_OPENED_ON = date(1970, 1, 1)
_LAST_ON = date(2999, 12, 31)
_COLUMNS = {
    "date": Kind.TEXT,
    "number": Kind.TEXT,
    "account": Kind.TEXT,
    "amount": Kind.AMOUNT,
    "currency": Kind.TEXT,
    "memo": Kind.TEXT,
}


@dataclass(frozen=True, slots=True)
class Posting:
    """What an entry does to one account. account : role, or role:owner. amount : in units of 10^-exponent of its
    currency, debits above zero and credits below.
    """

    account: str
    amount: int
    currency: str
    exponent: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A document of the journal: one fact, or one day's facts of a kind. Its postings balance in every currency."""

    number: str
    on: date
    memo: str
    postings: Sequence[Posting]


@dataclass(frozen=True, slots=True)
class Written:
    """What is in a file, and the hash of its bytes."""

    entries: int
    postings: int
    sha256: str


def write_lines(entries: Iterable[Entry], codes: Mapping[str, str], file: IO[bytes]) -> Written:
    """One line for each posting, with its amount as debit or credit: UTF-8, CRLF, RFC 4180, streamed.

    codes : the customer's own account codes, by our accounts (role:owner) or else by their roles; an account without
    one is `Unfit`, as is an entry that does not balance. Entries keep all decimals of their amounts: whoever imports
    them into a program that knows fewer sums them up first.
    """
    out, n_entries, n_postings = Hashing(file), 0, 0
    lines = Lines(out)
    lines.add(_HEADER)
    for place, entry in _balanced(entries):
        for posting in entry.postings:
            amount = decimal_text(abs(posting.amount), posting.exponent)
            sides = (amount, "") if posting.amount > 0 else ("", amount)
            code = _unquoted(_look_up(codes, posting.account, place), place, "account")
            memo = cells.quoted(entry.memo)
            lines.add((entry.on.isoformat(), entry.number, code, *sides, posting.currency, memo))
        n_entries, n_postings = n_entries + 1, n_postings + len(entry.postings)
    return Written(n_entries, n_postings, out.sha256)


def write_beancount(entries: Iterable[Entry], roots: Mapping[str, str], file: IO[bytes]) -> Written:
    """A beancount journal, streamed. Amounts are whole units (12500 USD.4 is USD 1.25), for beancount forgives half a
    unit of the last decimal, and where there are no decimals, nothing.

    roots : Assets, Liabilities, Equity, Income or Expenses, by our roles. An account is opened where it is first seen,
    for one currency; the names of all accounts are held meanwhile.
    """
    out, n_entries, n_postings = Hashing(file), 0, 0
    opened: dict[str, Posting] = {}
    for place, entry in _balanced(entries):
        lines = []
        for posting in entry.postings:
            name = _account(roots, posting, place)
            first = opened.setdefault(name, posting)
            if first is posting:
                out.write(f"{_OPENED_ON} open {name} {_commodity(posting)}\n".encode())
            elif (first.account, first.exponent) != (posting.account, posting.exponent):
                raise Unfit(f"{name} would be two accounts", order=place, field="account")
            lines.append(f"  {name}  {posting.amount} {_commodity(posting)}\n")
        head = f"{entry.on} * {_string(entry.number)} {_string(entry.memo)}\n"
        out.write((head + "".join(lines)).encode())
        n_entries, n_postings = n_entries + 1, n_postings + len(entry.postings)
    return Written(n_entries, n_postings, out.sha256)


def table(entries: Iterable[Entry]) -> Table:
    """The same lines with signed amounts, for a spreadsheet or Parquet."""
    return Table("Journal", _COLUMNS, _rows(entries))


def _rows(entries: Iterable[Entry]) -> Iterator[Sequence[Cell]]:
    for _, entry in _balanced(entries):
        for posting in entry.postings:
            amount = Amount(posting.amount, posting.currency, posting.exponent)
            yield entry.on.isoformat(), entry.number, posting.account, amount, posting.currency, entry.memo


def _balanced(entries: Iterable[Entry]) -> Iterator[tuple[int, Entry]]:
    before = ""
    for place, entry in enumerate(entries):
        if not re.fullmatch(f"[ -~]{{1,{NUMBER_MAX}}}", _unquoted(entry.number, place, "number")):
            raise Unfit(f"give 1 to {NUMBER_MAX} ASCII characters", order=place, field="number")
        if entry.number == before:
            # Whoever imports lines takes those with one number for one document.
            raise Unfit("two entries in a row have this number", order=place, field="number")
        if not _OPENED_ON <= entry.on <= _LAST_ON:
            raise Unfit("a journal begins in 1970 and ends in 2999", order=place, field="date")
        check_encodable(entry.memo, order=place, field="memo")
        _check_postings(entry, place)
        before = entry.number
        yield place, entry


def _check_postings(entry: Entry, place: int) -> None:
    sums: Counter[tuple[str, int]] = Counter()
    for posting in entry.postings:
        if not re.fullmatch(r"[A-Z]{3}(\.[0-9]{4})?", posting.currency):
            raise Unfit(
                "a currency is three capital letters, and a year if it is an old one", order=place, field="currency"
            )
        if posting.amount == 0:
            raise Unfit("a posting moves something", order=place, field="amount")
        check_encodable(posting.account, order=place, field="account")
        sums[posting.currency, posting.exponent] += posting.amount
    if not sums or any(sums.values()):
        raise Unfit("debits and credits must be the same in each currency", order=place, field="amount")


def _look_up(by_account: Mapping[str, str], account: str, place: int) -> str:
    found = by_account.get(account) or by_account.get(account.partition(":")[0])
    if not found:
        raise Unfit(f"there is nothing for {account}", order=place, field="account")
    check_encodable(found, order=place, field="account")
    return found


def _unquoted(text: str, place: int, field: str) -> str:
    if cells.runs(text):
        raise Unfit("a spreadsheet would run this as a formula", order=place, field=field)
    return text


def _account(roots: Mapping[str, str], posting: Posting, place: int) -> str:
    root = _look_up(roots, posting.account, place)
    if root not in _ROOTS:
        raise Unfit(f"{root} is none of {', '.join(sorted(_ROOTS))}", order=place, field="account")
    parts = [re.sub("[^A-Za-z0-9]", "-", part) for part in posting.account.split(":")]
    # Each begins with a capital letter or a digit; two accounts that become the same one are refused.
    names = [part[0].upper() + part[1:] if part[:1].isalnum() else f"X{part}" for part in parts]
    return ":".join([root, *names, posting.currency.replace(".", "-")])


def _commodity(posting: Posting) -> str:
    return f"{posting.currency}.{posting.exponent}"


def _string(text: str) -> str:
    shown = "".join(char if char >= " " and not "\x7f" <= char <= "\x9f" else " " for char in text)
    escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
