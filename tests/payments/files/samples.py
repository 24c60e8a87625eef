"""Batches, orders and what comes back of them, by what a test is about; and the growth of memory between two sizes."""

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import achkit

from payments.files import nacha
from payments.files.orders import Batch, Order

PAYER = {
    "name": "Rookery Labs",
    "routing": "121000358",
    "company_id": "1234567890",
    "account": "5550001",
    "currency": "USD",
}
BANK = {"routing": "021000021", "account": "000123456", "account_type": "checking"}


def order(place: int = 0, **fields: Any) -> Order:
    """USD 10.00 and a cent for each place, to a bank account."""
    made = Order(
        end_to_end_id=f"pay{place:09}",
        amount=1000 + place,
        currency="USD",
        exponent=2,
        name="Ada Lovelace",
        destination=BANK,
        remittance="",
    )
    return replace(made, **fields)


def batch(orders: Iterable[Order] = (), **fields: Any) -> Batch:
    """The batch of these orders."""
    held = list(orders)
    made = Batch(
        message_id="run0001",
        created_at=datetime(2026, 7, 1, 12, 30, tzinfo=UTC),
        execution_on=date(2026, 7, 2),
        currency=held[0].currency if held else "USD",
        exponent=held[0].exponent if held else 2,
        n_orders=len(held),
        total=sum(one.amount for one in held),
        payer=PAYER,
    )
    return replace(made, **fields)


def many(size: int, **fields: Any) -> tuple[Batch, Iterator[Order]]:
    """So many orders, none of which exists before it is asked for."""
    one = order(**fields)
    whole = batch([one], n_orders=size, total=size * one.amount)
    return whole, (replace(one, end_to_end_id=f"pay{place:09}") for place in range(size))


class Nowhere:
    """A file that forgets what it is given, so that only what a writer holds is counted."""

    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        """Nothing to do."""


def kept(write: Callable[[Batch, Iterator[Order]], object], size: int = 100_000) -> int:
    """By how many bytes the memory that a writer holds grows over the last 4,000 of so many orders."""
    whole, made = many(size)
    held: list[int] = []

    def watched() -> Iterator[Order]:
        # Watching takes ten times as long as writing, and who keeps orders keeps the last ones too.
        for place, one in enumerate(made):
            if place == size - 5_000:
                tracemalloc.start()
            if place == size - 4_000:
                held.append(tracemalloc.get_traced_memory()[0])
            yield one
        held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()

    write(whole, watched())
    return held[1] - held[0]


def returned(*cases: tuple[Order, int, str, str]) -> bytes:
    """A return file as a bank would send it, by the judge's writer, with its addenda turned into those of a return."""
    file = achkit.AchFile.create("021000021", "1234567890", creation_date=batch().created_at)
    made = file.batch("PPD", "PAYROLL", "2026-07-06")
    infos = []
    for one, place, code, data in cases:
        trace = nacha.trace_number(PAYER["routing"], place)
        amount = 0 if code[0] == "C" else one.amount
        made.credit(
            one.name,
            PAYER["routing"],
            "000123456",
            amount,
            id_number=nacha.individual_id(one.end_to_end_id),
            addenda="x",
        )
        kind = "99" if code[0] == "R" else "98"
        infos.append(f"7{kind}{code}{trace}{'':6}02100002{data:44}021000020000001")
    left = iter(infos)
    lines = [next(left) if line[0] == "7" else line for line in file.render().splitlines()]
    return "\r\n".join(lines).encode() + b"\r\n"
