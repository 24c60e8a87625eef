"""Answers that wait for their requester's word: who gives it, what silence does, and that the money waits as long."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

import wsgi
from foundation import outbox
from payments import funding
from payments.rates import Price
from quality.gold_words import Ending
from tests import factories
from tests.conftest import House, age, held_up
from workforce import assignment, checks, golds, rate_cards, rejections, reviews, settlement, tasks
from workforce.models import Answer, Kind, Project, RejectReason, TaskStatus, Worker
from workforce.reviews import AnswerJudged, NoSuchReview

WEEK = 604_800
QUICK: dict[str, Any] = {
    "overlap_min": 3, "overlap_max": 4, "confidence_target": 0.75, "expert_share": 0.0, "acceptance": "by_requester",
}  # fmt: skip
PRICE, COST = 200, 240
WHY = {"reason": RejectReason.NO_EFFORT, "evidence": "All of forty answers are the first label."}


def _funds(db: Session, project: Project) -> tuple[int, int, int]:
    (funds,) = funding.of_owner(db, project.requester_id)
    return funds.available, funds.reserved, funds.spent


def _states(db: Session, table: str = "answers", column: str = "status") -> list[str]:
    key = {"answers": "id", "earnings": "answer_ref", "reviews": "answer_id"}[table]
    return list(db.scalars(text(f"SELECT {column} FROM {table} ORDER BY {key}")))


def _settled(db: Session, **changes: Any) -> tuple[Project, list[Answer]]:
    """A settled task whose three answers wait for their requester."""
    project = factories.create_project(db, **{**QUICK, **changes})
    factories.create_task(db, project)
    answers = factories.answer_all(db, project, "rook", "rook", "crow")
    factories.settle(db)
    return project, answers


def _accept(db: Session, project: Project, *answers: Answer) -> int:
    return reviews.accept(db, project, [answer.id for answer in answers], decided_by="tok_1")


def _reject(db: Session, project: Project, answer: Answer) -> Any:
    return rejections.reject(db, project, answer.id, decided_by="tok_1", **WHY)


# Waiting


def test_answers_of_a_settled_task_wait_with_their_money_set_aside(db: Session, books: None) -> None:
    project, _ = _settled(db)

    assert db.scalar(text("SELECT status FROM tasks")) == "settled"
    assert _states(db) == ["submitted"] * 3
    assert _states(db, "earnings") == ["pending"] * 3
    assert _funds(db, project)[1:] == (3 * COST, 0)


def test_silence_accepts_when_the_time_is_over_and_not_before(db: Session, books: None) -> None:
    project, _ = _settled(db)
    age(db, "reviews", "accept_at", WEEK - 60)
    assert reviews.accept_silent(db) == 0

    age(db, "reviews", "accept_at", 60)
    assert (reviews.accept_silent(db), reviews.accept_silent(db)) == (3, 0)

    assert _states(db) == ["accepted"] * 3
    assert _funds(db, project)[1:] == (0, 3 * COST)


def test_a_project_says_how_long_silence_takes(db: Session, books: None) -> None:
    _settled(db, accept_within_seconds=3_600)
    age(db, "reviews", "accept_at", 3_600)

    assert reviews.accept_silent(db) == 3


def test_an_experts_word_is_accepted_at_once(db: Session, books: None) -> None:
    project, _ = factories.create_escalated(db, acceptance="by_requester")
    factories.answer(db, factories.create_worker(db, tier=4), "crow", project=project)
    factories.settle(db)

    assert _states(db) == ["submitted", "submitted", "accepted"]
    assert _funds(db, project)[1:] == (2 * COST, 7_200)


def test_an_answer_on_its_way_waits_as_well_and_is_paid_when_it_was_accepted_meanwhile(
    db: Session, books: None
) -> None:
    project = factories.create_project(db, **{**QUICK, "overlap_min": 2, "overlap_max": 2})
    factories.create_task(db, project)
    first, second = factories.answer_all(db, project, "rook", "rook")
    told, late = factories.told(db)
    settlement.settle_answers(db, [told])
    _accept(db, project, first, second)
    assert _states(db, "earnings") == ["due"]

    settlement.settle_answers(db, [late])

    assert _states(db, "earnings") == ["due", "due"]


def test_what_waits_before_its_task_is_opened_again_is_kept_beside_a_new_reserve(db: Session, books: None) -> None:
    project, answers = _settled(db, when_revised="reopen", expert_share=1.0)
    task = tasks.lock(db, project.id, [answers[0].task_id], TaskStatus.SETTLED)[0]
    tasks.reopen(db, project, task, n_experts=1)
    foreseen = rate_cards.preview(db, project, [Price(tier=0, amount="0.03", currency="USD")])
    assert foreseen.raised.amount == project.overlap_max * 120
    assert _accept(db, project, answers[0]) == 1

    factories.answer(db, factories.create_worker(db, tier=4), "crow", project=project, kind=Kind.ADJUDICATION)
    factories.settle(db)

    assert _states(db, "reviews", "state") == ["accepted", "waiting", "waiting"]
    assert _funds(db, project)[1:] == (2 * COST, COST + 7_200)


# Accepted


def test_an_accepted_answer_is_due_and_a_second_word_changes_nothing(db: Session, books: None) -> None:
    project, answers = _settled(db)

    assert (_accept(db, project, *answers[:2]), _accept(db, project, *answers[:2])) == (2, 0)

    assert _states(db, "earnings") == ["due", "due", "pending"]
    assert _funds(db, project)[1:] == (COST, 2 * COST)


def test_all_of_a_set_are_accepted_or_none(db: Session, books: None) -> None:
    project, answers = _settled(db)
    _, (other, *_) = _settled(db)

    with pytest.raises(NoSuchReview, match=other.id), db.begin_nested():
        _accept(db, project, answers[0], other)

    assert set(_states(db)) == {"submitted"}


def test_a_rejection_may_be_taken_back_until_it_is_final(db: Session, books: None) -> None:
    project, answers = _settled(db)
    _reject(db, project, answers[0])
    assert _accept(db, project, answers[0]) == 1
    assert _states(db, "earnings")[0] == "due"

    _reject(db, project, answers[1])
    age(db, "reviews", "appeal_until", WEEK)
    assert rejections.end(db) == 1
    with pytest.raises(AnswerJudged, match="bonus"):
        _accept(db, project, answers[1])


# Rejected


def test_a_rejection_moves_no_money_before_the_time_to_appeal_is_over(db: Session, books: None) -> None:
    project, answers = _settled(db)
    before = _funds(db, project)

    rejected = _reject(db, project, answers[2])

    assert (rejected.state, rejected.reason, rejected.evidence) == ("rejected", WHY["reason"], WHY["evidence"])
    assert _states(db) == ["submitted", "submitted", "rejected"]
    assert (_funds(db, project), rejections.end(db)) == (before, 0)


def test_what_was_kept_for_a_rejected_answer_comes_back_when_it_is_final(db: Session, books: None) -> None:
    project, answers = _settled(db)
    available, reserved, _ = _funds(db, project)
    _reject(db, project, answers[2])
    age(db, "reviews", "appeal_until", WEEK)

    assert (rejections.end(db), rejections.end(db)) == (1, 0)

    assert _funds(db, project) == (available + COST, reserved - COST, 0)
    assert _states(db, "earnings") == ["pending", "pending", "reversed"]
    assert _states(db, "reviews", "state") == ["waiting", "waiting", "final"]


def test_an_answer_that_was_rejected_on_its_way_gives_its_money_back_when_it_comes(db: Session, books: None) -> None:
    project = factories.create_project(db, **{**QUICK, "overlap_min": 2, "overlap_max": 2})
    factories.create_task(db, project)
    _, second = factories.answer_all(db, project, "rook", "rook")
    told, late = factories.told(db)
    settlement.settle_answers(db, [told])
    _reject(db, project, second)
    age(db, "reviews", "appeal_until", WEEK)
    rejections.end(db)

    settlement.settle_answers(db, [late])

    assert _states(db, "earnings") == ["pending", "reversed"]
    assert _funds(db, project)[1:] == (COST, 0)


@pytest.mark.parametrize("state", ["accepted", "rejected", "silent"])
def test_an_answer_is_rejected_only_while_it_waits(db: Session, books: None, state: str) -> None:
    project, answers = _settled(db)
    if state == "silent":
        # The sweep has not come yet.
        age(db, "reviews", "accept_at", WEEK)
    else:
        (_accept if state == "accepted" else _reject)(db, project, answers[0])

    with pytest.raises(AnswerJudged):
        _reject(db, project, answers[0])


def test_a_vote_counts_as_before_whatever_becomes_of_its_answer(db: Session, books: None) -> None:
    project, answers = _settled(db)
    before = [db.execute(text(f"SELECT * FROM {table}")).all() for table in ("votes", "consensus", "reliability")]

    _reject(db, project, answers[0])

    assert before == [
        db.execute(text(f"SELECT * FROM {table}")).all() for table in ("votes", "consensus", "reliability")
    ]


# Gold


def _with_gold(db: Session) -> tuple[Project, Worker]:
    """A worker who has answered a gold and the task behind it, which another worker's answer has settled."""
    project = factories.create_gold_project(db, **{**QUICK, "overlap_min": 2, "overlap_max": 2})
    factories.create_task(db, project)
    factories.create_gold(db, project)
    worker, other = factories.create_worker(db), factories.create_worker(db)
    for _ in range(2):
        factories.answer(db, worker, project=project)
    for _ in range(2):
        factories.answer(db, other, project=project)
    factories.settle(db)
    return project, worker


def _seen(db: Session, worker: Worker) -> set[tuple[Any, ...]]:
    """What a worker sees of each answer, but for its id."""
    rows = db.scalars(reviews.of_worker(worker.id).execution_options(populate_existing=True)).all()
    return {(row.state, row.accept_at, row.reason, row.evidence, row.decided_at, row.appeal_until) for row in rows}


def test_an_answer_to_gold_looks_like_the_others_while_they_wait_and_when_they_are_accepted(
    db: Session, books: None
) -> None:
    project, worker = _with_gold(db)
    assert (len(_seen(db, worker)), set(_states(db))) == (1, {"submitted"})
    asked = db.scalars(reviews.listed(project.id)).all()
    assert {review.task_id for review in asked} == set(
        db.scalars(text("SELECT id FROM tasks WHERE status = 'settled'"))
    )

    mine = [review.answer_id for review in asked if review.worker_id == worker.id]
    assert reviews.accept(db, project, mine, decided_by="tok_1") == 1

    assert len(_seen(db, worker)) == 1
    assert sorted(_states(db)) == ["accepted", "accepted", "submitted", "submitted"]


def test_gold_is_paid_when_what_its_worker_did_beside_it_is_rejected(db: Session, books: None) -> None:
    project, worker = _with_gold(db)
    mine = [review for review in db.scalars(reviews.listed(project.id)) if review.worker_id == worker.id]

    rejections.reject(db, project, mine[0].answer_id, decided_by="tok_1", **WHY)

    assert sorted(_states(db)) == ["accepted", "rejected", "submitted", "submitted"]


def test_nobody_judges_gold(db: Session, books: None) -> None:
    project, _ = _with_gold(db)
    gold_id = db.scalars(text("SELECT answer_id FROM reviews WHERE of_gold")).first()

    with pytest.raises(NoSuchReview):
        reviews.accept(db, project, [str(gold_id)], decided_by="tok_1")


def test_a_retired_gold_is_over_when_silence_has_accepted_its_answers(db: Session, books: None) -> None:
    project, _ = _with_gold(db)
    gold_id = db.scalars(text("SELECT task_id FROM golds")).one()
    golds.retire(db, project.id, gold_id, ended_by=Ending.TOLD, reason="Enough.")
    assert golds.close(db) == 0

    age(db, "reviews", "accept_at", WEEK)
    reviews.accept_silent(db)

    assert golds.close(db) == 1
    assert _funds(db, project)[1:] == (0, 4 * COST)


# Many at once


def test_a_word_waits_for_the_settlement_that_is_under_way(house: House) -> None:
    with house.sessions() as db:
        project, answers = _settled(db)
        db.commit()
    with house.sessions() as db:
        reviews.accept(db, project, [answers[0].id], decided_by="tok_1")
        with held_up(house, lambda other: _reject(other, project, answers[0])) as waiting:
            db.commit()
        with pytest.raises(AnswerJudged):
            waiting.result()


def test_sweeps_leave_a_project_that_is_settled_now_for_the_next_tick(house: House) -> None:
    with house.sessions() as db:
        project, _ = _settled(db)
        age(db, "reviews", "accept_at", WEEK)
        db.commit()
    with house.sessions() as db, house.sessions() as other:
        outbox.hold_stream(db, project.id)
        assert reviews.accept_silent(other) == 0
        db.commit()
        assert reviews.accept_silent(other) == 3
        other.commit()


class Judging(RuleBasedStateMachine):
    """Answers, settlements, words of a requester and the clock in any order; after each the books are right."""

    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.connection = self.engine.connect()
        self.outer = self.connection.begin()
        self.db = Session(
            self.connection, join_transaction_mode="create_savepoint", expire_on_commit=False, autoflush=False
        )
        # Hypothesis thinks between two steps.
        self.db.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        self.answers: list[str] = []

    @initialize(gold=st.booleans())
    def begin(self, gold: bool) -> None:  # noqa: FBT001
        self.project = factories.create_project(self.db, **{**QUICK, "overlap_min": 2, "gold_share": 0.5 * gold})
        for _ in range(3):
            factories.create_task(self.db, self.project)
        if gold:
            factories.create_gold(self.db, self.project)
        self.workers = [factories.create_worker(self.db) for _ in range(4)]

    @rule(worker=st.integers(0, 3), category=st.sampled_from(["crow", "rook"]))
    def answer(self, worker: int, category: str) -> None:
        lease = assignment.claim(self.db, self.workers[worker].id)
        if lease is not None:
            self.answers.append(factories.submit(self.db, self.workers[worker], lease, category).id)

    @rule()
    def settle(self) -> None:
        factories.settle(self.db)

    @rule(number=st.integers(0, 9))
    def accept(self, number: int) -> None:
        self._try(number, lambda one: reviews.accept(self.db, self.project, [one], decided_by="tok_1"))

    @rule(number=st.integers(0, 9))
    def reject(self, number: int) -> None:
        self._try(number, lambda one: rejections.reject(self.db, self.project, one, decided_by="tok_1", **WHY))

    def _try(self, number: int, act: Callable[[str], object]) -> None:
        if number >= len(self.answers):
            return
        try:
            with self.db.begin_nested():
                act(self.answers[number])
        except (NoSuchReview, AnswerJudged):
            pass

    @rule(days=st.sampled_from([1, 8]))
    def pass_days(self, days: int) -> None:
        for column in ("accept_at", "appeal_until"):
            age(self.db, "reviews", column, days * 86_400)
        reviews.accept_silent(self.db)
        rejections.end(self.db)

    @invariant()
    def work_is_right(self) -> None:
        assert {name: rows for name, rows in checks.check(self.db).items() if rows} == {}

    def teardown(self) -> None:
        try:
            broken = {name: rows for check in wsgi.program.checks for name, rows in check(self.db).items() if rows}
            assert broken == {}
        finally:
            self.db.close()
            self.outer.rollback()
            self.connection.close()


def test_whatever_happens_in_any_order_the_books_are_right(shared_engine: Engine) -> None:
    machine = type("Machine", (Judging,), {"engine": shared_engine})
    run_machine(
        machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=15,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


# Over HTTP


def _as(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_a_requester_judges_and_the_worker_reads_why(client: FlaskClient, token: Any, db: Session, books: None) -> None:
    project, answers = _settled(db)
    db.commit()
    requester, worker = _as(token("requester", project.requester_id)), _as(token("worker", answers[0].worker_id))
    path = f"/api/projects/{project.id}/reviews"
    listed = client.get(path, headers=requester).get_json()["items"]
    assert [one["answer_id"] for one in listed] == [answer.id for answer in reversed(answers)]
    assert listed[-1]["payload"] == {"category": "rook"}

    body = {"reason": "too_fast", "evidence": "Forty answers in one second."}
    rejected = client.post(f"{path}/{answers[0].id}/rejection", json=body, headers=requester)
    again = client.post(f"{path}/{answers[0].id}/rejection", json=body, headers=requester)
    accepted = client.post(f"{path}/acceptance", json={"answer_ids": [answers[1].id]}, headers=requester)

    assert (rejected.status_code, accepted.get_json()) == (200, {"accepted": 1})
    assert (again.status_code, again.get_json()["type"]) == (409, "/problems/answer-judged")
    (mine,) = client.get("/api/me/reviews", headers=worker).get_json()["items"]
    assert (mine["state"], mine["reason"], mine["evidence"]) == ("rejected", "too_fast", body["evidence"])
    assert [
        one["answer_id"] for one in client.get(f"{path}?state=rejected", headers=requester).get_json()["items"]
    ] == [answers[0].id]


@pytest.mark.parametrize(
    "body",
    [{"reason": "wrong", "evidence": "It is a crow."}, {"reason": "copied", "evidence": ""}, {"reason": "copied"}],
)
def test_a_rejection_without_a_reason_of_the_list_and_evidence_is_refused(
    client: FlaskClient, token: Any, db: Session, body: dict[str, str]
) -> None:
    project, answers = _settled(db)
    db.commit()

    path = f"/api/projects/{project.id}/reviews/{answers[0].id}/rejection"
    response = client.post(path, json=body, headers=_as(token("requester", project.requester_id)))

    assert response.status_code == 422
    assert set(_states(db)) == {"submitted"}
