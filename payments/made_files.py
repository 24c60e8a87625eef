"""A file that was made for somebody and is handed on once, in bounded pieces."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO

_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A finished file: its bytes and their manifest, which is how many data rows, the SHA-256 of the bytes, control
    totals as decimal strings by currency, and the moment that all of it is of.
    """

    file: IO[bytes]
    rows: int
    sha256: str
    sums: Mapping[str, str]
    as_of: datetime

    def chunks(self) -> Iterator[bytes]:
        """The bytes, once, in bounded pieces; closes the file."""
        with self.file:
            while chunk := self.file.read(_PIECE):
                yield chunk


@dataclass(frozen=True, slots=True)
class NamedFile(MadeFile):
    """With the name and the type it is given under."""

    name: str
    content_type: str
