"""The package's own invariants, as SQL that must return no row. `rookery check` runs them beside the books'."""

from sqlalchemy import text
from sqlalchemy.orm import Session

CHECKS = {
    "W1 no task has more live leases and answers than slots": """
        SELECT t.id FROM tasks t
          LEFT JOIN (SELECT task_id, count(*) FILTER (WHERE kind = 'answer') AS n,
                            count(*) FILTER (WHERE kind = 'adjudication') AS rulings
                       FROM assignments WHERE status IN ('leased', 'answered') GROUP BY task_id) a ON a.task_id = t.id
         WHERE (t.status = 'open' AND coalesce(a.n, 0) + t.free_slots <> t.overlap)
            OR coalesce(a.n, 0) > t.overlap OR coalesce(a.rulings, 0) > 1""",
    "W2 nobody answered a task twice": """
        SELECT task_id FROM answers GROUP BY task_id, worker_id, kind HAVING count(*) > 1""",
    "W3 every answer has its vote": """
        SELECT n.id FROM answers n LEFT JOIN votes v
            ON v.project_id = n.project_id AND v.task_id = n.task_id AND v.voter_id = n.worker_id
         WHERE n.kind = 'answer' AND v.label IS DISTINCT FROM n.label""",
    "W4 every answer of a settled task is accepted": """
        SELECT n.id FROM answers n JOIN tasks t ON t.id = n.task_id AND t.project_id = n.project_id
         WHERE t.status = 'settled' AND n.status = 'submitted'""",
    "W5 every accepted answer is due once its event is delivered, at the price of its claim": """
        SELECT n.id FROM answers n JOIN assignments a ON a.id = n.assignment_id
          LEFT JOIN earnings e ON e.answer_ref = n.id
         WHERE n.status = 'accepted' AND (e.status IS DISTINCT FROM 'due' OR e.amount <> a.amount)
           AND NOT EXISTS (SELECT FROM outbox_events o WHERE o.payload ->> 'answer_id' = n.id)""",
    "W6 a final task has no free slot and no live lease": """
        SELECT t.id FROM tasks t
         WHERE t.status IN ('settled', 'cancelled') AND (t.free_slots > 0 OR EXISTS (
               SELECT FROM assignments a WHERE a.task_id = t.id AND a.status = 'leased'))""",
}


def check(db: Session) -> dict[str, list[str]]:
    """What is wrong under each invariant's name; all empty is what must be."""
    return {name: [str(row[0]) for row in db.execute(text(sql + " LIMIT 20"))] for name, sql in CHECKS.items()}
