"""Arrears: which answers were paid too little and by how much, that each is made up for once, and in one sum."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock, ids
from tests import factories, wronged
from tests.conftest import age
from tests.workforce.test_rejections import ONE as JUDGED
from tests.workforce.test_rejections import WEEK, WHY
from workforce import arrears, golds, messages, rejections
from workforce.models import Answer, Correction, CorrectionLine, Project, Task, Worker


def _put_right(db: Session) -> tuple[Worker, Project]:
    """A worker who went down by golds that were wrong, gave three cheap answers and two dear ones, and is up again."""
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker)
    paid = wronged.dear(db)
    wronged.work(db, worker, paid, 3)
    golds.correct(db, project, known[0], label=0, reason="", corrected_by="bob")
    wronged.follow(db)
    wronged.work(db, worker, paid, 2)
    return worker, paid


def _owed(db: Session, worker: Worker, *seqs: int | None, most: int = 99) -> list[CorrectionLine]:
    return list(arrears.of_answers(db, factories.SKILL, [(worker.id, seq) for seq in seqs], most=most))


def _answers(db: Session, project: Project) -> list[str]:
    rows = text("SELECT id FROM answers WHERE project_id = :id ORDER BY id")
    return list(db.scalars(rows, {"id": project.id}))


def _correction(db: Session, lines: Sequence[CorrectionLine], *, state: str = "applied") -> Correction:
    """Some correction with these lines."""
    decided = {} if state == "proposed" else {"decided_by": "bob", "decided_at": clock.now(db)}
    made = Correction(
        id=ids.new("cor"), kind="gold", project_id=ids.new("prj"), subject_id=ids.new("tsk"), label_from=1, reason="",
        state=state, n_previews=1, n_lines=len(lines), content_hash=b"", proposed_by="ada", **decided,
    )  # fmt: skip
    db.add(made)
    db.flush()
    for number, line in enumerate(lines, 1):
        line.correction_id, line.preview, line.number = made.id, 1, number
    db.add_all(lines)
    db.flush()
    return made


# Priced too low


def test_answers_between_a_demotion_and_its_end_are_owed_the_difference(db: Session, books: None) -> None:
    worker, paid = _put_right(db)

    owed = _owed(db, worker, 1)

    assert [one.answer_id for one in owed] == _answers(db, paid)[:3]
    assert {(one.change, one.worker_id, one.amount, one.currency, one.exponent, one.paid_by) for one in owed} == {
        ("pay", worker.id, 300, "USD", 4, "house")
    }
    assert [one.answer_id for one in _owed(db, worker, 1, most=2)] == _answers(db, paid)[:2]


def test_several_answers_that_spoke_for_one_demotion_owe_it_once(db: Session, books: None) -> None:
    worker, paid = _put_right(db)

    assert [one.answer_id for one in _owed(db, worker, 1, 2, 3)] == _answers(db, paid)[:3]


def test_nothing_is_owed_for_an_answer_that_no_demotion_rests_on(db: Session, books: None) -> None:
    worker, _ = _put_right(db)

    assert _owed(db, worker) == []
    assert _owed(db, worker, None) == []
    assert _owed(db, worker, wronged.WRONG + 1) == []
    assert _owed(db, factories.create_worker(db), 1) == []


def test_a_demotion_that_still_stands_owes_nothing(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    wronged.failed(db, worker)
    wronged.work(db, worker, wronged.dear(db), 2)

    assert _owed(db, worker, 1) == []


def test_answers_that_cost_no_less_on_the_lower_step_are_owed_nothing(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker)
    wronged.work(db, worker, factories.create_project(db, tier_min=0, **wronged.ONE), 2)
    golds.correct(db, project, known[0], label=0, reason="", corrected_by="bob")
    wronged.follow(db)

    assert _owed(db, worker, 1) == []


def test_what_a_correction_has_made_up_for_is_owed_no_more(db: Session) -> None:
    worker, paid = _put_right(db)
    first, second, third = _answers(db, paid)[:3]
    for state in ("proposed", "dropped"):
        _correction(db, _owed(db, worker, 1), state=state)
    assert len(_owed(db, worker, 1)) == 3

    _correction(db, [one for one in _owed(db, worker, 1) if one.answer_id == second])

    assert [one.answer_id for one in _owed(db, worker, 1)] == [first, third]


def test_what_an_earlier_preview_of_an_applied_correction_showed_was_never_paid(db: Session) -> None:
    worker, _ = _put_right(db)
    made = _correction(db, _owed(db, worker, 1), state="proposed")
    made.n_previews, made.state, made.decided_by, made.decided_at = 2, "applied", "bob", clock.now(db)
    db.flush()

    assert len(_owed(db, worker, 1)) == 3


def test_answers_that_wait_for_their_requester_are_left_out(db: Session, books: None) -> None:
    worker = factories.create_worker(db)
    project, known = wronged.failed(db, worker)
    wronged.work(db, worker, wronged.dear(db, acceptance="by_requester"), 2)
    golds.correct(db, project, known[0], label=0, reason="", corrected_by="bob")
    wronged.follow(db)

    assert _owed(db, worker, 1) == []


# Rejected


def _judged(db: Session, n: int) -> tuple[Project, Task, list[Answer]]:
    many = {**JUDGED, "overlap_min": n, "overlap_max": n}
    project = factories.create_project(db, **many)
    task = factories.create_task(db, project)
    answers = factories.answer_all(db, project, *["rook"] * n)
    factories.settle(db)
    return project, task, answers


def test_rejected_answers_are_owed_by_who_has_their_money(db: Session, books: None) -> None:
    project, task, answers = _judged(db, 4)
    rejections.reject(db, project, answers[0].id, **WHY)
    age(db, "reviews", "appeal_until", 2 * WEEK)
    assert rejections.end(db) == 1
    for answer in answers[1:3]:
        rejections.reject(db, project, answer.id, **WHY)

    everybody = [answer.worker_id for answer in answers]
    owed = list(arrears.of_rejected(db, project.id, task.id, everybody))

    assert [(one.answer_id, one.paid_by, one.amount) for one in owed] == [
        (answers[0].id, "house", 200),
        (answers[1].id, "requester", 200),
        (answers[2].id, "requester", 200),
    ]
    (one,) = arrears.of_rejected(db, project.id, task.id, everybody[2:])
    assert one.answer_id == answers[2].id
    other = factories.create_task(db, project)
    assert list(arrears.of_rejected(db, project.id, other.id, everybody)) == []


def test_a_rejected_answer_that_the_house_has_paid_for_is_owed_no_more(db: Session) -> None:
    project, task, (answer,) = _judged(db, 1)
    rejections.reject(db, project, answer.id, **WHY)
    age(db, "reviews", "appeal_until", 2 * WEEK)
    rejections.end(db)

    _correction(db, list(arrears.of_rejected(db, project.id, task.id, [answer.worker_id])))

    assert list(arrears.of_rejected(db, project.id, task.id, [answer.worker_id])) == []


# Paying


def test_a_worker_is_paid_in_one_sum_and_told_once(db: Session, books: None) -> None:
    worker, _ = _put_right(db)
    owed = _owed(db, worker, 1)
    made = _correction(db, owed)

    for _ in range(2):
        arrears.pay(db, made.id, owed, actor_ref="bob")

    rows = db.execute(text("SELECT payee_id, amount FROM earnings WHERE kind = 'goodwill'")).all()
    assert [tuple(row) for row in rows] == [(worker.payee_id, 900)]
    (told,) = [one for one in db.scalars(messages.listed(worker.id)) if one.kind == "pay_put_right"]
    assert told.words == f"0.0900 USD more are due to you. {arrears.WHY}"
    assert "gold" not in told.words


def test_what_requesters_pay_is_not_paid_here(db: Session, books: None) -> None:
    project, task, (answer,) = _judged(db, 1)
    rejections.reject(db, project, answer.id, **WHY)
    owed = list(arrears.of_rejected(db, project.id, task.id, [answer.worker_id]))

    arrears.pay(db, ids.new("cor"), owed, actor_ref="bob")

    assert db.scalar(text("SELECT count(*) FROM earnings WHERE kind = 'goodwill'")) == 0
    assert db.scalar(text("SELECT count(*) FROM messages WHERE kind = 'pay_put_right'")) == 0
