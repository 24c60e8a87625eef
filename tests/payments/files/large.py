"""Bank files and exports of many payments, each before a judge that is not ours, as it is and with one error planted.

    python -m tests.payments.files.large --size 100000

The tests beside this one do the same with few payments and many errors (PAYMENTS, section 3). Each judge reads the file
that was written.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import achkit
import duckdb
import openpyxl
import xmlschema

from payments import formats
from payments.files import dialects, journal
from payments.files.dialects import Dialect, Unit
from payments.files.orders import Batch, Order
from tests.payments.files import judges
from tests.payments.files.samples import PAYER, many
from tests.payments.files.test_journal import _COUNT, CODES, ROOTS, _entry

_SEPA = {"iban": "DE89370400440532013000", "bic": "COBADEFF"}
_EUR = {"currency": "EUR", "destination": _SEPA, "remittance": "Rookery 2026-W05"}


@dataclass(frozen=True, slots=True)
class Trial:
    """A file and its judge. complains : of a path, what is wrong with so many payments; nothing is what must be.

    write : so many payments to a path, of which the first is for so much more.
    old, new : an error of one payment in the file's own bytes, which the judge must see; where these are packed,
    another file is written.
    """

    name: str
    write: Callable[[int, Path, int], None]
    complains: Callable[[Path, int], list[str]]
    old: bytes
    new: bytes


def _as(format_: str, **fields: object) -> Callable[[int, Path, int], None]:
    """A run's file of so many orders of the same amount, in one of the formats that a run can be had in."""

    def write(size: int, path: Path, more: int) -> None:
        batch, orders = _batch(size, more, **fields)
        with path.open("wb") as file:
            written = formats.WRITERS[format_].write(batch, orders, file, 1)
        assert written.rows == size

    return write


def _batch(size: int, more: int, **fields: object) -> tuple[Batch, Iterator[Order]]:
    batch, orders = many(size, **fields)
    first = next(orders)
    return (
        replace(batch, payer={**PAYER, **_SEPA}, total=batch.total + more),
        itertools.chain([replace(first, amount=first.amount + more)], orders),
    )


# Judges


def _iso_20022(message: str) -> Callable[[Path, int], list[str]]:
    def complains(path: Path, size: int) -> list[str]:
        content = path.read_bytes()
        said = judges.verdicts(content, message)
        assert len(said) == 4, "two copies of the schema, two engines"
        found = [judge for judge, is_valid in said.items() if not is_valid] + judges.faults(content)
        return found + _unless(content.count(b"<CdtTrfTxInf>") == size, "the number of payments")

    return complains


def _nacha(path: Path, size: int) -> list[str]:
    text = path.read_text("ascii")
    found = [error["code"] for error in achkit.validate(text)["errors"]]
    entries = [entry for batch in achkit.parse(text)["batches"] for entry in batch["entries"]]
    return (
        found
        + _unless({entry["amount_cents"] for entry in entries} == {1000}, "an amount")
        + _unless(len({entry["id_number"] for entry in entries}) == size, "the number of payments")
    )


def _duckdb(reader: str) -> Callable[[Path, int], list[str]]:
    def complains(path: Path, size: int) -> list[str]:
        sums = f"SELECT count(DISTINCT end_to_end_id), sum(CAST(amount AS DECIMAL(18, 2))) FROM {reader}"
        try:
            with duckdb.connect() as judge:
                n, total = judge.execute(sums.format(path=path)).fetchall()[0]
        except duckdb.Error as error:
            return [str(error)]
        expected = size * (1000 if reader.startswith("read_parquet") else 10)
        return _unless(n == size, "the number of payments") + _unless(total == expected, "the total")

    return complains


# Of each payment, as a dialect writes it.
_WRITTEN = {Unit.DECIMAL: b"10.00", Unit.MINOR: b"1000", Unit.WHOLE: b"10"}


def _rail(name: str, currency: str, **to: str) -> Trial:
    """A provider's file, in all its parts, read by their columns; the error is in the first part."""
    dialect = dialects.DIALECTS[name]
    between, amount = dialect.delimiter.encode(), _WRITTEN[dialect.unit]
    fields = {"currency": currency, "destination": to, "remittance": "Rookery"}

    def write(size: int, path: Path, more: int) -> None:
        batch, orders = _batch(size, more, **fields)
        parts = dialects.write(dialect, batch, orders, lambda number: _part(path, number).open("wb"))
        assert sum(part.rows for part in parts) == size

    spoilt = amount[:-1] + b"1"
    return Trial(name, write, _in_columns(dialect), between + amount + between, between + spoilt + between)


def _part(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.name}.{number}")


def _in_columns(dialect: Dialect) -> Callable[[Path, int], list[str]]:
    names = [column.header for column in dialect.columns]
    name, amount = (
        next(f'"{column.header}"' for column in dialect.columns if column.of == of)
        for of in ("end_to_end_id", "amount")
    )
    sums = f"""
        SELECT count(DISTINCT {name}), sum(CAST({amount} AS DECIMAL(18, 2))),
               (SELECT max(n) FROM (SELECT count(*) AS n FROM rows GROUP BY filename)) FROM rows
    """

    def complains(path: Path, size: int) -> list[str]:
        parts = [str(path), *map(str, path.parent.glob(f"{path.name}.*"))]
        # By their places: not every provider wants a first line with names.
        read = {"header": False, "skiprows": int(dialect.header), "names": names, "sep": dialect.delimiter}
        with duckdb.connect() as judge:
            rows = judge.read_csv(parts, all_varchar=True, filename=True, **read)  # type: ignore[arg-type]
            found = rows.query("rows", sums)
            assert found is not None, "it was asked for rows"
            n, total, most = found.fetchall()[0]
        expected = size * int(_WRITTEN[dialect.unit].partition(b".")[0])
        return (
            _unless(n == size, "the number of payments")
            + _unless(total == expected, "the total")
            + _unless(most <= (dialect.rows_max or size), "the rows of a part")
        )

    return complains


def _openpyxl(path: Path, size: int) -> list[str]:
    try:
        with path.open("rb") as file:
            rows = openpyxl.load_workbook(file, read_only=True).worksheets[0].iter_rows(min_row=2)
            amounts = [[cell.value for cell in row][6] for row in rows]
    except Exception as error:  # noqa: BLE001 - whatever it says of a broken book
        return [str(error)]
    return _unless(len(amounts) == size, "the number of payments") + _unless(set(amounts) == {10}, "an amount")


def _bean_check(path: Path, size: int) -> list[str]:
    check = Path(sys.executable).with_name("bean-check")
    done = subprocess.run([check, "--no-cache", "--json", path], capture_output=True, text=True, check=False)
    errors = json.loads(done.stdout).get("errors", []) if done.stdout.strip() else []
    counted = subprocess.run([sys.executable, "-c", _COUNT, path], capture_output=True, text=True, check=True)
    found = json.loads(counted.stdout)
    return [error["message"] for error in errors] + _unless(len(found["texts"]) == size, "the number of entries")


def _by_document(path: Path, size: int) -> list[str]:
    """Lines for accountants: each document by itself has as much on one side as on the other."""
    documents = f"""
        SELECT count(*), sum(debit), count(*) FILTER (WHERE debit <> credit)
          FROM (SELECT sum(CAST(Debit AS DECIMAL(18, 4))) AS debit, sum(CAST(Credit AS DECIMAL(18, 4))) AS credit
                  FROM read_csv('{path}', all_varchar = true) GROUP BY Number)
    """
    with duckdb.connect() as judge:
        n, total, uneven = judge.execute(documents).fetchall()[0]
    return (
        _unless(n == size, "the number of documents")
        + _unless(total * 10 == size * 12, "the total")
        + _unless(uneven == 0, "a document that does not balance")
    )


def _unless(is_so: bool, what: str) -> list[str]:  # noqa: FBT001 - a condition, like assert's
    return [] if is_so else [what]


# A journal


def _write_journal(size: int, path: Path, _more: int) -> None:
    with path.open("wb") as file:
        written = journal.write_beancount((_entry(f"J{number}") for number in range(size)), ROOTS, file)
    assert written.entries == size


def _write_lines(size: int, path: Path, _more: int) -> None:
    with path.open("wb") as file:
        written = journal.write_lines((_entry(f"J{number}") for number in range(size)), CODES, file)
    assert written.entries == size


_EMAIL = {"email": "ada@example.com"}
_INDIAN = {"account": "000123456", "ifsc": "HDFC0001234"}
TRIALS = (
    Trial("pain.001.001.09", _as("pain.001.001.09", **_EUR), _iso_20022("pain.001.001.09"), b">10.00<", b">10.01<"),
    Trial("pain.001.001.03", _as("pain.001.001.03", **_EUR), _iso_20022("pain.001.001.03"), b">10.00<", b">10.01<"),
    Trial("NACHA PPD", _as("nacha"), _nacha, b"0000001000", b"0000001001"),
    Trial("CSV", _as("csv"), _duckdb("read_csv('{path}', all_varchar = true)"), b",10.00,", b",10.01,"),
    Trial("XLSX", _as("xlsx"), _openpyxl, b"", b""),
    Trial("Parquet", _as("parquet"), _duckdb("read_parquet('{path}')"), b"", b""),
    Trial("journal", _write_journal, _bean_check, b" 12000 USD.4", b" 12001 USD.4"),
    Trial("journal CSV", _write_lines, _by_document, b",1.2000,,", b",1.2001,,"),
    _rail("wise", "USD", **_EMAIL),
    _rail("razorpayx-rupees", "INR", **_INDIAN),
    _rail("razorpayx-paise", "INR", **_INDIAN),
    _rail("swiftpay", "PHP", bank_code="BDO", account="000123456"),
    _rail("mpesa", "KES", msisdn="254712345678"),
    _rail("paypal", "USD", **_EMAIL),
    _rail("payoneer", "USD", **_EMAIL),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="large", description=__doc__)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--only", default="", help="only formats whose name has this in it")
    wanted = parser.parse_args()
    # More than a schema's second engine reads of itself.
    xmlschema.limits.MAX_XML_ELEMENTS = 10**9
    with tempfile.TemporaryDirectory(prefix="rookery-large-") as folder:
        return max(
            _judge(trial, Path(folder) / f"file{place}", wanted.size)
            for place, trial in enumerate(TRIALS)
            if wanted.only in trial.name
        )


def _judge(trial: Trial, path: Path, size: int) -> int:
    """Print what a judge says of a file and of the same one with an error; 1 if it is not what it should say."""
    trial.write(size, path, 0)
    begun = time.monotonic()
    good = trial.complains(path, size)
    seconds = time.monotonic() - begun
    if trial.old:
        _spoil(path, trial)
    else:
        trial.write(size, path, 1)
    bad = trial.complains(path, size)
    print(
        f"{trial.name:16} {size:>9,} payments: {'accepted' if not good else good[:3]} in {seconds:.1f} s; "
        f"with an error: {'missed' if not bad else 'refused'} {bad[:1]}",
        flush=True,
    )
    return int(bool(good) or not bad)


def _spoil(path: Path, trial: Trial) -> None:
    """Change one payment's amount, in the middle."""
    content = path.read_bytes()
    place = content.index(trial.old, len(content) // 2)
    path.write_bytes(content[:place] + trial.new + content[place + len(trial.old) :])


if __name__ == "__main__":
    sys.exit(main())
