"""The CSV files of payment providers as data: which columns, in which unit, how many rows; and what comes back.

Providers change their templates without notice, and some show theirs to customers alone (M-Pesa, SwiftPay, Payoneer):
compare a dialect with the template of your account before its first run, and `dataclasses.replace` what differs. The
columns of Wise are those of its batch template (amountCurrency target: the payee gets the full amount), those of
RazorpayX its bulk payout file, which exists in rupees and in paise; PayPal's is the mass payment file.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice
from typing import IO

from payments.files import cells, results
from payments.files.orders import Batch, Order, Unfit
from payments.files.reading import Unreadable
from payments.files.results import Outcome, Result, Results
from payments.files.tables import destination_text
from payments.files.writing import Hashing, Lines, check_encodable, counted, decimal_text


class Unit(StrEnum):
    """How a dialect writes an amount: 12.50; in the smallest unit, 1250; or in whole units alone, so not 12.50."""

    DECIMAL = "decimal"
    MINOR = "minor"
    WHOLE = "whole"


class Profile(StrEnum):
    """Who opens the file. A bank's machine must get the text itself, so what a spreadsheet would run is refused; for
    people with spreadsheets it is quoted.
    """

    BANK = "bank"
    SPREADSHEET = "spreadsheet"


@dataclass(frozen=True, slots=True)
class Column:
    """A column and where its cells come from.

    of : end_to_end_id, name, currency, amount, remittance, destination (all of it, as JSON); kind and route of the
    `Kind`; message_id and execution_on of the batch; to:KEY of the order's destination, from:KEY of the payer; or
    =TEXT, the same in every row. length_max : in characters. pattern : of the whole cell.
    """

    header: str
    of: str
    length_max: int | None = None
    pattern: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of destination, by the keys it needs, and what the dialect calls it.

    routes : (largest amount in whole units or None, name), smallest first: an order takes the first that can carry it.
    """

    needs: tuple[str, ...]
    name: str = ""
    routes: tuple[tuple[int | None, str], ...] = ((None, ""),)


@dataclass(frozen=True, slots=True)
class Dialect:
    """A provider's file. rows_max : in one part. amount_min : in whole units. No currencies: all of them."""

    name: str
    columns: tuple[Column, ...]
    unit: Unit
    kinds: tuple[Kind, ...]
    currencies: frozenset[str] = frozenset()
    rows_max: int | None = None
    amount_min: int = 0
    delimiter: str = ","
    header: bool = True
    profile: Profile = Profile.BANK
    results: Results | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One finished file of a batch. number : from 1. total : in the orders' units."""

    number: int
    rows: int
    total: int
    sha256: str


_EMAIL = r"[^@\s]+@[^@\s]+"
_WISE = Dialect(
    name="wise",
    columns=(
        Column("recipientId", "to:recipient_id", optional=True),
        Column("name", "name"),
        Column("recipientEmail", "to:email", pattern=_EMAIL, optional=True),
        Column("recipientDetail", "=", optional=True),
        Column("sourceCurrency", "from:currency", pattern="[A-Z]{3}"),
        Column("targetCurrency", "currency"),
        Column("amountCurrency", "=target"),
        Column("amount", "amount"),
        Column("paymentReference", "end_to_end_id"),
        Column("receiverType", "=PERSON"),
    ),
    unit=Unit.DECIMAL,
    kinds=(Kind(("recipient_id",)), Kind(("email",))),
    rows_max=1_000,
)


def _razorpayx(name: str, amount: str, unit: Unit) -> Dialect:
    return Dialect(
        name=name,
        columns=(
            Column("RazorpayX Account Number", "from:account", pattern="[A-Za-z0-9 ]{5,22}"),
            Column(amount, "amount"),
            Column("Payout Currency", "currency"),
            Column("Payout Mode", "route"),
            Column("Payout Purpose", "=payout"),
            Column("Fund Account Id", "=", optional=True),
            Column("Fund Account Type", "kind"),
            Column("Fund Account Name", "name"),
            Column("Fund Account Ifsc", "to:ifsc", pattern="[A-Z]{4}0[A-Z0-9]{6}", optional=True),
            Column("Fund Account Number", "to:account", pattern="[A-Za-z0-9]{5,35}", optional=True),
            Column("Fund Account Vpa", "to:vpa", pattern=_EMAIL, optional=True),
            Column("Fund Account Phone Number", "=", optional=True),
            Column("Contact Name", "name"),
            Column("Payout Narration", "remittance", pattern="[A-Za-z0-9 ]{0,30}", optional=True),
            Column("Payout Reference Id", "end_to_end_id"),
            Column("Fund Account Email", "=", optional=True),
            Column("Contact Type", "=vendor"),
            Column("Contact Email", "to:email", pattern=_EMAIL, optional=True),
            Column("Contact Mobile", "to:mobile", pattern="[0-9]{10,12}", optional=True),
            Column("Contact Reference Id", "=", optional=True),
        ),
        unit=unit,
        # Modes are case-sensitive. NEFT carries any amount; UPI's limit is that of the National Payments Corporation.
        kinds=(
            Kind(("account", "ifsc"), "bank_account", ((None, "NEFT"),)),
            Kind(("vpa",), "vpa", ((100_000, "UPI"),)),
        ),
        currencies=frozenset({"INR"}),
        amount_min=1,
    )


_SWIFTPAY = Dialect(
    name="swiftpay",
    columns=(
        Column("Merchant Reference Number", "end_to_end_id"),
        Column("Institution Code", "to:bank_code", pattern="[A-Za-z0-9]{1,20}"),
        Column("Transfer Channel", "route"),
        Column("Amount", "amount"),
        Column("Remarks", "remittance"),
        Column("Account Number", "to:account", pattern="[A-Za-z0-9]{5,35}"),
        Column("Account Name", "name"),
    ),
    unit=Unit.DECIMAL,
    # InstaPay carries PHP 50,000 at most, PESONet the rest, on the same day.
    kinds=(Kind(("account", "bank_code"), routes=((50_000, "InstaPay"), (None, "PESONet"))),),
    currencies=frozenset({"PHP"}),
)
_MPESA = Dialect(
    name="mpesa",
    columns=(
        Column("MSISDN", "to:msisdn", pattern="254[17][0-9]{8}"),
        Column("Amount", "amount"),
        Column("Name", "name"),
        Column("Remarks", "remittance", length_max=100, optional=True),
        Column("Reference", "end_to_end_id"),
    ),
    unit=Unit.WHOLE,
    kinds=(Kind(("msisdn",)),),
    currencies=frozenset({"KES"}),
    # The columns of Daraja's result messages. A time-out says nothing of the money.
    results=Results(
        id="OriginatorConversationID",
        word="ResultCode",
        reason="ResultDesc",
        words={
            "0": Outcome.SETTLED,
            "TIME-OUT": Outcome.EXPORTED,
            "TIMEOUT": Outcome.EXPORTED,
            "ACCEPTED": Outcome.EXPORTED,
            "REVERSED": Outcome.RETURNED,
            "REVERSAL": Outcome.RETURNED,
        },
        others=("[1-9][0-9]{0,9}", Outcome.FAILED),
    ),
)
_PAYPAL = Dialect(
    name="paypal",
    columns=(
        Column("Recipient", "to:email", pattern=_EMAIL),
        Column("Amount", "amount"),
        Column("Currency", "currency"),
        Column("Unique Id", "end_to_end_id", length_max=30),
        Column("Note", "remittance", optional=True),
    ),
    unit=Unit.DECIMAL,
    kinds=(Kind(("email",)),),
    rows_max=5_000,
    delimiter="\t",
    header=False,
    # The members of a payout item in PayPal's API, and its words.
    results=Results(
        id="sender_item_id",
        word="transaction_status",
        reason="errors",
        fee="payout_item_fee",
        fee_currency="payout_item_fee_currency",
        words={
            "SUCCESS": Outcome.SETTLED,
            "PENDING": Outcome.EXPORTED,
            "UNCLAIMED": Outcome.EXPORTED,
            "ONHOLD": Outcome.EXPORTED,
            "BLOCKED": Outcome.EXPORTED,
            "FAILED": Outcome.FAILED,
            "DENIED": Outcome.FAILED,
            "RETURNED": Outcome.RETURNED,
            "REFUNDED": Outcome.RETURNED,
            "REVERSED": Outcome.RETURNED,
        },
    ),
)
_PAYONEER = Dialect(
    name="payoneer",
    columns=(
        Column("Recipient Email", "to:email", pattern=_EMAIL),
        Column("Amount", "amount"),
        Column("Currency", "currency"),
        Column("Description", "end_to_end_id"),
    ),
    unit=Unit.DECIMAL,
    kinds=(Kind(("email",)),),
    currencies=frozenset({"USD"}),
)
# For people. Columns keep their places; a change of what they mean is another version.
GENERIC = Dialect(
    name="generic",
    columns=(
        Column("version", "=1"),
        Column("message_id", "message_id"),
        Column("execution_on", "execution_on"),
        Column("end_to_end_id", "end_to_end_id"),
        Column("name", "name", optional=True),
        Column("currency", "currency"),
        Column("amount", "amount"),
        Column("destination", "destination"),
        Column("remittance", "remittance", optional=True),
    ),
    unit=Unit.DECIMAL,
    kinds=(Kind(()),),
    profile=Profile.SPREADSHEET,
)
DIALECTS = {
    dialect.name: dialect
    for dialect in (
        _WISE,
        _razorpayx("razorpayx-rupees", "Payout Amount (in Rupees)", Unit.DECIMAL),
        _razorpayx("razorpayx-paise", "Payout Amount", Unit.MINOR),
        _SWIFTPAY,
        _MPESA,
        _PAYPAL,
        _PAYONEER,
        GENERIC,
    )
}


def write(
    dialect: Dialect,
    batch: Batch,
    orders: Iterable[Order],
    open_part: Callable[[int], AbstractContextManager[IO[bytes]]],
) -> list[Part]:
    """The orders as files in UTF-8 with CRLF (RFC 4180), streamed. What cannot be held is `Unfit`; all parts are then
    void. open_part : gives the file of a part by its number, from 1, and is left when the part is finished.
    """
    if dialect.currencies and batch.currency not in dialect.currencies:
        raise Unfit(f"{dialect.name} takes {', '.join(sorted(dialect.currencies))}", order=None, field="currency")
    if dialect.profile is Profile.BANK and not batch.n_orders:
        raise Unfit("there is nothing to pay", order=None, field="n_orders")
    parts: list[Part] = []
    rest = counted(batch, orders)
    first = next(rest, None)
    while first is not None or not parts:
        rows = chain([first] if first else [], islice(rest, dialect.rows_max - 1 if dialect.rows_max else None))
        with open_part(len(parts) + 1) as file:
            parts.append(_write_part(dialect, batch, rows, len(parts) + 1, file))
        first = next(rest, None)
    return parts


def _write_part(
    dialect: Dialect, batch: Batch, orders: Iterable[tuple[int, Order]], number: int, file: IO[bytes]
) -> Part:
    out, rows, total = Hashing(file), 0, 0
    lines = Lines(out, dialect.delimiter)
    if dialect.header:
        lines.add([column.header for column in dialect.columns])
    for place, order in orders:
        lines.add(_row(dialect, batch, place, order))
        rows, total = rows + 1, total + order.amount
    return Part(number, rows, total, out.sha256)


def _row(dialect: Dialect, batch: Batch, place: int, order: Order) -> list[str]:
    kind = _kind(dialect, place, order)
    values = {
        "end_to_end_id": order.end_to_end_id,
        "name": order.name,
        "currency": order.currency,
        "amount": _amount(dialect, place, order),
        "remittance": order.remittance,
        "destination": destination_text(order),
        "kind": kind.name,
        "route": _route(kind, place, order),
        "message_id": batch.message_id,
        "execution_on": batch.execution_on.isoformat(),
    }
    values |= {f"to:{key}": value for key, value in order.destination.items()}
    values |= {f"from:{key}": value for key, value in batch.payer.items()}
    return [
        _cell(dialect, column, column.of[1:] if column.of[0] == "=" else values.get(column.of, ""), place)
        for column in dialect.columns
    ]


def _kind(dialect: Dialect, place: int, order: Order) -> Kind:
    for kind in dialect.kinds:
        if all(order.destination.get(key) for key in kind.needs):
            return kind
    needs = " or ".join(" and ".join(kind.needs) for kind in dialect.kinds)
    raise Unfit(f"{dialect.name} needs {needs}", order=place, field="destination")


def _route(kind: Kind, place: int, order: Order) -> str:
    for whole_max, name in kind.routes:
        if whole_max is None or order.amount <= whole_max * 10**order.exponent:
            return name
    raise Unfit(f"{kind.routes[-1][1]} carries {kind.routes[-1][0]} at most", order=place, field="amount")


def _amount(dialect: Dialect, place: int, order: Order) -> str:
    if order.amount < dialect.amount_min * 10**order.exponent:
        raise Unfit(f"{dialect.name} pays {dialect.amount_min} at least", order=place, field="amount")
    if dialect.unit is Unit.MINOR:
        return str(order.amount)
    if dialect.unit is Unit.DECIMAL:
        return decimal_text(order.amount, order.exponent)
    whole, rest = divmod(order.amount, 10**order.exponent)
    if rest:
        raise Unfit(f"{dialect.name} pays whole {order.currency} alone", order=place, field="amount")
    return str(whole)


def _cell(dialect: Dialect, column: Column, value: str, place: int) -> str:
    def refuse(reason: str) -> Unfit:
        return Unfit(reason, order=place, field=column.header)

    check_encodable(value, order=place, field=column.header)
    if not value:
        if column.optional:
            return ""
        raise refuse("this must not be empty")
    if column.length_max is not None and len(value) > column.length_max:
        raise refuse(f"at most {column.length_max} characters fit")
    if column.pattern is not None and not re.fullmatch(column.pattern, value):
        raise refuse("this has another form here")
    if dialect.profile is Profile.SPREADSHEET:
        return cells.quoted(value)
    if cells.runs(value):
        raise refuse("a spreadsheet would run this as a formula, and a quote before it would change it")
    if any(char < " " or "\x7f" <= char <= "\x9f" for char in value):
        raise refuse("this holds a control character")
    if dialect.delimiter == "\t" and '"' in value:
        raise refuse("a file without quotes cannot hold one")
    return value


def read_results(dialect: Dialect, file: IO[bytes]) -> Iterator[Result]:
    """What a provider's result file says of each payout, as it comes; see `results.read`."""
    if dialect.results is None:
        raise Unreadable(f"{dialect.name} has no result file that is known")
    return results.read(dialect.results, file, dialect.delimiter)
