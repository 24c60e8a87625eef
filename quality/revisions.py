"""Settled tasks that a refit would decide otherwise: noted, told, and listed for ops. What comes of it is not ours."""

from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import ids, outbox, pagination
from foundation.errors import NotFound
from quality.events import ConsensusRevised
from quality.methods.votes import UNKNOWN, FloatArray
from quality.models import Revision
from quality.votes import Coded

log = structlog.get_logger()
_SETTLED = """
    COPY (SELECT task_id, label, confidence FROM consensus WHERE project_id = %(project_id)s AND decision = 'settle')
      TO STDOUT (FORMAT binary)
"""
_NOTE = text("""
    INSERT INTO revisions (project_id, refit, task_id, settled_label, settled_confidence, label, confidence)
    SELECT CAST(:project_id AS text), CAST(:refit AS int), *
      FROM unnest(CAST(:task_ids AS text[]), CAST(:settled AS int2[]), CAST(:settled_confidences AS float8[]),
                  CAST(:labels AS int2[]), CAST(:confidences AS float8[]))
    ON CONFLICT (project_id, task_id) DO UPDATE SET label = excluded.label, confidence = excluded.confidence
""")
# What an earlier refit found and this one does not.
_TAKE_BACK = text("DELETE FROM revisions WHERE project_id = :project_id AND NOT task_id = ANY(:task_ids)")
_NEW = text("SELECT count(*) FROM revisions WHERE project_id = :project_id AND refit = :refit")


def note(db: Session, project_id: str, refit: int, coded: Coded, believed: FloatArray) -> int:
    """Keep the settled tasks that are believed to be something else now, tell the new ones; how many there are in all.

    What an expert has decided is certain, and no refit's business.
    """
    labels, confidences = believed.argmax(axis=1).tolist(), believed.max(axis=1).tolist()
    known = coded.known.tolist()
    code_of = {task_id: code for code, task_id in enumerate(coded.task_ids) if known[code] == UNKNOWN}
    driver: Any = db.connection().connection.driver_connection
    otherwise = []
    with driver.cursor() as cursor, cursor.copy(_SETTLED, {"project_id": project_id}) as copied:
        copied.set_types(["text", "int2", "float8"])
        for task_id, label, confidence in copied.rows():
            code = code_of.get(task_id)
            if code is not None and labels[code] != label:
                otherwise.append((task_id, label, confidence, labels[code], confidences[code]))
    task_ids, settled, settled_confidences, now, confidence_now = (
        zip(*otherwise, strict=True) if otherwise else [()] * 5
    )
    where = {"project_id": project_id, "refit": refit, "task_ids": list(task_ids)}
    db.execute(_TAKE_BACK, where)
    if not otherwise:
        return 0
    db.execute(
        _NOTE,
        {
            **where,
            "settled": list(settled),
            "settled_confidences": list(settled_confidences),
            "labels": list(now),
            "confidences": list(confidence_now),
        },
    )
    if n_new := db.scalar(_NEW, where):
        outbox.publish(db, ConsensusRevised(project_id, refit, n_new))
    return len(otherwise)


_TOLD = text("""
    SELECT task_id FROM revisions WHERE project_id = :project_id AND refit = ANY(:refits)
     ORDER BY confidence DESC, task_id LIMIT :most
""")


def told(db: Session, project_id: str, refits: Sequence[int], *, most: int) -> list[str]:
    """The tasks that these refits were the first to revise and that still are, the surest ones first."""
    return list(db.scalars(_TOLD, {"project_id": project_id, "refits": list(refits), "most": most}))


_SINCE = text("""
    SELECT task_id, settled_label, label FROM revisions WHERE project_id = :project_id AND refit > :refit
     ORDER BY task_id LIMIT :most
""")


def since(db: Session, project_id: str, refit: int, *, most: int) -> list[tuple[str, int, int]]:
    """Tasks that refits after this one were the first to revise, with the settled label and the other one, by id."""
    rows = db.execute(_SINCE, {"project_id": project_id, "refit": refit, "most": most})
    return [(row.task_id, row.settled_label, row.label) for row in rows]


def report(_db: Session, told: Sequence[ConsensusRevised]) -> None:
    """Say in the log that somebody of ops should look at a project's revisions."""
    for one in told:
        log.info("settled tasks revised", project_id=one.project_id, refit=one.refit, tasks=one.n_tasks)


def page(db: Session, project_id: str, request: pagination.PageRequest) -> pagination.Page:
    """The revised tasks of a project, in the order of their ids."""
    if not ids.looks_valid(project_id, "prj"):
        raise NotFound("There is no such project.")
    rows = select(Revision).where(Revision.project_id == project_id)
    return pagination.read(db, rows, Revision.task_id, request, newest_first=False)
