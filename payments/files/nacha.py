"""US bank transfers in NACHA's format: PPD credits out, returns and notifications of change back.

Records of 94 characters in blocks of ten, as the NACHA Operating Rules lay them out (appendix 3, ACH record format
specifications). ASCII alone: names are transliterated, and every change is reported.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC
from typing import IO

from payments.files.orders import Batch, Order, Unfit
from payments.files.reading import Unreadable
from payments.files.transliteration import Changes, to_ascii
from payments.files.writing import Hashing, counted

LENGTH = 94
BLOCK = 10
AMOUNT_MAX = 10**10 - 1
TOTAL_MAX = 10**12 - 1
# A batch counts its entries with six digits, a file traces them with seven.
ENTRIES_MAX = 999_999
TRACES_MAX = 9_999_999
_ID_LENGTH = 15
_CODES = {"checking": "22", "savings": "32"}
_WEIGHTS = (3, 7, 1, 3, 7, 1, 3, 7, 1)
_RETURN, _CHANGE = "99", "98"


@dataclass(frozen=True, slots=True)
class Written:
    """What is in a file. total : in cents. changes : texts that are not in it as they came."""

    entries: int
    batches: int
    total: int
    sha256: str
    changes: Changes


@dataclass(frozen=True, slots=True)
class Return:
    """What came back. code : R.. for a returned payment, C.. for a notification of change. amount : in cents.

    individual_id : what `individual_id` makes of an end-to-end id; some banks change its case. trace_number : of the
    entry as we sent it.
    information : of a change the corrected data, of a return what the bank adds.
    """

    individual_id: str
    code: str
    amount: int
    trace_number: str
    information: str


@dataclass(slots=True)
class _Sums:
    """What control records tell: entries with their addenda, the hash over routing numbers, and amounts in cents."""

    entries: int = 0
    hash: int = 0
    debit: int = 0
    credit: int = 0

    def add(self, other: "_Sums") -> None:
        self.entries += other.entries
        self.hash += other.hash
        self.debit += other.debit
        self.credit += other.credit

    def text(self, count_digits: int) -> str:
        count = f"{self.entries:0{count_digits}}"
        return f"{count}{self.hash % 10**10:010}{self.debit:012}{self.credit:012}"


def is_routing(text: str) -> bool:
    """Whether this is a bank's routing number: nine digits whose sum, weighted 3, 7 and 1, ends in nought (ABA)."""
    if not re.fullmatch("[0-9]{9}", text) or text == "000000000":
        return False
    return sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, text, strict=True)) % 10 == 0


def individual_id(end_to_end_id: str) -> str:
    """What an entry carries of an end-to-end id: its last 15 characters, where ids differ."""
    return end_to_end_id[-_ID_LENGTH:]


def trace_number(routing: str, place: int) -> str:
    """The trace of the order at a place from 0, unique within its file: the bank's eight digits and seven of ours."""
    return f"{routing[:8]}{place + 1:07}"


def write(
    batch: Batch, orders: Iterable[Order], file: IO[bytes], *, modifier: str = "A", entries_max: int = ENTRIES_MAX
) -> Written:
    """Credits to persons (PPD), streamed. Refuses what the format cannot hold with `Unfit`; the file is then void.

    Of the payer it takes name, company_id (10 characters), routing (of the bank that sends) and, if they differ,
    destination and destination_name, origin, description (10, PAYROLL if not given). Of an order's destination routing,
    account and account_type (checking if not given). Its remittance goes into an addenda record of 80 characters.
    modifier : A to Z or 0 to 9, tells files of one minute apart. entries_max : what a bank takes in one batch.
    """
    _check_batch(batch, modifier)
    return _Writer(batch, Hashing(file), modifier, min(entries_max, ENTRIES_MAX)).write(orders)


@dataclass(slots=True)
class _Writer:
    batch: Batch
    out: Hashing
    modifier: str
    entries_max: int
    changes: Changes = field(default_factory=Changes)
    records: int = 0
    batches: int = 0
    file: _Sums = field(default_factory=_Sums)
    open: _Sums = field(default_factory=_Sums)

    def write(self, orders: Iterable[Order]) -> Written:
        self._put(self._file_header())
        for place, order in counted(self.batch, orders):
            entry = self._entry(place, order)
            if self.open.entries and self.open.entries + len(entry) > self.entries_max:
                self._close()
            if not self.open.entries:
                self.batches += 1
                self._put(self._batch_header())
            self._put(*entry)
            self.open.add(_Sums(len(entry), int(order.destination["routing"][:8]), 0, order.amount))
        self._close()
        self._file_control()
        return Written(self.batch.n_orders, self.batches, self.batch.total, self.out.sha256, self.changes)

    def _put(self, *records: str) -> None:
        for record in records:
            assert len(record) == LENGTH, record
            self.out.write(record.encode("ascii") + b"\n")
            self.records += 1

    def _file_header(self) -> str:
        payer = self.batch.payer
        destination = payer.get("destination", payer["routing"])
        made = self.batch.created_at.astimezone(UTC)
        return (
            f"101{destination:>10}{payer.get('origin', payer['routing']):>10}{made:%y%m%d%H%M}{self.modifier}094101"
            f"{self._cut(None, 'destination_name', payer.get('destination_name', ''), 23)}"
            f"{self._cut(None, 'name', payer['name'], 23)}{'':8}"
        )

    def _batch_header(self) -> str:
        payer = self.batch.payer
        # The rules want PAYROLL where work is paid for, of employees or not (since 2026-03-20).
        description = self._cut(None, "description", payer.get("description", "PAYROLL"), 10)
        return (
            f"5220{self._cut(None, 'name', payer['name'], 16)}{'':20}{payer['company_id']:<10}PPD{description}{'':6}"
            f"{self.batch.execution_on:%y%m%d}{'':3}1{payer['routing'][:8]}{self.batches:07}"
        )

    def _entry(self, place: int, order: Order) -> list[str]:
        to, trace = order.destination, trace_number(self.batch.payer["routing"], place)
        _check_order(place, order)
        name = self._cut(place, "name", order.name, 22)
        if not any(char.isalnum() for char in name):
            raise Unfit("nothing of the name can be written in ASCII", order=place, field="name")
        note = self._cut(place, "remittance", order.remittance, 80)
        addenda = int(bool(note.strip()))
        code = _CODES[to.get("account_type", "checking")]
        entry = (
            f"6{code}{to['routing']}{to['account']:<17}{order.amount:010}{individual_id(order.end_to_end_id):<15}"
            f"{name}{'':2}{addenda}{trace}"
        )
        return [entry, f"705{note}0001{trace[-7:]}"] if addenda else [entry]

    def _cut(self, place: int | None, name: str, text: str, length: int) -> str:
        # What all batches of a file share is told once.
        changes = Changes() if place is None and self.batches > 1 else self.changes
        return changes.note(place, name, text, to_ascii(text)[:length].rstrip()).ljust(length)

    def _close(self) -> None:
        payer = self.batch.payer
        ends = f"{payer['company_id']:<10}{'':25}{payer['routing'][:8]}{self.batches:07}"
        self._put(f"8220{self.open.text(6)}{ends}")
        self.file.add(self.open)
        self.open = _Sums()

    def _file_control(self) -> None:
        blocks = (self.records + BLOCK) // BLOCK
        self._put(f"9{self.batches:06}{blocks:06}{self.file.text(8)}{'':39}")
        self._put(*["9" * LENGTH] * (blocks * BLOCK - self.records))


def _check_batch(batch: Batch, modifier: str) -> None:
    payer = {"routing": "", "company_id": "", "name": "", **batch.payer}
    if (batch.currency, batch.exponent) != ("USD", 2):
        raise Unfit("NACHA files are in US cents", order=None, field="currency")
    if not 0 < batch.n_orders <= TRACES_MAX:
        raise Unfit(f"a file holds 1 to {TRACES_MAX} orders", order=None, field="n_orders")
    if batch.total > TOTAL_MAX:
        raise Unfit("a total has at most 12 digits", order=None, field="total")
    if not re.fullmatch("[A-Z0-9]", modifier):
        raise Unfit("give one of A to Z or 0 to 9", order=None, field="modifier")
    for name in ("routing", "destination"):
        if not is_routing(payer.get(name, payer["routing"])):
            raise Unfit("this is no routing number", order=None, field=name)
    for name in ("company_id", "origin"):
        if not re.fullmatch("[A-Z0-9]{1,10}", payer.get(name, payer["routing"])):
            raise Unfit("give 1 to 10 capital letters and digits", order=None, field=name)
    if not to_ascii(payer["name"]):
        raise Unfit("the payer must have a name", order=None, field="name")


def _check_order(place: int, order: Order) -> None:
    to = order.destination
    if order.amount > AMOUNT_MAX:
        raise Unfit("an amount has at most 10 digits", order=place, field="amount")
    if not is_routing(to.get("routing", "")):
        raise Unfit("this is no routing number", order=place, field="routing")
    if not re.fullmatch("[A-Za-z0-9-]{1,17}", to.get("account", "")):
        raise Unfit("an account has at most 17 letters, digits and hyphens", order=place, field="account")
    if to.get("account_type", "checking") not in _CODES:
        raise Unfit("it is neither checking nor savings", order=place, field="account_type")
    if not re.fullmatch("[A-Za-z0-9]{1,35}", order.end_to_end_id):
        raise Unfit("an id has at most 35 letters and digits", order=place, field="end_to_end_id")


def read_returns(file: IO[bytes]) -> Iterator[Return]:
    """Returned payments and notifications of change, as they come. Act on them when they have ended: a file that is
    cut off or whose sums do not hold raises `Unreadable` there.
    """
    records = _records(file)
    line, first = next(records, (None, ""))
    if not first.startswith("101"):
        raise Unreadable("the file does not begin with a file header", line)
    whole = _Sums()
    for number, record in records:
        if record[0] == "5":
            yield from _read_batch(records, whole)
        elif record[0] == "9":
            _check_sums(whole, record[13:21], record[21:], number)
            break
        else:
            raise Unreadable("here a batch or the end of the file must stand", number)
    else:
        raise Unreadable("the file is cut off")
    for number, record in records:
        if record != "9" * LENGTH:
            raise Unreadable("there is something after the end of the file", number)


def _records(file: IO[bytes]) -> Iterator[tuple[int, str]]:
    number = 0
    while line := file.readline(LENGTH + 2):
        number += 1
        record = line.rstrip(b"\r\n")
        if len(record) != LENGTH or not record.isascii():
            raise Unreadable(f"a record has {LENGTH} ASCII characters", number)
        yield number, record.decode("ascii")


def _read_batch(records: Iterator[tuple[int, str]], whole: _Sums) -> Iterator[Return]:
    sums = _Sums()
    for number, record in records:
        if record[0] == "8":
            _check_sums(sums, record[4:10], record[10:], number)
            whole.add(sums)
            return
        if record[0] != "6":
            raise Unreadable("here an entry or the end of a batch must stand", number)
        line, addenda = next(records, (number, ""))
        if not addenda:
            break
        yield _returned(record, addenda, line)
        amount, credit = int(record[29:39]), record[2] in "01234"
        sums.add(_Sums(2, int(record[3:11]), 0 if credit else amount, amount if credit else 0))
    raise Unreadable("the file is cut off")


def _returned(entry: str, addenda: str, line: int) -> Return:
    if not re.fullmatch("6[0-9]{11}.{17}[0-9]{10}.{39}1[0-9]{15}", entry):
        raise Unreadable("this is no entry with an addenda record", line - 1)
    kind, code = addenda[1:3], addenda[3:6]
    letter = {_RETURN: "R", _CHANGE: "C"}.get(kind)
    if addenda[:1] != "7" or letter is None or not re.fullmatch(f"{letter}[0-9]{{2}}", code):
        raise Unreadable("this is neither a return nor a notification of change", line)
    information = addenda[35:64] if kind == _CHANGE else addenda[35:79]
    return Return(entry[39:54].strip(), code, int(entry[29:39]), addenda[6:21], information.strip())


def _check_sums(sums: _Sums, count: str, rest: str, line: int) -> None:
    if count + rest[:34] != sums.text(len(count)):
        raise Unreadable("the control record tells other sums than its entries", line)
