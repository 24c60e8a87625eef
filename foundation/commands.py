"""The `rookery` command: serve, migrate, work in the background, tokens, checks. Thin like the views."""

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import structlog
from flask import Flask
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from foundation import (
    app,
    auth,
    backup_commands,
    checks,
    db,
    http,
    jobs,
    logs,
    outbox,
    processes,
    schemas,
    server,
    serving,
    settings,
    trail,
)
from foundation.errors import Problem
from foundation.installation import InstallationError, engine_of_test_world, open_installation, require_migrated
from foundation.limits import STRANGERS, Limits
from foundation.program import Program
from foundation.settings import Settings, SettingsError
from foundation.worlds import World

log = structlog.get_logger()


class OneSentence(click.ClickException):
    """A failure that the operator can mend: one sentence, exit code 2, no traceback."""

    exit_code = 2


def build(program: Program, configured: Settings) -> Flask:
    """The WSGI application of a web process."""
    logs.configure(configured.log_level)
    if configured.database_url is None:
        raise SystemExit("Set DATABASE_URL, or run `rookery up`, which brings its own PostgreSQL.")
    engine = db.make_engine(configured.database_url, pool_size=configured.web_threads)
    require_migrated(engine)
    # No request waits for Redis to wake somebody.
    wake = jobs.aside(jobs.Bell(configured.redis_url).ring)
    outbox.reactions(program.reactions)
    _require_known_limits(program, configured)
    sessions = db.sessions(engine, **configured.carried())
    # With fewer connections: what is tried shall not take the database from who works.
    test = engine_of_test_world(engine, configured.database_url, pool_size=max(configured.web_threads // 2, 1))
    counters = Limits(configured.redis_url, processes=configured.web_processes, amounts=configured.limits)
    tested = None if test is None else db.sessions(test, **configured.carried(), world=World.TEST)
    house = http.House(sessions, wake, counters, tested)
    return app.build_app(house, program.routes, version=program.version)


def _require_known_limits(program: Program, configured: Settings) -> None:
    quotas = {route.quota.name for group in program.routes for route in group.routes if route.quota is not None}
    known = {STRANGERS.name, *auth.roles, *quotas}
    if unknown := set(configured.limits) - known:
        raise SettingsError(f"ROOKERY_LIMITS knows {', '.join(sorted(known))}, not {', '.join(sorted(unknown))}.")


@contextmanager
def sentences() -> Iterator[None]:
    """Turn what the operator can mend into a sentence and exit code 2."""
    try:
        yield
    except (InstallationError, SettingsError) as error:
        raise OneSentence(str(error)) from error
    except Problem as problem:
        raise OneSentence(problem.detail) from problem
    except SQLAlchemyError as error:
        if not db.is_passing(error):
            raise
        raise OneSentence("The database is away, or others hold what this needs; try again.") from error


class _Sentences(click.Group):
    """A group each of whose commands ends in a sentence if the operator can mend what is wrong."""

    def invoke(self, context: click.Context) -> Any:
        with sentences():
            return super().invoke(context)


def make_cli(program: Program) -> click.Group:
    """The command group with the house's commands and those that the packages bring."""

    @click.group(cls=_Sentences)
    @click.option("--data-dir", type=click.Path(path_type=Path), help="Where the embedded engines keep their data.")
    @click.option("--backup-dir", type=click.Path(path_type=Path), help="Where their backups are; ROOKERY_BACKUP_DIR.")
    @click.version_option(program.version, prog_name="rookery")
    @click.pass_context
    def cli(context: click.Context, data_dir: Path | None, backup_dir: Path | None) -> None:
        """Rookery: the backend of a labelling workforce."""
        with sentences():
            configured = settings.read()
        # An empty variable in a shell must not name the folder that one happens to be in.
        given = {"data_dir": data_dir, "backup_dir": backup_dir}
        named: Any = {name: folder for name, folder in given.items() if folder is not None and folder.parts}
        context.obj = replace(configured, **named)

    cli.add_command(_migrate)
    cli.add_command(_up(program))
    cli.add_command(_web)
    cli.add_command(_jobs(program))
    cli.add_command(_token)
    cli.add_command(_check(program))
    cli.add_command(_parked)
    cli.add_command(_trail)
    for command in backup_commands.commands(program):
        cli.add_command(command)
    for command in program.commands:
        cli.add_command(_with_session(command) if isinstance(command, click.Group) else command)
    return cli


def _with_session(group: click.Group) -> click.Group:
    """Give a package's commands a session as their object; it commits when the command ends without an error."""
    outer = click.Group(group.name, help=group.help)
    for name, command in group.commands.items():
        outer.add_command(_in_session(command), name)
    return outer


def _in_session(command: click.Command) -> click.Command:
    inner = command.callback

    @click.pass_obj
    def run(configured: Settings, /, **options: Any) -> None:
        with session(configured) as opened, click.get_current_context().scope() as context:
            context.obj = opened
            context.invoke(inner, **options)  # type: ignore[arg-type]  # a command always has a callback

    return click.Command(command.name, callback=run, params=command.params, help=command.help)


def _on_trail(opened: Session, act: str, target: str, **details: Any) -> None:
    """Note what somebody with a login on this machine did: no token says who, so the system's name for them does."""
    trail.record(opened, operator(), act, target=target, details=json.dumps(details, default=str))


def operator() -> auth.Actor:
    """Whoever runs this command, by the system's name for them."""
    return auth.Actor(token_id="", subject_id=getpass.getuser(), role="operator", scopes=frozenset())


@contextmanager
def session(configured: Settings) -> Iterator[Session]:
    """A session for one command against a migrated database; commits at the end."""
    with sentences(), open_installation(configured) as installation:
        installation.migrate()
        engine = db.make_engine(installation.database_url, patient=True, pool_size=1)
        try:
            carried = {**configured.carried(), "destination_keys": installation.destination_keys}
            with db.sessions(engine, **carried)() as opened:
                yield opened
                opened.commit()
        finally:
            engine.dispose()


@click.command("migrate")
@click.pass_obj
def _migrate(configured: Settings) -> None:
    """Bring the database to this version, with a test world beside the live one."""
    with sentences(), open_installation(configured) as installation:
        installation.migrate(with_test_world=True)
    click.echo("The database is up to date.")


def _up(program: Program) -> click.Command:
    @click.command("up")
    @click.option("--host", help="Address to listen on; ROOKERY_HOST.")
    @click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; ROOKERY_PORT.")
    @click.pass_obj
    def up(configured: Settings, host: str | None, port: int | None) -> None:
        """Serve: engines, web, background work; until Ctrl-C."""
        processes.raise_interrupt_on_terminate()
        configured = replace(configured, host=host or configured.host, port=port or configured.port)
        try:
            with sentences(), serving.serving(configured) as (address, supervisor, _):
                click.echo(
                    f"Rookery {program.version} is up at {address} (API at {address}/api/docs/). Ctrl-C stops it."
                )
                serving.stay(supervisor)
                click.echo("\nStopping.", err=True)
        except KeyboardInterrupt:
            click.echo("Stopped while starting.", err=True)

    return up


@click.command("web")
@click.option("--application", default="wsgi:app", hidden=True)
@click.option("--fd", type=click.IntRange(3), help="Serve on this listening socket, inherited from the parent process.")
@click.pass_obj
def _web(configured: Settings, application: str, fd: int | None) -> None:
    """Serve HTTP in this one process; several of them share a port. `rookery up` starts them itself."""
    processes.raise_interrupt_on_terminate()
    with sentences():
        loaded = server.load(application)
        listening = serving.bound(configured, beside_others=True) if fd is None else server.inherited(fd)
    pulse = processes.Pulse(configured.pulse_fd)
    server.serve(
        loaded,
        listening=listening,
        threads=configured.web_threads,
        beat=pulse.beat,
        trusted_proxies=configured.trusted_proxies,
    )


def _jobs(program: Program) -> click.Command:
    @click.command("jobs")
    @click.option("--only", type=click.Choice(["worker", "sweeper"]), help="Run one of the two, without a supervisor.")
    @click.pass_obj
    def background(configured: Settings, only: str | None) -> None:
        """Work in the background: deliver events, expire leases."""
        logs.configure(configured.log_level)
        with sentences():
            if only is None:
                _supervise_jobs(configured)
            else:
                _run_job(program, configured, only)

    return background


def _supervise_jobs(configured: Settings) -> None:
    with open_installation(configured) as installation:
        engine = db.make_engine(installation.database_url, pool_size=1)
        require_migrated(engine)
        engine.dispose()
        children = serving.jobs_children(installation)
        supervisor = processes.Supervisor(children, installation.environment(), first=installation.tend)
        supervisor.start()
        try:
            serving.stay(supervisor)
        finally:
            supervisor.stop()


def _run_job(program: Program, configured: Settings, only: str) -> None:
    if configured.database_url is None:
        raise InstallationError("Set DATABASE_URL, or leave --only away.")
    engine = db.make_engine(configured.database_url, patient=True, pool_size=4)
    require_migrated(engine)
    live = jobs.Background(
        engine=engine,
        sessions=db.sessions(engine, **configured.carried()),
        reactions=outbox.reactions(program.reactions),
        sweeps=program.sweeps,
        works=program.works,
        errands=program.errands,
    )
    test = engine_of_test_world(engine, configured.database_url, pool_size=2, patient=True)
    work = live if test is None else replace(live, test=_tested(live, test, configured))
    pulse = processes.Pulse(configured.pulse_fd)
    pulse.beat()
    if only == "sweeper":
        if not configured.mail_url:
            log.warning("no mail is sent: ROOKERY_MAIL_URL is not set")
        pulse.keep()
        jobs.run_sweeper(work)
    elif configured.redis_url is None:
        raise InstallationError("Set REDIS_URL; without Redis the sweeper alone delivers.")
    else:
        jobs.run_worker(work, configured.redis_url)


def _tested(live: jobs.Background, engine: Engine, configured: Settings) -> jobs.Background:
    """The background of the test world: as the live one's, and without errands."""
    sessions = db.sessions(engine, **configured.carried(), world=World.TEST)
    return replace(live, engine=engine, sessions=sessions, errands=())


@click.group("token")
def _token() -> None:
    """Tokens: what programs and people authenticate with."""


@_token.command("issue")
@click.option("--role", required=True, help="admin, ops, finance, requester or worker.")
@click.option("--subject", required=True, help="Whose token it is: an id such as req_..., or a staff member's name.")
@click.option("--name", default="", help="A note for the list.")
@click.option("--scope", "scopes", multiple=True, help="Fewer scopes than the role has.")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it expires.")
@click.pass_obj
def _issue(
    configured: Settings, *, role: str, subject: str, name: str, scopes: tuple[str, ...], days: int | None
) -> None:
    """Issue a token and print it once."""
    if role not in auth.roles:
        raise click.BadParameter(f"There are the roles {', '.join(sorted(auth.roles))}.", param_hint="--role")
    with session(configured) as opened:
        token, secret = auth.issue(opened, role=role, subject_id=subject, name=name, scopes=scopes or None, days=days)
        _on_trail(opened, "token.issue", token.id, role=role, subject=subject, scopes=token.scopes, days=days)
        click.echo(f"{token.id}\n{secret}")


@_token.command("list")
@click.option("--subject", help="Only the tokens of this subject.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.pass_obj
def _list(configured: Settings, subject: str | None, limit: int) -> None:
    """List tokens, newest first; never their secrets."""
    table = Table("id", "role", "subject", "name", "scopes", "created", "expires", "revoked", "last used")
    with session(configured) as opened:
        rows = select(auth.Token).order_by(auth.Token.id.desc()).limit(limit)
        for token in opened.scalars(rows if subject is None else rows.where(auth.Token.subject_id == subject)):
            times = (token.created_at, token.expires_at, token.revoked_at, token.last_used_at)
            shown = [f"{moment:%Y-%m-%d %H:%M}" if moment else "" for moment in times]
            table.add_row(token.id, token.role, token.subject_id, token.name, " ".join(token.scopes), *shown)
    Console(width=None if sys.stdout.isatty() else 240).print(table)


@_token.command("revoke")
@click.argument("token_id")
@click.pass_obj
def _revoke(configured: Settings, token_id: str) -> None:
    """End a token; it is refused from the next request on."""
    with session(configured) as opened:
        auth.revoke(opened, token_id)
        _on_trail(opened, "token.revoke", token_id)
        click.echo(f"{token_id} is revoked.")


@_token.command("rotate")
@click.argument("token_id")
@click.pass_obj
def _rotate(configured: Settings, token_id: str) -> None:
    """Replace a token by a new one with the same rights and end."""
    with session(configured) as opened:
        token, secret = auth.rotate(opened, token_id)
        _on_trail(opened, "token.rotate", token_id, successor=token.id)
        click.echo(f"{token.id}\n{secret}")


def _check(program: Program) -> click.Command:
    @click.command("check")
    @click.pass_obj
    def check(configured: Settings) -> None:
        """Test every invariant of the house; exit code 1 if one is broken."""
        broken = 0
        with session(configured) as opened:
            for name, rows in checks.of_both_worlds(opened, program.checks).items():
                click.echo(f"{'BROKEN' if rows else 'ok    '}  {name}")
                for row in rows:
                    click.echo(f"          {row}")
                broken += bool(rows)
        if broken:
            sys.exit(1)

    return check


@click.group("parked")
def _parked() -> None:
    """Events whose reaction failed too often."""


@_parked.command("list")
@click.pass_obj
def _list_parked(configured: Settings) -> None:
    """List them as JSON lines, oldest first, with their last error."""
    with session(configured) as opened:
        for event in opened.scalars(outbox.parked().order_by(outbox.OutboxEvent.id).limit(1000)):
            click.echo(
                json.dumps({"id": event.id, "topic": event.topic, "payload": event.payload, "error": event.last_error})
            )


@_parked.command("retry")
@click.argument("event_id", type=click.IntRange(1), required=False)
@click.option("--all", "everything", is_flag=True, help="Every parked event.")
@click.pass_obj
def _retry_parked(configured: Settings, event_id: int | None, *, everything: bool) -> None:
    """Let a parked event be delivered again: mend the cause first."""
    if (event_id is None) is not everything:
        raise click.UsageError("Name one event, or say --all.")
    with session(configured) as opened:
        retried = outbox.retry_parked(opened, event_id)
        _on_trail(opened, "parked.retry", str(event_id or "all"), retried=retried)
        click.echo(f"{retried} will be delivered again.")


@click.group("trail")
def _trail() -> None:
    """What staff and operators changed, in a chain that shows what was tampered with."""


@_trail.command("verify")
@click.option(
    "--head", "heads", multiple=True, metavar="SEQ:HASH", help="A head that was kept elsewhere, from the log."
)
@click.pass_obj
def _verify(configured: Settings, heads: tuple[str, ...]) -> None:
    """Compute the whole chain anew; exit code 1 if it is broken anywhere."""
    try:
        kept = [trail.parse_head(written) for written in heads]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--head") from error
    with session(configured) as opened:
        broken, newest = trail.verify(opened, kept), trail.head(opened)
    for line in broken:
        click.echo(f"BROKEN  {line}")
    if broken:
        sys.exit(1)
    click.echo(f"The trail is whole; its head is {newest}.")


@_trail.command("list")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.pass_obj
def _list_trail(configured: Settings, limit: int) -> None:
    """List the newest entries as JSON lines, newest first."""
    with session(configured) as opened:
        for entry in opened.scalars(trail.listed().order_by(trail.TrailEntry.seq.desc()).limit(limit)):
            click.echo(json.dumps(schemas.TrailEntry().dump(entry), ensure_ascii=False))
