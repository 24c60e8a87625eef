"""A database of any size whose every invariant holds: one settled project, made by the product, and copies of it."""

import itertools
from collections.abc import Callable

import psycopg
from sqlalchemy.orm import Session

from tests import factories
from workforce.models import TaskStatus

_TASKS = 50
_WORKERS = 12
_COPIES_AT_ONCE = 50

# The columns of each table that tell one copy from another, and which rows are the original's.
_COPIED = {
    "projects": ("id name", "true"),
    "rates": ("id owner_ref", "true"),
    "batches": ("id project_id name", "true"),
    "tasks": ("id project_id batch_id", "true"),
    "assignments": ("id project_id task_id", "true"),
    "answers": ("id project_id assignment_id task_id", "true"),
    "votes": ("project_id task_id", "true"),
    "consensus": ("project_id task_id", "true"),
    "reliability": ("project_id", "true"),
    "project_fits": ("project_id", "true"),
    "reserves": ("cause_ref", "true"),
    "accounts": ("id owner_ref", "role = 'reserve'"),
    "journal_entries": ("id idempotency_key cause_ref", "kind <> 'top_up'"),
    "journal_lines": ("entry_id", "entry_id IN (SELECT id FROM journal_entries WHERE kind <> 'top_up')"),
    "earnings": ("id answer_ref cause_ref entry_id", "true"),
}
_MARK = "~"
_ACCOUNT = "{side} || CASE WHEN {side} IN (SELECT id FROM accounts WHERE role = 'reserve') THEN '~' || n ELSE '' END"
_BALANCES = """
    INSERT INTO balances (account_id, debits, credits)
    SELECT account_id, sum(greatest(amount, 0)), sum(greatest(-amount, 0))
      FROM postings JOIN accounts a ON a.id = account_id AND a.bounded GROUP BY account_id
    ON CONFLICT (account_id) DO UPDATE SET debits = excluded.debits, credits = excluded.credits
"""


def fill(superuser: str, sessions: Callable[[], Session], size: int) -> int:
    """Grow an empty, migrated database to so many bytes; how many answers it holds then."""
    with sessions() as opened:
        _settle_one_project(opened)
        opened.commit()
    with psycopg.connect(superuser, dbname="rookery", autocommit=True) as connection:
        # The rows are right by construction; foreign keys and append-only triggers would take most of the time.
        connection.execute("SET session_replication_role = replica")
        for first in itertools.count(1, _COPIES_AT_ONCE):
            if _one(connection, "SELECT pg_database_size('rookery')") >= size:
                break
            with connection.transaction():
                for table in _COPIED:
                    _copy(connection, table, first)
        connection.execute(_BALANCES)
        connection.execute("ANALYZE")
        return _one(connection, "SELECT count(*) FROM answers")


def _settle_one_project(db: Session) -> None:
    requester = factories.create_requester(db, funds="10000000")
    project = factories.create_project(db, requester, overlap_min=3, overlap_max=3, expert_share=0.0)
    tasks = [factories.create_task(db, project) for _ in range(_TASKS)]
    workers = [factories.create_worker(db) for _ in range(_WORKERS)]
    for turn in range(3 * _TASKS):
        # One in four is wrong, so that there is something to weigh.
        factories.answer(db, workers[turn % _WORKERS], "crow" if turn % 4 == 0 else "rook", project=project)
    factories.settle(db)
    assert {task.status for task in tasks} == {TaskStatus.SETTLED}


def _copy(connection: "psycopg.Connection[tuple[int]]", table: str, first: int) -> None:
    marked, chosen = _COPIED[table]
    names = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped", [table]
    )
    columns = [str(name) for (name,) in names]
    values = [_value(column, marked.split()) for column in columns]
    connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {table},"
        f" generate_series({first}, {first + _COPIES_AT_ONCE - 1}) n"
        f" WHERE strpos({marked.split()[0]}, '{_MARK}') = 0 AND {chosen}"
    )


def _value(column: str, marked: list[str]) -> str:
    if column in marked:
        return f"{column} || '{_MARK}' || n"
    return _ACCOUNT.format(side=column) if column in {"debit_id", "credit_id"} else column


def _one(connection: "psycopg.Connection[tuple[int]]", question: str) -> int:
    row = connection.execute(question).fetchone()
    assert row is not None
    return int(row[0])
