"""What finance reads while it waits, on books of two sizes: how long each takes, and how that grows with the books.

A book is a year of accepted answers with their fees, top-ups, payouts with tax, and what banks booked of them, spread
over its days as it would have come; with the snapshots that its house would have taken. Each figure is the median of
some tries on a warm database, beside a floor of the same run: adding up all lines of the journal, which nothing that
waits for an answer may do. HTTP ends a statement after five seconds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import psycopg.conninfo
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import db as database
from foundation import embedded, ids, logs, pagination
from foundation.migrating import migrate
from payments import (
    bank_balances,
    export_making,
    horizon,
    invoices,
    ledger,
    money,
    remittances,
    statements,
    wages,
)
from payments.ledger import RECEIVABLE_REQUESTER, WITHHELD

# Lines of the journal.
SIZES = (200_000, 2_000_000)
DAYS = 365
_TRIES = 5
# One owner has a tenth of all batches, so that a large one is among them.
_OWNERS, _REGIONS = 50, ("KE", "PH", "IN", "US", "DE")
_OWNER = "req_0"

# Whatever is made on a day has ids of that day, in order.
_DAYS = "CREATE TEMPORARY TABLE days (number int PRIMARY KEY, day date, jnl text, ern text)"
_FILL = """
    CREATE TEMPORARY TABLE answers AS
    SELECT n, (n * {days}::bigint / {answers})::int AS number, 'ans_' || lpad(n::text, 26, '0') AS answer,
           (n * 7919) % {payees} AS p, (n * {causes}::bigint / {answers}) AS c, 10000 + (n * 31) % 9973 AS amount
      FROM generate_series(0::bigint, {answers} - 1) n;
    INSERT INTO payees (id, owner_ref, name, country)
    SELECT 'pye_' || lpad(n::text, 26, '0'), 'wrk_' || n, 'Person ' || n, 'FR' FROM generate_series(0, {payees} - 1) n;
    INSERT INTO owners (owner_ref) SELECT 'req_' || n FROM generate_series(0, {owners} - 1) n;
    INSERT INTO contracts (id, owner_ref, entity, presentation, billing, valid_from, made_by, confirmed_by,
                           confirmed_at)
    VALUES ('ctr_1', 'req_0', 'BENCH', 'agent', 'prepaid', '2020-01-01', 'a', 'b', now());
    INSERT INTO reserves (cause_ref, owner_ref, currency, reserved, spent)
    SELECT 'bat_' || lpad(c::text, 26, '0'), 'req_' || CASE WHEN c % 10 = 0 THEN 0 ELSE c % {owners} END, 'USD',
           sum(amount + amount / 5), sum(amount + amount / 5) FROM answers GROUP BY c;
    INSERT INTO accounts (id, role, owner_ref, currency, kind, bounded)
    SELECT 'acc_p' || lpad(n::text, 25, '0'), 'payable', 'pye_' || lpad(n::text, 26, '0'), 'USD', 'liability', true
      FROM generate_series(0, {payees} - 1) n
     UNION ALL
    SELECT 'acc_r' || lpad(c::text, 25, '0'), 'reserve', 'bat_' || lpad(c::text, 26, '0'), 'USD', 'liability', true
      FROM generate_series(0, {causes} - 1) c
     UNION ALL
    SELECT 'acc_f' || lpad(n::text, 25, '0'), 'funds', 'req_' || n, 'USD', 'liability', true
      FROM generate_series(0, {owners} - 1) n
     UNION ALL
    SELECT 'acc_o' || lpad(n::text, 25, '0'), 'receivable_requester', 'req_' || n, 'USD', 'asset', false
      FROM generate_series(0, {owners} - 1) n
     UNION ALL
    VALUES ('acc_bank', 'bank', 'house', 'USD', 'asset', false),
           ('acc_fee', 'platform_fee', 'house', 'USD', 'income', false),
           ('acc_transit', 'in_transit', 'ach', 'USD', 'liability', false),
           ('acc_tax', 'withheld', 'DGFIP', 'USD', 'liability', false);
    CREATE TEMPORARY TABLE made AS
    SELECT d.jnl || lpad(n::text, 12, '0') || '0' AS id, 'earn:' || answer AS key, 'earning' AS kind, answer AS cause,
           d.day, 2 AS lines, 'acc_r' || lpad(c::text, 25, '0') AS debit, 'acc_p' || lpad(p::text, 25, '0') AS credit,
           amount, 'acc_r' || lpad(c::text, 25, '0') AS debit_2, 'acc_fee' AS credit_2, amount / 5 AS amount_2
      FROM answers JOIN days d USING (number)
     UNION ALL
    SELECT d.jnl || lpad(n::text, 12, '0') || '1', 'draw:' || n, 'draw', 'req_' || n % {owners}, d.day, 1,
           'acc_o' || lpad((n % {owners})::text, 25, '0'), 'acc_f' || lpad((n % {owners})::text, 25, '0'),
           amount * 10, NULL, NULL, NULL
      FROM answers JOIN days d USING (number) WHERE n % 16 = 0
     UNION ALL
    SELECT d.jnl || lpad(n::text, 12, '0') || '2', 'top:' || n, 'top_up', 'req_' || n % {owners}, d.day, 1,
           'acc_bank', 'acc_f' || lpad((n % {owners})::text, 25, '0'), amount * 10, NULL, NULL, NULL
      FROM answers JOIN days d USING (number) WHERE n % 16 = 1
     UNION ALL
    SELECT d.jnl || lpad(n::text, 12, '0') || '3', 'out:' || n, 'payout', 'pyo_' || n, d.day, 2,
           'acc_p' || lpad(p::text, 25, '0'), 'acc_transit', amount, 'acc_p' || lpad(p::text, 25, '0'), 'acc_tax', 500
      FROM answers JOIN days d USING (number) WHERE n % 8 = 2
     UNION ALL
    SELECT d.jnl || lpad(n::text, 12, '0') || '4', 'set:' || n, 'settled', 'pyo_' || n, d.day, 1,
           'acc_transit', 'acc_bank', amount, NULL, NULL, NULL
      FROM answers JOIN days d USING (number) WHERE n % 8 = 2;
    INSERT INTO journal_entries (id, idempotency_key, request_hash, kind, lines, cause_ref, actor_ref, effective_on,
                                 event_at, created_at)
    SELECT id, key, sha256(key::bytea), kind, lines, cause, 'bench', day,
           CASE WHEN kind IN ('settled', 'top_up') THEN day - 1 + time '00:00' END, day + time '12:00'
      FROM made ORDER BY id;
    INSERT INTO journal_lines (entry_id, line, debit_id, credit_id, currency, amount)
    SELECT id, 1, debit, credit, 'USD', amount FROM made
     UNION ALL
    SELECT id, 2, debit_2, credit_2, 'USD', amount_2 FROM made WHERE lines = 2 ORDER BY 1, 2;
    INSERT INTO balances (account_id, debits, credits)
    SELECT a.id, 0, coalesce(sum(l.amount), 0) FROM accounts a LEFT JOIN journal_lines l ON l.credit_id = a.id
     WHERE a.bounded GROUP BY a.id;
    INSERT INTO earnings (id, payee_id, answer_ref, cause_ref, kind, currency, amount, paid, status, entry_id,
                          created_at, due_at)
    SELECT d.ern || lpad(n::text, 13, '0'), 'pye_' || lpad(p::text, 26, '0'), answer,
           'bat_' || lpad(c::text, 26, '0'), 'answer', 'USD', amount,
           CASE WHEN number < {days} - 30 THEN amount ELSE 0 END,
           CASE WHEN number < {days} - 30 THEN 'paid' ELSE 'due' END, d.jnl || lpad(n::text, 12, '0') || '0',
           d.day + time '12:00', d.day + time '12:00'
      FROM answers JOIN days d USING (number) ORDER BY n;
    INSERT INTO active_time (answer_ref, payee_id, cause_ref, skill, tier, region, milliseconds, worked_on)
    SELECT answer, 'pye_' || lpad(p::text, 26, '0'), 'bat_' || lpad(c::text, 26, '0'), '', 1 + c % 3,
           (CAST(:regions AS text[]))[1 + p % 5], 5000 + (n * 37) % 60000, d.day + time '12:00'
      FROM answers JOIN days d USING (number) ORDER BY n;
    INSERT INTO bank_files (id, sha256, format, outcome, read_by) VALUES ('bfl_1', 'x', 'camt', '{{}}', 'bench');
    INSERT INTO bank_balances (id, file_id, account, currency, closed_on, closing)
    SELECT 'bbl_' || lpad(number::text, 26, '0'), 'bfl_1', 'FR00', 'USD', day, 0 FROM days
"""


@contextmanager
def books(n_lines: int) -> Iterator[Session]:
    """A house of its own whose journal has so many lines, nearly."""
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as folder, embedded.engines(Path(folder)) as engines:
        migrate(engines.database_owner_url, engines.database_url)
        fill(engines, n_lines)
        engine = database.make_engine(engines.database_url, patient=True)
        with database.sessions(engine)() as db:
            _live_a_day(db)
            yield db
        engine.dispose()


def fill(engines: embedded.Engines, n_lines: int) -> None:
    """Write a year of books, without what looks at each of their rows."""
    name = psycopg.conninfo.conninfo_to_dict(engines.database_owner_url.replace("+psycopg", ""))["dbname"]
    with psycopg.connect(engines.superuser, dbname=name, autocommit=True) as connection:
        _write(connection, n_lines)
        connection.execute("VACUUM ANALYZE")


def _write(connection: psycopg.Connection, n_lines: int) -> None:
    n_answers = n_lines * 8 // 20
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    with connection.transaction():
        connection.execute(_DAYS)
        for number in range(DAYS):
            moment = first + timedelta(days=number)
            jnl, ern = (ids.earliest(prefix, moment)[:17] for prefix in ("jnl", "ern"))
            connection.execute("INSERT INTO days VALUES (%s, %s, %s, %s)", [number, moment.date(), jnl, ern])
        connection.execute("SET LOCAL session_replication_role = replica")
        sizes = {"answers": n_answers, "payees": n_answers // 40, "causes": n_answers // 400, "owners": _OWNERS}
        regions = f"'{{{','.join(_REGIONS)}}}'"
        for statement in _FILL.format(days=DAYS, **sizes).replace(":regions", regions).split(";"):
            connection.execute(statement.encode())


def _live_a_day(db: Session) -> None:
    """What the house does by itself: tell the horizon, and keep what went through accounts before it."""
    for sweep in (horizon.advance, statements.take_snapshots, bank_balances.add_up_days):
        while sweep(db):
            db.commit()
        db.commit()


# What is read


def _month() -> date:
    """The last month that is over."""
    return (datetime.now(UTC).date().replace(day=1) - timedelta(days=1)).replace(day=1)


def _draft(db: Session) -> object:
    made = invoices.draft(
        db, owner_ref=_OWNER, currency=money.currency(db, "USD"), month=_month(), vat_basis_points=0, made_by="a"
    )
    db.rollback()
    return made


def _payables(db: Session) -> object:
    made = export_making.payables(db, made_by="bench")
    made.file.close()
    return made.rows


def _balances(db: Session, *, until: str | None = None) -> object:
    return bank_balances.page(db, pagination.PageRequest(limit=100, after=until))


READS: dict[str, Callable[[Session], object]] = {
    "revenue": lambda db: invoices.revenue(db, _month()),
    "withheld": remittances.due,
    "bank balances, newest": _balances,
    "bank balances, oldest": lambda db: _balances(db, until="bbl_" + f"{100:026}"),
    "payables.csv": _payables,
    "wages, 28 days": wages.report,
    "wages, 92 days": lambda db: wages.report(db, since=datetime.now(UTC).date() - timedelta(days=91)),
    "invoice of a tenth": _draft,
    "owed by an owner": lambda db: ledger.debit_balance(db, RECEIVABLE_REQUESTER, _OWNER, "USD"),
    "held for an authority": lambda db: ledger.debit_balance(db, WITHHELD, "DGFIP", "USD"),
}
_FLOOR_NAME = "floor: all lines added up"
_FLOOR = text("SELECT sum(amount) FROM journal_lines")


def measure(n_lines: int) -> None:
    """Print how long each takes on books of so many lines, as JSON, in seconds."""
    logs.configure("error")
    with books(n_lines) as db:
        taken = {name: _seconds(db, read) for name, read in {_FLOOR_NAME: _add_up, **READS}.items()}
    print(json.dumps(taken), flush=True)


def _add_up(db: Session) -> object:
    return db.scalar(_FLOOR)


def _seconds(db: Session, read: Callable[[Session], object]) -> float:
    taken = []
    for _ in range(_TRIES + 1):
        begun = time.perf_counter()
        read(db)
        db.commit()
        taken.append(time.perf_counter() - begun)
    # The first one warms what the others find.
    return statistics.median(taken[1:])


def run(sizes: Sequence[int] = SIZES) -> None:
    """Every read at every size, and the last size as a multiple of the first."""
    columns = [_measured(size) for size in sizes]
    heads = " ".join(f"{f'{size:,} lines':>16}" for size in sizes)
    print(f"{'seconds':32} {heads} {'growth':>7} {'of the floor':>13}")
    for name in columns[0]:
        taken = [column[name] for column in columns]
        figures = " ".join(f"{seconds:16.3f}" for seconds in taken)
        share = taken[-1] / columns[-1][_FLOOR_NAME]
        print(f"{name:32} {figures} {taken[-1] / taken[0]:6.1f}x {share:12.2f}x", flush=True)


def _measured(n_lines: int) -> dict[str, float]:
    """In a process of its own, so that one size leaves nothing behind for the next."""
    line = f"from benchmarks import finance_reads; finance_reads.measure({n_lines})"
    done = subprocess.run([sys.executable, "-c", line], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.finance_reads", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    run(parser.parse_args().sizes)


if __name__ == "__main__":
    main()
