"""That canaries are everywhere, that no column lacks a rule, and what files, commands and a stolen dump give away."""

import base64
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner
from sqlalchemy import text

import wsgi
from foundation import auth, pagination
from payments import rails
from tests.access import canaries
from tests.access.canaries import STAFF, VISIBLE, Marks
from tests.access.stage import Stage
from tests.access.world import World

_WORD = re.compile(r"[A-Za-z0-9_.]{0,40}")
# What stands where ids do and is none: the house itself, and those who act in its name.
_NAMES = {
    "",
    "house",
    "another",
    "admin",
    "migration",
    "KRA",
    "BIR",
    "settlement",
    "payouts",
    "floor",
    "ops",
    "finance",
    "approver",
    *rails.by_name,
}
# Commands that show nothing out of the tables, and why.
SILENT = {
    ("migrate",): "says that it is done",
    ("up",): "serves",
    ("web",): "serves",
    ("jobs",): "works",
    ("demo",): "brings its own data",
    ("token", "issue"): "tells what it has made",
    ("token", "revoke"): "tells the id it was given",
    ("token", "rotate"): "tells what it has made",
    ("parked", "retry"): "tells how many",
    ("archive",): "keeps what the database writes, for backups",
    ("backup",): "copies the database whole, for whoever may read it anyway",
    ("backups",): "tells times",
    ("restore",): "as a backup",
    ("aggregate",): "reads files alone",
    ("taxes", "import"): "tells how many",
    ("floors", "import"): "tells how many",
    ("kyc", "import"): "tells how many",
    ("screening", "import"): "tells how many",
    ("payouts", "prepare"): "tells what it has made",
    ("payouts", "show"): "tells of the run that it was given, as the list does",
    ("payouts", "file"): "writes what the route gives, and tells how many",
    ("statements", "read"): "tells how many",
    ("exports", "make"): "writes what the route gives, and tells how many",
    ("exports", "save"): "writes what the route gives, and tells how many",
    ("exports", "codes"): "tells how many",
}


def _rules(table: str) -> dict[str, set[str]]:
    given = VISIBLE.get(table, {})
    return {kind: set(given.get(kind, ())) for kind in ("planted", "as_is", "refers", "words", "numbers")}


def test_every_column_that_can_hold_text_says_who_may_see_it(stage: Stage) -> None:
    with stage.scene():
        found = {(table, column) for table, column, _ in canaries.columns(stage.connection)}
    declared = [(table, column) for table in VISIBLE for kind in _rules(table).values() for column in kind]

    assert found - set(declared) == set(), "columns without a rule in tests/access/visible.toml"
    assert set(declared) - found == set(), "rules without a column"
    assert len(declared) == len(set(declared)), "columns with two rules"


def test_every_viewer_is_a_role_or_a_relation(stage: Stage) -> None:
    for table, given in VISIBLE.items():
        # Nobody is whoever has no token.
        known = {"", *auth.roles, *given.get("of", {}), "operator", "log"}
        for viewers in [*given.get("planted", {}).values(), *given.get("as_is", {}).values(), STAFF["viewers"]]:
            assert set(viewers) <= known, table


def test_a_canary_is_in_every_row_of_every_column_that_is_to_have_one(stage: Stage, marks: Marks) -> None:
    with stage.scene() as session:
        for table, given in VISIBLE.items():
            for column in given.get("planted", {}):
                there = f"SELECT count(*), count(*) FILTER (WHERE {column}::text ~ 'canary') FROM {table} "
                # An empty list has no place for one.
                some = f"{there} WHERE {column} IS NOT NULL AND {column}::text <> '{{}}'"
                rows, planted = session.execute(text(some)).one()
                assert (table, column, planted) == (table, column, rows)
                assert rows > 0, f"nothing in {table}.{column} to be found"


def _words_in(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else [value]


def test_words_are_words_and_references_lead_to_rows_with_a_rule(stage: Stage, marks: Marks) -> None:
    with stage.scene() as session:
        for table in VISIBLE:
            for column in _rules(table)["words"]:
                values = session.scalars(text(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"))
                words = {word for value in values for word in _words_in(value)}
                assert [word for word in words if not _WORD.fullmatch(word)] == [], f"{table}.{column}"
            for column in _rules(table)["refers"]:
                values = session.scalars(text(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"))
                ids = {one for value in values for one in (value if isinstance(value, list) else [value])}
                # What an authority calls a filing, and finance a gift, is in the journal as its cause.
                named = {one for one in ids if one.startswith(("filing ", "gift "))} | _NAMES
                assert [one for one in ids if one not in marks.words and one not in named] == [], f"{table}.{column}"


def test_a_leak_would_be_seen(stage: Stage, marks: Marks) -> None:
    """The looking itself: a name is found as it is, and an id inside a cursor."""
    theirs = stage.world.things["project"]["active"]["other_requester"]
    with stage.scene() as session:
        (mark,) = marks.found(f"a name: {theirs['project']}!")
        me, owner = (stage.world.callers[name] for name in ("requester", "other_requester"))
        assert not marks.may_see(session, mark, *me.viewer)
        assert marks.may_see(session, mark, *owner.viewer)
        cursor = pagination.seal(b"secret", theirs["project_id"], "a list")
        assert [mark.key for mark in marks.found(f'{{"next_cursor":"{cursor}"}}')] == [theirs["project_id"]]


# Commands


def _leaves(group: click.Group, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    found: dict[tuple[str, ...], click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= _leaves(command, (*path, name))
        else:
            found[*path, name] = command
    return found


def _shown(world: World, file: Path) -> dict[tuple[str, ...], str]:
    """What each command that reads the tables shows, and writes."""
    lines: dict[tuple[str, ...], list[str]] = {
        ("token", "list"): ["--limit", "1000"],
        ("check",): [],
        ("parked", "list"): [],
        ("ledger", "check"): [],
        ("ledger", "verify-seals"): [],
        ("ledger", "statement"): ["bank:house", "USD"],
        ("trail", "list"): ["--limit", "1000"],
        ("trail", "verify"): [],
        ("payables", "export"): [str(file)],
        ("payouts", "list"): [],
        ("exports", "list"): [],
        ("ledger", "ageing"): [],
    }
    runner = CliRunner(env={"DATABASE_URL": world.urls.app, "DATABASE_OWNER_URL": world.urls.owner})
    shown = {path: runner.invoke(wsgi.cli, [*path, *arguments]).output for path, arguments in lines.items()}
    shown["payables", "export"] += file.read_text()
    return shown


def test_commands_show_an_operator_what_an_operator_may_see(stage: Stage, marks: Marks, tmp_path: Path) -> None:
    shown = _shown(stage.world, tmp_path / "payables.csv")

    assert set(_leaves(wsgi.cli)) == {*shown, *SILENT}, "a command that nobody has looked at"
    for path, output in shown.items():
        leaked = {str(mark) for mark in marks.found(output) if "operator" not in mark.viewers}
        assert (path, leaked) == (path, set())
    # And it was looked at something: payees in the file, tokens, an event, what staff did.
    for path in [
        ("payables", "export"),
        ("ledger", "statement"),
        ("token", "list"),
        ("parked", "list"),
        ("trail", "list"),
    ]:
        assert any(True for _ in marks.found(shown[path])), path


# A stolen dump


def _dump(stage: Stage) -> list[tuple[str, str]]:
    """Every value of every column as text, beside its column."""
    dumped = []
    with stage.scene() as session:
        tables = session.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1")
        ).all()
        for table in tables:
            for row in session.execute(text(f"SELECT * FROM {table}")).mappings():
                dumped += [(f"{table}.{column}", _text(value)) for column, value in row.items()]
    return dumped


def _text(value: Any) -> str:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)


def test_no_secret_of_a_token_is_in_a_dump(stage: Stage) -> None:
    secrets = {caller.secret for caller in stage.world.callers.values() if caller.secret}
    dump = _dump(stage)

    assert len(dump) > 8_000
    assert [column for column, value in dump if any(secret in value for secret in secrets)] == []
    assert [column for column, value in dump if re.search("(?<!w)rk_[0-9A-Za-z]{8}", value)] == []


def test_nothing_in_a_dump_can_be_used_as_a_token(stage: Stage) -> None:
    values = {value for _, value in _dump(stage)}

    assert [value for value in values if auth.is_well_formed(value)] == []


def test_what_stands_beside_a_token_does_not_replace_it(stage: Stage) -> None:
    with stage.scene() as session:
        rows = session.execute(text("SELECT id, encode(secret_hash, 'hex'), encode(secret_hash, 'base64') FROM tokens"))
        for value in {str(value) for row in rows.all() for value in row}:
            packed = base64.b64encode(f"{value}:".encode()).decode()
            for header in (f"Bearer {value}", f"Basic {packed}"):
                assert stage.send_as(header, "GET", "/api/me").status_code == 401


# What breaks inside


def test_a_failure_of_ours_tells_nothing_private_to_the_caller_or_the_log(
    stage: Stage, marks: Marks, log: io.StringIO
) -> None:
    project = stage.world.things["project"]["active"]["requester"]
    with stage.scene() as session:
        # What no request can bring about: a row that the code does not expect.
        session.execute(text("UPDATE projects SET params = '[]' WHERE id = :project_id"), project)
        response = stage.send("requester", "GET", f"/v1/projects/{project['project']}")

    told = [
        str(mark) for mark in [*marks.found(response.text), *marks.found(log.getvalue())] if "log" not in mark.viewers
    ]
    assert (response.status_code, told) == (500, [])
    assert "unexpected failure" in log.getvalue()
