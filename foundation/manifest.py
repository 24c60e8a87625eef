"""PostgreSQL's own list of a base backup's files, with a checksum of each: to verify a backup, and to copy it back.

PostgreSQL's program for this, pg_verifybackup, crashes as the wheel for Linux brings it. The list is JSON; see
"Backup Manifest Format" in its documentation.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SELF = re.compile(rb'^"Manifest-Checksum": "([0-9a-f]{64})"\}\n?', re.MULTILINE)
_CHUNK = 1 << 20


class Damaged(Exception):
    """A file is not what was backed up; the message is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a base backup consists of, and which part of the log makes it whole."""

    system: str
    timeline: int
    start: str
    end: str
    files: Mapping[str, tuple[int, str]]
    """Size and SHA-256 of each, by its path in the cluster. The log's own files are not among them."""

    @property
    def size(self) -> int:
        return sum(size for size, _ in self.files.values())


def read(cluster: Path) -> Manifest:
    path = cluster / "backup_manifest"
    content = path.read_bytes()
    own = _SELF.search(content)
    if own is None or hashlib.sha256(content[: own.start()]).hexdigest() != own[1].decode():
        raise Damaged(f"{path} is damaged; use another base backup.")
    known: dict[str, Any] = json.loads(content)
    needed = known["WAL-Ranges"][-1]
    files = {file["Path"]: (file["Size"], file["Checksum"]) for file in known["Files"]}
    return Manifest(str(known["System-Identifier"]), needed["Timeline"], needed["Start-LSN"], needed["End-LSN"], files)


def verify(cluster: Path) -> None:
    """Read every file again and compare it with the list."""
    for path, expected in read(cluster).files.items():
        _compare(cluster / path, expected, _nowhere)


def copy(cluster: Path, target: Path, own: Callable[[Path], None]) -> Iterator[int]:
    """Copy a base backup without its log, each file compared on its way; yields how many bytes are done.

    `own` gives what was made to the user it is for.
    """
    for folder, _, _ in os.walk(cluster):
        made = target / Path(folder).relative_to(cluster)
        made.mkdir(mode=0o700)
        own(made)
    done = 0
    for path, expected in read(cluster).files.items():
        with os.fdopen(os.open(target / path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copied:
            own(target / path)
            _compare(cluster / path, expected, copied.write)
        done += expected[0]
        yield done


def _nowhere(_: bytes) -> None:
    """Where bytes go that are read only to be compared."""


def _compare(source: Path, expected: tuple[int, str], write: Callable[[bytes], object]) -> None:
    digest, size = hashlib.sha256(), 0
    try:
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                write(chunk)
    except FileNotFoundError as error:
        raise Damaged(f"{source} is missing; use another base backup.") from error
    if (size, digest.hexdigest()) != expected:
        raise Damaged(f"{source} is not what was backed up; use another base backup.")
