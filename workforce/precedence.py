"""Which project comes first for a worker: by its band, and within a band in turns.

A project's band is its priority, and one more for every hour that the first task of its line has waited. Within a band
a worker stays in a project for a stint of ten minutes, and then goes where they were given something longest ago, so
that each of them shares their time between all projects that they may work for.
"""

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

BAND_MAX = 4
_STAYS = "(k.stint_at > now() - interval '10 minutes') IS TRUE"
# SQL: the order of projects `p` for a worker whose row in each is `k`, if there is one.
ORDER = f"""p.priority + p.raised DESC, {_STAYS} DESC,
            CASE WHEN {_STAYS} THEN NULL ELSE k.served_at END NULLS FIRST, p.id"""
# SQL: an array of the projects that come first for a worker, whatever there is in them: those that they stay in, and
# all of higher bands than the lowest of these. By the order, none of the others comes before any of them.
AT_HAND = f"""ARRAY(
           WITH stays AS MATERIALIZED (
               SELECT q.id, q.priority + q.raised AS band FROM worker_shares k JOIN projects q ON q.id = k.project_id
                WHERE k.worker_id = :worker_id AND {_STAYS})
           SELECT id FROM stays UNION SELECT q.id FROM projects q
            WHERE q.status = 'active' AND q.priority + q.raised > (SELECT min(band) FROM stays))"""
_RAISE = text(f"""
    WITH due AS (
        SELECT p.id, least({BAND_MAX} - p.priority, coalesce(floor(extract(epoch FROM now() - (
               SELECT t.updated_at FROM tasks t WHERE t.project_id = p.id AND t.status = 'open' AND t.free_slots > 0
                ORDER BY t.position LIMIT 1)) / 3600), 0)) AS raised, p.raised AS before
          FROM projects p WHERE p.status = 'active')
    UPDATE projects p SET raised = chosen.raised
      FROM (SELECT p.id, due.raised FROM due JOIN projects p ON p.id = due.id WHERE due.raised <> due.before
             LIMIT 100 FOR UPDATE OF p SKIP LOCKED) chosen
     WHERE p.id = chosen.id
""")


def raise_waiting(db: Session) -> int:
    """Put projects into the bands that their waiting tasks have come to. A sweep."""
    raised: Any = db.execute(_RAISE)
    return int(raised.rowcount)
