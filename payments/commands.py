"""`rookery ledger`, `payables`, `taxes`, `floors`, `kyc`, `screening`, `payouts` and `statements`, thin like the views.

Approving is not among them: it takes a token of somebody else.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import IO

import click
from sqlalchemy.orm import Session

from foundation import commands, jobs, trail
from payments import (
    checks,
    export_making,
    ledger,
    money,
    payout_files,
    payouts,
    rails,
    reconciliation,
    rule_files,
    runs,
    screening,
    seals,
    statements,
    watch_list,
)
from payments.made_files import MadeFile
from payments.models import PayoutRun
from payments.rule_files import Kind
from payments.statements import Move


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """A file to read, or one sentence for whoever named it."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read: {error.strerror}.", param_hint="PATH") from error


def save(made: MadeFile, path: Path) -> None:
    """Write what was made to a file that is not there yet."""
    try:
        with path.open("xb") as file:
            file.writelines(made.chunks())
    except OSError as error:
        made.file.close()
        raise click.BadParameter(f"{path} cannot be written: {error.strerror}.", param_hint="PATH") from error


@click.group("ledger")
def ledger_commands() -> None:
    """The books."""


@ledger_commands.command("check")
@click.pass_obj
def check(db: Session) -> None:
    """Test every invariant of the books, and tell on stderr how fast; exit code 1 if one is broken."""
    begun, broken = time.monotonic(), 0
    found = checks.check(db)
    seconds, lines = time.monotonic() - begun, ledger.count_lines(db)
    click.echo(f"{lines:,} lines in {seconds:.1f} s, {lines / seconds:,.0f} a second", err=True)
    for name, rows in found.items():
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
    made = export_making.payables(db, made_by=commands.operator().subject_id)
    save(made, path)
    click.echo(f"{made.rows} rows, sha256 {made.sha256}")


@click.group("taxes")
def taxes_commands() -> None:
    """Tax rules."""


@taxes_commands.command("import")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def import_rules(db: Session, path: Path) -> None:
    """Enter the tax rules of the CSV file PATH, all or none. Each then waits for another person to confirm it."""
    _import(db, path, rule_files.TAXES, act="taxes.import")


def _import(db: Session, path: Path, kind: Kind, *, act: str) -> None:
    operator = commands.operator()
    with reading(path) as file:
        taken = rule_files.enter(db, file, kind, entered_by=operator.subject_id)
    trail.record(db, operator, act, target=path.name, details=json.dumps(asdict(taken)))
    click.echo(f"{taken.entered} rules entered, to be confirmed; {taken.known} were there.")


@click.group("floors")
def floors_commands() -> None:
    """The least that an hour of work must pay."""


@floors_commands.command("import")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def import_floors(db: Session, path: Path) -> None:
    """Enter the floor rules of the CSV file PATH, all or none. Each then waits for another person to confirm it."""
    _import(db, path, rule_files.FLOORS, act="floors.import")


@click.group("kyc")
def kyc_commands() -> None:
    """How much is paid out to somebody who is not verified."""


@kyc_commands.command("import")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def import_kyc(db: Session, path: Path) -> None:
    """Enter the KYC rules of the CSV file PATH, all or none. Each then waits for another person to confirm it."""
    _import(db, path, rule_files.KYC, act="kyc.import")


@click.group("screening")
def screening_commands() -> None:
    """Payees held against lists."""


@screening_commands.command("import")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def import_list(db: Session, path: Path) -> None:
    """Take the CSV file PATH as the list that payees are held against from now on, and hold all of them against it."""
    operator = commands.operator()
    with reading(path) as file:
        made = watch_list.take(db, file, imported_by=operator.subject_id)
    trail.record(db, operator, "screening.import", target=made.id, details=json.dumps({"sha256": made.sha256.hex()}))
    begun = screening.begin_round(db, begun_by=operator.subject_id)
    for done in jobs.each_step(db, screening.steps(db, begun.id)):
        click.echo(f"step {done}: {begun.n_payees} payees screened", err=True)
    click.echo(f"{made.id}: {made.n_rows} rows; {begun.n_payees} payees screened, {begun.n_reviews} to be reviewed")


@click.group("payouts")
def payouts_commands() -> None:
    """Payout runs."""


@payouts_commands.command("prepare")
@click.argument("rail", type=click.Choice(list(rails.by_name)))
@click.pass_obj
def prepare(db: Session, rail: str) -> None:
    """Prepare a run of all that is due over RAIL, and show it. Somebody else approves it, with a token of theirs."""
    operator = commands.operator()
    run = runs.begin(db, rail=rail, prepared_by=operator.subject_id)
    trail.record(db, operator, "payouts.prepare", target=run.id, details=json.dumps({"rail": rail}))
    # The record is a step of its own, for whoever else locks a payee records that afterwards: they would wait for us.
    for done in jobs.each_step(db, chain((None,), runs.steps(db, run.id))):
        click.echo(f"step {done}: {run.n_payees} payees looked at", err=True)
    _show(db, run)


@payouts_commands.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.pass_obj
def list_runs(db: Session, limit: int) -> None:
    """List runs, newest first."""
    for run in db.scalars(runs.listed().order_by(PayoutRun.id.desc()).limit(limit)):
        total = money.format_amount(run.total, run.exponent)
        click.echo(f"{run.id}  {run.rail:10} {run.state:10} {run.n_payouts:>8} payouts {total:>20} {run.currency}")


@payouts_commands.command("show")
@click.argument("run_id")
@click.pass_obj
def show(db: Session, run_id: str) -> None:
    """Show a run: its totals, its hash, and how many of its payouts are in which state."""
    _show(db, runs.find(db, run_id))


def _show(db: Session, run: PayoutRun) -> None:
    click.echo(f"{run.id} over {run.rail} is {run.state}, prepared by {run.prepared_by}")
    click.echo(f"{run.n_payouts} payouts, {money.format_amount(run.total, run.exponent)} {run.currency}")
    click.echo(f"content hash {run.hash_text}")
    for one in payouts.totals(db, run):
        click.echo(f"  {one.state:10} {one.payouts:>8} {money.format_amount(one.net, one.exponent):>20}")
    for row in runs.reasons(db, run.id):
        amount = money.format_amount(int(row.amount), row.exponent)
        click.echo(f"  not paid: {row.reason:10} {row.n_payees:>8} payees {amount:>20} {row.currency}")


@payouts_commands.command("file")
@click.argument("run_id")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--format", "format_", help="csv, xlsx, parquet, or the name of a rail's format; else the run's own.")
@click.option("--part", type=click.IntRange(1, 100_000), default=1, show_default=True)
@click.pass_obj
def write_file(db: Session, run_id: str, path: Path, format_: str | None, part: int) -> None:
    """Write the file of an exported run to PATH. Refuses to overwrite a file."""
    operator = commands.operator()
    made = payout_files.write(db, run_id, made_by=operator.subject_id, format_=format_, part=part)
    save(made, path)
    trail.record(db, operator, "payouts.file", target=run_id, details=json.dumps({"sha256": made.sha256}))
    click.echo(f"{made.rows} rows, part {part} of {made.n_parts}, sha256 {made.sha256}")


@click.group("statements")
def statements_commands() -> None:
    """What banks and providers say."""


@statements_commands.command("read")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--format", "format_", required=True, type=click.Choice(reconciliation.FORMATS))
@click.pass_obj
def read_statement(db: Session, path: Path, format_: str) -> None:
    """Take in the file PATH of a bank or provider: all of it, or nothing. The same file a second time is refused."""
    operator = commands.operator()
    with reading(path) as file:
        made = reconciliation.read(db, file, format_=format_, read_by=operator.subject_id)
    trail.record(db, operator, "statements.read", target=made.id, details=json.dumps({"sha256": made.hash_text}))
    click.echo(f"{made.id}: " + (", ".join(f"{n} {name}" for name, n in made.outcome.items()) or "nothing in it"))
