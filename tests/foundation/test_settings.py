"""Settings: read once, and a bad one is named."""

from pathlib import Path

import pytest

from foundation import settings
from foundation.settings import SettingsError

_NAMES = ["DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"]
_PREFIXED = ["DATA_DIR", "HOST", "PORT", "WEB_PROCESSES", "WEB_THREADS", "LOG_LEVEL", "TRUSTED_PROXIES", "LIMITS"]
_PREFIXED += ["MAIL_URL", "MAIL_FROM"]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*_NAMES, *(f"ROOKERY_{name}" for name in _PREFIXED)]:
        monkeypatch.delenv(name, raising=False)


def test_nothing_needs_to_be_set() -> None:
    read = settings.read()

    assert (read.database_url, read.redis_url, read.data_dir) == (None, None, None)
    assert (read.host, read.port, read.log_level) == ("127.0.0.1", 8080, "info")


def test_a_child_process_reads_the_settings_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_LIMITS", "worker=60,applications=5")
    monkeypatch.setenv("ROOKERY_TRUSTED_PROXIES", "2")
    monkeypatch.setenv("ROOKERY_PORT", "8090")
    monkeypatch.setenv("ROOKERY_MAIL_FROM", "rookery@example.org")
    parent = settings.read()

    for name, value in parent.environment().items():
        monkeypatch.setenv(name, value)

    assert parent.limits == {"worker": 60, "applications": 5}
    assert settings.read() == parent


BAD = {
    "ROOKERY_PORT": ["eighty", "", "8080.5", "-1", "65536", "0x50"],
    "ROOKERY_WEB_PROCESSES": ["0", "-1", "many", ""],
    "ROOKERY_WEB_THREADS": ["0", "-1", "1.5"],
    "ROOKERY_LOG_LEVEL": ["loud", "5"],
    "ROOKERY_TRUSTED_PROXIES": ["-1", "all"],
    "ROOKERY_LIMITS": ["worker", "worker=many", "worker=0", "worker=-5"],
    "DATABASE_URL": ["mysql://localhost/x", "sqlite:///x.db", "localhost", "postgres", "postgresql+psycopg2://x/y"],
    "DATABASE_OWNER_URL": ["mysql://localhost/x", "localhost"],
    "REDIS_URL": ["http://localhost", "localhost:6379", "redis", "redis:localhost"],
    "ROOKERY_MAIL_URL": [
        "smtp://",
        "smtp://post:none",
        "mail.example.org",
        "http://mail.example.org",
        "file:",
        "smtp://h/path",
        "smtp://mail.example.org",
    ],
    "ROOKERY_MAIL_FROM": ["Rookery <rookery@example.org>", "rookery", "rookery@example.org\nBcc: eve@example.org"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_value_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=rf"\b{name}\b"):
        settings.read()


def test_no_complaint_repeats_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {"DATABASE_URL": "mysql://u:hunter2@h/d", "REDIS_URL": "http://u:hunter2@h"}
    for name, url in {**bad, "ROOKERY_MAIL_URL": "smtp://u:hunter2@h:port"}.items():
        monkeypatch.setenv(name, url)

        with pytest.raises(SettingsError) as refused:
            settings.read()

        assert "hunter2" not in str(refused.value)
        monkeypatch.delenv(name)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_any_spelling_of_a_postgresql_url_gets_our_driver(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://u:p%40ss@h:5433/d?sslmode=require")

    assert settings.read().database_url == "postgresql+psycopg://u:p%40ss@h:5433/d?sslmode=require"


@pytest.mark.parametrize("url", ["redis://h:6379/0", "rediss://h:6379/0", "unix:///run/redis.sock"])
def test_a_redis_url_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("REDIS_URL", url)

    assert settings.read().redis_url == url


@pytest.mark.parametrize("name", _NAMES)
def test_an_empty_url_is_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "")

    assert getattr(settings.read(), name.lower()) is None


def test_our_own_settings_carry_our_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_PORT", "9000")
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("ROOKERY_DATA_DIR", "/somewhere")
    monkeypatch.setenv("ROOKERY_LOG_LEVEL", "WARNING")

    read = settings.read()

    assert (read.port, read.data_dir, read.log_level) == (9000, Path("/somewhere"), "warning")


def test_nothing_else_in_the_house_reads_the_environment(root: Path) -> None:
    # metrics.py asks whether the library was given a folder, as the library itself does.
    allowed = {"settings.py", "engine_process.py", "processes.py", "metrics.py"}

    readers = {
        path.name
        for package in ("foundation", "workforce", "quality", "payments")
        for path in (root / package).rglob("*.py")
        if "os.environ" in path.read_text().replace("`os.environ`", "") or "getenv" in path.read_text()
    }

    assert readers <= allowed


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:abc/x"),
        ("REDIS_URL", "redis://127.0.0.1:abc/0"),
    ],
)
def test_a_damaged_url_is_one_sentence_without_the_password(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    monkeypatch.setenv(name, url)

    with pytest.raises(SettingsError, match="%40") as refused:
        settings.read()

    assert name in str(refused.value)
    assert "hunt" not in str(refused.value)


def test_an_owners_url_alone_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_OWNER_URL", "postgresql://owner@host/x")

    with pytest.raises(SettingsError, match="DATABASE_URL is not"):
        settings.read()


def test_an_empty_data_folder_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_DATA_DIR", "")

    assert settings.read().data_dir is None
