"""`rookery exports` and `rookery ledger ageing`, thin like the views."""

import json
from pathlib import Path
from typing import Any

import click
import marshmallow as ma
from sqlalchemy.orm import Session

from foundation import commands, jobs, trail
from foundation.errors import invalid
from payments import account_codes, ageing, export_making, exports, money, schemas
from payments.commands import ledger_commands, reading, save
from payments.export_kinds import KINDS
from payments.export_kinds.kind import Format
from payments.models import Export

_FORMATS = [each.value for each in Format]


@click.group("exports")
def exports_commands() -> None:
    """Files that finance takes out of the house."""


@exports_commands.command("make")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--format", "format_", type=click.Choice(_FORMATS), default="csv", show_default=True)
@click.option("--month", help="Such as 2026-10.")
@click.option("--first-day", help="Such as 2026-10-01.")
@click.option("--last-day", help="The last one that counts.")
@click.option("--detail", help="A document for each entry, or for each day and kind: entry or day.")
@click.option("--run-id")
@click.option("--payee-id")
@click.option("--country", help="Such as KE.")
@click.option("--year", type=int, help="In which the tax year begins.")
@click.option("--invoice-id")
@click.pass_obj
def make(db: Session, /, kind: str, path: Path, format_: str, **parameters: str | int | None) -> None:
    """Make an export and write it to PATH. Refuses to overwrite a file. It is kept as well, as if asked for by HTTP."""
    operator = commands.operator()
    if path.exists():
        raise click.BadParameter(f"{path} exists.", param_hint="PATH")
    given = _checked({name: value for name, value in parameters.items() if value is not None})
    export = exports.ask(db, kind=kind, format_=format_, parameters=given, made_by=operator.subject_id)
    trail.record(db, operator, "exports.make", target=export.id, details=json.dumps({"kind": kind, **given}))
    for _ in jobs.each_step(db, export_making.steps(db, export.id)):
        click.echo(f"{export.n_done} of {export.n_drawn or '?'} rows", err=True)
    save(exports.take(db, export.id, taken_by=operator.subject_id), path)
    _show(export)


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    try:
        checked: dict[str, Any] = schemas.ExportParameters().load(given)
    except ma.ValidationError as error:
        raise invalid(error.messages, within="/parameters") from error
    return checked


@exports_commands.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.pass_obj
def list_exports(db: Session, limit: int) -> None:
    """List exports, newest first."""
    for export in db.scalars(exports.listed().order_by(Export.id.desc()).limit(limit)):
        _show(export)


@exports_commands.command("save")
@click.argument("export_id")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def save_again(db: Session, export_id: str, path: Path) -> None:
    """Write the bytes of a finished export to PATH, as they were made. Refuses to overwrite a file."""
    operator = commands.operator()
    made = exports.take(db, export_id, taken_by=operator.subject_id)
    save(made, path)
    trail.record(db, operator, "exports.save", target=export_id, details=json.dumps({"sha256": made.sha256}))
    _show(exports.find(db, export_id))


def _show(export: Export) -> None:
    sums = "".join(f", {amount} {currency}" for currency, amount in (export.sums or {}).items())
    rows = "" if export.n_rows is None else f"  {export.n_rows} rows{sums}, sha256 {export.hash_text}"
    click.echo(f"{export.id}  {export.kind}.{export.format}  {export.state}{rows}")


@exports_commands.command("codes")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def set_codes(db: Session, path: Path) -> None:
    """Let the CSV file PATH, with the columns account and code, be what your bookkeeping calls our accounts."""
    operator = commands.operator()
    with reading(path) as file:
        codes = account_codes.read(file)
    account_codes.replace(db, codes, set_by=operator.subject_id)
    trail.record(db, operator, "exports.codes", target=path.name, details=json.dumps({"codes": len(codes)}))
    click.echo(f"{len(codes)} codes.")


@ledger_commands.command("ageing")
@click.pass_obj
def show_ageing(db: Session) -> None:
    """How old everything is that has not cleared, in days, and whether it ties to the books; exit code 1 if not."""
    report = ageing.report(db)
    for row in report.items:
        total = money.format_amount(row.total, row.exponent)
        click.echo(f"{row.what:21} {row.owner_ref:31} {row.age:>6} {row.items:>8} {total:>20} {row.currency}")
    broken = False
    for tie in report.ties:
        aged, balance = (money.format_amount(int(units), tie.exponent) for units in (tie.aged, tie.balance))
        broken = broken or aged != balance
        click.echo(f"{'ok    ' if aged == balance else 'BROKEN'}  {tie.role}: {aged} of {balance} {tie.currency}")
    if broken:
        raise SystemExit(1)
