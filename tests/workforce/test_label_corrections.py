"""Labels that were settled wrongly: another one is shown, stays, and speaks for whoever had said it."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import Invalid, NotFound
from foundation.pagination import PageRequest
from quality import adjudication, certain, consensus, gold, proposals, reliability, revisions
from quality.correction import LabelStands
from quality.gold_words import Source
from tests import factories, wronged
from tests.conftest import House, age
from tests.workforce.test_rejections import WEEK, WHY
from tests.workforce.test_settlement import QUICK
from tests.wronged import corrected, proposed
from workforce import (
    assignment,
    audits,
    corrections,
    golds,
    label_corrections,
    label_files,
    labels,
    messages,
    places,
    rejections,
)
from workforce.audits import ExpertDecided, Finding, TaskNotSettled
from workforce.corrections import Wanted
from workforce.events import LabelCorrected
from workforce.label_corrections import LabelMoved
from workforce.models import AuditVerdict, Correction, CorrectionKind, Kind, Project, Task, Worker


def _settled(db: Session, *said: str, **settings: Any) -> tuple[Project, Task]:
    """A task that a crowd has settled as a rook."""
    said = said or ("rook", "rook", "crow")
    project = factories.create_project(db, **{**QUICK, "overlap_min": len(said), "overlap_max": len(said), **settings})
    task = factories.create_task(db, project)
    factories.answer_all(db, project, *said)
    factories.settle(db)
    assert (task.status, task.label) == ("settled", 1)
    return project, task


def _tier(db: Session, worker: Worker) -> int:
    (place,) = places.of_worker(db, worker.id)
    return place.tier


def _goodwill(db: Session) -> list[int]:
    return list(db.scalars(text("SELECT amount FROM earnings WHERE kind = 'goodwill' ORDER BY id")))


def _rejected(db: Session, said: str = "crow", *, final: bool = False) -> Task:
    """A task that is a rook, and one of whose answers was rejected."""
    project, task = _settled(db, "rook", "rook", said, acceptance="by_requester")
    rows = text("SELECT max(id) FROM answers WHERE task_id = :id")
    rejections.reject(db, project, db.scalars(rows, {"id": task.id}).one(), **WHY)
    if final:
        age(db, "reviews", "appeal_until", 2 * WEEK)
        assert rejections.end(db) == 1
    return task


# What a requester gets


def test_a_corrected_label_is_shown_with_what_it_was_and_why(db: Session, books: None) -> None:
    project, task = _settled(db)
    made = proposed(db, task.id, kind="label")
    assert (task.label, task.settled_by) == (1, "consensus")

    done = corrections.apply(db, made.id, content_hash=made.hash, applied_by="bob")

    db.refresh(task)
    assert (task.label, task.settled_by, task.confidence) == (0, "correction", 1.0)
    assert (done.label_from, done.label_to, done.task_id) == (1, 0, task.id)
    (one,) = labels.of_tasks(db, project, [task])
    assert one.value == {"category": "crow"}
    assert (one.correction.value_before, one.correction.reason) == ({"category": "rook"}, "Its beak.")
    assert one.correction.at == done.decided_at
    kept = db.execute(text("SELECT nth, correction_id, label, is_sample, reason, corrected_by FROM corrected_labels"))
    assert [tuple(row) for row in kept] == [(1, made.id, 0, False, "Its beak.", "bob")]


def test_files_of_labels_say_what_was_corrected(db: Session, books: None) -> None:
    project, task = _settled(db)
    made = corrected(db, task.id)

    (row,) = csv.DictReader(
        io.StringIO(b"".join(label_files.make_csv(db, project, after="", most=9).chunks()).decode(), newline="")
    )
    (line,) = b"".join(label_files.make_jsonl(db, project, after="", most=9).chunks()).splitlines()

    shown = ("label", "settled_by", "confidence", "dissenting", "corrected_from", "correction_reason")
    assert [row[name] for name in shown] == ["crow", "correction", "1.0", "2", "rook", "Its beak."]
    assert made.decided_at is not None
    assert json.loads(line)["corrected_at"] == row["corrected_at"] == made.decided_at.isoformat()


def test_a_requester_is_told_of_a_corrected_label_once(db: Session, books: None) -> None:
    project, task = _settled(db)
    made = corrected(db, task.id)

    (told,) = db.scalars(text("SELECT payload FROM outbox_events WHERE topic = 'LabelCorrected'"))
    for _ in range(2):
        label_corrections.tell(db, [LabelCorrected(**told)])

    (message,) = db.scalars(messages.listed(project.requester_id))
    assert (message.kind, message.key) == ("label_corrected", made.id)
    assert message.words == f"Task {task.id} of project {project.id} has another label now. Its beak."


def test_the_last_of_several_corrections_counts_and_all_are_kept(db: Session, books: None) -> None:
    project, task = _settled(db)

    for category in ("crow", "rook", "crow"):
        corrected(db, task.id, category=category)
        db.refresh(task)
        assert project.labels[task.label or 0] == category
        assert certain.label(db, project.id, task.id) == task.label

    rows = db.execute(text("SELECT nth, label FROM corrected_labels ORDER BY nth")).all()
    assert [tuple(row) for row in rows] == [(1, 0), (2, 1), (3, 0)]
    (one,) = labels.of_tasks(db, project, [task])
    assert one.correction.value_before == {"category": "rook"}


def test_a_requester_may_fix_what_was_corrected_and_a_correction_what_they_fixed(db: Session, books: None) -> None:
    project, task = _settled(db)
    corrected(db, task.id)

    audits.audit(db, project, task.id, Finding(AuditVerdict.FIXED, "rook"), made_by="ada")

    assert (task.label, task.settled_by) == (1, "requester")
    assert labels.of_tasks(db, project, [task])[0].correction == labels.NEVER_CORRECTED
    # What is known of answers is what was corrected, whatever the requester wants to have.
    assert certain.label(db, project.id, task.id) == 0
    corrected(db, task.id, category="rook")
    db.refresh(task)
    assert (task.label, task.settled_by, certain.label(db, project.id, task.id)) == (1, "correction", 1)


def test_what_was_corrected_is_not_decided_anew(db: Session, books: None) -> None:
    project, task = _settled(db)
    corrected(db, task.id)
    for _ in range(2):
        with pytest.raises(ExpertDecided):
            audits.audit(db, project, task.id, Finding(AuditVerdict.REWORK), made_by="ada")
        # Nor what they have fixed since: what it is counts still, whatever they want to have.
        if task.settled_by == "correction":
            audits.audit(db, project, task.id, Finding(AuditVerdict.FIXED, "rook"), made_by="ada")


def test_no_fit_overrules_a_corrected_label(db: Session, books: None) -> None:
    project, task = _settled(db, *["rook"] * 5)
    for _ in range(5):
        factories.create_task(db, project)
        factories.answer_all(db, project, *["rook"] * 5)
        factories.settle(db)

    corrected(db, task.id)
    reliability.refit(db, project.id, n_classes=2)

    found = consensus.find(db, project.id, task.id)
    assert found is not None
    assert (found.label, found.confidence, found.posterior) == (0, 1.0, [1.0, 0.0])
    assert found.reason == "its label was corrected"
    assert revisions.since(db, project.id, 0, most=9) == []
    (task_after,) = labels.of_tasks(db, project, [task])
    assert task_after.value == {"category": "crow"}


def test_a_large_project_counts_what_was_corrected_before_its_next_fit(
    db: Session, monkeypatch: pytest.MonkeyPatch, books: None
) -> None:
    _, task = _settled(db)
    monkeypatch.setattr(reliability, "INLINE_VOTES_MAX", 0)

    corrected(db, task.id)

    counted = text("SELECT posterior FROM contributions WHERE task_id = :id ORDER BY generation DESC LIMIT 1")
    assert db.scalar(counted, {"id": task.id}) == bytes(6) + b"\xf0\x3f" + bytes(8)
    assert db.scalar(text("SELECT n_since >= n_votes FROM project_fits"))


# What follows for workers


def test_whoever_was_demoted_by_a_wrong_ruling_is_put_right_with_their_pay(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, task_ids = wronged.overruled(db, worker)
    wronged.work(db, worker, wronged.dear(db), 3)
    assert _tier(db, worker) == 0

    made = proposed(db, task_ids[0], kind="label")

    shown = corrections.shown(db, made)
    assert (shown.rejudged, [tuple(one) for one in shown.moves]) == (1, [(0, 1, 1)])
    assert (shown.value_from, shown.value_to) == ({"category": "rook"}, {"category": "crow"})
    assert [tuple(one) for one in shown.money] == [("USD", 4, "house", 900, 1, 3)]
    assert (_tier(db, worker), _goodwill(db)) == (0, [])
    corrections.apply(db, made.id, content_hash=made.hash, applied_by="bob")
    assert (_tier(db, worker), _goodwill(db)) == (1, [900])
    rows = db.execute(text("SELECT source, is_right, counted FROM checked_votes ORDER BY task_id")).all()
    assert [tuple(row) for row in rows] == [("spot", True, True)] + [("spot", False, False)] * 4
    assert project.n_settled + project.n_escalated == 5


def test_a_correction_that_was_wrong_itself_brings_them_down_again_and_pays_nothing_twice(
    db: Session, books: None
) -> None:
    worker = factories.create_worker(db)
    _, task_ids = wronged.overruled(db, worker)
    wronged.work(db, worker, wronged.dear(db), 2)

    tiers = []
    for category in ("crow", "rook", "crow"):
        corrected(db, task_ids[0], category=category)
        tiers.append(_tier(db, worker))

    assert (tiers, _goodwill(db)) == ([1, 0, 1], [600])


def test_answers_to_what_a_crowd_settled_wrongly_are_noted_and_count_in_no_record(db: Session, books: None) -> None:
    _, task = _settled(db)

    made = corrected(db, task.id)

    rows = db.execute(text("SELECT source, is_right, seq FROM checked_votes ORDER BY is_right")).all()
    assert [tuple(row) for row in rows] == [("dispute", False, None)] * 2 + [("dispute", True, None)]
    assert corrections.shown(db, made).rejudged == 0
    assert db.scalar(text("SELECT count(*) FROM voter_records")) == 0


def test_experts_are_measured_by_the_corrected_label(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db, second_opinion_share=1.0, panel_size=3)
    for said in ("rook", "crow", "rook"):
        expert = factories.create_worker(db, tier=4)
        factories.answer(db, expert, said, project=project, kind=Kind.ADJUDICATION)
        factories.settle(db)
    assert task.label == 1

    corrected(db, task.id)

    found = adjudication.page(db, project.id, PageRequest(9)).items
    assert sorted(row.n_upheld for row in found) == [0, 0, 1]


# Pay


def test_a_rejected_answer_that_was_right_is_paid_out_of_what_is_kept_for_it(db: Session, books: None) -> None:
    task = _rejected(db)

    made = proposed(db, task.id, kind="label")

    assert [tuple(one) for one in corrections.shown(db, made).money] == [("USD", 4, "requester", 200, 1, 1)]
    corrections.apply(db, made.id, content_hash=made.hash, applied_by="bob")
    rows = db.execute(text("SELECT r.state, n.status FROM reviews r JOIN answers n ON n.id = r.answer_id")).all()
    assert sorted(map(tuple, rows)) == [("accepted", "accepted")] + [("waiting", "submitted")] * 2
    assert _goodwill(db) == []


def test_one_whose_money_went_back_is_paid_by_the_house_once(db: Session, books: None) -> None:
    task = _rejected(db, final=True)

    for category in ("crow", "rook", "crow"):
        corrected(db, task.id, category=category)

    assert _goodwill(db) == [200]
    rows = db.execute(text("SELECT status FROM answers WHERE status = 'rejected'")).all()
    assert len(rows) == 1
    assert db.scalar(text("SELECT count(*) FROM messages WHERE kind = 'pay_put_right'")) == 1


def test_a_rejected_answer_that_was_wrong_all_the_same_stays_rejected(db: Session, books: None) -> None:
    task = _rejected(db, "rook")

    made = corrected(db, task.id)

    assert corrections.shown(db, made).money == []
    assert db.scalar(text("SELECT count(*) FROM answers WHERE status = 'rejected'")) == 1


def test_accepted_answers_stay_paid_however_wrong(db: Session, books: None) -> None:
    _, task = _settled(db)
    paid = db.execute(text("SELECT * FROM earnings ORDER BY id")).all()

    corrected(db, task.id)

    assert db.execute(text("SELECT * FROM earnings ORDER BY id")).all() == paid


# Answers that are no classes


def _transcribed(db: Session, *said: str, **settings: Any) -> tuple[Project, Task]:
    chosen = {**QUICK, "task_type": "transcription", "labels": [], "form": {}, **settings}
    project = factories.create_project(db, **chosen)
    task = factories.create_task(db, project)
    for words in said:
        worker = factories.create_worker(db)
        lease = factories.claim(db, worker, project)
        assignment.submit(db, worker.id, lease.id, fence=lease.fence, payload={"text": words})
    factories.settle(db)
    assert task.status == "settled"
    return project, task


def _transcribe(db: Session, task: Task, words: str) -> Correction:
    wanted = Wanted(CorrectionKind.LABEL, "Listen.", task_id=task.id, value={"text": words})
    made = corrections.propose(db, wanted, proposed_by="ada")
    return corrections.apply(db, made.id, content_hash=made.hash, applied_by="bob")


def test_what_is_no_class_is_corrected_by_its_value_and_what_says_nearly_that_is_right(
    db: Session, books: None
) -> None:
    crow, rook = "The crow flies over the old church.", "A rook sat upon that new wall."
    project, task = _transcribed(db, rook, rook, "the crow flies over the old church")

    made = _transcribe(db, task, crow)

    (one,) = labels.of_tasks(db, project, [task])
    assert one.value == {"text": crow}
    assert one.correction.value_before == {"text": rook}
    shown = corrections.shown(db, made)
    assert (shown.value_from, shown.value_to) == ({"text": rook}, {"text": crow})
    rows = db.execute(text("SELECT source, is_right FROM checked_votes ORDER BY is_right")).all()
    assert [tuple(row) for row in rows] == [("dispute", False)] * 2 + [("dispute", True)]
    (line,) = b"".join(label_files.make_jsonl(db, project, after="", most=9).chunks()).splitlines()
    assert json.loads(line)["corrected_from"] == {"text": rook}
    # What nobody has said becomes known by being corrected; another one takes its place.
    _transcribe(db, task, rook)
    rows = db.execute(text("SELECT is_right FROM checked_votes ORDER BY is_right")).all()
    assert [row.is_right for row in rows] == [False, True, True]


def test_a_rejected_transcription_that_says_nearly_the_same_is_paid(db: Session, books: None) -> None:
    rook = "A rook sat upon that new wall."
    near = "the crow flies over the old church"
    _, task = _transcribed(db, rook, rook, near, acceptance="by_requester")
    rejections.reject(
        db, db.get_one(Project, task.project_id), db.scalars(text("SELECT max(id) FROM answers")).one(), **WHY
    )

    made = _transcribe(db, task, "The crow flies over the old church.")

    assert [tuple(one) for one in corrections.shown(db, made).money] == [("USD", 4, "requester", 200, 1, 1)]


# Golds that were made of it


def test_a_gold_that_was_made_of_the_task_is_corrected_with_it(db: Session, books: None) -> None:
    project, task = _settled(db, gold_share=0.5)
    known = gold.Known(1, Source.CONSENSUS, origin_id=task.id)
    made_of = golds.add(db, project, {"attachment": "it"}, known, exposures_max=5, added_by="ops")
    factories.create_task(db, project)
    worker = factories.create_worker(db)
    for _ in range(2):
        factories.answer(db, worker, "crow", project=project)
    factories.settle(db)
    wronged.follow(db)

    made = corrected(db, task.id)

    assert gold.find(db, project.id, made_of.task_id).label == 0
    (named,) = db.scalars(corrections.lines(db, made.id, change="task"))
    assert (named.task_id, named.label_from, named.label_to) == (made_of.task_id, 1, 0)
    rows = db.execute(text("SELECT is_right, counted FROM checked_votes WHERE source = 'gold'")).all()
    assert [tuple(row) for row in rows] == [(True, True)]
    assert corrections.shown(db, made).rejudged == 1


def test_what_was_wrong_is_proposed_as_gold_no_more(db: Session, books: None) -> None:
    project, task = _settled(db, *["rook"] * 5, overlap_max=5)
    db.execute(text("UPDATE consensus SET confidence = 0.999"))
    assert proposals.propose(db, project.id, most=9) == 1

    corrected(db, task.id)

    kept = db.execute(text("SELECT status, reason, decided_by FROM gold_proposals")).one()
    assert tuple(kept) == ("refused", "Its label was corrected.", "bob")
    assert proposals.propose(db, project.id, most=9) == 0


# What is refused


def test_a_task_without_a_final_label_has_none_to_correct(db: Session, books: None) -> None:
    project = factories.create_gold_project(db)
    task = factories.create_task(db, project)
    for task_id in (task.id, factories.create_gold(db, project).task_id):
        with pytest.raises(TaskNotSettled):
            proposed(db, task_id, kind="label")
    with pytest.raises(NotFound):
        proposed(db, ids.new("tsk"), kind="label")


def test_the_label_that_a_task_has_is_no_correction(db: Session, books: None) -> None:
    project, task = _settled(db)
    with pytest.raises(LabelStands), db.begin_nested():
        proposed(db, task.id, kind="label", category="rook")
    audits.audit(db, project, task.id, Finding(AuditVerdict.FIXED, "crow"), made_by="ada")

    # What its requester alone says is known of nobody's answer.
    corrected(db, task.id)

    assert (task.settled_by, certain.label(db, project.id, task.id)) == ("correction", 0)
    with pytest.raises(LabelStands):
        proposed(db, task.id, kind="label")


def test_what_its_requester_has_fixed_since_is_looked_at_again(db: Session, books: None) -> None:
    project = factories.create_project(db, **{**QUICK, "labels": ["crow", "rook", "jay"]})
    task = factories.create_task(db, project)
    factories.answer_all(db, project, "rook", "rook", "rook")
    factories.settle(db)
    made = proposed(db, task.id, kind="label")
    audits.audit(db, project, task.id, Finding(AuditVerdict.FIXED, "jay"), made_by="ada")

    with pytest.raises(LabelMoved), db.begin_nested():
        corrections.apply(db, made.id, content_hash=made.hash, applied_by="bob")
    with pytest.raises(LabelMoved), db.begin_nested():
        corrections.preview_again(db, made.id, asked_by="bob")
    corrections.drop(db, made.id, dropped_by="bob")

    assert corrected(db, task.id).label_from == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"category": None},
        {"value": {"category": "crow"}},
        {"category": "owl"},
        {"category": None, "value": {"category": "owl"}},
        {"category": None, "value": {"text": "crow"}},
        {"appeal_id": "apl_x"},
        {"task_id": None},
    ],
)
def test_what_a_task_is_is_said_once_and_as_its_project_says_it(db: Session, changes: dict[str, Any]) -> None:
    _, task = _settled(db)
    given: dict[str, Any] = {"task_id": task.id, "category": "crow", **changes}

    with pytest.raises(Invalid):
        corrections.propose(db, Wanted(CorrectionKind.LABEL, "", **given), proposed_by="ada")


# The whole trip


def _propose(client: FlaskClient, headers: dict[str, str], **body: Any) -> Any:
    wanted = {"kind": "label", "reason": "Its beak.", **body}
    made = client.post("/api/corrections", json=wanted, headers=headers)
    assert made.status_code == 201, made.get_json()
    return made.get_json()


@pytest.mark.parametrize("said", [{"category": "crow"}, {"value": {"category": "crow"}}])
def test_a_requester_sees_over_http_what_ops_have_corrected(
    client: FlaskClient, db: Session, token: Callable[..., str], books: None, said: dict[str, Any]
) -> None:
    project, task = _settled(db)
    db.commit()
    ada, bob = ({"Authorization": f"Bearer {token('ops', name)}"} for name in ("ada", "bob"))
    requester = {"Authorization": f"Bearer {token('requester', project.requester_id)}"}

    shown = _propose(client, ada, task_id=task.id, **said)
    made = shown["correction"]
    done = client.post(
        f"/api/corrections/{made['id']}/application", json={"content_hash": made["content_hash"]}, headers=bob
    )
    (mine,) = client.get(f"/api/projects/{project.id}/tasks", headers=requester).get_json()["items"]
    scale = client.get(f"/v1/task/{task.id}", headers=requester).get_json()

    assert (shown["value_from"], shown["value_to"]) == ({"category": "rook"}, {"category": "crow"})
    assert (made["kind"], made["task_id"], made["appeal_id"]) == ("label", task.id, None)
    assert (done.status_code, done.get_json()["correction"]["state"]) == (200, "applied")
    assert (mine["label"], mine["value"], mine["settled_by"]) == (0, {"category": "crow"}, "correction")
    when = done.get_json()["correction"]["decided_at"]
    shown_of = ("value_before", "correction_reason", "corrected_at")
    assert [mine[name] for name in shown_of] == [{"category": "rook"}, "Its beak.", when]
    assert scale["response"] == {"category": "crow", "confidence": 1.0, "settled_by": "correction"}


def test_the_event_of_a_correction_has_its_reaction(house: House) -> None:
    with house.sessions() as db:
        project, task = _settled(db)
        db.commit()
        corrected(db, task.id)
        db.commit()

    house.settle()

    with house.sessions() as db:
        assert db.scalar(text("SELECT count(*) FROM outbox_events WHERE parked_at IS NOT NULL")) == 0
        assert [one.kind for one in db.scalars(messages.listed(project.requester_id))] == ["label_corrected"]
