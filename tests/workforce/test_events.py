"""Facts that workforce tells: their shape is what waits in the outbox across an upgrade."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation.outbox import publish
from tests import factories
from workforce import (
    tiers,
)
from workforce.events import (
    AppealDecided,
    LabelCorrected,
)


def test_a_submitted_answer_is_told_with_its_ids_alone(db: Session) -> None:
    task = factories.create_task(db, factories.create_project(db))

    answer = factories.answer(db, factories.create_worker(db))

    row = db.execute(text("SELECT topic, stream, payload FROM outbox_events")).one()
    assert (row.topic, row.stream) == ("AnswerSubmitted", task.project_id)
    assert row.payload == {"answer_id": answer.id, "task_id": task.id, "project_id": task.project_id}


def test_a_decided_appeal_is_told_with_its_ids_and_what_came_of_it(db: Session) -> None:
    publish(db, AppealDecided(appeal_id="apl_1", worker_id="wrk_1", state="upheld"))

    row = db.execute(text("SELECT topic, stream, payload FROM outbox_events")).one()
    assert (row.topic, row.stream) == ("AppealDecided", "wrk_1")
    assert row.payload == {"appeal_id": "apl_1", "worker_id": "wrk_1", "state": "upheld"}


def test_a_corrected_label_is_told_in_the_stream_of_its_project(db: Session) -> None:
    publish(db, LabelCorrected(correction_id="cor_1", task_id="tsk_1", project_id="prj_1"))

    row = db.execute(text("SELECT topic, stream, payload FROM outbox_events")).one()
    assert (row.topic, row.stream) == ("LabelCorrected", "prj_1")
    assert row.payload == {"correction_id": "cor_1", "task_id": "tsk_1", "project_id": "prj_1"}


def test_a_move_on_a_ladder_is_told_in_the_workers_stream(db: Session) -> None:
    worker = factories.create_worker(db)

    tiers.set_tier(db, worker.id, skill="lang.sw", tier=3, reason="exam", moved_by="ops")

    row = db.execute(text("SELECT topic, stream, payload FROM outbox_events")).one()
    (move,) = db.scalars(text("SELECT id FROM tier_moves"))
    told = {"worker_id": worker.id, "skill": "lang.sw", "tier_from": 1, "tier_to": 3, "move_id": move}
    assert (row.topic, row.stream, row.payload) == ("TierMoved", worker.id, told)
