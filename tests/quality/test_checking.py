"""What checks show of voters: each answer whose truth became known counts once, and follows what is known."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from quality import checking, consensus, correction, gold
from quality.checking import Stretch
from quality.gold_words import Ending
from tests import factories
from tests.conftest import House
from workforce import golds
from workforce.models import Kind, Project, Worker

SKILL = factories.SKILL
ONE_ANSWER = {"overlap_min": 1, "overlap_max": 1, "confidence_target": 0.5, "expert_share": 0.0}


def _meet(db: Session, project: Project, worker: Worker, *categories: str) -> list[str]:
    """A worker answers as many golds, each given before a task of its own; returns the golds."""
    made = []
    for category in categories:
        factories.create_task(db, project)
        made.append(factories.create_gold(db, project).task_id)
        factories.answer(db, worker, category, project=project)
        factories.answer(db, worker, project=project)
    factories.settle(db)
    checking.count(db)
    return made


def _told(db: Session, worker: Worker) -> tuple[int, int]:
    record = checking.find(db, worker.id, SKILL)
    assert record is not None
    return record.shown.n, record.shown.n_right


def _show(db: Session, project: Project, voter_id: str, *right: bool) -> None:
    """Checked answers of somebody, in this order."""
    for one in right:
        known = factories.create_gold(db, project, exposures_max=1)
        vote = {"project_id": project.id, "task_id": known.task_id, "voter_id": voter_id}
        db.execute(
            text(
                "INSERT INTO votes (project_id, task_id, voter_id, label) VALUES (:project_id, :task_id, :voter_id, :l)"
            ),
            {**vote, "l": int(one)},
        )
        checking.check(db, project.id, met=[(known.task_id, voter_id)])
        checking.count(db)


# What is checked


def test_answers_to_gold_are_checked_also_where_one_answer_settles_a_task(db: Session, books: None) -> None:
    project = factories.create_gold_project(db, **ONE_ANSWER)
    worker = factories.create_worker(db)

    _meet(db, project, worker, "rook", "crow", "rook")

    assert _told(db, worker) == (3, 2)


def test_what_was_counted_is_not_counted_again(db: Session, books: None) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)
    (known,) = _meet(db, project, worker, "rook")

    checking.check(db, project.id, met=[(known, worker.id)])

    assert checking.count(db) == 0
    assert _told(db, worker) == (1, 1)


def test_an_experts_word_on_a_task_in_dispute_is_kept_apart(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db)
    factories.answer(db, factories.create_worker(db, tier=4), "crow", project=project, kind=Kind.ADJUDICATION)
    factories.settle(db)

    assert checking.count(db) == 0
    rows = db.execute(text("SELECT source, is_right, seq FROM checked_votes WHERE task_id = :id"), {"id": task.id})
    assert sorted(map(tuple, rows)) == [("dispute", False, None), ("dispute", True, None)]


def test_a_task_drawn_for_a_spot_check_checks_all_its_answers(db: Session, books: None) -> None:
    project = factories.create_project(db, spot_share=1.0, expert_share=1.0, overlap_min=2, overlap_max=2)
    factories.create_task(db, project)
    given = factories.answer_all(db, project, "crow", "rook")
    factories.settle(db)
    factories.answer(db, factories.create_worker(db, tier=4), "crow", project=project, kind=Kind.ADJUDICATION)
    factories.settle(db)

    assert checking.count(db) == 2

    records = [checking.find(db, one.worker_id, SKILL) for one in given]
    assert [(one.shown.n, one.shown.n_right) for one in records if one] == [(1, 1), (1, 0)]


def test_an_answer_that_comes_after_the_experts_word_is_checked_by_it(db: Session) -> None:
    project, task = factories.create_escalated(db)
    consensus.adjudicate(db, project.id, task_id=task.id, label=1, voter_id="wrk_expert", is_sample=True)
    worker = factories.create_worker(db)
    db.execute(
        text("INSERT INTO votes (project_id, task_id, voter_id, label) VALUES (:p, :t, :v, 1)"),
        {"p": project.id, "t": task.id, "v": worker.id},
    )

    checking.check(db, project.id, task_ids=[task.id])
    checking.count(db)

    assert _told(db, worker) == (1, 1)


# What becomes of it


def test_a_corrected_gold_moves_what_it_had_shown(db: Session, books: None) -> None:
    project, worker, other = factories.create_gold_project(db), *(factories.create_worker(db) for _ in range(2))
    known, _ = _meet(db, project, worker, "rook", "crow")
    _meet(db, project, other, "crow")

    golds.correct(db, project, known, label=0, reason="A crow.", corrected_by="ops")
    checking.count(db)

    assert _told(db, worker) == (2, 0)
    assert _told(db, other) == (1, 0)


def test_gold_whose_label_is_doubted_shows_nothing_until_it_is_put_right(db: Session, books: None) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)
    known, _ = _meet(db, project, worker, "crow", "rook")

    golds.retire(db, project.id, known, ended_by=Ending.CONTESTED, reason="Most say crow.")
    checking.count(db)
    doubted = _told(db, worker)
    golds.correct(db, project, known, label=0, reason="A crow.", corrected_by="ops")
    checking.count(db)

    assert doubted == (1, 1)
    assert _told(db, worker) == (2, 2)


def test_an_answer_to_gold_that_is_doubted_by_then_counts_when_its_label_is_known(db: Session) -> None:
    project = factories.create_gold_project(db)
    known = factories.create_gold(db, project)
    vote = {"p": project.id, "t": known.task_id}
    db.execute(text("INSERT INTO votes (project_id, task_id, voter_id, label) VALUES (:p, :t, 'wrk_1', 0)"), vote)
    gold.retire(db, project.id, known.task_id, ended_by=Ending.CONTESTED, reason="Most say crow.")
    checking.check(db, project.id, met=[(known.task_id, "wrk_1")])

    assert checking.count(db) == 0
    correction.apply(db, project.id, known.task_id, label=0, n_classes=2, reason="A crow.", corrected_by="ops")
    assert checking.count(db) == 1

    record = checking.find(db, "wrk_1", SKILL)
    assert record is not None
    assert (record.n_seen, record.shown.n, record.shown.n_right) == (1, 1, 1)


def test_a_gold_is_not_judged_while_its_project_is_settled(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_gold_project(db)
        factories.create_task(db, project)
        factories.create_gold(db, project)
        db.execute(text("UPDATE golds SET exposures_judged = -10"))
        db.commit()
    with house.sessions() as settling, house.sessions() as judging:
        settling.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:id, 2))"), {"id": project.id})

        golds.judge(judging)
        judging.commit()

        assert judging.scalar(text("SELECT exposures_judged FROM golds")) == -10
        settling.rollback()
        golds.judge(judging)
        assert judging.scalar(text("SELECT exposures_judged FROM golds")) == 0
        judging.execute(text("DELETE FROM outbox_events"))


# What it shows


def test_bounds_grow_narrow_with_what_is_checked(db: Session) -> None:
    project = factories.create_gold_project(db)
    _show(db, project, "wrk_1", *[True] * 8, False, False)

    record = checking.find(db, "wrk_1", SKILL)

    assert record is not None
    shown = record.shown
    assert (shown.n, shown.n_right) == (10, 8)
    assert 0.3 < shown.low < 0.8 < shown.high < 1.0
    assert shown == checking.shown(db, Stretch("wrk_1", SKILL, 0, record.n_seen))


def test_a_long_good_past_hides_no_decline(db: Session) -> None:
    project = factories.create_gold_project(db)
    _show(db, project, "wrk_1", *[True] * 60, *[False] * 12)

    record = checking.find(db, "wrk_1", SKILL)

    assert record is not None
    # The whole says that eight of ten may well be right, the last two blocks say that it is over.
    assert record.shown.high > 0.85
    assert record.shown.n_recent < 40
    assert record.shown.high_recent < 0.85
    assert record.shown == checking.shown(db, Stretch("wrk_1", SKILL, 0, record.n_seen))


def test_a_record_that_begins_anew_holds_nothing_of_before_and_can_be_put_back(db: Session) -> None:
    project = factories.create_gold_project(db)
    _show(db, project, "wrk_1", *[False] * 9, True)

    checking.begin_anew(db, "wrk_1", SKILL)
    begun = checking.find(db, "wrk_1", SKILL)
    _show(db, project, "wrk_1", True)
    later = checking.find(db, "wrk_1", SKILL)
    checking.begin_anew(db, "wrk_1", SKILL, since=0)
    back = checking.find(db, "wrk_1", SKILL)

    assert begun
    assert later
    assert back
    assert (begun.n_seen, begun.since, begun.shown.n, begun.shown.low, begun.shown.high) == (10, 10, 0, 0.0, 1.0)
    assert (later.n_seen, later.shown.n, later.shown.n_right) == (11, 1, 1)
    assert (back.since, back.shown.n, back.shown.n_right) == (0, 11, 2)


def test_what_is_put_right_before_the_beginning_of_a_record_is_not_in_it(db: Session, books: None) -> None:
    project, worker = factories.create_gold_project(db), factories.create_worker(db)
    (known,) = _meet(db, project, worker, "rook")
    checking.begin_anew(db, worker.id, SKILL)
    _meet(db, project, worker, "rook")

    golds.correct(db, project, known, label=0, reason="A crow.", corrected_by="ops")
    checking.count(db)

    assert _told(db, worker) == (1, 1)


@pytest.mark.parametrize("at_once", [3, 1000])
def test_answers_are_counted_in_the_order_in_which_they_were_checked(
    db: Session, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(checking, "_AT_ONCE", at_once)
    project = factories.create_gold_project(db)
    # Those with the later ids came first.
    for place in range(5):
        where = {"p": project.id, "t": factories.create_gold(db, project).task_id, "right": place % 2 == 0, "m": place}
        db.execute(
            text("""INSERT INTO checked_votes (project_id, task_id, voter_id, skill, source, is_right, checked_at)
                    VALUES (:p, :t, 'wrk_1', 'lang', 'gold', :right, now() - make_interval(mins => :m))"""),
            where,
        )

    while checking.count(db):
        pass

    rows = db.execute(text("SELECT seq, counted FROM checked_votes ORDER BY checked_at")).all()
    assert list(map(tuple, rows)) == [(1, True), (2, False), (3, True), (4, False), (5, True)]


def test_records_of_several_voters_are_brought_on_together(db: Session) -> None:
    first, second = factories.create_gold_project(db), factories.create_gold_project(db, skill="lang.sw")
    for project in (first, second):
        known = factories.create_gold(db, project)
        for number in range(3):
            where = {"p": project.id, "t": known.task_id, "v": f"wrk_{number}", "l": number % 2}
            db.execute(text("INSERT INTO votes (project_id, task_id, voter_id, label) VALUES (:p, :t, :v, :l)"), where)
        checking.check(db, project.id, met=[(known.task_id, f"wrk_{number}") for number in range(3)])

    assert checking.count(db) == 6

    records = [one for number in range(3) for one in checking.of_voter(db, f"wrk_{number}")]
    assert [(one.voter_id, one.skill, one.shown.n_right) for one in records] == [
        (f"wrk_{number}", skill, number % 2) for number in range(3) for skill in (SKILL, "lang.sw")
    ]
