"""Revisions: settled tasks that a refit decides otherwise are noted, told once, and taken back if the next agrees."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation.pagination import PageRequest
from quality import consensus, reliability, revisions, votes
from quality.consensus import Weighed
from quality.escalation import Action, Decision, Standing
from quality.models import Refit, Revision

PROJECT = "prj_" + "0" * 26


def _cast(db: Session, task: str, *labels: int) -> None:
    for number, label in enumerate(labels):
        votes.cast(db, project_id=PROJECT, task_id=task, voter_id=f"w{number}", label=label)


def _decided(db: Session, task: str, label: int, action: Action = Action.SETTLE) -> None:
    posterior = [0.9 if one == label else 0.1 for one in (0, 1)]
    weighed = Weighed(task, [], label, posterior, Standing(n_answers=5, confidence=0.9, gain=0.0, voter_votes=5.0))
    consensus.record(db, PROJECT, [weighed], {task: Decision(action, "as a test says")})


def _refit(db: Session) -> list[Revision]:
    reliability.refit(db, PROJECT, n_classes=2)
    db.expire_all()
    return list(revisions.page(db, PROJECT, PageRequest(100)).items)


def _told(db: Session) -> list[dict[str, object]]:
    return list(db.scalars(text("SELECT payload FROM outbox_events WHERE topic = 'ConsensusRevised' ORDER BY id")))


def _settled(db: Session) -> None:
    """Ten tasks on which all agree, one of them settled against all votes."""
    for number in range(10):
        _cast(db, f"t{number}", *[number % 2] * 4)
        _decided(db, f"t{number}", number % 2)
    _decided(db, "t4", 1)


def test_a_settled_task_that_is_believed_to_be_something_else_is_noted_and_told(db: Session) -> None:
    _settled(db)

    (one,) = _refit(db)

    assert (one.task_id, one.settled_label, one.settled_confidence, one.label) == ("t4", 1, 0.9, 0)
    assert one.confidence > 0.8
    assert _told(db) == [{"project_id": PROJECT, "refit": 1, "n_tasks": 1}]
    assert db.get_one(Refit, (PROJECT, 1)).n_revised == 1


def test_the_next_refit_tells_only_what_is_new(db: Session) -> None:
    _settled(db)
    _refit(db)

    _refit(db)
    _decided(db, "t6", 1)
    found = _refit(db)

    assert [(one.task_id, one.refit) for one in found] == [("t4", 1), ("t6", 3)]
    assert [told["refit"] for told in _told(db)] == [1, 3]


def test_what_a_refit_no_longer_finds_is_taken_back(db: Session) -> None:
    _settled(db)
    _refit(db)

    _decided(db, "t4", 0)

    assert _refit(db) == []


def test_what_an_expert_decided_or_nobody_settled_is_never_revised(db: Session) -> None:
    _settled(db)
    consensus.adjudicate(db, PROJECT, task_id="t4", label=1, voter_id="expert")
    _decided(db, "t6", 1, Action.WAIT)

    assert _refit(db) == []
    assert _told(db) == []
