"""Facts that quality tells: their shape is what waits in the outbox across an upgrade."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import outbox
from quality.events import EvidenceRaised, WeightsChanged


def test_evidence_is_told_with_ids_alone_in_the_stream_of_its_project(db: Session) -> None:
    outbox.publish(db, EvidenceRaised("qtn_1", "prj_1"))

    row = db.execute(text("SELECT topic, stream, payload FROM outbox_events")).one()
    assert (row.topic, row.stream) == ("EvidenceRaised", "prj_1")
    assert row.payload == {"quarantine_id": "qtn_1", "project_id": "prj_1"}


def test_changed_weights_are_told_in_the_stream_of_their_project(db: Session) -> None:
    outbox.publish(db, WeightsChanged("prj_1"))

    row = db.execute(text("SELECT topic, stream, payload FROM outbox_events")).one()
    assert (row.topic, row.stream) == ("WeightsChanged", "prj_1")
    assert row.payload == {"project_id": "prj_1"}
