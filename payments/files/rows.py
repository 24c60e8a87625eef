"""CSV that others wrote, row by row."""

import csv
from collections.abc import Iterator
from typing import IO

from payments.files.reading import Unreadable

_LINE_BYTES = 64 * 1024
_LINES_OF_A_ROW = 100


def read_rows(file: IO[bytes], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file in UTF-8, with the number of the line where each ends; empty ones are left out.

    Raises `Unreadable`. Rows are bounded: a file of quotes alone would be one that never ends.
    """
    lines = _Lines(file)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.taken = 0
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise Unreadable(f"this is no CSV: {error}", lines.number) from None
        if row is None:
            return
        if row:
            yield lines.number, row


class _Lines:
    """Lines of bounded length, as text, and how many of them the row at hand has taken."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.number, self.taken = file, 0, 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        raw = self._file.readline(_LINE_BYTES)
        if not raw:
            raise StopIteration
        self.number, self.taken = self.number + 1, self.taken + 1
        if len(raw) == _LINE_BYTES or self.taken > _LINES_OF_A_ROW:
            raise Unreadable("a row is longer than any provider's", self.number)
        try:
            return raw.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise Unreadable("the text is not in UTF-8", self.number) from None
