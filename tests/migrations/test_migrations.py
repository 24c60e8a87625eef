"""The way from each earlier version to this one: with data in it, under writes, and killed wherever it can be."""

import io
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.script import ScriptDirectory
from flask.testing import FlaskClient
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

import migrations
import wsgi
from foundation import auth, clock, embedded, ids, migrating
from foundation import db as database
from foundation.installation import InstallationError
from payments import contacts, holds, paying_accounts, periods, runs
from tests import factories
from tests.conftest import House, Urls, _named, a_house
from tests.drills import catalog
from tests.payments import owed
from workforce import (
    assignment,
    bulk_moves,
    drafts,
    erasures,
    identity,
    importing,
    imports,
    invitation_lists,
    invitations,
    leases,
    linked,
    pools,
    reports,
    reviews,
    suspensions,
    teams,
    worlds,
)
from workforce.models import (
    Assignment,
    BatchStatus,
    Correction,
    CorrectionLine,
    Kind,
    LanguageLevel,
    Pool,
    Project,
)

_SCRIPTS = ScriptDirectory.from_config(migrating.alembic())
_EARLIER = [script.revision for script in _SCRIPTS.walk_revisions() if script.revision != _SCRIPTS.get_current_head()]
# From the first on, so that the database that goes through them need not begin anew.
_EARLIER.reverse()
# Each way begins with data where the one before it ends.
_WAYS = list(pairwise([*_EARLIER[::10], _SCRIPTS.get_current_head()]))
# Migrates again and again up to a version, each time killed a statement later in the version that it reached, until it
# comes to that one's end; then the same in the next. What is killed is our side, at a statement's end; the many grants
# that come last are sampled. The rest of the way goes undisturbed.
_KILLED = """
import os, signal, sys
import psycopg
from sqlalchemy import Engine, event
import wsgi  # once for all of them
from foundation import migrating

owner, app, end = sys.argv[1:]

def reached():
    with psycopg.connect(owner.replace("+psycopg", "")) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]

killed, survived, at = 0, 0, reached()
while at != end:
    survived += 1 if survived < 30 else 10
    if child := os.fork():
        killed += os.waitpid(child, 0)[1] != 0
        if (now := reached()) != at:
            survived, at = 0, now
        continue
    done = []

    @event.listens_for(Engine, "after_cursor_execute")
    def kill(*_):
        done.append(1)
        if len(done) == survived:
            os.kill(os.getpid(), signal.SIGKILL)

    migrating.migrate(owner, app)
    os._exit(0)

print(killed)
migrating.migrate(owner, app)
"""
_WRITES = (
    "UPDATE workers SET name = name",
    "UPDATE tasks SET metadata = metadata",
    "INSERT INTO idempotency_keys (actor_id, key, fingerprint) SELECT gen_random_uuid(), '', ''",
)
_PLANTED = """
from alembic import op

revision = "planted"
down_revision = "{head}"


def upgrade():
    op.execute("ALTER TABLE tasks ADD COLUMN planted int")
"""


@pytest.fixture
def named(engines: embedded.Engines, worker_name: str) -> Iterator[Callable[..., Urls]]:
    """Makes databases without a table, or like another one."""
    made: list[str] = []

    def make(template: str | None = None) -> Urls:
        made.append(f"upgrade_{worker_name}_{len(made)}")
        embedded.drop_database(engines.superuser, made[-1])
        embedded.create_database(engines.superuser, made[-1], **({} if template is None else {"template": template}))
        return _urls(engines, made[-1])

    yield make
    for name in made:
        embedded.drop_database(engines.superuser, name)


def _urls(engines: embedded.Engines, name: str) -> Urls:
    return Urls(_named(engines.database_url, name), _named(engines.database_owner_url, name))


@pytest.fixture(scope="module")
def ladder(engines: embedded.Engines, worker_name: str) -> Iterator[Callable[[str], str]]:
    """The name of a database at an earlier version: one for all, which goes up, and begins anew where it has to."""
    name, reached = f"ladder_{worker_name}", ""

    def up_to(revision: str) -> str:
        nonlocal reached
        if not reached or revision < reached:
            embedded.drop_database(engines.superuser, name)
            embedded.create_database(engines.superuser, name)
        engine = database.make_engine(_urls(engines, name).owner, patient=True)
        with engine.begin() as connection:
            migrating.upgrade(connection, _SCRIPTS, revision, None)
        engine.dispose()
        reached = revision
        return name

    yield up_to
    embedded.drop_database(engines.superuser, name)


@pytest.fixture
def at(
    engines: embedded.Engines, named: Callable[..., Urls], ladder: Callable[[str], str], lived_in: Urls
) -> Callable[[str], Urls]:
    """Makes a database of an earlier version in which something has happened."""

    def make(revision: str) -> Urls:
        urls = named(ladder(revision))
        _fill(urls, engines, lived_in)
        return urls

    return make


@pytest.fixture(scope="module")
def fresh(new_database: Callable[[], Urls]) -> Urls:
    """A database that began at this version."""
    return new_database()


@pytest.fixture(scope="module")
def lived_in(new_database: Callable[[], Urls]) -> Iterator[Urls]:
    """A database of this version in which something of nearly everything has happened."""
    with a_house(new_database()) as house:
        _live_in(house)
        yield house.urls


def _live_in(house: House) -> None:
    with house.sessions() as session:
        project, _ = factories.create_escalated(session)
        expert = factories.create_worker(session, tier=4)
        factories.answer(session, expert, "crow", project=project, kind=Kind.ADJUDICATION)
        factories.settle(session)
        factories.create_task(session, project, unique_id="7")
        factories.claim(session, factories.create_worker(session), project)
        factories.propose(session, project, factories.create_worker(session))
        factories.answer(session, factories.create_worker(session), project=project)
        others = factories.create_project(session)
        for _ in range(2):
            factories.create_task(session, others)
        lost = factories.create_worker(session)
        lease = factories.claim(session, lost, others)
        leases.take_back(session, lease.id, reason="other", note="", taken_by="ops")
        session.execute(text("DELETE FROM outbox_events WHERE topic = 'LeaseTakenBack'"))
        lease = factories.claim(session, lost, others)
        drafts.save(session, lost.id, lease.id, fence=lease.fence, payload={"category": "rook"})
        given = factories.claim(session, factories.create_worker(session), others)
        giver = session.get_one(Assignment, (given.id, others.id)).worker_id
        assignment.release(session, giver, given.id, fence=given.fence, reason="no_time")
        reported = factories.claim(session, expert, others)
        reports.report(session, expert.id, reported.id, fence=reported.fence, reason="other")
        pools.put(session, expert.id, [Pool.VENDOR], put_by="ops")
        pools.set_languages(session, expert.id, {"sw": LanguageLevel.C1})
        _judge(session)
        _say(session)
        _send_file(session, project)
        factories.sit(session, expert, factories.create_exam(session), right=1)
        factories.enter_fx_rate(session, confirmed=True)
        factories.enter_tax_rule(session, confirmed=True, country="UG")
        # Of which nothing is taken yet: versions before could not say what was.
        owed.levy(session, 500, authority="KRA", basis="accrual", threshold="1000", period="month", catch_up=True)
        _prepare_pay(session)
        erasures.request(session, identity.request(session, factories.create_worker(session).id).worker_id)
        teams.join(session, project.requester_id, role="owner", masked="a***@example.com")
        worlds.enter(session, auth.Actor("", project.requester_id, "requester", frozenset({"requester"})))
        one, other = (factories.create_worker(session).id for _ in range(2))
        linked.declare(session, one, other, kind="device", evidence="One telephone.", recorded_by="ada")
        people = io.BytesIO(b"external_id,email,name,country,pool\n7,cid@example.com,Cid,KE,vendor\n")
        invitation_lists.check(session, people, team="acme", activates=False, made_by="ada")
        moves = io.BytesIO(f"worker_id,skill,tier\n{lost.id},{others.skill},3\nnobody,x,9\n".encode())
        bulk_moves.propose(session, moves, reason="Tested.", days=9, proposed_by="ada")
        stopped = [factories.create_worker(session).id]
        _correct(session, project)
        suspensions.suspend(session, stopped, hours=24, reason="Two in one.", made_by="ada")
        invitations.invite(session, email="ben@example.com", role="worker", activates=True, made_by="ada")
        periods.close(session, date(2020, 1, 1), closed_by="ada")
        seen = periods.shown(session, date(2020, 1, 1)).hash
        periods.confirm(session, date(2020, 1, 1), trial_hash=seen, confirmed_by="bob")
        session.commit()
    client: FlaskClient = house.app.test_client()
    headers = {"Authorization": f"Bearer {house.token('ops', 'ada')}", "Idempotency-Key": "once"}
    assert client.post("/api/requesters", json={"name": "R"}, headers=headers).status_code == 201


def _correct(session: Session, project: Project) -> None:
    """A correction that somebody let be, with a line of its preview; versions before knew no gold that it is of."""
    made = Correction(
        id=ids.new("cor"), kind="gold", project_id=project.id, subject_id=ids.new("tsk"), label_from=1, reason="",
        state="dropped", n_previews=1, n_lines=1, content_hash=b"", proposed_by="ada", decided_by="ada",
        decided_at=clock.now(session),
    )  # fmt: skip
    session.add(made)
    session.flush()
    session.add(CorrectionLine(correction_id=made.id, preview=1, number=1, change="task", task_id=ids.new("tsk")))
    # A label that is certain now and the same; versions before knew no correction of one.
    session.execute(
        text("""INSERT INTO corrected_labels
                SELECT project_id, task_id, 1, :made, label, false, 'why', 'ada' FROM consensus
                 WHERE project_id = :project AND decision = 'settle' ORDER BY task_id LIMIT 1"""),
        {"made": made.id, "project": project.id},
    )


def _judge(session: Session) -> None:
    """An answer that its requester has accepted. None waits: versions before accepted all."""
    once: dict[str, Any] = {"overlap_min": 1, "overlap_max": 1, "confidence_target": 0.5, "expert_share": 0.0}
    project = factories.create_project(session, **once, acceptance="by_requester")
    factories.create_task(session, project)
    (answer,) = factories.answer_all(session, project, "rook")
    factories.settle(session)
    assert reviews.accept(session, project, [answer.id], decided_by="tok_1") == 1


def _say(session: Session) -> None:
    """A task whose answers are no classes, on which two differ and an expert agrees with one."""
    chosen: dict[str, Any] = {"task_type": "multilabel", "overlap_min": 2, "overlap_max": 2, "confidence_target": 0.99}
    project = factories.create_project(session, expert_share=1.0, **chosen)
    factories.create_task(session, project)
    for kind, tier, said in ((Kind.ANSWER, None, "rook"), (Kind.ANSWER, None, "crow"), (Kind.ADJUDICATION, 4, "rook")):
        worker = factories.create_worker(session, tier=tier)
        lease = factories.claim(session, worker, project, kind)
        payload = {"categories": [said]}
        assignment.submit(session, worker.id, lease.id, fence=lease.fence, payload=payload)
        factories.settle(session)


def _send_file(session: Session, project: Project) -> None:
    """A file of tasks with a line that becomes none."""
    batch = factories.create_batch(session, project, status=BatchStatus.STAGING)
    sent = imports.announce(session, batch.requester_id, batch=batch.id, format_="jsonl")
    imports.add_part(session, batch.requester_id, sent.id, 1, io.BytesIO(b"{}\n[]\n"), sent_by="requester")
    imports.begin(session, batch.requester_id, sent.id, n_parts=1)
    importing.step(session, sent.id)


def _prepare_pay(session: Session) -> None:
    """A run that pays one and leaves another out. Nothing has left: versions before had no parts of earnings."""
    held = owed.payee(session, 50_000)
    owed.payee(session, 70_000)
    holds.place(session, payee_id=held.id, reason="A court.", made_by="finance", is_legal=True)
    contacts.choose(session, held.id, email="held@example.com", set_by=held.owner_ref)
    paying_accounts.enter(session, rail="ach", details=owed.ACCOUNTS["ach"], entered_by="finance")
    run = owed.go_through(session, runs.begin(session, rail="paypal", prepared_by="finance"))
    assert (run.n_payouts, run.state) == (1, "draft")


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = database.make_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _schema(url: str, parts: tuple[str, ...] | None = None) -> set[str]:
    with _connected(url) as connection:
        return catalog.read(connection, *([] if parts is None else [parts]))


def _fill(urls: Urls, engines: embedded.Engines, filled_from: Urls) -> None:
    """Give a database of an earlier version the rows of another one that it has a place for."""
    names = [make_url(each.owner).database for each in (urls, filled_from)]
    with (
        psycopg.connect(engines.superuser, dbname=names[0]) as old,
        psycopg.connect(engines.superuser, dbname=names[1]) as new,
    ):
        old.execute("SET session_replication_role = replica")
        for table in _tables(old):
            _copy(table, new, old)


def _tables(connection: "psycopg.Connection[tuple[str]]") -> list[str]:
    found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return [name for (name,) in found if name != "alembic_version"]


def _copy(table: str, source: "psycopg.Connection[tuple[str]]", target: "psycopg.Connection[tuple[str]]") -> None:
    listed = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
    known = {name for (name,) in source.execute(listed, [table])}
    columns = ", ".join(name for (name,) in target.execute(listed, [table]) if name in known)
    if columns:
        rows = source.execute(f"SELECT coalesce(json_agg(t), '[]') FROM {table} t").fetchone()
        assert rows is not None
        target.execute(f"DELETE FROM {table}")
        target.execute(
            f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"
            f" SELECT {columns} FROM json_populate_recordset(NULL::{table}, %s)",
            [json.dumps(rows[0])],
        )


def _rows(url: str) -> dict[str, int]:
    with _connected(url) as connection:
        tables = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        return {table: connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in tables}


def _broken(url: str) -> list[str]:
    engine = database.make_engine(url)
    with Session(engine) as session:
        found = [row for check in wsgi.program.checks for rows in check(session).values() for row in rows]
    engine.dispose()
    return found


def test_the_schema_of_the_migrations_is_that_of_the_models(
    named: Callable[..., Urls], new_database: Callable[[], Urls]
) -> None:
    of_models = named()
    engine = database.make_engine(of_models.owner)
    database.Base.metadata.create_all(engine)
    engine.dispose()

    assert _schema(new_database().owner, catalog.OF_MODELS) == _schema(of_models.owner, catalog.OF_MODELS)


@pytest.mark.parametrize("way", _WAYS, ids="-".join)
def test_an_upgrade_may_be_killed_at_any_statement_and_ends_as_a_fresh_database_begins(
    way: tuple[str, str], at: Callable[[str], Urls], fresh: Urls
) -> None:
    begin, end = way
    urls = at(begin)
    before = _rows(urls.owner)

    root = Path(migrations.__file__).parent.parent
    told = subprocess.run(
        [sys.executable, "-c", _KILLED, urls.owner, urls.app, end], cwd=root, capture_output=True, text=True, check=True
    )

    # The lock, the version as it was and the version as it is then are three statements at least.
    assert int(told.stdout) > 3 * len(list(_SCRIPTS.iterate_revisions(end, begin)))
    _assert_whole(urls, fresh, before)


@pytest.mark.parametrize("earlier", _EARLIER)
def test_whoever_writes_during_an_upgrade_neither_fails_nor_waits_long_and_nothing_is_lost(
    earlier: str, at: Callable[[str], Urls], fresh: Urls
) -> None:
    urls = at(earlier)
    before = _rows(urls.owner)
    rounds: list[int] = []
    done = threading.Event()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(_write, urls.app, done, rounds)
        try:
            _until_more(rounds, writing)
            migrating.migrate(urls.owner, urls.app)
            _until_more(rounds, writing)
        finally:
            done.set()
        writing.result()

    before["idempotency_keys"] += len(rounds)
    _assert_whole(urls, fresh, before)


def _assert_whole(urls: Urls, fresh: Urls, before: dict[str, int]) -> None:
    after = _rows(urls.owner)
    assert _schema(urls.owner) == _schema(fresh.owner)
    assert {table: after[table] for table in before} == before
    assert before["journal_lines"]
    assert _broken(urls.app) == []


def _until_more(rounds: list[int], writing: "Future[None]") -> None:
    known = len(rounds)
    while len(rounds) < known + 2 and not writing.done():
        time.sleep(0.01)


def _write(url: str, done: threading.Event, rounds: list[int]) -> None:
    """What an application of the earlier version does all the time, on all that it knows; no request touches it all.

    A statement that has to wait two seconds for a lock fails. Requests may be tried thrice, as the house does it.
    """
    with _connected(url) as connection:
        connection.execute(text("SET lock_timeout = '2s'"))
        tables = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        connection.commit()
        parts = [tables[at : at + 10] for at in range(0, len(tables), 10)]
        requests = [[f"SELECT FROM {table} LIMIT 1" for table in part] for part in parts]
        while not done.is_set():
            for statements in [*requests, _WRITES]:
                _ask(connection, statements)
            rounds.append(len(rounds))


def _ask(connection: Connection, statements: Sequence[str]) -> None:
    """One transaction, and again like a request of the house's if it met the upgrade in a circle."""
    for tries_left in (2, 1, 0):
        try:
            for statement in statements:
                connection.execute(text(statement))
            connection.commit()
        except OperationalError as error:
            if not tries_left or not isinstance(error.orig, psycopg.errors.DeadlockDetected):
                raise
            connection.rollback()
        else:
            return


def test_an_upgrade_that_cannot_have_a_lock_gives_up_soon_and_is_run_again(
    new_database: Callable[[], Urls], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = new_database()
    planted = shutil.copytree(Path(migrations.__file__).parent, tmp_path / "migrations")
    (planted / "versions" / "planted.py").write_text(_PLANTED.format(head=_SCRIPTS.get_current_head()))
    monkeypatch.setattr(migrations, "__file__", str(planted / "__init__.py"))

    with _connected(urls.app) as reader:
        reader.execute(text("SELECT FROM tasks"))
        started = time.monotonic()
        with pytest.raises(InstallationError, match="lock timeout"):
            migrating.migrate(urls.owner, urls.app)
        waited = time.monotonic() - started
    migrating.migrate(urls.owner, urls.app)

    assert waited < 5
    assert any(" planted " in line for line in _schema(urls.owner, ("column",)))


def test_a_currency_that_was_added_by_hand_keeps_its_name_and_its_unit(
    at: Callable[[str], Urls],
) -> None:
    urls = at("0026")
    with _connected(urls.owner) as owner:
        owner.execute(text("DELETE FROM currencies WHERE code IN ('CHF', 'XYZ')"))
        owner.execute(text("INSERT INTO currencies VALUES ('CHF', 'Stutz', 2, 6), ('XYZ', 'Ours', 0, 1)"))
        owner.commit()

    migrating.migrate(urls.owner, urls.app)

    with _connected(urls.app) as app:
        asked = "SELECT code, name, ledger_exponent, iso_code, iso_number FROM currencies WHERE code IN ('CHF', 'XYZ')"
        rows = app.execute(text(asked)).all()
    assert sorted(map(tuple, rows)) == [("CHF", "Stutz", 6, "CHF", 756), ("XYZ", "Ours", 1, "XYZ", None)]


def test_a_database_of_a_newer_version_is_one_sentence(new_database: Callable[[], Urls]) -> None:
    urls = new_database()
    with _connected(urls.owner) as owner:
        owner.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        owner.commit()

    with pytest.raises(InstallationError, match="A newer version of this program") as refused:
        migrating.migrate(urls.owner, urls.app)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE tasks ADD COLUMN more int",
        "ALTER TABLE tasks ALTER COLUMN fence DROP DEFAULT",
        "ALTER TABLE tasks DROP CONSTRAINT ck_tasks_slots_range",
        "DROP INDEX ix_tasks_queue",
        "ALTER TABLE rates DISABLE TRIGGER append_only",
        "ALTER FUNCTION refuse_change() SECURITY DEFINER",
        "ALTER SEQUENCE task_positions INCREMENT 2",
        "GRANT DELETE ON votes TO rookery_app",
        "GRANT UPDATE (amount) ON rates TO rookery_app",
    ],
)
def test_two_schemas_that_differ_are_not_the_same(db: Session, new_database: Callable[[], Urls], change: str) -> None:
    urls = new_database()
    before = _schema(urls.owner)
    with _connected(urls.owner) as owner:
        owner.execute(text(change))

        assert catalog.read(owner) != before
