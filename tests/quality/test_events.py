"""Facts that quality tells: their shape is what waits in the outbox across an upgrade."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import outbox
from foundation.outbox import Event
from quality.events import ConsensusRevised, EvidenceRaised, ReliabilityChanged, WeightsChanged


@pytest.mark.parametrize(
    ("told", "payload"),
    [
        (EvidenceRaised("qtn_1", "prj_1"), {"quarantine_id": "qtn_1", "project_id": "prj_1"}),
        (WeightsChanged("prj_1"), {"project_id": "prj_1"}),
        (ConsensusRevised("prj_1", 3, 2), {"project_id": "prj_1", "refit": 3, "n_tasks": 2}),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_fact_is_told_as_plain_values_in_the_stream_of_its_project(
    db: Session, told: Event, payload: dict[str, object]
) -> None:
    outbox.publish(db, told)

    row = db.execute(text("SELECT topic, stream, payload FROM outbox_events")).one()
    assert (row.topic, row.stream, row.payload) == (type(told).__name__, "prj_1", payload)


def test_what_checks_show_of_a_voter_is_told_in_their_own_stream(db: Session) -> None:
    outbox.publish(db, ReliabilityChanged("wrk_1", "lang.sw", 3, 2, 0.1, 0.9))

    row = db.execute(text("SELECT topic, stream, payload FROM outbox_events")).one()
    told = {"voter_id": "wrk_1", "skill": "lang.sw", "n": 3, "n_right": 2, "low": 0.1, "high": 0.9, "corrected": False}
    assert (row.topic, row.stream, row.payload) == ("ReliabilityChanged", "wrk_1", told)
