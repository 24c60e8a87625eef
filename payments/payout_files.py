"""The files of a run, for its bank or provider and for people. The same run gives the same bytes, whenever asked."""

from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import Conflict, Invalid
from payments import formats, money, orders, rails, runs
from payments.files.orders import Unfit
from payments.formats import Written
from payments.made_files import NamedFile
from payments.models import PayoutFile, PayoutRun, RunState

_IN_MEMORY = 1024 * 1024
# What a run can be asked for beside the file of its rail.
FOR_PEOPLE = ("csv", "xlsx", "parquet")


class RunNotExported(Conflict):
    """The run has no file yet."""


class FormatUnknown(Invalid):
    """The run cannot be had in this format."""


class PartUnknown(Invalid):
    """The file has fewer parts."""


class PayoutUnfit(Conflict):
    """A payout cannot be written in this format."""


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
    if chosen not in formats.WRITERS:
        raise _wrong(FormatUnknown, "/format", f"Must be one of {', '.join(sorted(formats.WRITERS))}.")
    assert run.exported_at is not None, "an exported run has a time"
    writer = formats.WRITERS[chosen]
    with ExitStack() as until_finished:
        file: IO[bytes] = until_finished.enter_context(SpooledTemporaryFile(max_size=_IN_MEMORY))
        try:
            head = orders.batch(db, run, at=run.exported_at, n_orders=run.n_payouts, total=run.total)
            written = writer.write(head, orders.of_run(db, run), file, part)
        except Unfit as error:
            raise PayoutUnfit(f"{chosen}: {error}") from error
        if not 1 <= part <= written.n_parts:
            raise _wrong(PartUnknown, "/part", f"Must be from 1 to {written.n_parts}.")
        file.seek(0)
        sums = {head.currency: money.format_amount(written.total, head.exponent)}
        _note(db, run, written, format=chosen, part=part, sums=sums, made_by=made_by)
        # From here on it is the caller's, who closes it.
        until_finished.pop_all()
    name = f"{run.id}{'' if written.n_parts == 1 else f'-{part}'}.{writer.extension}"
    manifest = written.rows, written.sha256, sums, run.exported_at
    return PayoutExport(file, *manifest, name, writer.content_type, written.n_parts)


def listed(run_id: str) -> Select[PayoutFile]:
    """All that was made of a run, by whom and when."""
    return select(PayoutFile).where(PayoutFile.run_id == run_id)


def _wrong(problem: type[Invalid], pointer: str, reason: str) -> Invalid:
    return problem(reason, errors=[{"pointer": pointer, "reason": reason}])


def _note(db: Session, run: PayoutRun, written: Written, **told: Any) -> None:
    made = PayoutFile(
        id=ids.new("pfl"),
        run_id=run.id,
        n_parts=written.n_parts,
        rows=written.rows,
        as_of=run.exported_at,
        sha256=bytes.fromhex(written.sha256),
        **told,
    )
    db.add(made)
    db.flush()
