"""The package's own invariants, as SQL that must return no row. `rookery check` runs them beside the books'."""

from sqlalchemy.orm import Session

from foundation import checks
from quality import certain, values

CHECKS = {
    "Q1 every quarantine stands on evidence against its voter": """
        SELECT q.id FROM quarantines q
         WHERE NOT EXISTS (SELECT FROM accusations a
                            WHERE a.quarantine_id = q.id AND a.voter_id = q.voter_id)""",
    "Q2 no quarantine holds for longer than its days": """
        SELECT id FROM quarantines
         WHERE status = 'active' AND (ends_at > decided_at + days * interval '1 day'
                                      OR ends_at < now() - interval '1 hour')""",
    "Q3 all evidence speaks against somebody": """
        SELECT e.id FROM evidence e WHERE NOT EXISTS (SELECT FROM accusations a WHERE a.evidence_id = e.id)""",
    "Q4 every record holds each checked answer of its sequence once": """
        SELECT coalesce(r.voter_id || ' in ' || r.skill, c.voter_id || ' in ' || c.skill)
          FROM voter_records r
          FULL JOIN (SELECT voter_id, skill, max(seq) AS n_seen FROM checked_votes WHERE seq IS NOT NULL
                      GROUP BY voter_id, skill) c ON c.voter_id = r.voter_id AND c.skill = r.skill
          LEFT JOIN LATERAL (SELECT count(o.counted) AS n, count(*) FILTER (WHERE o.counted) AS n_right
                               FROM checked_votes o
                              WHERE o.voter_id = r.voter_id AND o.skill = r.skill AND o.seq > r.since) s ON true
         WHERE (r.n_seen, r.n, r.n_right) IS DISTINCT FROM (c.n_seen, s.n, s.n_right)""",
    "Q5 what was checked is as right as what is known of its task says": f"""
        SELECT c.task_id || ' by ' || c.voter_id
          FROM checked_votes c
          LEFT JOIN votes v ON v.project_id = c.project_id AND v.task_id = c.task_id AND v.voter_id = c.voter_id
          LEFT JOIN golds g ON g.project_id = c.project_id AND g.task_id = c.task_id
          LEFT JOIN {certain.LABELS} k ON k.project_id = c.project_id AND k.task_id = c.task_id
         WHERE v.label IS NULL OR c.is_right IS DISTINCT FROM
               CASE WHEN c.source <> 'gold' THEN {values.IS_RIGHT}
                    WHEN g.ended_by = 'contested' THEN NULL ELSE v.label = g.label END""",
    "Q6 where answers are no classes, every label says something": """
        SELECT s.task_id || ' label ' || s.label
          FROM project_skills p
          JOIN (SELECT project_id, task_id, label FROM votes
                 UNION ALL SELECT project_id, task_id, label FROM adjudications
                 UNION ALL SELECT project_id, task_id, label FROM known_labels
                 UNION ALL SELECT project_id, task_id, label FROM corrected_labels
                 UNION ALL SELECT project_id, task_id, label FROM consensus) s ON s.project_id = p.project_id
          LEFT JOIN task_values x ON x.project_id = s.project_id AND x.task_id = s.task_id AND x.label = s.label
         WHERE p.kind IS NOT NULL AND x.label IS NULL""",
    "Q7 a label that was corrected is what its task is settled with, and nobody corrects what was never settled": """
        SELECT b.task_id FROM corrected_labels b
          LEFT JOIN consensus c ON c.project_id = b.project_id AND c.task_id = b.task_id
         WHERE NOT EXISTS (SELECT FROM corrected_labels d
                            WHERE d.project_id = b.project_id AND d.task_id = b.task_id AND d.nth > b.nth)
           AND (c.label, c.decision) IS DISTINCT FROM (b.label, 'settle')""",
}


def check(db: Session) -> dict[str, list[str]]:
    """What is wrong under each invariant's name; all empty is what must be."""
    return checks.broken(db, CHECKS)
