"""Payment orders as every format takes them, and what a format says of one that it cannot hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Order:
    """One payment. amount : in units of 10^-exponent of its currency, where the exponent is that of ISO 4217.

    end_to_end_id : [A-Za-z0-9], 35 at most; the same whenever the order is written. destination : where the money goes,
    by what its rail calls it: iban and bic; routing, account and account_type; msisdn; email; ... All are text.
    """

    end_to_end_id: str
    amount: int
    currency: str
    exponent: int
    name: str
    destination: Mapping[str, str]
    remittance: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What all orders of a file have in common, known before the first of them is written.

    message_id : 35 at most; the same whenever the file is written. total : the sum of all amounts, in their units.
    payer : who pays and from where, by what the rail calls it, such as name, iban, bic; created_at : aware.
    """

    message_id: str
    created_at: datetime
    execution_on: date
    currency: str
    exponent: int
    n_orders: int
    total: int
    payer: Mapping[str, str]


class Unfit(Exception):
    """A format cannot hold a value. place : which order (from 0; None for the batch) and which of its fields."""

    def __init__(self, reason: str, *, order: int | None, field: str) -> None:
        super().__init__(f"order {order}, {field}: {reason}" if order is not None else f"{field}: {reason}")
        self.reason, self.order, self.field = reason, order, field
