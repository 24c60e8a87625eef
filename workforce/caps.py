"""How much one worker may do in a project: at once, on one day, and of all its answers.

Counted are answers that a worker holds or has given, gold among them; what is given back counts no more.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

# A worker's share of a project is of so many answers at the least.
SHARE_FROM = 100
_NO_CAP = 2**31 - 1
# SQL: how many answers more a worker may be given in a project `p`, `k` being the worker's row in it, if there is one.
ROOM = f"""least(
        CASE WHEN p.leases_max IS NULL THEN {_NO_CAP}
             ELSE p.leases_max - (SELECT count(*) FILTER (WHERE a.project_id = p.id AND a.kind = 'answer')
                                    FROM assignments a WHERE a.worker_id = :worker_id AND a.status = 'leased') END,
        CASE WHEN p.answers_per_day IS NULL THEN {_NO_CAP}
             ELSE p.answers_per_day - CASE WHEN k.day = CAST(now() AT TIME ZONE 'UTC' AS date) THEN k.n_today ELSE 0 END
             END,
        CASE WHEN p.worker_share >= 1 THEN {_NO_CAP}
             ELSE greatest(floor(p.worker_share * greatest(p.n_answers, {SHARE_FROM})), 1) - coalesce(k.n_taken, 0)
             END)"""


def count(n: str, source: str) -> str:
    """SQL: the statement that counts what a worker is being given in a project, and when they were given it.

    A stint of ten minutes begins with it, unless the worker is in one.
    """
    return f"""
        INSERT INTO worker_shares AS k (worker_id, project_id, n_taken, day, n_today, served_at, stint_at)
        SELECT :worker_id, :project_id, {n}, CAST(now() AT TIME ZONE 'UTC' AS date), {n}, now(), now() FROM {source}
        ON CONFLICT (worker_id, project_id) DO UPDATE
           SET n_taken = k.n_taken + excluded.n_taken, day = excluded.day,
               n_today = CASE WHEN k.day = excluded.day THEN k.n_today ELSE 0 END + excluded.n_today,
               served_at = now(),
               stint_at = CASE WHEN k.stint_at > now() - interval '10 minutes' THEN k.stint_at ELSE now() END"""


_GIVEN_BACK = text("""
    UPDATE worker_shares k
       SET n_taken = greatest(k.n_taken - g.n, 0), n_today = greatest(k.n_today - g.n_today, 0)
      FROM (SELECT a.worker_id, a.project_id, count(*) AS n,
                   count(*) FILTER (WHERE CAST(a.created_at AT TIME ZONE 'UTC' AS date) = s.day) AS n_today
              FROM assignments a JOIN worker_shares s ON s.worker_id = a.worker_id AND s.project_id = a.project_id
             WHERE a.id = ANY(:ids) AND a.kind = 'answer' GROUP BY a.worker_id, a.project_id) g
     WHERE k.worker_id = g.worker_id AND k.project_id = g.project_id
""")
_TAKEN_AGAIN = text(f"WITH one AS (SELECT 1) {count('1', 'one')}")


def give_back(db: Session, assignment_ids: Sequence[str]) -> None:
    """Count assignments no more that were given back.

    Call this after their tasks were changed: a claim takes a task first, and then counts.
    """
    db.execute(_GIVEN_BACK, {"ids": list(assignment_ids)})


def take_again(db: Session, worker_id: str, project_id: str) -> None:
    """Count an answer again whose lease had ended."""
    db.execute(_TAKEN_AGAIN, {"worker_id": worker_id, "project_id": project_id})
