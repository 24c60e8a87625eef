"""What requesters see of single answers: each as it was sent, by workers whom nobody else knows under these names."""

import hashlib
import hmac
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from foundation import pagination
from foundation.pagination import PageRequest
from tests import factories
from workforce import pseudonyms, task_answers
from workforce.audits import NoSuchTask
from workforce.models import Project, Requester, Task, Worker

_ALL = PageRequest(limit=100)


def _answered(db: Session, *categories: str, requester: Requester | None = None) -> tuple[Project, Task, list[Worker]]:
    n = len(categories)
    project = factories.create_project(
        db, requester, overlap_min=n, overlap_max=n, confidence_target=0.5, expert_share=0.0
    )
    task, workers = factories.create_task(db, project), [factories.create_worker(db) for _ in range(n)]
    for worker, category in zip(workers, categories, strict=True):
        factories.answer(db, worker, category, project=project)
    return project, task, workers


def test_answers_are_shown_as_they_were_sent_and_say_whether_they_agree(db: Session, books: None) -> None:
    project, task, _ = _answered(db, "rook", "crow", "rook")

    before = task_answers.page(db, project, task.id, _ALL).items
    factories.settle(db)
    db.expire_all()
    after = task_answers.page(db, project, task.id, _ALL).items

    assert [(one.answer.payload["category"], one.agrees) for one in before] == [
        ("rook", None), ("crow", None), ("rook", None),
    ]  # fmt: skip
    assert [one.agrees for one in after] == [True, False, True]
    assert {one.answer.status for one in after} == {"accepted"}


def test_an_experts_decision_is_among_them(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db)
    factories.answer(db, factories.create_worker(db, tier=4), "rook", project=project)
    factories.settle(db)

    shown = task_answers.page(db, project, task.id, _ALL).items

    assert [str(one.answer.kind) for one in shown] == ["answer", "answer", "adjudication"]
    assert len({one.pseudonym for one in shown}) == 3


def test_one_worker_has_one_name_for_a_requester_and_another_for_the_next(db: Session, books: None) -> None:
    requester = factories.create_requester(db)
    one, task, (worker, *_) = _answered(db, "rook", "rook", requester=requester)
    again = factories.create_project(db, requester)
    later = factories.create_task(db, again)
    elsewhere = factories.create_project(db)
    strange = factories.create_task(db, elsewhere)
    for project in (again, elsewhere):
        factories.answer(db, worker, project=project)

    (first, _), (second,), (third,) = (
        [given.pseudonym for given in task_answers.page(db, project, asked.id, _ALL).items]
        for project, asked in ((one, task), (again, later), (elsewhere, strange))
    )

    assert first == second != third


def test_without_the_secret_of_the_house_nobody_tells_whose_a_name_is(db: Session) -> None:
    made = pseudonyms.of(db, "req_1", ["wrk_1"])["wrk_1"]

    guesses = [
        hashlib.sha256(b"pseudonym\nreq_1\nwrk_1").hexdigest(),
        hmac.digest(b"", b"pseudonym\nreq_1\nwrk_1", hashlib.sha256).hex(),
    ]
    known = hmac.digest(pagination.signing_secret(db), b"pseudonym\nreq_1\nwrk_1", hashlib.sha256).hex()
    assert made == known[:16]
    assert made not in {guess[:16] for guess in guesses}


def test_gold_and_tasks_of_others_are_none_of_the_project(db: Session, books: None) -> None:
    project = factories.create_gold_project(db)
    gold = factories.create_gold(db, project)
    _, strange, _ = _answered(db, "rook")

    for task_id in (gold.task_id, strange.id, "tsk_none"):
        with pytest.raises(NoSuchTask):
            task_answers.page(db, project, task_id, _ALL)


def test_over_http_they_come_in_pages_and_name_nobody(
    client: FlaskClient, db: Session, books: None, token: Callable[..., str]
) -> None:
    project, task, workers = _answered(db, "rook", "crow", "rook")
    headers = {"Authorization": f"Bearer {token('requester', project.requester_id)}"}
    address = f"/api/projects/{project.id}/tasks/{task.id}/answers"

    first = client.get(f"{address}?limit=2", headers=headers)
    rest = client.get(f"{address}?limit=2&cursor={first.get_json()['next_cursor']}", headers=headers)

    shown = [*first.get_json()["items"], *rest.get_json()["items"]]
    assert [one["payload"] for one in shown] == [{"category": "rook"}, {"category": "crow"}, {"category": "rook"}]
    assert len({one["pseudonym"] for one in shown}) == 3
    for worker in workers:
        assert worker.id not in first.text + rest.text
