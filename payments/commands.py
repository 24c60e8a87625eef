"""`rookery ledger ...` and `rookery payables ...`, thin like the views."""

import sys
from pathlib import Path

import click
from sqlalchemy.orm import Session

from payments import exports, ledger, money, seals, statements
from payments.statements import Move


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


@ledger_commands.command("verify-seals")
@click.pass_obj
def verify_seals(db: Session) -> None:
    """Compute every seal of the journal anew; exit code 1 if an entry under one was changed."""
    broken = seals.verify(db)
    for line in broken:
        click.echo(f"BROKEN  {line}")
    if broken:
        sys.exit(1)
    click.echo(f"The journal is as it was sealed; the last seal is {seals.head(db)}.")


@ledger_commands.command("statement")
@click.argument("account", metavar="ROLE:OWNER")
@click.argument("currency")
@click.pass_obj
def statement(db: Session, account: str, currency: str) -> None:
    """Write an account's whole statement, tabs between its columns."""
    role, colon, owner_ref = account.partition(":")
    if not colon:
        raise click.BadParameter("An account is named as funds:req_01m8….", param_hint="ROLE:OWNER")
    click.echo("at\tentry\tkind\tcause\tother\tdebit\tcredit\tbalance")
    for move in statements.account_statement(db, role, owner_ref, currency):
        click.echo("\t".join(_cells(move)))


def _cells(move: Move) -> list[str]:
    left = money.format_amount(move.balance, move.exponent)
    if move.created_at is None:
        return ["", "", move.type, "", "", "", "", left]
    named = [str(move.entry_id), str(move.kind), str(move.cause_ref), str(move.other)]
    moved = [money.format_amount(amount, move.exponent) for amount in (move.debit, move.credit)]
    return [move.created_at.isoformat(), *named, *moved, left]


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
