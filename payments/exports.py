"""Files for finance: what is owed, as CSV with a control total, streamed through a bounded buffer."""

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO

from sqlalchemy import text
from sqlalchemy.orm import Session

from payments import money
from payments.files import cells

_CHUNK = 64 * 1024
_IN_MEMORY = 1024 * 1024
_COLUMNS = ["payee_id", "name", "country", "currency", "amount_due", "earnings", "oldest_due_at"]

_PAYABLES = text("""
    SELECT p.id, p.name, p.country, e.currency, c.ledger_exponent AS exponent, sum(e.amount - e.paid) AS amount,
           count(*) AS earnings, min(e.due_at) AS oldest
      FROM earnings e JOIN payees p ON p.id = e.payee_id JOIN currencies c ON c.code = e.currency
     WHERE e.status = 'due'
     GROUP BY p.id, p.name, p.country, e.currency, c.ledger_exponent ORDER BY p.id, e.currency
""")


@dataclass(frozen=True, slots=True)
class Export:
    """A finished file: its bytes, how many data rows, and the SHA-256 of the bytes."""

    file: IO[bytes]
    rows: int
    sha256: str

    def chunks(self) -> Iterator[bytes]:
        """The bytes, once, in bounded pieces; closes the file."""
        with self.file:
            while chunk := self.file.read(_CHUNK):
                yield chunk


def payables(db: Session) -> Export:
    """What is owed now: one row for each payee and currency, from one snapshot. RFC 4180, UTF-8, CRLF."""
    file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - handed to the caller, who closes it
    digest, rows = hashlib.sha256(), 0

    def write(row: list[str]) -> None:
        line = io.StringIO(newline="")
        csv.writer(line).writerow(row)
        digest.update(line.getvalue().encode())
        file.write(line.getvalue().encode())

    write(_COLUMNS)
    for row in db.execute(_PAYABLES, execution_options={"yield_per": 1000}):
        amount = money.format_amount(int(row.amount), row.exponent)
        oldest = row.oldest.isoformat()
        write([row.id, cells.quoted(row.name), row.country, row.currency, amount, str(row.earnings), oldest])
        rows += 1
    file.seek(0)
    return Export(file=file, rows=rows, sha256=digest.hexdigest())
