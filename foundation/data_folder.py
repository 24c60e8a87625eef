"""The data folder of the embedded engines: whose it is, where its sockets lie, who uses it now; and what may be wrong.

Every failure becomes one sentence for the operator.
"""

import base64
import errno
import hashlib
import json
import os
import re
import secrets
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

# Windows has neither; there a DATABASE_URL must be set, and this module must still be importable.
if sys.platform != "win32":
    import fcntl
    import pwd

POSTGRES_MAJOR = "18"
ROLES = ("postgres", "rookery_owner", "rookery_app")
# The longest path the kernel takes for a Unix socket is 107 bytes; ours end in "/.s.PGSQL.5432.lock".
_SOCKET_FOLDER_MAX = 80
# libpq and SQLAlchemy read "," and ":" in a host as lists and ports, with no way to escape them.
_SOCKET_FOLDER_PLAIN = re.compile(r"[A-Za-z0-9/._+-]+")
# PostgreSQL says the last one when a page went to the disk in part.
_DISK_FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT), "Check free disk space")


class EnginesError(Exception):
    """The engines cannot be used; the message is one sentence for the operator."""


class Died(EnginesError):
    """The process that was waited for ended."""


class StillRecovering(EnginesError):
    """PostgreSQL lives but is busy with its recovery; stopping it would make it begin anew."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A data folder, the folder of its sockets, and the user that the engines run as."""

    path: Path
    sockets: Path
    uid: int
    gid: int

    @classmethod
    def prepare(cls, data_dir: Path) -> "Folder":
        if os.name != "posix":
            raise EnginesError("There are no embedded engines for this platform; set DATABASE_URL.")
        path = data_dir.expanduser().resolve()
        with one_sentence(path):
            if path.exists() and not path.is_dir():
                raise EnginesError(f"{path} is a file; choose a folder for the data with --data-dir.")
            # Root's engines run as somebody else, who may then pass through a folder made here (0711) by ordinary
            # means; all that lies in it is private.
            path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
            uid, gid = _engine_user(path)
            return cls(path, _sockets(path, uid), uid, gid)

    @property
    def cluster(self) -> Path:
        return self.path / f"postgresql-{POSTGRES_MAJOR}"

    @property
    def title(self) -> str:
        """How PostgreSQL's processes are called in the process list, so that orphans are known for ours."""
        return f"rookery-{hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]}"

    @property
    def redis_socket(self) -> Path:
        return self.sockets / "redis.sock"

    def log(self, engine: str) -> Path:
        return self.path / f"{engine}.log"

    def own(self, path: Path) -> None:
        """Make a folder that belongs to the engines' user and to nobody else."""
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        # The temporary folder is everybody's: somebody may have put a folder or a link of his there before us.
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), self.uid}:
            raise EnginesError(f"{path} belongs to another user; remove it or choose another --data-dir.")
        if found.st_uid != self.uid:
            os.chown(path, self.uid, self.gid)

    @contextmanager
    def lock(self, name: str, *, exclusive: bool = True) -> Iterator[int]:
        # The kernel frees the lock with its holder; the engines do not inherit it, since Python closes it on exec.
        with one_sentence(self.path):
            handle = os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            yield handle
        finally:
            os.close(handle)

    def destination_keys(self) -> str:
        """What payout destinations are encrypted with, made once; readable by this user alone."""
        path = self.path / "destination-keys"
        if not path.exists():
            made = path.with_suffix(".new")
            write_private(made, f"folder:{base64.b64encode(secrets.token_bytes(32)).decode()}")
            made.rename(path)
        return path.read_text()

    def passwords(self) -> Mapping[str, str]:
        """The three logins' passwords, made once; readable by this user alone."""
        path = self.path / "passwords.json"
        if not path.exists():
            if self.cluster.exists():
                raise EnginesError(f"{path} is missing and the database cannot be opened without it; restore it.")
            made = path.with_suffix(".new")
            write_private(made, json.dumps({role: secrets.token_urlsafe(24) for role in ROLES}))
            made.rename(path)
        try:
            kept: dict[str, str] = json.loads(path.read_text())
            return {role: kept[role] for role in ROLES}
        except (ValueError, KeyError, TypeError) as error:
            raise EnginesError(
                f"{path} is damaged and the database cannot be opened without it; restore it."
            ) from error


def _sockets(path: Path, uid: int) -> Path:
    """Where the sockets lie: in the data folder, or below /tmp if the folder's name cannot be a socket's."""
    inside = path / "run"
    if len(os.fsencode(inside)) <= _SOCKET_FOLDER_MAX and _SOCKET_FOLDER_PLAIN.fullmatch(str(inside)):
        return inside
    # Not TMPDIR and not XDG_RUNTIME_DIR: they differ from shell to shell, and all users of a folder must agree.
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Path(f"/tmp/rookery-{uid}-{name}")  # noqa: S108 - private, and checked to be ours


def _engine_user(path: Path) -> tuple[int, int]:
    """The user and group of the engines: this user, or as root somebody else, since PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    with suppress(FileNotFoundError):
        made = (path / f"postgresql-{POSTGRES_MAJOR}").stat()
        return made.st_uid, made.st_gid
    return nobody()


def nobody() -> tuple[int, int]:
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise EnginesError(
            "PostgreSQL does not run as root and there is no user called nobody; use another user or set DATABASE_URL."
        ) from error
    return nobody.pw_uid, nobody.pw_gid


def write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def one_sentence(path: Path) -> Iterator[None]:
    """Turn what the system, PostgreSQL or a refused change of user has to say into a sentence for the operator."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        name = str(error.filename or path)
        if Path(name).is_relative_to(path):
            wrong, cure = f"The data folder {path} cannot be used", "choose another with --data-dir"
        else:
            wrong, cure = f"{name} cannot be used", "put this right or set DATABASE_URL"
        raise EnginesError(explain(reason, path, wrong, cure)) from error
    except subprocess.SubprocessError as error:
        raise EnginesError(
            "This root may not start programs as another user (it lacks capabilities); use an ordinary user or set "
            "DATABASE_URL."
        ) from error
    except psycopg.Error as error:
        raise EnginesError(explain(str(error), path, "PostgreSQL could not make its database")) from error


def explain(output: str, path: Path, wrong: str, cure: str = "") -> str:
    """One sentence out of what a program said: its last line that tells of an error, or else its last line."""
    if any(sign in output for sign in _DISK_FULL):
        return f"The disk of the data folder {path} is full; make room or choose another --data-dir."
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"\b(error|FATAL|PANIC)\b|\bcan't\b|could not", line)]
    last = [*lines[-1:], *telling[-1:]][-1] if lines else "it says nothing"
    return f"{wrong}: {last.rstrip('.')}{'; ' if cure else ''}{cure}."
