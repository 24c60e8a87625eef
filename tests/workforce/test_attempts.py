"""Sitting exams and training: bounded attempts, a result and nothing more, pay once; training explains."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from foundation.errors import NotFound
from foundation.pagination import PageRequest
from payments.rates import Price
from tests import factories
from tests.conftest import House, Urls, age
from workforce import attempts, checks, exams, places, pools
from workforce.assignment import AlreadyAnswered, NotActive
from workforce.attempts import (
    AlreadyPassed,
    AttemptOver,
    AttemptsUsedUp,
    AttemptUnderWay,
    ExamNotFunded,
    ExamNotReady,
    NoSuchAttempt,
    TooSoonAgain,
)
from workforce.exams import NoSuchExam
from workforce.models import Pool, Worker, WorkerStatus

Token = Callable[..., str]
# The rules about attempts alone: all of them after each act take a minute.
_RULES = [sql for name, sql in checks.CHECKS.items() if name[:3] in {"W40", "W41", "W42"}]
PAYS = (Price(tier=0, amount="1.50", currency="USD"),)


@pytest.fixture
def worker(db: Session) -> Worker:
    return factories.create_worker(db)


def _earned(db: Session) -> list[tuple[str, int]]:
    return [tuple(row) for row in db.execute(text("SELECT status, amount FROM earnings ORDER BY id"))]


def test_an_attempt_asks_as_many_questions_in_an_order_of_its_own(db: Session, worker: Worker) -> None:
    exam = factories.create_exam(db, n=5, questions=20)
    orders = []
    for sitter in (worker, factories.create_worker(db)):
        attempt = attempts.start(db, sitter.id, exam.project_id)
        asked = text("SELECT question_id FROM attempt_answers WHERE attempt_id = :id ORDER BY place")
        orders.append(db.scalars(asked, {"id": attempt.id}).all())

    assert [len(set(order)) for order in orders] == [5, 5]
    assert orders[0] != orders[1]


def test_a_second_attempt_asks_first_what_was_not_asked_before(db: Session, worker: Worker) -> None:
    exam = factories.create_exam(db, n=3, questions=6, cool_down_days=0)
    for _ in range(2):
        factories.sit(db, worker, exam, right=0, wrong=3)

    assert db.scalar(text("SELECT count(DISTINCT question_id) FROM attempt_answers")) == 6


@pytest.mark.parametrize(("right", "state"), [(2, "passed"), (4, "passed"), (1, "failed"), (0, "failed")])
def test_the_last_answer_ends_it_with_its_result(db: Session, worker: Worker, right: int, state: str) -> None:
    attempt = factories.sit(db, worker, factories.create_exam(db, n=4), right=right, wrong=4 - right)

    assert (attempt.state, attempt.n_right, attempt.n_answered) == (state, right, 4)


def test_an_exam_does_not_tell_what_was_right(db: Session, worker: Worker) -> None:
    attempt = attempts.start(db, worker.id, factories.create_exam(db).project_id)

    told = attempts.answer(db, worker.id, attempt.id, place=1, payload={"category": "crow"})

    assert (told.is_right, told.category, told.explanation) == (None, None, None)


@pytest.mark.parametrize(("category", "is_right"), [("rook", True), ("crow", False)])
def test_training_tells_at_once_what_is_right_and_why(
    db: Session, worker: Worker, *, category: str, is_right: bool
) -> None:
    attempt = attempts.start(db, worker.id, factories.create_exam(db, purpose="training").project_id)

    told = attempts.answer(db, worker.id, attempt.id, place=1, payload={"category": category})

    assert (told.is_right, told.category) == (is_right, "rook")
    assert str(told.explanation).startswith("Its beak")


def test_the_first_answer_to_a_question_is_kept(db: Session, worker: Worker) -> None:
    attempt = attempts.start(db, worker.id, factories.create_exam(db).project_id)
    attempts.answer(db, worker.id, attempt.id, place=1, payload={"category": "crow"})

    with pytest.raises(AlreadyAnswered):
        attempts.answer(db, worker.id, attempt.id, place=1, payload={"category": "rook"})
    with pytest.raises(NotFound):
        attempts.answer(db, worker.id, attempt.id, place=5, payload={"category": "rook"})
    assert attempts.question(db, worker.id, attempt.id).place == 2


def test_after_its_time_nothing_is_taken_and_what_was_answered_counts(db: Session, worker: Worker) -> None:
    exam = factories.create_exam(db, n=4)
    attempt = attempts.start(db, worker.id, exam.project_id)
    for place in (1, 2):
        attempts.answer(db, worker.id, attempt.id, place=place, payload={"category": "rook"})
    age(db, "attempts", "ends_at", 3_700)

    with pytest.raises(AttemptOver):
        attempts.answer(db, worker.id, attempt.id, place=3, payload={"category": "rook"})
    assert (attempts.expire(db), attempts.expire(db)) == (1, 0)
    assert (attempt.state, attempt.n_answered) == ("passed", 2)


def test_an_attempt_may_be_ended_early_and_is_over_then(db: Session, worker: Worker) -> None:
    exam = factories.create_exam(db, cool_down_days=0)
    attempt = attempts.start(db, worker.id, exam.project_id)

    assert attempts.end(db, worker.id, attempt.id).state == "abandoned"
    for act in (attempts.end, attempts.question):
        with pytest.raises(AttemptOver):
            act(db, worker.id, attempt.id)
    assert factories.sit(db, worker, exam, right=1, wrong=3).state == "failed"


def test_an_attempt_is_its_workers_alone(db: Session, worker: Worker) -> None:
    attempt = attempts.start(db, worker.id, factories.create_exam(db).project_id)

    with pytest.raises(NoSuchAttempt):
        attempts.question(db, factories.create_worker(db).id, attempt.id)


# How often


def test_nobody_sits_twice_at_once(db: Session, worker: Worker) -> None:
    exam = factories.create_exam(db)
    attempt = attempts.start(db, worker.id, exam.project_id)

    with pytest.raises(AttemptUnderWay) as refused:
        attempts.start(db, worker.id, exam.project_id)
    assert refused.value.extensions == {"attempt_id": attempt.id}


def test_whoever_failed_waits_and_is_told_until_when(db: Session, worker: Worker) -> None:
    exam = factories.create_exam(db, cool_down_days=7)
    factories.sit(db, worker, exam, right=0, wrong=4)

    with pytest.raises(TooSoonAgain) as refused:
        attempts.start(db, worker.id, exam.project_id)
    assert refused.value.extensions["allowed_at"] in refused.value.detail
    age(db, "attempts", "ended_at", 7 * 86_400 + 1)
    age(db, "attempts", "started_at", 7 * 86_400 + 1)
    assert factories.sit(db, worker, exam, right=4).state == "passed"


def test_attempts_are_bounded(db: Session, worker: Worker) -> None:
    exam = factories.create_exam(db, cool_down_days=0, attempts_max=2)
    for _ in range(2):
        factories.sit(db, worker, exam, right=0, wrong=4)

    with pytest.raises(AttemptsUsedUp):
        attempts.start(db, worker.id, exam.project_id)


def test_an_exam_is_passed_once_and_training_may_be_repeated(db: Session, worker: Worker) -> None:
    exam = factories.create_exam(db, cool_down_days=0)
    training = factories.create_exam(db, purpose="training", cool_down_days=0)
    for one in (exam, training):
        factories.sit(db, worker, one, right=4)

    with pytest.raises(AlreadyPassed):
        attempts.start(db, worker.id, exam.project_id)
    assert factories.sit(db, worker, training, right=4).state == "passed"


@pytest.mark.parametrize("status", [WorkerStatus.SUSPENDED, WorkerStatus.OFFBOARDED])
def test_whoever_is_stopped_or_has_left_begins_nothing(db: Session, status: WorkerStatus) -> None:
    exam = factories.create_exam(db)

    with pytest.raises(NotActive):
        attempts.start(db, factories.create_worker(db, status=status).id, exam.project_id)


def test_applicants_may_sit(db: Session) -> None:
    applicant = factories.create_worker(db, status=WorkerStatus.APPLICANT)

    assert factories.sit(db, applicant, factories.create_exam(db), right=4).state == "passed"


def test_who_may_not_see_an_exam_finds_none(db: Session, worker: Worker) -> None:
    exam = factories.create_exam(db, pools=[Pool.VENDOR])

    with pytest.raises(NoSuchExam):
        attempts.start(db, worker.id, exam.project_id)
    pools.put(db, worker.id, [Pool.VENDOR], put_by="ops")
    assert attempts.start(db, worker.id, exam.project_id).state == "sitting"


def test_too_few_questions_make_no_attempt_and_retired_ones_are_not_asked(db: Session, worker: Worker) -> None:
    exam = factories.create_exam(db, n=4)
    question = db.scalars(text("SELECT id FROM exam_questions LIMIT 1")).one()
    exams.retire_question(db, exam.project_id, question)

    with pytest.raises(ExamNotReady):
        attempts.start(db, worker.id, exam.project_id)


def test_two_who_start_at_once_for_one_worker_get_one_attempt(house: House) -> None:
    with house.sessions() as db:
        exam, worker = factories.create_exam(db, prices=PAYS), factories.create_worker(db)
        db.commit()
    barrier, ends = threading.Barrier(6), []

    def begin() -> None:
        barrier.wait(timeout=20)
        with house.sessions() as db:
            try:
                attempts.start(db, worker.id, exam.project_id)
            except AttemptUnderWay:
                ends.append("refused")
            else:
                db.commit()
                ends.append("started")

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(ends) == ["refused"] * 5 + ["started"]


# Pay


def test_it_pays_what_its_card_says_once_and_whatever_came_of_it(db: Session, worker: Worker, books: None) -> None:
    exam = factories.create_exam(db, prices=PAYS, cool_down_days=0)
    (offer,) = attempts.offers(db, worker.id, _page()).items
    factories.sit(db, worker, exam, right=0, wrong=4)
    factories.sit(db, worker, exam, right=4)

    assert offer.price is not None
    assert _earned(db) == [("due", offer.price.amount)] * 2


def test_without_a_card_nothing_is_paid_and_that_is_told_before(db: Session, worker: Worker, books: None) -> None:
    exam = factories.create_exam(db)
    (offer,) = attempts.offers(db, worker.id, _page()).items
    factories.sit(db, worker, exam, right=4)

    assert (offer.price, _earned(db)) == (None, [])


def test_whoever_answers_nothing_is_paid_nothing_and_what_was_kept_goes_back(
    db: Session, worker: Worker, books: None
) -> None:
    requester = factories.create_requester(db, funds="10")
    exam = factories.create_exam(db, requester, prices=PAYS)
    attempt = attempts.start(db, worker.id, exam.project_id)
    held = db.scalar(text("SELECT reserved - released FROM reserves"))
    age(db, "attempts", "ends_at", 3_700)
    attempts.expire(db)

    assert held
    assert (attempt.state, _earned(db)) == ("abandoned", [])
    assert db.scalar(text("SELECT reserved - released FROM reserves")) == 0


def test_an_exam_that_cannot_be_paid_is_not_begun(db: Session, worker: Worker, books: None) -> None:
    exam = factories.create_exam(db, factories.create_requester(db, funds="1"), prices=PAYS)

    with pytest.raises(ExamNotFunded), db.begin_nested():
        attempts.start(db, worker.id, exam.project_id)
    assert db.scalar(text("SELECT count(*) FROM attempts")) == 0


# The ladder


def _candidate(db: Session) -> Worker:
    return factories.create_worker(db, tier=0)


def test_passing_brings_a_candidate_up_where_ops_let_it(db: Session) -> None:
    exam, worker = factories.create_exam(db), _candidate(db)
    exams.qualify(db, exam, qualifies=True, decided_by="ops")

    attempt = factories.sit(db, worker, exam, right=3, wrong=1)

    (place,) = places.of_worker(db, worker.id)
    last = db.execute(text("SELECT cause, reason, tier_to FROM tier_moves ORDER BY id DESC LIMIT 1")).one()
    assert (place.tier, last.cause, last.tier_to) == (1, "exam", 1)
    assert last.reason == (
        f"You passed the exam {attempt.project_id}: 3 of 4 answers were right, and 2 were asked for."
    )


@pytest.mark.parametrize("why", ["not let", "failed", "above"])
def test_nobody_else_is_moved_by_it(db: Session, why: str) -> None:
    exam = factories.create_exam(db)
    worker = factories.create_worker(db, tier=2) if why == "above" else _candidate(db)
    if why != "not let":
        exams.qualify(db, exam, qualifies=True, decided_by="ops")
    before = places.of_worker(db, worker.id)[0].tier

    factories.sit(db, worker, exam, right=0 if why == "failed" else 4, wrong=4 if why == "failed" else 0)

    assert places.of_worker(db, worker.id)[0].tier == before


def test_answers_to_an_exam_are_nobodys_votes_and_no_checked_answers(db: Session, worker: Worker) -> None:
    factories.sit(db, worker, factories.create_exam(db), right=4)

    for table in ("votes", "checked_votes", "answers", "assignments"):
        assert db.scalar(text(f"SELECT count(*) FROM {table}")) == 0


# A model of one worker and one exam


class Sitting(RuleBasedStateMachine):
    """What one worker does with an exam that may be sat three times, seven days apart, beside a count of it."""

    urls: Urls

    @initialize()
    def begin(self) -> None:
        self.engine = create_engine(self.urls.app)
        self.db = Session(self.engine, expire_on_commit=False, autoflush=False)
        self.exam = factories.create_exam(self.db, n=3, n_needed=2, prices=PAYS)
        self.worker = factories.create_worker(self.db)
        self.sitting: str | None = None
        self.given = self.right = self.ended = self.paid = 0
        self.waits = self.passed = False

    @rule()
    def start(self) -> None:
        expected: type[Exception] | None = None
        if self.sitting:
            expected = AttemptUnderWay
        elif self.passed:
            expected = AlreadyPassed
        elif self.ended >= 3:
            expected = AttemptsUsedUp
        elif self.waits:
            expected = TooSoonAgain
        if expected is not None:
            with pytest.raises(expected):
                attempts.start(self.db, self.worker.id, self.exam.project_id)
            return
        self.sitting = attempts.start(self.db, self.worker.id, self.exam.project_id).id
        self.given = self.right = 0

    @rule(is_right=st.booleans())
    def answer(self, *, is_right: bool) -> None:
        if self.sitting is None:
            return
        payload = {"category": "rook" if is_right else "crow"}
        attempts.answer(self.db, self.worker.id, self.sitting, place=self.given + 1, payload=payload)
        self.given, self.right = self.given + 1, self.right + is_right
        if self.given == 3:
            self._over()

    @rule()
    def end(self) -> None:
        if self.sitting is not None:
            attempts.end(self.db, self.worker.id, self.sitting)
            self._over()

    @rule()
    def time_runs_out(self) -> None:
        age(self.db, "attempts", "ends_at", 3_700)
        assert attempts.expire(self.db) == (self.sitting is not None)
        if self.sitting is not None:
            self._over()

    @rule()
    def a_week_passes(self) -> None:
        if self.sitting is None:
            for column in ("started_at", "ends_at", "ended_at"):
                age(self.db, "attempts", column, 8 * 86_400)
            self.waits = False

    def _over(self) -> None:
        self.sitting, self.waits, self.ended = None, True, self.ended + 1
        self.passed, self.paid = self.passed or self.right >= 2, self.paid + bool(self.given)

    @invariant()
    def what_was_paid_and_counted_is_right(self) -> None:
        assert self.db.scalar(text("SELECT count(*) FROM earnings")) == self.paid
        assert not any(self.db.execute(text(sql)).all() for sql in _RULES)

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.db.rollback()
            self.db.close()
            self.engine.dispose()


def test_any_order_of_acts_keeps_attempts_bounded_and_paid_once(new_database: Callable[[], Urls]) -> None:
    Sitting.urls = new_database()
    run_state_machine_as_test(Sitting, settings=settings(max_examples=12, stateful_step_count=14, deadline=None))


# Over HTTP


def _page() -> Any:
    return PageRequest(limit=10)


def _as(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_an_exam_is_made_sat_and_looked_at_over_http(
    client: FlaskClient, db: Session, worker: Worker, token: Token, books: None
) -> None:
    requester = factories.create_requester(db)
    db.commit()
    theirs, mine, ops = _as(token("requester", requester.id)), _as(token("worker", worker.id)), _as(token("ops"))
    body = {
        "name": "Birds", "purpose": "exam", "labels": ["crow", "rook"], "questions": 2, "right_needed": 2,
        "rates": [{"tier": 0, "amount": "0.50", "currency": "USD"}],
    }  # fmt: skip
    made = client.post("/api/exams", json=body, headers=theirs).get_json()
    address = f"/api/exams/{made['project_id']}"
    asked = [{"params": {"attachment": f"{i}"}, "category": "rook", "explanation": "Its beak."} for i in range(2)]
    for one in asked:
        assert client.post(f"{address}/questions", json=one, headers=theirs).status_code == 201

    (offer,) = client.get("/api/me/exams", headers=mine).get_json()["items"]
    attempt = client.post(f"{address}/attempts", headers=mine).get_json()
    for place in (1, 2):
        shown = client.get(f"/api/attempts/{attempt['id']}/question", headers=mine).get_json()
        sent = {"place": place, "payload": {"category": "rook" if place == 1 else "crow"}}
        told = client.post(f"/api/attempts/{attempt['id']}/answers", json=sent, headers=mine).get_json()
        assert (shown["place"], shown["of"], told["is_right"]) == (place, 2, None)
    again = client.post(f"{address}/attempts", headers=mine)

    assert (offer["pay"], offer["currency"], attempt["right"]) == ("0.5000", "USD", None)
    assert (told["attempt"]["state"], told["attempt"]["right"]) == ("failed", 1)
    assert (again.status_code, again.get_json()["type"]) == (409, "/problems/too-soon-again")
    assert client.get("/api/me/attempts", headers=mine).get_json()["items"] == [told["attempt"]]
    assert client.get(f"{address}/statistics", headers=theirs).get_json() == {
        "workers": 1, "attempts": 1, "sitting": 0, "passed": 0, "failed": 1, "abandoned": 0, "right": 0.5,
    }  # fmt: skip
    (listed,) = client.get("/api/exam-attempts?state=failed", headers=ops).get_json()["items"]
    assert listed == {**told["attempt"], "worker_id": worker.id}
    qualified = client.post(f"{address}/qualification", json={"qualifies": True}, headers=ops).get_json()
    assert qualified["qualified_at"] is not None
