"""Corrections: what a preview shows is what is done, by two people, all of it or nothing, and paid once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import Invalid
from payments.four_eyes import SamePerson
from quality import gold, quarantine
from quality.correction import LabelStands
from quality.gold import NoSuchGold
from quality.gold_words import Ending
from quality.methods import evidence
from tests import factories, wronged
from tests.conftest import House
from tests.workforce.test_appeals import _appeal, _rejected
from tests.wronged import follow
from workforce import corrections, golds, messages, places
from workforce.appeals import NoSuchAppeal
from workforce.corrections import (
    CorrectionOpen,
    CorrectionOver,
    CorrectionTooLarge,
    NoSuchCorrection,
    NothingToCorrect,
    PreviewOutdated,
    Wanted,
)
from workforce.models import Correction, CorrectionKind, Worker


def _propose(db: Session, task_id: str, category: str | None = "crow") -> Correction:
    wanted = Wanted(CorrectionKind.GOLD, "Its beak.", task_id=task_id, category=category)
    return corrections.propose(db, wanted, proposed_by="ada")


def _apply(db: Session, made: Correction, by: str = "bob") -> Correction:
    return corrections.apply(db, made.id, content_hash=made.hash, applied_by=by)


def _tier(db: Session, worker: Worker) -> int:
    (place,) = places.of_worker(db, worker.id)
    return place.tier


def _given(db: Session, worker: Worker) -> list[int]:
    rows = text("SELECT amount FROM earnings WHERE payee_id = :id AND kind = 'goodwill' ORDER BY id")
    return list(db.scalars(rows, {"id": worker.payee_id}))


def _lines(db: Session, made: Correction) -> list[tuple[Any, ...]]:
    rows = db.scalars(corrections.lines(db, made.id)).all()
    return sorted((one.change, one.worker_id or one.task_id, one.tier_from, one.tier_to, one.amount) for one in rows)


def test_a_preview_says_who_moves_and_what_they_are_owed_and_changes_nothing(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker)
    wronged.work(db, worker, wronged.dear(db), 3)
    assert _tier(db, worker) == 0

    made = _propose(db, known[0])

    shown = corrections.shown(db, made)
    assert (shown.rejudged, shown.quarantines) == (1, 0)
    assert [tuple(one) for one in shown.moves] == [(0, 1, 1)]
    assert [tuple(one) for one in shown.money] == [("USD", 4, "house", 900, 1, 3)]
    assert _lines(db, made) == [("pay", worker.id, None, None, 300)] * 3 + [("worker", worker.id, 0, 1, None)]
    (line,) = db.scalars(corrections.lines(db, made.id, change="worker"))
    assert (line.was_right, line.is_right, line.rule_id) == (False, True, "lad_00000000000000000000000000")
    # The demotion had begun the record anew; now what was before it counts again.
    assert line.high_before == 1.0
    assert line.high_after is not None
    assert 0.65 < line.high_after < 1.0
    assert (_tier(db, worker), gold.find(db, project.id, known[0]).label, _given(db, worker)) == (0, 1, [])
    assert db.scalar(text("SELECT count(*) FROM gold_corrections")) == 0


def test_what_was_previewed_is_done_by_another_person_and_the_worker_is_told(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker)
    wronged.work(db, worker, wronged.dear(db), 3)
    made = _propose(db, known[0])

    done = _apply(db, made)

    assert (done.state, done.decided_by) == ("applied", "bob")
    assert (_tier(db, worker), gold.find(db, project.id, known[0]).label) == (1, 0)
    assert _given(db, worker) == [900]
    kept = db.execute(text("SELECT id, corrected_by FROM gold_corrections")).one()
    assert tuple(kept) == (made.id, "bob")
    (told,) = [one for one in db.scalars(messages.listed(worker.id)) if one.kind == "pay_put_right"]
    assert told.words.startswith("0.0900 USD more are due to you.")
    assert "gold" not in told.words


def test_whoever_proposed_a_correction_does_not_apply_it(db: Session, books: None) -> None:
    _, known = wronged.failed(db, factories.create_worker(db), 1)
    made = _propose(db, known[0])

    with pytest.raises(SamePerson):
        _apply(db, made, by="ada")
    with pytest.raises(IntegrityError, match="applied_by_another"), db.begin_nested():
        db.execute(text("UPDATE corrections SET state = 'applied', decided_by = 'ada', decided_at = now()"))


def test_if_something_else_would_happen_by_now_nothing_does(db: Session, books: None) -> None:
    worker, paid = factories.create_worker(db), wronged.dear(db)
    _, known = wronged.failed(db, worker)
    wronged.work(db, worker, paid)
    made = _propose(db, known[0])
    seen = made.hash
    wronged.work(db, worker, paid)

    with pytest.raises(PreviewOutdated), db.begin_nested():
        _apply(db, made)
    db.refresh(made)
    assert (made.state, _tier(db, worker), _given(db, worker)) == ("proposed", 0, [])
    corrections.preview_again(db, made.id, asked_by="ada")
    with pytest.raises(PreviewOutdated):
        corrections.apply(db, made.id, content_hash=seen, applied_by="bob")

    _apply(db, made)

    assert (_tier(db, worker), _given(db, worker)) == (1, [600])


def test_what_moves_nothing_makes_no_preview_outdated(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker, 2)
    made = _propose(db, known[0])
    # One more of their answers is checked meanwhile: the bounds are others, and that is all.
    factories.create_task(db, project)
    factories.create_gold(db, project)
    for _ in range(2):
        factories.answer(db, worker, project=project)
    factories.settle(db)
    follow(db)

    assert _apply(db, made).state == "applied"


def test_a_correction_is_decided_once_and_proposed_once_at_a_time(db: Session, books: None) -> None:
    _, (first, second) = wronged.failed(db, factories.create_worker(db), 2)
    applied, dropped = _propose(db, first), _propose(db, second)
    with pytest.raises(CorrectionOpen):
        _propose(db, second)
    _apply(db, applied)
    assert corrections.drop(db, dropped.id, dropped_by="ada").state == "dropped"

    for made in (applied, dropped):
        with pytest.raises(CorrectionOver):
            _apply(db, made)
        with pytest.raises(CorrectionOver):
            corrections.drop(db, made.id, dropped_by="bob")
        with pytest.raises(CorrectionOver):
            corrections.preview_again(db, made.id, asked_by="bob")
    with pytest.raises(LabelStands):
        _propose(db, first)
    assert _apply(db, _propose(db, second)).state == "applied"
    with pytest.raises(NoSuchCorrection):
        corrections.find(db, ids.new("cor"))


def test_a_gold_whose_label_nobody_knows_speaks_against_nobody(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker)

    _apply(db, _propose(db, known[0], None))

    view = gold.find(db, project.id, known[0])
    assert (view.status, view.ended_by, view.reason, _tier(db, worker)) == ("retiring", "contested", "Its beak.", 1)
    with pytest.raises(NothingToCorrect), db.begin_nested():
        _propose(db, known[0], None)


def test_a_gold_that_is_over_can_be_disowned_too(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker)
    golds.retire(db, project.id, known[0], ended_by=Ending.TOLD, reason="Too easy.")

    _apply(db, _propose(db, known[0], None))

    assert (gold.find(db, project.id, known[0]).ended_by, _tier(db, worker)) == ("contested", 1)


def test_what_was_put_right_by_itself_is_still_owed_and_paid_once(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker)
    wronged.work(db, worker, wronged.dear(db), 2)
    # As the sweep that judges golds does it: the demotion is taken back, and nobody is paid by a sweep.
    golds.retire(db, project.id, known[0], ended_by=Ending.CONTESTED, reason="Most say crow.")
    follow(db)
    assert (_tier(db, worker), _given(db, worker)) == (1, [])

    _apply(db, _propose(db, known[0], None))

    assert _given(db, worker) == [600]
    _apply(db, _propose(db, known[0]))
    _apply(db, _propose(db, known[1]))
    assert _given(db, worker) == [600]


def test_answers_that_cost_no_less_are_not_paid_more(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    _, known = wronged.failed(db, worker)
    wronged.work(db, worker, factories.create_project(db, tier_min=0, **wronged.ONE), 2)

    made = _propose(db, known[0])

    assert corrections.shown(db, made).money == []


def test_a_worker_whom_a_correction_speaks_against_goes_down_by_it(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project = factories.create_gold_project(db, **wronged.ONE)
    known = []
    for category in ["crow"] * (wronged.WRONG - 1) + ["rook"]:
        factories.create_task(db, project)
        known.append(factories.create_gold(db, project).task_id)
        for _ in range(2):
            factories.answer(db, worker, category, project=project)
        factories.settle(db)
    follow(db)

    made = _propose(db, known[-1])

    assert [tuple(one) for one in corrections.shown(db, made).moves] == [(1, 0, 1)]
    _apply(db, made)
    assert _tier(db, worker) == 0


def test_settled_tasks_that_votes_would_decide_otherwise_are_named(db: Session, books: None) -> None:
    two = {**wronged.ONE, "overlap_min": 2, "overlap_max": 2}
    project = factories.create_gold_project(db, **two)
    known = factories.create_gold(db, project)
    tasks = [factories.create_task(db, project) for _ in range(9)]
    for worker, first in ((factories.create_worker(db), "crow"), (factories.create_worker(db), "rook")):
        for said in (first, *["crow", "rook"] * 4, first):
            factories.answer(db, worker, said, project=project)
    factories.settle(db)

    made = _propose(db, known.task_id)

    named = {one.task_id for one in db.scalars(corrections.lines(db, made.id, change="task"))}
    assert named <= {task.id for task in tasks}
    assert corrections.shown(db, made).tasks == len(named)


def test_a_quarantine_for_clicking_that_nothing_speaks_for_any_more_is_lifted(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker)
    clicking = evidence.Evidence(
        kind=evidence.Kind.CLICKING, voters=(0,), statistic=6.0, threshold=5.3, answers=5, sentence="They click.",
    )  # fmt: skip
    quarantine.propose(db, project.id, [clicking], [worker.id])
    (proposed,) = db.scalars(quarantine.listed(voter_id=worker.id))
    quarantine.activate(db, proposed.id, reason="Seen.", decided_by="ops")

    made = _propose(db, known[0])

    assert corrections.shown(db, made).quarantines == 1
    assert proposed.status == "active"
    _apply(db, made)
    db.refresh(proposed)
    assert (proposed.status, proposed.end_reason) == ("ended", "What had spoken for it was put right.")


def test_a_quarantine_that_stands_on_something_else_stays(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker)
    factories.propose(db, project, worker)

    assert corrections.shown(db, _propose(db, known[0])).quarantines == 0


def test_an_appeal_that_is_right_is_upheld_and_paid(db: Session, books: None) -> None:
    _, answer = _rejected(db)
    found = _appeal(db, answer)

    made = corrections.propose(
        db, Wanted(CorrectionKind.APPEAL, "They did look.", appeal_id=found.id), proposed_by="ops"
    )

    assert [tuple(one) for one in corrections.shown(db, made).money] == [("USD", 4, "requester", 200, 1, 1)]
    db.refresh(found)
    assert found.state == "open"
    _apply(db, made)
    db.refresh(found)
    assert (found.state, found.decision, found.decided_by) == ("upheld", "They did look.", "bob")
    assert db.scalars(text("SELECT status FROM earnings")).all() == ["due"]


def test_what_too_many_have_answered_or_too_many_are_owed_is_refused(
    db: Session, monkeypatch: pytest.MonkeyPatch, books: None
) -> None:
    worker = factories.create_worker(db)
    _, known = wronged.failed(db, worker)
    wronged.work(db, worker, wronged.dear(db), 2)

    monkeypatch.setattr(corrections, "PAID_MAX", 1)
    with pytest.raises(CorrectionTooLarge), db.begin_nested():
        _propose(db, known[0])
    monkeypatch.setattr(corrections, "ANSWERS_MAX", 0)
    with pytest.raises(CorrectionTooLarge):
        _propose(db, known[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "gold", "task_id": None},
        {"kind": "gold", "appeal_id": "apl_x"},
        {"kind": "appeal", "appeal_id": "apl_x"},
        {"kind": "appeal", "task_id": None, "category": "crow", "appeal_id": "apl_x"},
        {"kind": "appeal", "task_id": None},
    ],
)
def test_what_is_to_be_corrected_is_said_once(db: Session, changes: dict[str, Any]) -> None:
    given = {"kind": "gold", "reason": "", "task_id": "tsk_x", **changes}

    with pytest.raises(Invalid):
        corrections.propose(db, Wanted(**{**given, "kind": CorrectionKind(given["kind"])}), proposed_by="ada")


def test_what_is_not_there_is_not_corrected(db: Session) -> None:
    with pytest.raises(NoSuchGold):
        _propose(db, ids.new("tsk"))
    wanted = Wanted(CorrectionKind.APPEAL, "", appeal_id=ids.new("apl"))
    with pytest.raises(NoSuchAppeal):
        corrections.propose(db, wanted, proposed_by="ada")


def test_of_two_who_apply_at_once_one_does(house: House) -> None:
    with house.sessions() as db:
        worker = factories.create_worker(db)
        _, known = wronged.failed(db, worker)
        wronged.work(db, worker, wronged.dear(db))
        made = _propose(db, known[0])
        db.commit()

    def try_it(by: str) -> str:
        with house.sessions() as db:
            try:
                corrections.apply(db, made.id, content_hash=made.hash, applied_by=by)
            except CorrectionOver:
                return "over"
            db.commit()
            return "done"

    with ThreadPoolExecutor(2) as threads:
        found = sorted(threads.map(try_it, ("bob", "eve")))

    assert found == ["done", "over"]
    house.settle()
    with house.sessions() as db:
        assert _given(db, worker) == [300]


def test_the_whole_trip_over_http(client: FlaskClient, db: Session, token: Callable[..., str], books: None) -> None:
    worker = factories.create_worker(db)
    _, known = wronged.failed(db, worker)
    wronged.work(db, worker, wronged.dear(db), 2)
    db.commit()
    ada, bob = ({"Authorization": f"Bearer {token('ops', name)}"} for name in ("ada", "bob"))

    made = client.post(
        "/api/corrections",
        json={"kind": "gold", "task_id": known[0], "category": "crow", "reason": "Its beak."},
        headers=ada,
    )
    assert made.status_code == 201
    shown = made.get_json()
    address = f"/api/corrections/{shown['correction']['id']}"
    body = {"content_hash": shown["correction"]["content_hash"]}
    mine = client.post(f"{address}/application", json=body, headers=ada)
    outdated = client.post(f"{address}/application", json={"content_hash": "0" * 64}, headers=bob)
    lines = client.get(f"{address}/lines?change=pay&limit=1", headers=bob).get_json()
    done = client.post(f"{address}/application", json=body, headers=bob)
    again = client.post(f"{address}/application", json=body, headers=bob)

    assert shown["money"] == [{"amount": "0.0600", "currency": "USD", "paid_by": "house", "workers": 1, "answers": 2}]
    assert [(one.status_code, one.get_json()["type"]) for one in (mine, outdated, again)] == [
        (409, "/problems/same-person"),
        (409, "/problems/preview-outdated"),
        (409, "/problems/correction-over"),
    ]
    assert (len(lines["items"]), lines["next_cursor"] is None) == (1, False)
    assert (done.status_code, done.get_json()["correction"]["state"]) == (200, "applied")
    mine = client.get("/api/me/earnings", headers={"Authorization": f"Bearer {token('worker', worker.id)}"})
    assert "0.0600" in [one["amount"] for one in mine.get_json()["items"]]
