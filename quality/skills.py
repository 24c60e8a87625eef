"""How reliable a voter is in a skill: what all of its projects know of them, together.

A skill is a word of whoever made the project. Matrices of projects with different labels cannot be added, but the share
of right answers can: each project's counts by its votes, and as their errors are independent, so do their intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound

_BELONGS = text("""
    INSERT INTO project_skills (project_id, skill, kind, tolerance) VALUES (:project_id, :skill, :kind, :tolerance)
    ON CONFLICT DO NOTHING
""")
_OF_VOTER = text("""
    SELECT s.skill, count(*) AS n_projects, sum(r.n_votes) AS n_votes,
           sum(r.n_votes * r.reliability) / sum(r.n_votes) AS reliability,
           sqrt(sum((r.n_votes * (r.reliability - r.low)) ^ 2)) / sum(r.n_votes) AS below,
           sqrt(sum((r.n_votes * (r.high - r.reliability)) ^ 2)) / sum(r.n_votes) AS above
      FROM reliability r JOIN project_skills s ON s.project_id = r.project_id
     WHERE r.voter_id = :voter_id AND r.n_votes > 0
     GROUP BY s.skill ORDER BY s.skill
""")


@dataclass(frozen=True, slots=True)
class InSkill:
    """What is known of a voter in one skill: the share right with its 90 % interval, and what that stands on."""

    skill: str
    reliability: float
    low: float
    high: float
    n_votes: int
    n_projects: int


def belongs(
    db: Session, project_id: str, skill: str, *, kind: str | None = None, tolerance: float | None = None
) -> None:
    """Note which skill a project asks for, and what its answers are (`models.ProjectSkill`); it stays that."""
    db.execute(_BELONGS, {"project_id": project_id, "skill": skill, "kind": kind, "tolerance": tolerance})


def of_voter(db: Session, voter_id: str) -> Sequence[InSkill]:
    """A voter in every skill in which anything is known of them, in the order of its name."""
    if not ids.looks_valid(voter_id, "wrk"):
        raise NotFound("There is no such worker.")
    return [
        InSkill(
            skill=row.skill,
            reliability=min(row.reliability, 1.0),
            low=max(row.reliability - row.below, 0.0),
            high=min(row.reliability + row.above, 1.0),
            n_votes=row.n_votes,
            n_projects=row.n_projects,
        )
        for row in db.execute(_OF_VOTER, {"voter_id": voter_id})
    ]
