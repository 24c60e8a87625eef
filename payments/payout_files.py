"""The files of a run, for its bank or provider and for people. The same run gives the same bytes, whenever asked."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO, cast

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import Conflict, Invalid
from payments import methods, paying_accounts, rails, runs, sealing
from payments.destinations import Destination, Kind
from payments.files import dialects, nacha, pain001, parquet, tables, xlsx
from payments.files.orders import Batch, Order, Unfit
from payments.files.writing import Hashing
from payments.made_files import NamedFile
from payments.models import Currency, Payout, PayoutFile, PayoutMethod, PayoutRun, RunState

_IN_MEMORY = 1024 * 1024
_AT_ONCE = 1000
# What a run can be asked for beside the file of its rail.
FOR_PEOPLE = ("csv", "xlsx", "parquet")


class RunNotExported(Conflict):
    """The run has no file yet."""


class FormatUnknown(Invalid):
    """The run cannot be had in this format."""


class PartUnknown(Invalid):
    """The file has fewer parts."""


class PayoutUnfit(Conflict):
    """A payout cannot be written in this format; drop it, or have its destination set again."""


@dataclass(frozen=True, slots=True)
class PayoutExport(NamedFile):
    """The file of a run, or one part of it, and of how many parts it is."""

    n_parts: int


def write(db: Session, run_id: str, *, made_by: str, format_: str | None = None, part: int = 1) -> PayoutExport:
    """The file of a run that has left the books, in its rail's format unless another is asked for.

    That it was made is kept. part : from 1, where the format takes only so many rows at once. Raises `PayoutUnfit` with
    the place of what does not fit; nothing was written then.
    """
    run = runs.find(db, run_id)
    if run.state not in {RunState.EXPORTED, RunState.CLOSED}:
        raise RunNotExported(f"This run is {run.state}; its file is there when it is exported.")
    chosen = format_ or rails.find(run.rail).format
    if chosen not in _WRITERS:
        raise _wrong(FormatUnknown, "/format", f"Must be one of {', '.join(sorted(_WRITERS))}.")
    writer = _WRITERS[chosen]
    with ExitStack() as until_finished:
        file: IO[bytes] = until_finished.enter_context(SpooledTemporaryFile(max_size=_IN_MEMORY))
        try:
            written = writer.write(_batch(db, run), _orders(db, run), file, part)
        except Unfit as error:
            raise PayoutUnfit(f"{chosen}: {error}") from error
        if not 1 <= part <= written.n_parts:
            raise _wrong(PartUnknown, "/part", f"Must be from 1 to {written.n_parts}.")
        file.seek(0)
        _note(db, run, chosen, part, written, made_by=made_by)
        # From here on it is the caller's, who closes it.
        until_finished.pop_all()
    name = f"{run.id}{'' if written.n_parts == 1 else f'-{part}'}.{writer.extension}"
    return PayoutExport(file, written.rows, written.sha256, name, writer.content_type, written.n_parts)


def _wrong(problem: type[Invalid], pointer: str, reason: str) -> Invalid:
    return problem(reason, errors=[{"pointer": pointer, "reason": reason}])


@dataclass(frozen=True, slots=True)
class _Written:
    """rows, sha256 : of the part that was asked for."""

    rows: int
    n_parts: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Writer:
    extension: str
    content_type: str
    write: Callable[[Batch, Iterable[Order], IO[bytes], int], _Written]


def _as_pain001(version: pain001.Version) -> _Writer:
    def write(batch: Batch, orders: Iterable[Order], file: IO[bytes], _part: int) -> _Written:
        out = Hashing(file)
        pain001.write(
            batch, orders, cast("BinaryIO", out), version=version, currencies={batch.currency: batch.exponent}
        )
        return _Written(batch.n_orders, 1, out.sha256)

    return _Writer("xml", "application/xml", write)


def _as_nacha(batch: Batch, orders: Iterable[Order], file: IO[bytes], _part: int) -> _Written:
    written = nacha.write(batch, orders, file)
    return _Written(batch.n_orders, 1, written.sha256)


def _as_dialect(name: str) -> _Writer:
    def write(batch: Batch, orders: Iterable[Order], file: IO[bytes], part: int) -> _Written:
        def open_part(number: int) -> AbstractContextManager[IO[bytes]]:
            return nullcontext(file) if number == part else _nowhere()

        parts = dialects.write(dialects.DIALECTS[name], batch, orders, open_part)
        asked = parts[min(max(part, 1), len(parts)) - 1]
        return _Written(asked.rows, len(parts), asked.sha256)

    return _Writer("csv", "text/csv; charset=utf-8", write)


def _nowhere() -> IO[bytes]:
    """Where the parts go that nobody asked for."""
    return open(os.devnull, "wb")  # noqa: PTH123 - a stream that keeps nothing


def _as_xlsx(batch: Batch, orders: Iterable[Order], file: IO[bytes], _part: int) -> _Written:
    written = xlsx.write(tables.payouts(batch, orders), file, created_at=batch.created_at)
    return _Written(written.rows, 1, written.sha256)


def _as_parquet(batch: Batch, orders: Iterable[Order], file: IO[bytes], _part: int) -> _Written:
    written = parquet.write(tables.payouts(batch, orders), file)
    return _Written(written.rows, 1, written.sha256)


_WRITERS = {
    **{version.value: _as_pain001(version) for version in pain001.Version},
    **{name: _as_dialect(name) for name in dialects.DIALECTS},
    "nacha": _Writer("ach", "text/plain; charset=us-ascii", _as_nacha),
    "csv": _as_dialect("generic"),
    "xlsx": _Writer("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", _as_xlsx),
    "parquet": _Writer("parquet", "application/vnd.apache.parquet", _as_parquet),
}


def _batch(db: Session, run: PayoutRun) -> Batch:
    assert run.exported_at is not None, "an exported run has a time"
    currency = db.get_one(Currency, run.currency)
    return Batch(
        message_id=run.id.replace("_", ""),
        created_at=run.exported_at,
        execution_on=run.exported_at.date(),
        currency=run.currency,
        exponent=currency.iso_exponent,
        n_orders=run.n_payouts,
        total=_whole(run.total, currency),
        payer=paying_accounts.details_of(db, run.paying_account_id),
    )


def _whole(amount: int, of: Currency) -> int:
    """Ledger units as units of ISO 4217: what a rail moves is whole in them."""
    units, rest = divmod(amount, 10 ** (of.ledger_exponent - of.iso_exponent))
    assert not rest, "a payout is in whole units of its rail"
    return int(units)


_ROWS = text("""
    SELECT p.id, p.end_to_end_id, p.net, y.name FROM payouts p JOIN payees y ON y.id = p.payee_id
     WHERE p.run_id = :run_id AND p.state <> 'dropped' AND p.id > :after ORDER BY p.id LIMIT :most
""")


def _orders(db: Session, run: PayoutRun) -> Iterator[Order]:
    """What a run pays, in the order of its payouts' ids; destinations are opened a thousand at a time."""
    currency, keys, after = db.get_one(Currency, run.currency), sealing.keys_of(db), ""
    while rows := db.execute(_ROWS, {"run_id": run.id, "after": after, "most": _AT_ONCE}).all():
        to = _methods(db, [row.id for row in rows])
        for row in rows:
            yield Order(
                end_to_end_id=row.end_to_end_id,
                amount=_whole(row.net, currency),
                currency=run.currency,
                exponent=currency.iso_exponent,
                name=row.name,
                destination=_as_rails_say(methods.opened(to[row.id], keys)),
                # The least that every format holds.
                remittance=row.end_to_end_id,
            )
        after = rows[-1].id


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


def _note(db: Session, run: PayoutRun, format_: str, part: int, written: _Written, *, made_by: str) -> None:
    made = PayoutFile(
        id=ids.new("pfl"),
        run_id=run.id,
        format=format_,
        part=part,
        rows=written.rows,
        sha256=bytes.fromhex(written.sha256),
        made_by=made_by,
    )
    db.add(made)
    db.flush()
