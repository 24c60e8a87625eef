"""Ops' queues: all that waits, since when, and that each leads to its list."""

from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from payments import holds
from tests import factories
from tests.conftest import age
from workforce import appeals, erasures, identity, invitations, queues, rejections, suspensions
from workforce.models import WorkerStatus

HOUR = 3600


def _waiting(db: Session) -> dict[str, int]:
    return {one.name: one.waiting for one in queues.all_of_them(db) if one.waiting}


def test_nothing_waits_in_a_house_where_nothing_has_happened(db: Session) -> None:
    assert _waiting(db) == {}
    assert all(one.oldest is None for one in queues.all_of_them(db))


def test_each_queue_counts_what_waits_and_nothing_that_is_done(db: Session) -> None:
    ada, ben = factories.create_worker(db), factories.create_worker(db)
    factories.create_worker(db, status=WorkerStatus.APPLICANT)
    for worker, state in ((ada, "in_review"), (ben, "passed")):
        check = identity.request(db, worker.id)
        identity.decide(db, check.id, state=state, decided_by="ops")
    identity.request(db, factories.create_worker(db).id)
    erasures.request(db, ada.id)
    erasures.refuse(db, erasures.request(db, ben.id).id, reason="A court.", refused_by="ops")
    suspensions.suspend(db, [ada.id], hours=1000, reason="Two in one.", made_by="ops")
    suspensions.suspend(db, [ben.id], hours=1, reason="Two in one.", made_by="ops")
    holds.place(db, payee_id=ada.payee_id, reason="A court.", made_by="finance", is_legal=True)

    assert _waiting(db) == {
        "applicants": 1, "identity_checks": 1, "identity_reviews": 1, "erasures": 1, "suspensions": 1, "held_pay": 1,
    }  # fmt: skip


def test_an_invitation_whose_mail_was_given_up_waits_until_it_is_sent_again(db: Session) -> None:
    lost = invitations.invite(db, email="nobody@example.com", role="worker", activates=False, made_by="ops")
    arrived = invitations.invite(db, email="ada@example.com", role="worker", activates=False, made_by="ops")
    given_up = text("UPDATE mails SET state = 'given_up', ended_at = now() WHERE about = :about")
    db.execute(given_up, {"about": lost.id})

    before = _waiting(db)
    assert db.scalars(invitations.listed(bounced=True)).all() == [lost]
    assert db.scalars(invitations.listed(bounced=False)).all() == [arrived]
    invitations.resend(db, lost.id)

    assert (before, _waiting(db)) == ({"invitations_bounced": 1, "mails": 1}, {"mails": 1})


def test_only_what_waits_longer_than_its_project_allows_is_overdue(db: Session) -> None:
    factories.create_escalated(db, expert_patience_seconds=HOUR)
    before = _waiting(db)
    age(db, "tasks", "escalated_at", HOUR + 60)

    [overdue] = [one for one in queues.all_of_them(db) if one.name == "escalations_overdue"]
    assert (before, overdue.waiting) == ({}, 1)
    assert overdue.oldest is not None


def test_every_queue_leads_to_its_list(client: FlaskClient, token: Callable[..., str]) -> None:
    tokens: dict[str, Any] = {role: {"Authorization": f"Bearer {token(role)}"} for role in ("ops", "finance")}

    shown = client.get("/api/queues", headers=tokens["ops"]).get_json()["items"]

    for queue in shown:
        reader = tokens["finance" if queue["name"] == "held_pay" else "ops"]
        assert client.get(queue["address"], headers=reader).status_code == 200


def test_an_appeal_waits_until_it_is_decided(db: Session) -> None:
    project = factories.create_project(
        db, overlap_min=1, overlap_max=1, confidence_target=0.5, expert_share=0.0, acceptance="by_requester"
    )
    factories.create_task(db, project)
    (answer,) = factories.answer_all(db, project, "rook")
    factories.settle(db)
    evidence = {"reason": "copied", "evidence": "Word for word."}
    rejections.reject(db, project, answer.id, decided_by="tok_1", **evidence)
    made = appeals.appeal(db, answer.worker_id, answer.id, grounds="They are my own words.")

    before = _waiting(db)
    appeals.uphold(db, made.id, decision="They are.", decided_by="ops")

    assert (before, _waiting(db)) == ({"appeals": 1}, {})
