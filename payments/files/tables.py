"""Rows for people and their tools: what a spreadsheet or Parquet file holds, whichever of both it becomes."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from payments.files.orders import Batch, Order
from payments.files.writing import counted


@dataclass(frozen=True, slots=True)
class Amount:
    """Money in units of 10^-exponent of its currency; may be below zero."""

    units: int
    currency: str
    exponent: int


class Kind(StrEnum):
    """What all cells of a column are: str, int or `Amount`."""

    TEXT = "text"
    NUMBER = "number"
    AMOUNT = "amount"


Cell = str | int | Amount


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that are read once. name : of the sheet. columns : their names and kinds, in order."""

    name: str
    columns: Mapping[str, Kind]
    rows: Iterable[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Written:
    """A finished file. totals : of the first column of amounts, by currency and exponent, sorted."""

    rows: int
    totals: Mapping[tuple[str, int], int]
    sha256: str


class Totals:
    """Sums of amounts by currency and exponent."""

    def __init__(self) -> None:
        self.rows = 0
        self._sums: dict[tuple[str, int], int] = {}

    def add(self, row: Sequence[Cell]) -> None:
        """Count a row, and its first amount."""
        self.rows += 1
        amount = next((cell for cell in row if isinstance(cell, Amount)), None)
        if amount is not None:
            key = amount.currency, amount.exponent
            self._sums[key] = self._sums.get(key, 0) + amount.units

    def sums(self) -> dict[tuple[str, int], int]:
        """In the order of their currencies, whatever came first."""
        return dict(sorted(self._sums.items()))


# The columns of the generic CSV, in its order; see `dialects.GENERIC`.
_PAYOUTS = {
    "version": Kind.TEXT,
    "message_id": Kind.TEXT,
    "execution_on": Kind.TEXT,
    "end_to_end_id": Kind.TEXT,
    "name": Kind.TEXT,
    "currency": Kind.TEXT,
    "amount": Kind.AMOUNT,
    "destination": Kind.TEXT,
    "remittance": Kind.TEXT,
}


def payouts(batch: Batch, orders: Iterable[Order]) -> Table:
    """The orders of a batch; they are checked against it while they are read, so writing may end in `Unfit`."""
    return Table("Payouts", _PAYOUTS, _payout_rows(batch, orders))


def destination_text(order: Order) -> str:
    """Where an order's money goes, as JSON with sorted keys: no spreadsheet takes it for a number."""
    return json.dumps(dict(order.destination), sort_keys=True, ensure_ascii=False)


def _payout_rows(batch: Batch, orders: Iterable[Order]) -> Iterator[Sequence[Cell]]:
    for _, order in counted(batch, orders):
        yield (
            "1",
            batch.message_id,
            batch.execution_on.isoformat(),
            order.end_to_end_id,
            order.name,
            order.currency,
            Amount(order.amount, order.currency, order.exponent),
            destination_text(order),
            order.remittance,
        )
