"""Judging anew: who is looked at, what of it is told, and that nobody is moved by what counts in no record."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from quality import checking, consensus, correction, gold, reliability, votes
from quality.gold_words import Ending
from tests import factories, wronged
from tests.conftest import House
from workforce import golds, places, rejudging
from workforce.models import CorrectionLine, Kind, Project, Worker


def _tier(db: Session, worker: Worker) -> int:
    (place,) = places.of_worker(db, worker.id)
    return place.tier


def _corrected(db: Session, project: Project, task_id: str, label: int = 0) -> list[CorrectionLine]:
    before = rejudging.look(db, project, [task_id])
    golds.correct(db, project, task_id, label=label, reason="Its beak.", corrected_by="bob")
    return list(rejudging.follow(db, project, [task_id], before))


def _relabel(db: Session, project: Project, task_id: str, label: int = 0) -> None:
    correction.relabel(
        db, project.id, task_id, label=label, n_classes=2, reason="", corrected_by="bob", correction_id="cor_1"
    )  # fmt: skip


def test_a_look_knows_how_everybody_stood_and_moves_nobody(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker)

    before = rejudging.look(db, project, known[:2])

    assert {key: (one.is_right, one.seq) for key, one in before.judged.items()} == {
        (known[0], worker.id): (False, 1),
        (known[1], worker.id): (False, 2),
    }
    (seen,) = before.seen.values()
    assert (seen.tier, seen.low, seen.high) == (0, 0.0, 1.0)
    assert before.refit > 0
    assert list(rejudging.follow(db, project, known[:2], before)) == []
    assert _tier(db, worker) == 0


def test_whoever_is_looked_at_is_moved_by_nobody_else_meanwhile(house: House) -> None:
    with house.sessions() as db:
        worker = factories.create_worker(db)
        project, known = wronged.failed(db, worker, 1)
        db.commit()
    free = text("SELECT id FROM workers WHERE id = :id FOR NO KEY UPDATE SKIP LOCKED")

    with house.sessions() as db, house.sessions() as other:
        rejudging.look(db, project, known)
        assert other.scalar(free, {"id": worker.id}) is None
        other.rollback()
        db.rollback()
        assert other.scalar(free, {"id": worker.id}) == worker.id


def test_a_line_says_how_an_answer_was_judged_and_where_that_has_brought_its_worker(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker)

    (line,) = _corrected(db, project, known[0])

    assert (line.change, line.worker_id, line.skill) == ("worker", worker.id, factories.SKILL)
    assert (line.was_right, line.is_right, line.tier_from, line.tier_to) == (False, True, 0, 1)
    assert (line.low_before, line.high_before) == (0.0, 1.0)
    record = checking.find(db, worker.id, factories.SKILL)
    assert record is not None
    assert (line.low_after, line.high_after) == (record.shown.low, record.shown.high)
    assert line.rule_id is not None
    assert (record.shown.n, record.shown.n_right) == (wronged.WRONG, 1)


def test_whoever_stays_where_they_are_is_told_without_a_rule(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker, wronged.WRONG - 1)

    (line,) = _corrected(db, project, known[0])

    assert (line.was_right, line.is_right, line.tier_from, line.tier_to, line.rule_id) == (False, True, 1, 1, None)


def test_answers_that_are_judged_as_before_are_not_told(db: Session, books: None) -> None:
    project, other = factories.create_gold_project(db, **{**wronged.ONE, "labels": ["crow", "rook", "jay"]}), []
    for _ in range(2):
        factories.create_task(db, project)
    known = factories.create_gold(db, project)
    for said in ("crow", "jay"):
        worker = factories.create_worker(db)
        other.append(worker.id)
        for _ in range(2):
            factories.answer(db, worker, said, project=project)
    factories.settle(db)
    wronged.follow(db)

    told = [one for one in _corrected(db, project, known.task_id) if one.change == "worker"]

    assert [(one.worker_id, one.is_right) for one in told] == [(other[0], True)]


def test_a_voter_who_is_no_worker_of_ours_is_counted_and_not_told(db: Session) -> None:
    project = factories.create_gold_project(db)
    known = factories.create_gold(db, project)
    votes.cast(db, project_id=project.id, task_id=known.task_id, voter_id="wrk_guest", label=0)
    checking.check(db, project.id, met=[(known.task_id, "wrk_guest")])
    checking.count(db)

    assert _corrected(db, project, known.task_id) == []
    record = checking.find(db, "wrk_guest", project.skill)
    assert record is not None
    assert (record.shown.n, record.shown.n_right) == (1, 1)


def test_a_label_that_nobody_knows_any_more_speaks_for_nobody_and_against_nobody(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker)
    before = rejudging.look(db, project, known[:1])
    gold.retire(db, project.id, known[0], ended_by=Ending.CONTESTED, reason="Most say crow.")

    (line,) = rejudging.follow(db, project, known[:1], before)

    assert (line.was_right, line.is_right, line.tier_to) == (False, None, 1)


def test_an_answer_to_what_was_in_dispute_moves_nobody(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db)
    expert = factories.create_worker(db, tier=4)
    factories.answer(db, expert, "rook", project=project, kind=Kind.ADJUDICATION)
    factories.settle(db)
    wronged.follow(db)
    moves = db.scalar(text("SELECT count(*) FROM tier_moves"))
    before = rejudging.look(db, project, [task.id])
    _relabel(db, project, task.id)

    lines = list(rejudging.follow(db, project, [task.id], before))

    assert sorted((one.was_right, one.is_right) for one in lines) == [(False, True), (True, False)]
    assert {(one.tier_from, one.tier_to, one.high_after) for one in lines} == {(1, 1, None)}
    assert db.scalar(text("SELECT count(*) FROM tier_moves")) == moves
    assert db.scalar(text("SELECT count(*) FROM voter_records")) == 0


def test_what_a_refit_finds_of_other_tasks_is_told_and_what_was_corrected_is_not(db: Session) -> None:
    project = factories.create_gold_project(db)
    known = factories.create_gold(db, project, label=1)
    tasks = [factories.create_task(db, project) for _ in range(10)]
    tie = factories.create_task(db, project)
    for number, task in enumerate(tasks):
        for voter_id in ("wrk_a", "wrk_b"):
            votes.cast(db, project_id=project.id, task_id=task.id, voter_id=voter_id, label=number % 2)
    for task_id in (tie.id, known.task_id):
        votes.cast(db, project_id=project.id, task_id=task_id, voter_id="wrk_a", label=0)
        votes.cast(db, project_id=project.id, task_id=task_id, voter_id="wrk_b", label=1)
    db.execute(
        text("""INSERT INTO consensus (project_id, task_id, label, confidence, posterior, n_votes, decision, reason)
                VALUES (:project_id, :task_id, 1, 0.6, '{0.4, 0.6}', 2, 'settle', '')"""),
        {"project_id": project.id, "task_id": tie.id},
    )
    reliability.refit(db, project.id, n_classes=2)

    # Between two who are alike, the gold decides whom to believe.
    (line,) = _corrected(db, project, known.task_id)

    assert (line.change, line.task_id, line.label_from, line.label_to) == ("task", tie.id, 1, 0)
    before = rejudging.look(db, project, [tie.id])
    _relabel(db, project, tie.id, 1)
    assert list(rejudging.follow(db, project, [tie.id], before)) == []
    found = consensus.find(db, project.id, tie.id)
    assert found is not None
    assert (found.label, found.confidence) == (1, 1.0)


def test_several_tasks_are_told_one_after_the_other(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker)
    chosen = [known[1], known[0]]
    before = rejudging.look(db, project, chosen)
    for task_id in chosen:
        golds.correct(db, project, task_id, label=0, reason="", corrected_by="bob")

    lines = list(rejudging.follow(db, project, chosen, before))

    told = [(one.is_right, one.tier_to) for one in lines if one.change == "worker"]
    assert told == [(True, 1)] * 2
