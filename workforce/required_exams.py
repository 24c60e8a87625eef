"""Exams and training that a project asks for: it gives tasks only to those who have passed all of them.

That is no matter of who may see the project: whoever may learns what to pass, and what passing opens.
"""

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from foundation.errors import invalid
from workforce.models import Exam, Project

REQUIRED_MAX = 10

# SQL: whether a worker `me` has passed all that a project `p` asks for.
PASSED = """(p.required_exams = '{}' OR p.required_exams <@ ARRAY(
                 SELECT a.project_id FROM attempts a WHERE a.worker_id = me.id AND a.state = 'passed'))"""


def refuse_unknown(db: Session, requester_id: str, exam_ids: Sequence[str]) -> None:
    """Refuse what is none of a requester's own exams, nor one that brings candidates to a skill's first step."""
    rows = select(Exam.project_id).join(Project, Project.id == Exam.project_id).where(Exam.project_id.in_(exam_ids))
    own_or_of_the_house = or_(Project.requester_id == requester_id, Exam.qualified_at.is_not(None))
    known = set(db.scalars(rows.where(own_or_of_the_house))) if exam_ids else set()
    wrong = {
        str(place): ["You have no exam or training with this id."]
        for place, exam_id in enumerate(exam_ids)
        if exam_id not in known
    }
    if wrong:
        raise invalid({"required_exams": wrong})
