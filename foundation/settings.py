"""Every setting, read once from the environment. Nothing else in the house reads `os.environ`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from environs import Env, EnvError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from foundation import addresses, mail_transports

_ESCAPE = "in a password write @ as %40, : as %3A and / as %2F, and the port as a number"
# For whoever sends nothing anywhere: no such domain can be (RFC 2606).
MAIL_FROM = "rookery@rookery.invalid"
_LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


class SettingsError(Exception):
    """A setting that cannot be used; the message is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Settings:
    database_url: str | None
    database_owner_url: str | None
    redis_url: str | None
    data_dir: Path | None
    host: str
    port: int
    web_processes: int
    web_threads: int
    log_level: str
    trusted_proxies: int
    limits: Mapping[str, int]
    backup_dir: Path | None = None
    # What payout destinations are encrypted with; `payments/sealing.py` reads it.
    destination_keys: str = ""
    # An operator's matcher of names against sanctions lists, for how many days a screening is good, and how many payees
    # may share an account; `payments/screening.py` reads them.
    screening_url: str = ""
    screening_days: int = 30
    shared_destination_max: int = 5
    # How mail leaves and whom it is from; `foundation/mail_transports.py` reads them.
    mail_url: str = ""
    mail_from: str = MAIL_FROM
    # Where a child process tells its supervisor that it works; set by that supervisor alone.
    pulse_fd: int | None = None

    def environment(self) -> dict[str, str]:
        """What child processes have to know of these settings, as they would read it; not where the engines are."""
        return {
            "ROOKERY_HOST": self.host,
            "ROOKERY_PORT": str(self.port),
            "ROOKERY_WEB_PROCESSES": str(self.web_processes),
            "ROOKERY_WEB_THREADS": str(self.web_threads),
            "ROOKERY_LOG_LEVEL": self.log_level,
            "ROOKERY_TRUSTED_PROXIES": str(self.trusted_proxies),
            "ROOKERY_LIMITS": ",".join(f"{name}={amount}" for name, amount in self.limits.items()),
            "ROOKERY_SCREENING_URL": self.screening_url,
            "ROOKERY_SCREENING_DAYS": str(self.screening_days),
            "ROOKERY_SHARED_DESTINATION_MAX": str(self.shared_destination_max),
            "ROOKERY_MAIL_FROM": self.mail_from,
        }

    def carried(self) -> dict[str, Any]:
        """What sessions carry along of these settings."""
        return {
            "destination_keys": self.destination_keys,
            "screening_url": self.screening_url,
            "screening_days": self.screening_days,
            "shared_destination_max": self.shared_destination_max,
            "mail_url": self.mail_url,
            "mail_from": self.mail_from,
        }


def read() -> Settings:
    """Read the settings; every bad value raises `SettingsError` with the name of the variable."""
    # The two URLs have the names that every hosting platform uses; the rest carry our prefix.
    shared, env = Env(), Env(prefix="ROOKERY_")
    try:
        settings = Settings(
            database_url=_postgres_url("DATABASE_URL", shared.str("DATABASE_URL", None)),
            database_owner_url=_postgres_url("DATABASE_OWNER_URL", shared.str("DATABASE_OWNER_URL", None)),
            redis_url=_redis_url(shared.str("REDIS_URL", None)),
            data_dir=Path(folder) if (folder := env.str("DATA_DIR", "")) else None,
            host=env.str("HOST", "127.0.0.1"),
            port=env.int("PORT", 8080),
            web_processes=env.int("WEB_PROCESSES", 2),
            web_threads=env.int("WEB_THREADS", 4),
            log_level=env.str("LOG_LEVEL", "info").lower(),
            trusted_proxies=env.int("TRUSTED_PROXIES", 0),
            limits=_limits(env.str("LIMITS", "")),
            backup_dir=Path(folder) if (folder := env.str("BACKUP_DIR", "")) else None,
            destination_keys=env.str("DESTINATION_KEYS", ""),
            screening_url=_http_url("ROOKERY_SCREENING_URL", env.str("SCREENING_URL", "")),
            screening_days=env.int("SCREENING_DAYS", 30),
            shared_destination_max=env.int("SHARED_DESTINATION_MAX", 5),
            mail_url=env.str("MAIL_URL", ""),
            mail_from=env.str("MAIL_FROM", "") or MAIL_FROM,
            pulse_fd=env.int("PULSE_FD", None),
        )
    except EnvError as error:
        raise SettingsError(f"A setting cannot be read: {str(error).rstrip('.')}.") from error
    if settings.database_owner_url and not settings.database_url:
        raise SettingsError("DATABASE_OWNER_URL is set and DATABASE_URL is not; set both, or neither.")
    if not settings.host:
        raise SettingsError("ROOKERY_HOST must be an address such as 127.0.0.1.")
    if not 1 <= settings.port <= 65535:
        raise SettingsError(f"ROOKERY_PORT must be a port number, not {settings.port}.")
    if settings.web_processes < 1 or settings.web_threads < 1:
        raise SettingsError("ROOKERY_WEB_PROCESSES and ROOKERY_WEB_THREADS must be at least 1.")
    if settings.trusted_proxies < 0 or any(amount < 1 for amount in settings.limits.values()):
        raise SettingsError(
            "ROOKERY_TRUSTED_PROXIES must not be negative, and every amount in ROOKERY_LIMITS at least 1."
        )
    if settings.screening_days < 1 or settings.shared_destination_max < 1:
        raise SettingsError("ROOKERY_SCREENING_DAYS and ROOKERY_SHARED_DESTINATION_MAX must be at least 1.")
    _check_mail(settings)
    if settings.log_level not in _LOG_LEVELS:
        raise SettingsError(f"ROOKERY_LOG_LEVEL must be one of {', '.join(_LOG_LEVELS)}.")
    return settings


def _limits(written: str) -> dict[str, int]:
    try:
        pairs = [pair.split("=") for pair in written.split(",") if pair]
        return {name.strip(): int(amount) for name, amount in pairs}
    except ValueError:
        raise SettingsError("ROOKERY_LIMITS must look like worker=600,applications=200.") from None


def _postgres_url(name: str, url: str | None) -> str | None:
    """Any common spelling of a PostgreSQL URL, with the driver this house uses."""
    if not url:
        return None
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise SettingsError(f"{name} must look like postgresql://user:password@host/database.")
    try:
        return make_url(f"postgresql+psycopg://{rest}").render_as_string(hide_password=False)
    except (ValueError, ArgumentError):
        # Without its cause, which would show the password.
        raise SettingsError(f"{name} cannot be read; {_ESCAPE}.") from None


def _http_url(name: str, url: str) -> str:
    if url and not (urlsplit(url).scheme in {"http", "https"} and urlsplit(url).hostname):
        raise SettingsError(f"{name} must look like http://127.0.0.1:8000/match/default.")
    return url


def _check_mail(settings: Settings) -> None:
    try:
        addresses.parse(settings.mail_from)
    except addresses.AddressMalformed:
        raise SettingsError("ROOKERY_MAIL_FROM must be a plain address such as rookery@example.org.") from None
    try:
        transport = mail_transports.read_url(settings.mail_url, settings.mail_from)
    except ValueError:
        # Without its cause, which may show the password.
        raise SettingsError(
            f"ROOKERY_MAIL_URL must look like smtp://user:password@host:587, smtps://… or file:folder; {_ESCAPE}."
        ) from None
    if isinstance(transport, mail_transports.Server) and settings.mail_from == MAIL_FROM:
        raise SettingsError("ROOKERY_MAIL_URL names a server; say in ROOKERY_MAIL_FROM whom its mails are from.")


def _redis_url(url: str | None) -> str | None:
    if not url:
        return None
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in {"redis", "rediss", "unix"}:
        raise SettingsError("REDIS_URL must look like redis://host:6379/0, rediss://... or unix:///path.")
    try:
        urlsplit(url).port  # noqa: B018 - it raises where there is none
    except ValueError:
        raise SettingsError(f"REDIS_URL cannot be read; {_ESCAPE}.") from None
    return url
