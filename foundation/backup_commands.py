"""`rookery backup`, `backups`, `restore`, and the child of `rookery up` that copies the log. Thin like the views."""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from foundation import archive, backup, checks, data_folder, db, logs, restore
from foundation.backup import BackupError
from foundation.installation import data_folder_of, open_installation
from foundation.program import Program
from foundation.settings import Settings

_OUTSIDE = (
    "What happened after that is missing, and may be known outside: answers that workers were told are stored, exports "
    "that were paid. Tokens that were revoked after it are valid again. Compare before you open the house."
)


def commands(program: Program) -> list[click.Command]:
    """All of them, for this program."""
    return [_archive, _backup, _backups, _restore(program)]


@click.command("archive", hidden=True)
@click.pass_obj
def _archive(configured: Settings) -> None:
    """Copy the log into the backup folder; `rookery up` starts it itself."""
    logs.configure(configured.log_level)
    archive.run(data_folder_of(configured), _backup_dir(configured))


@click.command("backup")
@click.option("--keep", type=click.IntRange(1, 1000), default=7, show_default=True, help="Base backups to keep.")
@click.pass_obj
def _backup(configured: Settings, keep: int) -> None:
    """Make and verify a base backup; remove the oldest beyond those to keep."""
    backup_dir = _backup_dir(configured)
    with open_installation(configured):
        folder = data_folder.Folder.prepare(data_folder_of(configured))
        made = backup.take(folder, backup.follow(folder, backup_dir))
        removed = backup.prune(backup_dir, made.stretch, keep=keep)
        click.echo(f"{made.path}: {restore.sized(made.size)} in {made.seconds} s, verified. {removed} removed.")
        click.echo(_span(made.stretch))


@click.command("backups")
@click.pass_obj
def _backups(configured: Settings) -> None:
    """List the base backups, and which moments can be restored."""
    for stretch in backup.stretches(_backup_dir(configured)):
        click.echo(f"{stretch.path.name} of {stretch.data_dir}")
        for base in backup.bases(stretch):
            click.echo(f"  {restore.shown(base.finished_at)}  {restore.sized(base.size)}  {base.path.name}")
        click.echo(f"  {_span(stretch)}")


def _span(stretch: backup.Stretch) -> str:
    known = backup.bases(stretch)
    if not known:
        return "Nothing can be restored until there is a base backup."
    first, last = restore.earliest_of(known[0]), restore.reaches(known[-1])
    if first >= last:
        return f"What it held at {restore.shown(known[-1].finished_at)} can be restored."
    return f"Any moment from {restore.shown(first)} to {restore.shown(last)} can be restored."


def _restore(program: Program) -> click.Command:
    @click.command("restore")
    @click.option("--to", type=click.Path(path_type=Path), required=True, help="The new data folder; not there yet.")
    @click.option("--until", metavar="TIME", help="A moment, such as 2026-11-25T14:30:05Z; UTC unless it says.")
    @click.option("--stretch", help="One of those that `rookery backups` lists; the newest otherwise.")
    @click.pass_obj
    def bring_back(configured: Settings, to: Path, until: str | None, stretch: str | None) -> None:
        """Make a new data folder from the backups, and check every invariant; exit code 1 if one is broken."""
        base = restore.choose(_backup_dir(configured), until=_moment(until), stretch=stretch)
        click.echo(f"From {base.path}, made of {base.stretch.data_dir} at {restore.shown(base.finished_at)}.")
        restored = restore.bring_back(base, to, until=_moment(until), tell=click.echo)
        broken = _broken(replace(configured, database_url=None, data_dir=restored.path), program)
        last = restored.last_transaction or base.finished_at
        click.echo(f"{restored.path} holds every transaction up to {restore.shown(last, 'milliseconds')}.")
        click.echo("\n".join(broken) or f"Every invariant holds. `rookery --data-dir {restored.path} up` opens it.")
        click.echo(_OUTSIDE)
        if broken:
            sys.exit(1)

    return bring_back


def _broken(configured: Settings, program: Program) -> list[str]:
    """What is wrong with a restored house, brought to this program's version first."""
    with open_installation(configured) as installation:
        installation.migrate()
        engine = db.make_engine(installation.database_url, patient=True, pool_size=1)
        try:
            with db.sessions(engine)() as opened:
                found = checks.of_both_worlds(opened, program.checks)
        finally:
            engine.dispose()
    return [f"BROKEN  {name}: {row}" for name, rows in found.items() for row in rows]


def _backup_dir(configured: Settings) -> Path:
    if configured.database_url:
        raise BackupError("These commands are for the embedded PostgreSQL; DATABASE_URL has tools of its own.")
    if configured.backup_dir is None:
        raise BackupError("Say where the backups are: ROOKERY_BACKUP_DIR, or --backup-dir before the command.")
    return configured.backup_dir.expanduser().resolve()


def _moment(given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise click.BadParameter("Write a moment like 2026-11-25T14:30:05Z.", param_hint="--until") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
