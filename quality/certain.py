"""What is certain of tasks that are no gold: an expert's word, or what ops have corrected it to since.

An expert's word stays as it was said. Where a label was corrected, the last correction counts, and it counts for good:
no fit weighs it, and no vote.
"""

from sqlalchemy import Boolean, SmallInteger, text
from sqlalchemy.orm import Session

from foundation.db import IdText

# SQL: labels that are certain, a row for each task. A condition on its project or task reaches both tables.
LABELS = """(
        SELECT a.project_id, a.task_id, a.label, a.is_sample FROM known_labels a
         WHERE NOT EXISTS (SELECT FROM corrected_labels b
                            WHERE b.project_id = a.project_id AND b.task_id = a.task_id)
         UNION ALL
        SELECT a.project_id, a.task_id, a.label, a.is_sample FROM corrected_labels a
         WHERE NOT EXISTS (SELECT FROM corrected_labels b
                            WHERE b.project_id = a.project_id AND b.task_id = a.task_id AND b.nth > a.nth))"""
# The same for whoever asks in Python.
KNOWN = (
    text(f"SELECT project_id, task_id, label, is_sample FROM {LABELS} k")
    .columns(project_id=IdText, task_id=IdText, label=SmallInteger, is_sample=Boolean)
    .subquery("known")
)
_LABEL = text(f"SELECT label FROM {LABELS} k WHERE project_id = :project_id AND task_id = :task_id")
# A task of a spot check stays one: that it was drawn had nothing to do with what is wrong with it.
_CORRECT = text("""
    INSERT INTO corrected_labels (project_id, task_id, nth, correction_id, label, is_sample, reason, corrected_by)
    SELECT :project_id, :task_id,
           1 + coalesce((SELECT max(nth) FROM corrected_labels
                          WHERE project_id = :project_id AND task_id = :task_id), 0),
           :correction_id, :label,
           coalesce((SELECT is_sample FROM known_labels WHERE project_id = :project_id AND task_id = :task_id), false),
           :reason, :corrected_by
""")


def label(db: Session, project_id: str, task_id: str) -> int | None:
    """The label of a task that is certain, if one is."""
    found = db.scalar(_LABEL, {"project_id": project_id, "task_id": task_id})
    return None if found is None else int(found)


def correct(
    db: Session, project_id: str, task_id: str, *, label: int, correction_id: str, reason: str, corrected_by: str
) -> None:
    """Let a label be certain from now on, whatever was before. Hold the project's stream."""
    told = {"correction_id": correction_id, "reason": reason, "corrected_by": corrected_by}
    db.execute(_CORRECT, {"project_id": project_id, "task_id": task_id, "label": label, **told})
