"""Where the engines are, migrations, and what an operator is told when something outside is missing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from foundation import db as database
from foundation import embedded, installation, migrating
from foundation.installation import Installation, InstallationError
from foundation.settings import Settings
from tests.conftest import House, Urls, _named

_BARE = Settings(None, None, None, None, "127.0.0.1", 8080, 2, 8, "info", 0, {})
_NOWHERE = "postgresql+psycopg://ada:hunter2@127.0.0.1:1/nothing"


def _version(url: str) -> str | None:
    engine = database.make_engine(url)
    with engine.connect() as connection:
        version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    engine.dispose()
    return version


@pytest.fixture
def bare(engines: embedded.Engines, worker_name: str) -> Urls:
    """A database without a table."""
    name = f"bare_{worker_name}"
    database_exists = text("SELECT true FROM pg_database WHERE datname = :name")
    engine = database.make_engine(engines.database_owner_url)
    with engine.connect() as connection:
        if not connection.scalar(database_exists, {"name": name}):
            embedded.create_database(engines.superuser, name)
    engine.dispose()
    urls = Urls(_named(engines.database_url, name), _named(engines.database_owner_url, name))
    owner = database.make_engine(urls.owner)
    with owner.begin() as connection:
        connection.execute(text("DROP OWNED BY CURRENT_USER"))
        connection.execute(text("GRANT ALL ON SCHEMA public TO CURRENT_USER"))
    owner.dispose()
    return urls


def test_a_bare_database_is_refused_and_a_migrated_one_served(bare: Urls) -> None:
    engine = database.make_engine(bare.app)

    with pytest.raises(InstallationError, match="rookery migrate"):
        installation.require_migrated(engine)
    migrating.migrate(bare.owner, bare.app)
    installation.require_migrated(engine)
    engine.dispose()


def test_migrating_again_changes_nothing(house: House) -> None:
    before = _version(house.urls.owner)

    migrating.migrate(house.urls.owner, house.urls.app)

    assert before is not None
    assert _version(house.urls.owner) == before


def test_two_migrations_at_once_take_turns(bare: Urls) -> None:
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(migrating.migrate, [bare.owner] * 2, [bare.app] * 2))

    assert _version(bare.owner) is not None


def test_the_applications_login_cannot_change_the_tables(db: Session) -> None:
    for statement in (
        "DROP TABLE tokens",
        "ALTER TABLE tokens ADD COLUMN x int",
        "CREATE TABLE mine (x int)",
        "TRUNCATE journal_entries",
    ):
        with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"), db.begin_nested():
            db.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts SET owner_ref = 'me'",
        "UPDATE currencies SET ledger_exponent = 0",
        "DELETE FROM alembic_version",
        "DELETE FROM answers",
        "DELETE FROM earnings",
        "DELETE FROM journal_lines",
        "DELETE FROM tasks",
        "DELETE FROM votes",
        "UPDATE answers SET payload = '{}'",
        "UPDATE assignments SET amount = 1",
        "UPDATE earnings SET payee_id = 'x'",
        "UPDATE journal_entries SET kind = 'x'",
        "UPDATE rates SET amount = 1",
        "UPDATE signing_keys SET secret = ''",
        "UPDATE tier_moves SET tier_to = 4",
        "UPDATE tier_moves SET cause = 'ops'",
        "UPDATE tier_moves SET worker_id = 'x'",
        "DELETE FROM tier_moves",
        "UPDATE votes SET label = 1",
    ],
)
def test_the_applications_login_cannot_rewrite_what_was_said(db: Session, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), db.begin_nested():
        db.execute(text(statement))


def test_a_login_that_may_not_make_tables_is_one_sentence(bare: Urls) -> None:
    with pytest.raises(InstallationError, match="cannot be brought up to date") as refused:
        migrating.migrate(bare.app, bare.app)

    assert "\n" not in str(refused.value)


def test_a_database_that_is_not_there_is_one_sentence_without_the_password() -> None:
    configured = replace(_BARE, database_url=_NOWHERE)

    with pytest.raises(InstallationError) as refused, installation.open_installation(configured):
        pass

    assert "DATABASE_URL" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_web_process_without_its_database_says_so() -> None:
    engine = database.make_engine(_NOWHERE)

    with pytest.raises(InstallationError, match="cannot be used"):
        installation.require_migrated(engine)
    engine.dispose()


def test_configured_engines_are_used_as_they_are(house: House) -> None:
    configured = replace(_BARE, database_url=house.urls.app, database_owner_url=house.urls.owner, redis_url="redis://x")

    with installation.open_installation(configured) as opened:
        assert opened == Installation(house.urls.app, house.urls.owner, "redis://x")


def test_without_an_owners_login_the_applications_is_the_owner(house: House) -> None:
    with installation.open_installation(replace(_BARE, database_url=house.urls.app)) as opened:
        assert opened.database_owner_url == opened.database_url


def test_without_urls_the_engines_of_the_data_folder_are_used(
    engines: embedded.Engines, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared = tmp_path_factory.getbasetemp() / "engines"
    folder = shared if shared.exists() else shared.parent.parent / "engines"

    with installation.open_installation(replace(_BARE, data_dir=folder)) as opened:
        assert opened.database_url == engines.database_url
        assert opened.redis_url == engines.redis_url


def test_a_data_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.write_text("")

    with (
        pytest.raises(InstallationError, match="data folder"),
        installation.open_installation(replace(_BARE, data_dir=file / "data")),
    ):
        pass


def test_child_processes_never_get_the_owners_login() -> None:
    given = Installation("app url", "owner url", None).environment()

    assert given == {
        "DATABASE_URL": "app url",
        "DATABASE_OWNER_URL": "",
        "REDIS_URL": "",
        "ROOKERY_DESTINATION_KEYS": "",
        "ROOKERY_MAIL_URL": "",
    }
