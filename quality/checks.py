"""The package's own invariants, as SQL that must return no row. `rookery check` runs them beside the books'."""

from sqlalchemy.orm import Session

from foundation import checks

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
}


def check(db: Session) -> dict[str, list[str]]:
    """What is wrong under each invariant's name; all empty is what must be."""
    return checks.broken(db, CHECKS)
