"""A file that was made for somebody and is handed on once, in bounded pieces."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A finished file: its bytes, how many data rows, and the SHA-256 of the bytes."""

    file: IO[bytes]
    rows: int
    sha256: str

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
