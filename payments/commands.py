"""`rookery ledger ...`, `rookery payables ...` and `rookery floors ...`, thin like the views."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from sqlalchemy.orm import Session

from foundation import commands, trail
from payments import exports, floor_files, ledger


@click.group("ledger")
def ledger_commands() -> None:
    """The books."""


@ledger_commands.command("check")
@click.pass_obj
def check(db: Session) -> None:
    """Test every invariant of the books; exit code 1 if one is broken."""
    broken = 0
    for name, rows in ledger.check(db).items():
        click.echo(f"{'ok    ' if not rows else 'BROKEN'}  {name}" + "".join(f"\n        {row}" for row in rows))
        broken += bool(rows)
    if broken:
        sys.exit(1)


@click.group("payables")
def payables_commands() -> None:
    """What is owed."""


@payables_commands.command("export")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def export(db: Session, path: Path) -> None:
    """Write what is owed now to PATH as CSV. Refuses to overwrite a file."""
    try:
        with path.open("xb") as file:
            made = exports.payables(db)
            file.writelines(made.chunks())
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be written: {error.strerror}.", param_hint="PATH") from error
    click.echo(f"{made.rows} rows, sha256 {made.sha256}")


@click.group("floors")
def floors_commands() -> None:
    """The least that an hour of work must pay."""


@floors_commands.command("import")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def import_floors(db: Session, path: Path) -> None:
    """Enter the floor rules of the CSV file PATH, all or none. Each then waits for another person to confirm it."""
    operator = commands.operator()
    try:
        with path.open("rb") as file:
            taken = floor_files.enter(db, file, entered_by=operator.subject_id)
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read: {error.strerror}.", param_hint="PATH") from error
    trail.record(db, operator, "floors.import", target=path.name, details=json.dumps(asdict(taken)))
    click.echo(f"{taken.entered} rules entered, to be confirmed; {taken.known} were there.")
