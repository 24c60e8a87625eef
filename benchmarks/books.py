"""The books: money events a second beside PostgreSQL's own TPC-B, the full check, a payout run, a bank's statement.

Bars (PAYMENTS, section 16, B1 to B8, B10, B12, B13). One money event is one entry with its key and two sides; an
accepted answer is one with a second line, for the fee. Each figure is a slice of three seconds between two slices of
pgbench's TPC-B (8 clients, prepared) on the same server, as the ratio to their geometric mean; the median of the
rounds, and the least and the greatest.
"""

import argparse
import base64
import math
import multiprocessing
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import checks, embedded, embedded_postgres, ids, logs
from foundation import db as database
from foundation.migrating import migrate
from payments import checks as rules_of_books
from payments import destinations, export_making, exports, ledger, paying_accounts, reconciliation, runs, sealing
from payments.ledger import BANK, HOUSE, PAYABLE, PLATFORM_FEE, AccountName, Entry, Line

ROUNDS = 5
SECONDS = 3.0
SCALE = 20
# (payees, earnings of each): each is ten times the one before, for memory must not grow with it.
RUNS = ((1_000, 20), (10_000, 20), (100_000, 20))
# What a spreadsheet holds, or nearly.
_ROWS_OF_A_SHEET = 1_000_000
# What the prototype had too: payees and reserves that events are spread over.
_PAYEES, _CAUSES = 5_000, 50
_POOL = 10**15
# Of the unit tests' account, and nobody's.
_IBAN, _BIC = "FR1420041010050500013M02606", "BNPAFRPP"
_KEYS = "bench:" + base64.b64encode(b"k" * 32).decode()
_SEALED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Load:
    """What so many processes post: events a commit, of how many reserves, and of how many lines each."""

    name: str
    processes: int
    at_once: int
    n_causes: int = _CAUSES
    n_lines: int = 1
    bar: str = ""


LOADS = (
    Load("B1 100 a commit, 2 processes", 2, 100, bar="2.5, aim 3.6; B5 40 us"),
    Load("B2 100 a commit, 4 processes", 4, 100, bar="3.0"),
    Load("B3 1 a commit, 8 processes", 8, 1, bar="0.25"),
    Load("B4 all on one reserve, 2 processes", 2, 100, n_causes=1, bar="half of B1"),
    Load("B1 as accepted answers, with a fee", 2, 100, n_lines=2),
)


def run(rounds: int = ROUNDS) -> None:
    """Print what can be posted, checked, prepared and reconciled."""
    with _house() as engines:
        _measure_posting(engines, rounds)
        _measure_check(engines)
    for n_payees, n_each in RUNS:
        _in_own_process("prepare", n_payees, n_each)
    for n_payees, n_each in RUNS[1:]:
        _in_own_process("prepare_two", n_payees, n_each)


@contextmanager
def _house() -> Iterator[embedded.Engines]:
    """A database of its own with the settings of production."""
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder, embedded.engines(Path(folder)) as engines:
        migrate(engines.database_owner_url, engines.database_url)
        yield engines


# Posting


def _measure_posting(engines: embedded.Engines, rounds: int) -> None:
    _fill_pgbench(engines)
    engine = database.make_engine(engines.database_url)
    with database.sessions(engine)() as db:
        reserves = [Line(AccountName(BANK, HOUSE, "USD"), _reserve(cause), _POOL) for cause in range(_CAUSES)]
        ledger.post(db, [Entry(f"pool:{n}", "top_up", "c", "bench", (line,)) for n, line in enumerate(reserves)])
        db.commit()
    print(f"Posting, {rounds} rounds of {SECONDS:.0f} s between slices of TPC-B, scale {SCALE}")
    print(f"{'':38} {'ratio':>6} {'from..to':>13} {'events/s':>9} {'TPC-B/s':>8} {'CPU us/event':>13}  bar")
    empty = _sizes(engine)
    for load in LOADS:
        with _posters(engines.database_url, load) as post:
            post()
            _print_figures(load, [_slice(engines, post) for _ in range(rounds)])
        if load is LOADS[0]:
            sizes = _sizes(engine)
    with engine.connect() as connection:
        events = connection.scalar(text("SELECT count(*) FROM journal_entries WHERE idempotency_key LIKE 'earn:0%'"))
    each = {name: (size - empty[name]) / (events or 1) for name, size in sizes.items()}
    told = ", ".join(f"{name} {size:.0f}" for name, size in each.items())
    print(f"B6 bytes an event of B1, indexes included: {sum(each.values()):.0f} ({told}); bar 500")
    engine.dispose()


@dataclass(frozen=True, slots=True)
class _Figure:
    """One slice. cpu : of all posting processes, in seconds. tpc_b : transactions a second, before and after it."""

    events: int
    seconds: float
    cpu: float
    tpc_b: float

    @property
    def ratio(self) -> float:
        return self.events / self.seconds / self.tpc_b


def _slice(engines: embedded.Engines, post: Callable[[], tuple[int, float, float]]) -> _Figure:
    before = _tpc_b(engines)
    events, seconds, cpu = post()
    return _Figure(events, seconds, cpu, math.sqrt(before * _tpc_b(engines)))


def _print_figures(load: Load, figures: list[_Figure]) -> None:
    ratios = sorted(figure.ratio for figure in figures)
    rate = statistics.median(figure.events / figure.seconds for figure in figures)
    tpc_b = statistics.median(figure.tpc_b for figure in figures)
    cpu = sum(figure.cpu for figure in figures) / sum(figure.events for figure in figures) * 10**6
    spread = f"{ratios[0]:.2f}..{ratios[-1]:.2f}"
    print(
        f"{load.name:38} {statistics.median(ratios):6.2f} {spread:>13} {rate:9,.0f} {tpc_b:8,.0f} {cpu:13.0f}  "
        f"{load.bar}",
        flush=True,
    )


def _reserve(cause: int) -> AccountName:
    return AccountName(ledger.RESERVE, f"bat_{cause:04}", "USD")


@contextmanager
def _posters(url: str, load: Load) -> Iterator[Callable[[], tuple[int, float, float]]]:
    """Processes that post; called, they post for one slice and say how many events, in which time and CPU time."""
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    processes = []
    for number in range(load.processes):
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=_post, args=(url, load, number, theirs), daemon=True))
        pipes.append(ours)
    for process in processes:
        process.start()
    for pipe in pipes:
        pipe.recv()

    def one_slice() -> tuple[int, float, float]:
        for pipe in pipes:
            pipe.send(SECONDS)
        told = [pipe.recv() for pipe in pipes]
        return sum(one[0] for one in told), max(one[1] for one in told), sum(one[2] for one in told)

    try:
        yield one_slice
    finally:
        for pipe in pipes:
            pipe.send(None)
        for process in processes:
            process.join()


def _post(url: str, load: Load, number: int, pipe: Connection) -> None:
    """Post batch after batch for as long as is asked for."""
    engine = database.make_engine(url, pool_size=1)
    sessions, made = database.sessions(engine), 0
    with sessions() as db:
        db.execute(text("SELECT 1"))
    pipe.send("ready")
    while (seconds := pipe.recv()) is not None:
        begun, busy, first = time.perf_counter(), time.process_time(), made
        while time.perf_counter() < begun + seconds:
            with sessions() as db:
                ledger.post(db, [_event(load, number, made + place) for place in range(load.at_once)])
                db.commit()
            made += load.at_once
        pipe.send((made - first, time.perf_counter() - begun, time.process_time() - busy))
    engine.dispose()


def _event(load: Load, number: int, place: int) -> Entry:
    """An accepted answer: its payee, and its fee, out of its reserve."""
    reserve = _reserve((place * 7 + number * 13) % load.n_causes)
    payee = AccountName(PAYABLE, f"pye_{(place * 31 + number * 1009) % _PAYEES:06}", "USD")
    lines = (Line(reserve, payee, 200), Line(reserve, AccountName(PLATFORM_FEE, HOUSE, "USD"), 40))
    # As long as an answer's id, and like those in the order of time.
    answer = f"{LOADS.index(load)}_{place:026}{number:02}"
    return Entry(f"earn:{answer}", "earning", answer, HOUSE, lines[: load.n_lines])


_SIZES = text("""
    SELECT name, pg_total_relation_size(name::regclass) AS size
      FROM unnest(ARRAY['journal_entries', 'journal_lines', 'accounts', 'balances']) AS name
""")


def _sizes(engine: Any) -> dict[str, int]:
    with engine.connect() as connection:
        return {row.name: row.size for row in connection.execute(_SIZES)}


# pgbench


def _pgbench(engines: embedded.Engines, *options: str) -> str:
    """What pgbench prints, on a database of its own beside the books'."""
    parts: dict[str, Any] = conninfo.conninfo_to_dict(engines.superuser)
    where = {f"PG{name.upper()}": str(parts[name]) for name in ("host", "port", "user", "password") if name in parts}
    command = [str(embedded_postgres.binaries_folder() / "pgbench"), *options, "tpcb"]
    done = subprocess.run(command, env={**os.environ, **where}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _fill_pgbench(engines: embedded.Engines) -> None:
    embedded.create_database(engines.superuser, "tpcb")
    _pgbench(engines, "-i", "-q", "-s", str(SCALE))


def _tpc_b(engines: embedded.Engines) -> float:
    """Transactions a second of TPC-B, with eight clients and prepared statements."""
    said = _pgbench(engines, "-n", "-M", "prepared", "-c", "8", "-j", "2", "-T", f"{SECONDS:.0f}")
    found = re.search(r"tps = ([0-9.]+)", said)
    assert found, said
    return float(found[1])


# The check


def _measure_check(engines: embedded.Engines) -> None:
    engine = database.make_engine(engines.database_url, patient=True)
    with database.sessions(engine)() as db:
        entries = db.scalar(text("SELECT count(*) FROM journal_entries")) or 0
        names = [name for name in rules_of_books.CHECKS if name.split()[0] in {"I1", "I2", "I3", "I4", "I5"}]
        audit = {name: rules_of_books.CHECKS[name] for name in names}
        for told, rules in (("I1 to I5", audit), ("every check", rules_of_books.CHECKS)):
            begun = time.perf_counter()
            found = checks.broken(db, rules)
            seconds = time.perf_counter() - begun
            # Events were posted without earnings, so I6 has to find that.
            assert not any(found[name] for name in audit)
            print(
                f"B7 {told}: {entries:,} entries in {seconds:.2f} s, {entries / seconds:,.0f} a second; bar 1,000,000",
                flush=True,
            )
    engine.dispose()


# A run and its statement


def _in_own_process(what: str, *given: int | str) -> None:
    """Peaks of memory stay, so each size has a process of its own."""
    line = f"from benchmarks import books; books.{what}{given}"
    subprocess.run([sys.executable, "-c", line], check=True)


_FILL = """
    INSERT INTO payees (id, owner_ref, name, country)
    SELECT 'pye_' || lpad(n::text, 26, '0'), 'wrk_' || n, 'Person ' || n, 'FR' FROM generate_series(1, {payees}) n;
    INSERT INTO payout_methods (id, payee_id, rail, kind, sealed, fingerprint, account_fingerprint, masked, set_by,
                                cooling_until)
    SELECT 'pym_' || lpad(n::text, 26, '0'), 'pye_' || lpad(n::text, 26, '0'), 'sepa', 'iban', '', n::text::bytea,
           n::text::bytea, '*', 'wrk_' || n, now() FROM generate_series(1, {payees}) n;
    INSERT INTO tax_rules (id, country, kind, basis, basis_points, threshold, period, currency, catch_up, rounding,
                           unit_exponent, valid_from, authority, citation, entered_by, confirmed_by, confirmed_at)
    SELECT 'txr_1', 'FR', 'withholding', 'payment', 500, 200000, 'year', 'EUR', true, 'down', 2, '2020-01-01', 'DGFIP',
           'bench', 'a', 'b', now();
    CREATE TEMPORARY TABLE made AS
    SELECT p, lpad((p * 100::bigint + e)::text, 26, '0') AS number, 10000 + (p * 31 + e * 7) % 9973 AS amount
      FROM generate_series(1, {payees}) p, generate_series(1, {each}) e;
    INSERT INTO accounts (id, role, owner_ref, currency, kind, bounded)
    SELECT 'acc_' || lpad(n::text, 26, '0'), 'payable', 'pye_' || lpad(n::text, 26, '0'), 'EUR', 'liability', true
      FROM generate_series(1, {payees}) n
     UNION ALL SELECT 'acc_goodwill', 'goodwill', 'house', 'EUR', 'expense', false;
    INSERT INTO journal_entries (id, idempotency_key, request_hash, kind, lines, cause_ref, actor_ref)
    SELECT 'jnl_' || number, 'goodwill:' || number, '', 'goodwill', 1, number, 'bench' FROM made;
    INSERT INTO journal_lines (entry_id, line, debit_id, credit_id, currency, amount)
    SELECT 'jnl_' || number, 1, 'acc_goodwill', 'acc_' || lpad(p::text, 26, '0'), 'EUR', amount FROM made;
    INSERT INTO balances (account_id, debits, credits)
    SELECT 'acc_' || lpad(p::text, 26, '0'), 0, sum(amount) FROM made GROUP BY p;
    INSERT INTO earnings (id, payee_id, answer_ref, kind, currency, amount, status, entry_id, due_at)
    SELECT 'ern_' || number, 'pye_' || lpad(p::text, 26, '0'), 'gdw_' || number, 'goodwill', 'EUR', amount, 'due',
           'jnl_' || number, now() FROM made;
    ANALYZE
"""


def _seal(connection: psycopg.Connection, n_payees: int) -> None:
    """Where everybody is paid to, sealed as a payee's own word would be."""
    keys, to = sealing.read_keys(_KEYS), destinations.parse("iban", {"iban": _IBAN, "bic": _BIC})
    for first in range(1, n_payees + 1, _SEALED_AT_ONCE):
        numbers = [f"{number:026}" for number in range(first, min(first + _SEALED_AT_ONCE, n_payees + 1))]
        sealed = [sealing.seal(to, keys, owner=f"pye_{number}") for number in numbers]
        connection.execute(
            "UPDATE payout_methods m SET sealed = g.sealed FROM unnest(%s::text[], %s::bytea[]) AS g(number, sealed)"
            " WHERE m.id = 'pym_' || g.number",
            [numbers, sealed],
        )


@contextmanager
def _owing(n_payees: int, n_each: int) -> Iterator[tuple[embedded.Engines, Session]]:
    """A house that owes so many so much, and an account to pay it from."""
    logs.configure("error")
    with _house() as engines:
        with psycopg.connect(engines.database_owner_url.replace("+psycopg", ""), autocommit=True) as connection:
            with connection.transaction():
                for statement in _FILL.format(payees=n_payees, each=n_each).split(";"):
                    connection.execute(statement.encode())
            _seal(connection, n_payees)
        engine = database.make_engine(engines.database_url, patient=True)
        with database.sessions(engine, destination_keys=_KEYS)() as db:
            details = {"name": "Bench", "iban": _IBAN, "bic": _BIC}
            account = paying_accounts.enter(db, rail="sepa", details=details, entered_by="a")
            paying_accounts.confirm(db, account.id, confirmed_by="b")
            yield engines, db
        engine.dispose()


def prepare(n_payees: int, n_each: int) -> None:
    """B12: a run over so many payees with so many earnings each; then B13, its bank's statement; and exports."""
    with _owing(n_payees, n_each) as (engines, db):
        run_id = runs.begin(db, rail="sepa", prepared_by="a").id
        seconds = _go_through(db, run_id)
        told = f"{n_payees:,} payees with {n_payees * n_each:,} earnings: {seconds:.1f} s, {_peak()}"
        print(f"B12 prepare {told}; bar 60 s at 100,000")
        _send(db, run_id)
        _reconcile(db, run_id)
        _check(db)
        for format_ in ("csv", "parquet", "xlsx") if n_payees * n_each < _ROWS_OF_A_SHEET else ("csv", "parquet"):
            _in_own_process("export", engines.database_url, format_)


def prepare_two(n_payees: int, n_each: int) -> None:
    """Two runs over the same payees, prepared at once: everybody is in one of them, with all that they are owed."""
    with _owing(n_payees, n_each) as (engines, db):
        ids_of_runs = [runs.begin(db, rail="sepa", prepared_by="a").id for _ in range(2)]
        db.commit()
        begun = time.perf_counter()
        line = f"from benchmarks import books; books.go_through{(engines.database_url, ids_of_runs[1])}"
        other = subprocess.Popen([sys.executable, "-c", line])
        _go_through(db, ids_of_runs[0])
        assert other.wait() == 0
        seconds = time.perf_counter() - begun
        db.expire_all()
        both = [runs.find(db, run_id) for run_id in ids_of_runs]
        assert sum(one.n_payouts for one in both) == n_payees
        for run_id in ids_of_runs:
            _send(db, run_id)
        paid = db.scalar(text("SELECT sum(paid) FROM earnings")) or 0
        assert paid == db.scalar(text("SELECT sum(gross) FROM payouts WHERE state = 'exported'"))
        told = " and ".join(f"{one.n_payouts:,}" for one in both)
        print(
            f"    two runs at once over {n_payees:,} payees: {seconds:.1f} s, {told} payouts, nobody in both",
            flush=True,
        )
        _check(db)


def go_through(url: str, run_id: str) -> None:
    """All steps of a run, in a process of its own."""
    engine = database.make_engine(url, patient=True)
    with database.sessions(engine, destination_keys=_KEYS)() as db:
        _go_through(db, run_id)
    engine.dispose()


def _send(db: Session, run_id: str) -> None:
    draft = runs.find(db, run_id)
    if not draft.n_payouts:
        return
    runs.approve(db, run_id, content_hash=draft.hash_text or "", approved_by="b")
    runs.release(db, run_id, released_by="a")
    seconds = _go_through(db, run_id)
    print(f"    release {draft.n_payouts:,} payouts: {seconds:.1f} s, {_peak()}")


def _check(db: Session) -> None:
    begun = time.perf_counter()
    broken = {name: rows for name, rows in rules_of_books.check(db).items() if rows}
    assert not broken, broken
    # Whoever is idle in a transaction is not so for long.
    db.commit()
    print(f"    every check: {time.perf_counter() - begun:.1f} s", flush=True)


def _go_through(db: Session, run_id: str) -> float:
    """All steps of a run, each committed; in seconds."""
    begun = time.perf_counter()
    for _ in runs.steps(db, run_id):
        db.commit()
    return time.perf_counter() - begun


def _peak() -> str:
    return f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"


_COPY = """
    COPY (SELECT e.id, e.due_at, p.id, p.name, e.kind, e.answer_ref, e.cause_ref, e.status, e.currency, e.amount,
                 e.paid, e.entry_id FROM earnings e JOIN payees p ON p.id = e.payee_id ORDER BY e.id)
      TO STDOUT (FORMAT csv)
"""


def export(url: str, format_: str) -> None:
    """B8: all earnings as a file, drawn, written and kept, beside PostgreSQL's own COPY of the same rows to a file."""
    begun = time.perf_counter()
    with (
        psycopg.connect(url.replace("+psycopg", "")) as connection,
        tempfile.TemporaryFile() as file,
        connection.cursor().copy(_COPY) as copy,
    ):
        for block in copy:
            file.write(block)
    floor, idle = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    engine = database.make_engine(url, patient=True)
    with database.sessions(engine)() as db:
        made = exports.ask(db, kind="earnings", format_=format_, parameters=_this_month(), made_by="bench")
        db.commit()
        begun = time.perf_counter()
        for _ in export_making.steps(db, made.id):
            db.commit()
        seconds = time.perf_counter() - begun
        n_rows = exports.find(db, made.id).n_rows or 0
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) / 1024
    told = f"{n_rows / seconds:,.0f} a second, {floor / seconds:.2f} x COPY, {_peak()}, {grown:.0f} MiB over COPY's"
    told += "; bars of CSV 60,000 and 0.10" if format_ == "csv" else ""
    print(f"B8 export {n_rows:,} earnings as {format_}: {told}", flush=True)
    engine.dispose()


def _this_month() -> dict[str, str]:
    return {"month": f"{datetime.now(UTC):%Y-%m}"}


_HEAD = """<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>
<GrpHdr><MsgId>m</MsgId><CreDtTm>2026-02-03T01:00:00</CreDtTm></GrpHdr>
<Stmt><Id>s</Id><CreDtTm>2026-02-03T01:00:00</CreDtTm><Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>
"""
_ENTRY = """<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>
<BookgDt><Dt>2026-02-02</Dt></BookgDt><AcctSvcrRef>{name}</AcctSvcrRef><NtryDtls><TxDtls>
<Refs><EndToEndId>{name}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>
"""
_SENT = text("SELECT end_to_end_id, net FROM payouts WHERE run_id = :run_id ORDER BY id")


def _reconcile(db: Session, run_id: str) -> None:
    """B13: every payout of the run booked, beside as many that are somebody else's in the hundred."""
    with tempfile.TemporaryFile() as file:
        file.write(_HEAD.format(iban=_IBAN).encode())
        sent = db.execute(_SENT, {"run_id": run_id}).all()
        for place, row in enumerate(sent):
            file.write(
                _ENTRY.format(name=row.end_to_end_id, amount=f"{row.net // 10**4}.{row.net % 10**4:04}"[:-2]).encode()
            )
            if place % 100 == 0:
                file.write(_ENTRY.format(name=ids.new("oth").replace("_", ""), amount="7.00").encode())
        file.write(b"</Stmt></BkToCstmrStmt></Document>")
        file.seek(0)
        begun = time.perf_counter()
        outcome = reconciliation.read(db, file, format_="camt", read_by="a").outcome
        db.commit()
        seconds = time.perf_counter() - begun
    assert outcome == {"matched": len(sent), "suspense": (len(sent) + 99) // 100}, outcome
    print(
        f"B13 reconcile {len(sent):,} payouts: {seconds:.1f} s, all matched and no other, {_peak()}; bar 60 s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.books", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    wanted = parser.parse_args()
    logs.configure("error")
    run(wanted.rounds)


if __name__ == "__main__":
    main()
