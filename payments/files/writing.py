"""What all writers share: orders checked against their batch, bytes hashed as they pass, amounts as text."""

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from payments.files.orders import Batch, Order, Unfit


class Hashing:
    """Hands bytes on to a file and hashes them. It cannot seek, so nothing that was written changes afterwards."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self.file.write(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back here; ask the file."""

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class Lines:
    """Rows of CSV (RFC 4180) in UTF-8 with CRLF, each handed on at once. What a cell may hold is for the caller."""

    def __init__(self, out: Hashing, delimiter: str = ",") -> None:
        self._out = out
        self._rows = csv.writer(self, delimiter=delimiter, lineterminator="\r\n")

    def write(self, text: str) -> int:
        """What the CSV writer calls with a finished row."""
        return self._out.write(text.encode())

    def add(self, row: Sequence[str]) -> None:
        self._rows.writerow(row)


def counted(batch: Batch, orders: Iterable[Order]) -> Iterator[tuple[int, Order]]:
    """The orders with their places from 0. They must have amounts and be in the batch's currency, and when they end,
    their number and sum must be what the batch says: what was written until then is not a file of that batch.
    """
    n_orders = total = 0
    for place, order in enumerate(orders):
        if (order.currency, order.exponent) != (batch.currency, batch.exponent):
            raise Unfit(f"the batch is in {batch.currency}", order=place, field="currency")
        if order.amount <= 0:
            raise Unfit("an amount must be above zero", order=place, field="amount")
        n_orders, total = place + 1, total + order.amount
        if n_orders > batch.n_orders or total > batch.total:
            break
        yield place, order
    if n_orders != batch.n_orders:
        raise Unfit("the batch says another number of orders", order=None, field="n_orders")
    if total != batch.total:
        raise Unfit("the batch says another sum", order=None, field="total")


def decimal_text(amount: int, exponent: int) -> str:
    """An amount as text with all decimals of its exponent: 1250 at 2 is 12.50. No float, no context, no rounding."""
    digits = str(abs(amount)).rjust(exponent + 1, "0")
    sign = "-" if amount < 0 else ""
    return sign + (f"{digits[:-exponent]}.{digits[-exponent:]}" if exponent else digits)


def check_encodable(text: str, *, order: int | None, field: str) -> None:
    """Refuse half a surrogate pair: no file can hold one."""
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unfit("the text holds half a character", order=order, field=field) from None
