"""What a run pays, as orders that formats write; and which of them the format of its rail cannot hold."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from payments import formats, methods, paying_accounts, rails, sealing
from payments.destinations import Destination, Kind
from payments.files.orders import Batch, Order, Unfit
from payments.models import Currency, Payout, PayoutMethod, PayoutRun
from payments.sealing import SealBroken

AT_ONCE = 1000


def batch(db: Session, run: PayoutRun, *, at: datetime, n_orders: int, total: int) -> Batch:
    """What so many orders of a run have in common, in a file of this moment. total : in ledger units."""
    currency = db.get_one(Currency, run.currency)
    return Batch(
        message_id=run.id.replace("_", ""),
        created_at=at,
        execution_on=at.date(),
        currency=run.currency,
        exponent=currency.iso_exponent,
        n_orders=n_orders,
        total=_whole(total, currency),
        payer=paying_accounts.details_of(db, run.paying_account_id),
    )


def _whole(amount: int, of: Currency) -> int:
    """Ledger units as units of ISO 4217: what a rail moves is whole in them."""
    units, rest = divmod(amount, 10 ** (of.ledger_exponent - of.iso_exponent))
    assert not rest, "a payout is in whole units of its rail"
    return int(units)


# To whom it was prepared; what was prepared before 0060 does not say, and goes to who they are now.
_ROWS = text("""
    SELECT p.id, p.end_to_end_id, p.net, coalesce(p.name, y.name) AS name
      FROM payouts p JOIN payees y ON y.id = p.payee_id
     WHERE p.run_id = :run_id AND p.state <> 'dropped' AND p.id > :after ORDER BY p.id LIMIT :most
""")


def of_run(db: Session, run: PayoutRun) -> Iterator[Order]:
    """What a run pays, in the order of its payouts' ids; destinations are opened a thousand at a time."""
    currency, keys, after = db.get_one(Currency, run.currency), sealing.keys_of(db), ""
    while rows := db.execute(_ROWS, {"run_id": run.id, "after": after, "most": AT_ONCE}).all():
        to = _methods(db, [row.id for row in rows])
        for row in rows:
            yield _order(row, methods.opened(to[row.id], keys), currency)
        after = rows[-1].id


def _order(row: Any, to: Destination, currency: Currency) -> Order:
    return Order(
        end_to_end_id=row.end_to_end_id,
        amount=_whole(row.net, currency),
        currency=currency.code,
        exponent=currency.iso_exponent,
        name=row.name,
        destination=_as_rails_say(to),
        # The least that every format holds.
        remittance=row.end_to_end_id,
    )


def _as_rails_say(to: Destination) -> dict[str, str]:
    """A destination by what files call it: UPI ids and IFSCs by these names, telephone numbers without a plus."""
    said = dict(to.fields)
    if "msisdn" in said:
        said["msisdn"] = said["msisdn"].removeprefix("+")
    if to.kind == Kind.UPI:
        said["vpa"] = said.pop("upi")
    if to.kind == Kind.LOCAL_BANK and said["country"] == "IN":
        said["ifsc"] = said.pop("bank_code")
    return said


def _methods(db: Session, payout_ids: list[str]) -> dict[str, PayoutMethod]:
    rows = select(Payout.id, PayoutMethod).join(PayoutMethod, PayoutMethod.id == Payout.method_id)
    return {row[0]: row[1] for row in db.execute(rows.where(Payout.id.in_(payout_ids)))}


# Before anything leaves


_GIVEN = text("""
    SELECT p.id, p.end_to_end_id, p.net, coalesce(p.name, y.name) AS name
      FROM payouts p JOIN payees y ON y.id = p.payee_id
     WHERE p.id = ANY(:ids) ORDER BY p.id
""")


def unfit(db: Session, run: PayoutRun, payout_ids: Sequence[str]) -> dict[str, str]:
    """Which of a run's payouts the format of its rail cannot hold, and why: known before they leave the books.

    Where nobody has configured keys, destinations cannot be looked at.
    """
    currency, keys = db.get_one(Currency, run.currency), sealing.keys_of(db)
    if not keys:
        return {}
    to, reasons, made = _methods(db, list(payout_ids)), {}, {}
    for row in db.execute(_GIVEN, {"ids": list(payout_ids)}):
        try:
            made[row.id] = _order(row, methods.opened(to[row.id], keys), currency)
        except SealBroken as error:
            reasons[row.id] = str(error)
    if made and _refusal(db, run, list(made.values())) is not None:
        found = {payout_id: _refusal(db, run, [order]) for payout_id, order in made.items()}
        reasons |= {payout_id: reason for payout_id, reason in found.items() if reason is not None}
    return reasons


def _refusal(db: Session, run: PayoutRun, orders: Sequence[Order]) -> str | None:
    """What the format of a run's rail has against these orders, of which it says the first."""
    name, total = rails.find(run.rail).format, sum(order.amount for order in orders)
    head = batch(db, run, at=run.created_at, n_orders=len(orders), total=0)
    with formats.nowhere() as file:
        try:
            formats.WRITERS[name].write(replace(head, total=total), orders, file, 1)
        except Unfit as error:
            return f"{name}, {error.field}: {error.reason}"
    return None
