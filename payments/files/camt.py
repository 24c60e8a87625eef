"""What moved on a bank account, ISO 20022 camt.053 (statements) and camt.054 (notifications), read as a stream."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, BinaryIO

from payments.files import reading
from payments.files.reading import Unreadable

_MESSAGES = re.compile(r"camt\.05[34]\.001\.(?:0[2-9]|1[0-2])")
_STATEMENTS = ("BkToCstmrStmt/Stmt", "BkToCstmrDbtCdtNtfctn/Ntfctn")
_BALANCES = (f"{_STATEMENTS[0]}/Bal",)
_ENTRIES = tuple(f"{path}/Ntry" for path in _STATEMENTS)
_DETAILS = tuple(f"{path}/NtryDtls/TxDtls" for path in _ENTRIES)
# The most decimals that an amount of ISO 20022 has: no amount of any currency is rounded here.
EXPONENT = 5
# The largest run that is paid at once; a bank may book it as one entry with all its details.
TRANSACTIONS_MAX = 250_000
# Of what the bank adds in words.
TEXT_MAX = 1_000
# Opening, closing, and what the last one closed with, which is an opening too.
_BOOKED = frozenset({"OPBD", "CLBD", "PRCD"})
_AMOUNT = re.compile(r"[0-9]{1,18}(?:\.[0-9]{0,5})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T[0-9:.]{8,18})?(?:Z|[+-][0-9]{2}:[0-9]{2})?")
# What banks write where they have no reference.
_NONE = frozenset({"NONREF", "NOTPROVIDED", "NOT PROVIDED"})


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in units of 10^-EXPONENT of its currency: above zero came in, below went out."""

    amount: int
    currency: str

    def at(self, exponent: int) -> int:
        """The same amount in units of 10^-exponent; `Unreadable` if the bank gave more decimals than that."""
        units, rest = divmod(self.amount * int(10**exponent), int(10**EXPONENT))
        if rest:
            raise Unreadable(f"An amount of {self.currency} has more than {exponent} decimals.", None)
        return units


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement or notification. account : an IBAN or the bank's own number.

    opening, closing : booked balances; None in notifications, and where the bank does not say. closing_on : the day at
    whose end the closing one was.
    """

    id: str
    account: str
    currency: str | None
    opening: Money | None
    closing: Money | None
    closing_on: date | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transfer within an entry. end_to_end_id : ours, if the transfer was.

    returned : it comes back, for return_reason, a code such as AC04 or the bank's own, and return_text.
    counterparty_iban : whose account is at the other end, if the bank says so. charges : what the bank took,
    above zero; it may be part of what was booked.
    """

    end_to_end_id: str | None
    amount: Money | None
    returned: bool
    return_reason: str | None
    return_text: str | None
    counterparty_iban: str | None
    charges: Money | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a statement. Only if `booked` has money moved; pending and informative ones are marked, not skipped.

    reference : the bank's; else the line's within its statement; else a hash of statement, place and content. The same
    whenever the same statement is read. reversal : it takes an earlier entry back. transactions : what it consists
    of; none if the bank booked a batch without details.
    """

    statement: Statement
    reference: str
    amount: Money
    booked: bool
    reversal: bool
    booked_on: date | None
    transactions: tuple[Transaction, ...]
    charges: Money | None = None


def read(file: BinaryIO) -> Iterator[Statement | Entry]:
    """Every statement, followed by its entries; `Unreadable` if the file is none.

    Memory is that of the largest entry. A fault may show at the end only: what was yielded counts once the iterator
    has ended.
    """
    document = _Document()
    paths = (*_STATEMENTS, *_BALANCES, *_ENTRIES, *_DETAILS)
    for event, path, element in reading.walk(file, _MESSAGES, paths):
        yield from document.hear(event, path, element)
    if not document.n_statements:
        raise Unreadable("Has no statement.", None)


@dataclass(frozen=True, slots=True)
class _Account:
    """What stands before balances and entries."""

    statement_id: str
    number: str
    currency: str | None


@dataclass(frozen=True, slots=True)
class _Line:
    """What stands before an entry's details. number : its own within the statement."""

    sign: int
    amount: Money
    status: str
    reversal: bool
    booked_on: date | None
    reference: str | None
    number: str | None
    charges: Money | None


@dataclass(slots=True)
class _Document:
    """What of the statement and of the entry in hand is known already."""

    n_statements: int = 0
    n_entries: int = 0
    account: _Account | None = None
    balances: dict[str, Money] = field(default_factory=dict)
    closing_on: date | None = None
    statement: Statement | None = None
    line: _Line | None = None
    transactions: list[Transaction] = field(default_factory=list)

    def hear(self, event: str, path: str, element: Any) -> Iterator[Statement | Entry]:
        """What an element completes."""
        if path in _STATEMENTS:
            yield from self._begin_statement() if event == "start" else self._end_statement(element)
        elif path in _BALANCES:
            self._begin_balance(element) if event == "start" else self._end_balance(element)
        elif path in _ENTRIES:
            yield from self._begin_entry(element) if event == "start" else self._end_entry(element)
        elif event == "start":
            # The entry's own elements are whole where its details begin.
            self.line = self.line or _line(reading.before(element.getparent()))
        else:
            self._end_transaction(element)

    def _begin_statement(self) -> Iterator[Statement]:
        self.n_statements, self.n_entries = self.n_statements + 1, 0
        self.account, self.statement, self.balances, self.closing_on = None, None, {}, None
        yield from ()

    def _end_statement(self, element: Any) -> Iterator[Statement]:
        if self.statement is None:
            yield self._state(element)

    def _begin_balance(self, element: Any) -> None:
        self.account = self.account or _account(reading.before(element))

    def _end_balance(self, element: Any) -> None:
        if self.statement is not None:
            raise Unreadable("A balance comes after the entries.", reading.line_of(element))
        kind = reading.value(element, "Tp/CdOrPrtry/Cd")
        if kind in _BOOKED:
            money = _money(element, "Amt", _sign(element))
            if self.balances.setdefault(kind, money) != money:
                raise Unreadable(f"There are two balances {kind}.", reading.line_of(element))
        if kind == "CLBD":
            self.closing_on = _day(element, "Dt")

    def _state(self, head: Any) -> Statement:
        account = self.account or _account(head)
        opening, closing = self.balances.get("OPBD", self.balances.get("PRCD")), self.balances.get("CLBD")
        known = opening or closing
        currency = account.currency or (known.currency if known else None)
        self.statement = Statement(account.statement_id, account.number, currency, opening, closing, self.closing_on)
        return self.statement

    def _begin_entry(self, element: Any) -> Iterator[Statement]:
        self.n_entries, self.line, self.transactions = self.n_entries + 1, None, []
        if self.statement is None:
            yield self._state(reading.before(element))

    def _end_transaction(self, element: Any) -> None:
        assert self.line is not None, "an entry's own elements are read where its details begin"
        assert self.statement is not None, "a statement is told before its entries"
        if len(self.transactions) == TRANSACTIONS_MAX:
            raise Unreadable(f"An entry has more than {TRANSACTIONS_MAX} transactions.", reading.line_of(element))
        self.transactions.append(_transaction(element, self.line.sign, self.statement.account))

    def _end_entry(self, element: Any) -> Iterator[Entry]:
        assert self.statement is not None, "a statement is told before its entries"
        line = self.line or _line(element)
        transactions = tuple(self.transactions)
        if len(transactions) == 1 and transactions[0].amount is None:
            transactions = (replace(transactions[0], amount=line.amount),)
        reference = line.reference or (line.number and f"{self.statement.id}/{line.number}")
        yield Entry(
            statement=self.statement,
            reference=reference or _hash(self.statement, self.n_entries, line, transactions),
            amount=line.amount,
            booked=line.status == "BOOK",
            reversal=line.reversal,
            booked_on=line.booked_on,
            transactions=transactions,
            charges=line.charges,
        )
        self.line, self.transactions = None, []


def _account(head: Any) -> _Account:
    number = reading.value(head, "Acct/Id/IBAN") or reading.value(head, "Acct/Id/Othr/Id")
    if number is None:
        raise Unreadable("Does not say which account it is about.", reading.line_of(head))
    return _Account(reading.required(head, "Id"), number, reading.value(head, "Acct/Ccy"))


def _line(head: Any) -> _Line:
    sign = _sign(head)
    # A code in its own element from version 8 on, before that the text itself.
    coded = reading.value(head, "Sts/Cd") or reading.value(head, "Sts/Prtry")
    return _Line(
        sign=sign,
        amount=_money(head, "Amt", sign),
        status=coded or reading.required(head, "Sts"),
        reversal=reading.value(head, "RvslInd") in {"true", "1"},
        booked_on=_day(head, "BookgDt"),
        reference=_reference(head, "AcctSvcrRef"),
        number=_reference(head, "NtryRef"),
        charges=_charges(head),
    )


def _transaction(element: Any, sign: int, account: str) -> Transaction:
    sign = _sign(element) if reading.value(element, "CdtDbtInd") else sign
    paths = [path for path in ("Amt", "AmtDtls/TxAmt/Amt") if reading.only(element, path) is not None]
    returned = reading.only(element, "RtrInf") is not None
    words = " ".join(reading.values(element, "RtrInf/AddtlInf", longest=TEXT_MAX))
    return Transaction(
        end_to_end_id=_reference(element, "Refs/EndToEndId"),
        amount=_money(element, paths[0], sign) if paths else None,
        returned=returned,
        return_reason=reading.value(element, "RtrInf/Rsn/Cd") or reading.value(element, "RtrInf/Rsn/Prtry"),
        return_text=words[:TEXT_MAX] or None,
        # Where a transfer comes back, debtor and creditor are still those of the way out.
        counterparty_iban=_counterparty(element, account, outgoing=(sign < 0) != returned),
        charges=_charges(element),
    )


def _counterparty(element: Any, account: str, *, outgoing: bool) -> str | None:
    creditor = reading.value(element, "RltdPties/CdtrAcct/Id/IBAN")
    debtor = reading.value(element, "RltdPties/DbtrAcct/Id/IBAN")
    near, far = (debtor, creditor) if outgoing else (creditor, debtor)
    # Some banks turn them round when a transfer comes back.
    return far if far != account else near


def _charges(element: Any) -> Money | None:
    """What a bank says that it took, of one currency; None if it took nothing, or said that it books that by itself.

    Up to version 3 each charge is an element, later a record in one.
    """
    records = [*reading.elements(element, "Chrgs/Rcrd"), *reading.elements(element, "Chrgs")]
    taken = [
        _money(each, "Amt", 1)
        for each in records
        if reading.only(each, "Amt") is not None
        and reading.value(each, "CdtDbtInd") != "CRDT"
        and reading.value(each, "ChrgInclInd") not in {"false", "0"}
    ]
    currencies = {one.currency for one in taken}
    total = sum(one.amount for one in taken)
    return Money(total, currencies.pop()) if total and len(currencies) == 1 else None


def _reference(element: Any, path: str) -> str | None:
    found = reading.value(element, path)
    return None if found in _NONE else found


def _sign(element: Any) -> int:
    match reading.required(element, "CdtDbtInd"):
        case "CRDT":
            return 1
        case "DBIT":
            return -1
    raise Unreadable("CdtDbtInd must be CRDT or DBIT.", reading.line_of(element))


def _money(element: Any, path: str, sign: int) -> Money:
    """A positive decimal without exponent, of at most 18 digits and 5 decimals, and its currency."""
    text, line = reading.required(element, path), reading.line_of(element)
    currency = reading.only(element, path).get("Ccy", "")
    if not _AMOUNT.fullmatch(text) or len(text.replace(".", "")) > 18:
        raise Unreadable(f"{text!r} is no amount.", line)
    if not _CURRENCY.fullmatch(currency):
        raise Unreadable(f"{currency[:35]!r} is no currency.", line)
    whole, _, part = text.partition(".")
    return Money(sign * int(whole + part.ljust(EXPONENT, "0")), currency)


def _day(element: Any, path: str) -> date | None:
    """The day that the bank writes, in the bank's own zone."""
    text = reading.value(element, f"{path}/Dt") or reading.value(element, f"{path}/DtTm")
    if text is None:
        return None
    try:
        shape = _DAY.fullmatch(text)
        return date.fromisoformat(shape[1] if shape else "")
    except ValueError as error:
        raise Unreadable(f"{text!r} is no day.", reading.line_of(element)) from error


def _hash(statement: Statement, place: int, line: _Line, transactions: tuple[Transaction, ...]) -> str:
    """A name for a line without a reference. Its place is in it, because two equal lines are two."""
    parts = [statement.id, statement.account, str(place), str(line.amount.amount), line.amount.currency]
    parts += [str(line.booked_on), *(str(transaction.end_to_end_id) for transaction in transactions)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
