"""Work of every type, from the project to the label: what is answered, merged, decided, checked and handed over."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation.errors import Invalid
from quality import values
from tests import factories
from tests.conftest import House
from tests.journeys.test_first_journey import RATES, Party
from tests.workforce.task_types.kinds_of_work import ALL, Example
from workforce import assignment, audits, label_files, labels, task_types
from workforce.audits import Finding
from workforce.models import AuditVerdict, Kind, Project, Task, TaskStatus
from workforce.tiers import Tier

each = pytest.mark.parametrize("name", ALL)
# Where an answer is a label, and `near` the same one.
VALUES = [name for name, (task_type, _) in ALL.items() if task_type not in {"categorization", "comparison"}]


def _project(db: Session, name: str, **settings: Any) -> tuple[Project, Task, Example]:
    task_type, example = ALL[name]
    chosen = {"task_type": task_type, "labels": example.labels, "form": example.form, **settings}
    project = factories.create_project(db, **chosen)
    return project, factories.create_task(db, project, params=example.params), example


def _answer(db: Session, project: Project, *payloads: dict[str, Any], kind: Kind = Kind.ANSWER) -> None:
    for payload in payloads:
        worker = factories.create_worker(db, tier=Tier.EXPERT if kind == Kind.ADJUDICATION else None)
        lease = factories.claim(db, worker, project, kind)
        assignment.submit(db, worker.id, lease.id, fence=lease.fence, payload=payload)
    factories.settle(db)


def _says(db: Session, project: Project, task: Task) -> Any:
    (value,) = labels.shown(db, project, [(task.id, task.label)])
    return value


def _same(project: Project, one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two answers say the same, however they were written down."""
    where = task_types.task_type.Asked(project.labels, project.form, {"items": list("abcde"), "text": "x" * 99})
    return task_types.read(project.task_type, one, where) == task_types.read(project.task_type, other, where)


@each
def test_answers_that_agree_settle_a_task_with_what_they_say(db: Session, books: None, name: str) -> None:
    project, task, example = _project(db, name, overlap_min=3, overlap_max=3, confidence_target=0.5)

    _answer(db, project, example.right, example.near, example.right)

    assert (task.status, task.settled_by) == (TaskStatus.SETTLED, "consensus")
    assert task.confidence is not None
    assert 0.5 <= task.confidence < 1.0
    said = _says(db, project, task)
    if name == "number":
        assert said["number"] == pytest.approx(40.0, abs=1.0)
    else:
        assert _same(project, said, example.right)


@each
def test_what_an_expert_says_is_the_label_and_tells_who_was_right(db: Session, books: None, name: str) -> None:
    settings = {"overlap_min": 2, "overlap_max": 2, "confidence_target": 0.99, "expert_share": 1.0, "spot_share": 1.0}
    project, task, example = _project(db, name, **settings)
    _answer(db, project, example.right, example.far)
    assert task.status == TaskStatus.ESCALATED

    _answer(db, project, example.near, kind=Kind.ADJUDICATION)

    assert (task.status, task.settled_by, task.confidence) == (TaskStatus.SETTLED, "expert", 1.0)
    assert _same(project, _says(db, project, task), example.near)
    rows = text("""
        SELECT n.payload, c.is_right FROM checked_votes c JOIN answers n ON n.task_id = c.task_id
           AND n.worker_id = c.voter_id AND n.kind = 'answer' ORDER BY c.is_right""")
    assert [(row.payload, row.is_right) for row in db.execute(rows)] == [(example.far, False), (example.right, True)]


@pytest.mark.parametrize("name", VALUES)
def test_whoever_says_the_same_has_the_same_label_and_whoever_differs_another(db: Session, name: str) -> None:
    project, task, example = _project(db, name, overlap_min=3)

    _answer(db, project, example.right, example.far, example.right)

    given = db.scalars(text("SELECT label FROM answers WHERE task_id = :task ORDER BY id"), {"task": task.id}).all()
    assert given[0] == given[2] != given[1]


@each
def test_a_requester_fixes_a_task_with_an_answer_of_its_type(db: Session, books: None, name: str) -> None:
    project, task, example = _project(db, name, overlap_min=2, overlap_max=2, confidence_target=0.5, expert_share=0.0)
    _answer(db, project, example.right, example.right)
    payload, _ = example.wrong[0]
    with pytest.raises(Invalid) as refused:
        audits.audit(db, project, task.id, Finding(AuditVerdict.FIXED, value=payload), made_by=project.requester_id)
    assert all(error["pointer"].startswith("/value") for error in refused.value.errors)

    audits.audit(db, project, task.id, Finding(AuditVerdict.FIXED, value=example.far), made_by=project.requester_id)

    assert _same(project, _says(db, project, task), example.far)


def test_gold_is_not_taken_where_answers_are_no_labels(db: Session) -> None:
    with pytest.raises(Invalid, match="gold_share"):
        _project(db, "transcription", gold_share=0.1)


def test_a_task_without_what_its_type_needs_is_refused(db: Session) -> None:
    project, _, _ = _project(db, "ranking")

    with pytest.raises(Invalid) as refused:
        factories.create_task(db, project, params={"attachment": "x"})

    assert refused.value.errors[0]["pointer"] == "/items"


def test_nobody_is_fitted_where_answers_are_no_labels(db: Session) -> None:
    project, task, example = _project(db, "transcription", overlap_min=2, overlap_max=2, confidence_target=0.5)

    _answer(db, project, example.right, example.right)

    assert task.status == TaskStatus.SETTLED
    for table in ("project_fits", "refits", "reliability"):
        assert db.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table


def test_labels_are_handed_over_as_answers(db: Session) -> None:
    project, task, example = _project(db, "named_entities", overlap_min=2, overlap_max=2, confidence_target=0.5)
    _answer(db, project, example.right, example.right)

    (row,) = b"".join(label_files.make_jsonl(db, project, after="", most=9).chunks()).splitlines()
    file = b"".join(label_files.make_csv(db, project, after="", most=9).chunks()).decode()

    label = json.loads(row)["label"]
    assert (label, json.loads(row)["dissenting"]) == (_says(db, project, task), None)
    assert json.dumps(label, ensure_ascii=False).replace('"', '""') in file


def test_values_that_come_at_once_have_numbers_of_their_own(house: House) -> None:
    with house.sessions() as session, session.begin():
        project, task, _ = _project(session, "transcription")
        project_id, task_id = project.id, task.id

    def number(said: str) -> int:
        with house.sessions() as session, session.begin():
            return values.number(session, project_id, task_id, said)

    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(number, ["a", "b", "c", "d"] * 10))

    assert sorted(set(given)) == [0, 1, 2, 3]
    assert given == given[:4] * 10


def test_a_ranking_from_the_project_to_the_file_over_http(house: House) -> None:
    client = house.app.test_client()
    ops, finance = Party(client, house.token("ops", "ops")), Party(client, house.token("finance", "finance"))
    made = ops.send("/api/requesters", {"name": "Museum"})
    requester = Party(client, made["token"])
    owner = made["requester"]["id"]
    finance.send("/api/top-ups", {"owner_ref": owner, "currency": "USD", "amount": "50", "bank_reference": "MT940/1"})
    settings = {"overlap_min": 2, "overlap_max": 2, "confidence_target": 0.5, "spot_share": 0.0}
    project = requester.send("/api/projects", {"name": "texts", "task_type": "ranking", "rates": RATES, **settings})
    path = f"/api/projects/{project['id']}"
    refused = client.post(f"{path}/tasks", json={"items": ["one"]}, headers=requester.header)
    assert (refused.status_code, refused.get_json()["errors"][0]["pointer"]) == (422, "/items")
    task = requester.send(f"{path}/tasks", {"items": ["a", "b", "c"], "unique_id": "1"})
    assert (task["status"], task["value"]) == ("open", None)

    for name in ("Ada", "Bob"):
        worker = _worker(client, ops, name)
        lease = worker.send("/api/claims", {})
        assert (lease["task_type"], lease["form"], lease["params"]["items"]) == ("ranking", {}, ["a", "b", "c"])
        answer = f"/api/assignments/{lease['id']}/answer"
        wrong = worker.send(answer, {"fence": lease["fence"], "payload": {"ranking": ["a"]}}, status=422)
        assert wrong["errors"][0]["pointer"] == "/payload/ranking"
        worker.send(answer, {"fence": lease["fence"], "payload": {"ranking": ["b", "a", "c"]}})
    house.settle()

    (settled,) = requester.get(f"{path}/tasks")["items"]
    assert (settled["status"], settled["value"]) == ("settled", {"ranking": ["b", "a", "c"]})
    file = client.get(f"{path}/labels.jsonl", headers=requester.header)
    assert json.loads(file.data)["label"] == {"ranking": ["b", "a", "c"]}


def _worker(client: FlaskClient, ops: Party, name: str) -> Party:
    applied = client.post("/api/applications", json={"name": name, "country": "KE"}).get_json()
    ops.send(f"/api/workers/{applied['worker']['id']}/activation", status=200)
    return Party(client, applied["token"])
