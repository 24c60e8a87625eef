"""The commands of an operator: tokens, the house's own check, events that were parked."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import make_url, text

import wsgi
from foundation import auth, embedded, installation, outbox
from foundation import db as database
from foundation.errors import Unauthorized
from tests import factories
from tests.conftest import House
from workforce.events import AnswerSubmitted

Run = Callable[..., Result]


@pytest.fixture
def run(house: House) -> Run:
    """Runs a command against the house's database."""

    def invoke(*words: Any) -> Result:
        env = {"DATABASE_URL": house.urls.app, "DATABASE_OWNER_URL": house.urls.owner}
        return CliRunner().invoke(wsgi.cli, list(map(str, words)), env=env)

    return invoke


def _actor(house: House, secret: str) -> auth.Actor | None:
    with house.sessions() as db:
        try:
            return auth.authenticate(db, f"Bearer {secret}")
        except Unauthorized:
            return None


def test_a_token_is_issued_listed_rotated_and_revoked(house: House, run: Run) -> None:
    issued = run("token", "issue", "--role", "ops", "--subject", "ada", "--name", "her laptop", "--days", 2)
    token_id, secret = issued.output.split()
    listed = run("token", "list", "--subject", "ada").output
    before = _actor(house, secret)
    next_id, next_secret = run("token", "rotate", token_id).output.split()
    rotated = _actor(house, secret), _actor(house, next_secret)
    revoked = run("token", "revoke", next_id)

    with house.sessions() as db:
        lives = text("SELECT round(extract(epoch FROM expires_at - now()) / 86400) FROM tokens WHERE id = :id")
        assert [db.scalar(lives, {"id": known}) for known in (token_id, next_id)] == [2, 2]
    assert issued.exit_code == revoked.exit_code == 0
    assert before is not None
    assert (before.token_id, before.role, before.subject_id) == (token_id, "ops", "ada")
    assert all(word in listed for word in (token_id, "her laptop", "ada"))
    assert secret not in listed
    assert rotated[0] is None
    assert rotated[1] is not None
    assert revoked.output == f"{next_id} is revoked.\n"
    assert _actor(house, next_secret) is None


def test_tokens_are_listed_newest_first_and_of_one_subject_if_wanted(run: Run) -> None:
    ids = [run("token", "issue", "--role", "ops", "--subject", who).output.split()[0] for who in ("ada", "bo", "ada")]

    everybody, ada = run("token", "list").output, run("token", "list", "--subject", "ada").output

    assert everybody.index(ids[2]) < everybody.index(ids[1]) < everybody.index(ids[0])
    assert [token_id in ada for token_id in ids] == [True, False, True]
    assert ids[0] not in run("token", "list", "--limit", 2).output


def test_a_token_may_have_fewer_scopes_and_no_role_that_there_is_not(house: House, run: Run) -> None:
    with house.sessions() as db:
        requester = factories.create_requester(db)
        db.commit()

    fewer = run("token", "issue", "--role", "requester", "--subject", requester.id, "--scope", "funds")
    unknown = run("token", "issue", "--role", "king", "--subject", "ada")

    actor = _actor(house, fewer.output.split()[1])
    assert actor is not None
    assert actor.scopes == {"funds"}
    assert unknown.exit_code == 2
    assert "There are the roles admin, approver, auditor, finance, monitor, ops, requester, worker." in " ".join(
        unknown.output.split()
    )


def test_the_check_names_what_is_broken_and_fails(house: House, run: Run) -> None:
    with house.sessions() as db:
        project = factories.create_project(db)
        db.commit()
    whole = run("check")
    with house.sessions() as db:
        db.execute(text("UPDATE projects SET n_settled = 7"))
        db.commit()

    broken = run("check")

    with house.sessions() as db:
        db.execute(text("UPDATE projects SET n_settled = 0"))
        db.commit()
        names = [name for check in wsgi.program.checks for name in check(db)]
    assert (whole.exit_code, broken.exit_code) == (0, 1)
    assert whole.output.splitlines() == [f"ok      {name}" for name in names]
    (name,) = [name for name in names if name.startswith("W8 ")]
    assert f"BROKEN  {name}\n          {project.id}\n" in broken.output
    assert broken.output.count("BROKEN") == 1


def test_parked_events_are_listed_and_retried_one_or_all(house: House, run: Run) -> None:
    with house.sessions() as db:
        for number in range(4):
            outbox.publish(db, AnswerSubmitted(f"ans_{number}", "tsk_1", "prj_1"))
        db.execute(
            text("UPDATE outbox_events SET parked_at = now(), last_error = 'E: x' WHERE payload::text !~ 'ans_3'")
        )
        db.commit()
    listed = [json.loads(line) for line in run("parked", "list").output.splitlines()]

    none, one = run("parked", "retry"), run("parked", "retry", listed[0]["id"])
    rest = run("parked", "list").output.splitlines()
    both, everyone = run("parked", "retry", listed[1]["id"], "--all"), run("parked", "retry", "--all")

    assert [event["payload"]["answer_id"] for event in listed] == ["ans_0", "ans_1", "ans_2"]
    assert {(event["topic"], event["error"]) for event in listed} == {("AnswerSubmitted", "E: x")}
    assert (none.exit_code, both.exit_code) == (2, 2)
    assert (one.output, everyone.output) == ("1 will be delivered again.\n", "2 will be delivered again.\n")
    assert len(rest) == 2
    assert run("parked", "list").output == ""


def test_migrate_brings_an_empty_database_to_this_version(engines: embedded.Engines, worker_name: str) -> None:
    name = f"empty_{worker_name}"
    embedded.drop_database(engines.superuser, name)
    embedded.create_database(engines.superuser, name)
    urls = [make_url(url).set(database=name) for url in (engines.database_url, engines.database_owner_url)]
    app, owner = (url.render_as_string(hide_password=False) for url in urls)

    done = CliRunner().invoke(wsgi.cli, ["migrate"], env={"DATABASE_URL": app, "DATABASE_OWNER_URL": owner})

    engine = database.make_engine(app)
    installation.require_migrated(engine)
    engine.dispose()
    embedded.drop_database(engines.superuser, name)
    assert (done.exit_code, done.output) == (0, "The database is up to date.\n")


def test_an_operators_mistake_is_one_sentence_and_exit_code_2(run: Run) -> None:
    wrong = CliRunner().invoke(wsgi.cli, ["check"], env={"DATABASE_URL": "mysql://u@h/x"})
    unknown = run("token", "revoke", "tok_nothing")

    assert (wrong.exit_code, unknown.exit_code) == (2, 2)
    assert wrong.output == "Error: DATABASE_URL must look like postgresql://user:password@host/database.\n"
    assert unknown.output == "Error: There is no such token.\n"


def test_what_others_hold_for_too_long_is_one_sentence_too(run: Run, house: House) -> None:
    token_id, _ = run("token", "issue", "--role", "ops", "--subject", "ada").output.split()
    with house.sessions() as holder:
        holder.execute(text("SELECT FROM tokens WHERE id = :id FOR UPDATE"), {"id": token_id})
        done = run("token", "revoke", token_id)

    assert done.exit_code == 2
    assert done.output == "Error: The database is away, or others hold what this needs; try again.\n"
