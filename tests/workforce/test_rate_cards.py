"""Rate cards of projects in work: a dearer one reaches nobody before what is set aside covers it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from foundation import clock
from foundation.pagination import PageRequest
from payments import funding, rates
from payments.ledger import InsufficientFunds
from payments.rates import Price, RatesChangeCurrency
from tests import factories
from tests.conftest import House, age, held_up
from workforce import assignment, checks, projects, rate_cards, tasks
from workforce.models import BatchStatus, Kind, Project, Task
from workforce.rate_cards import Raised

# Two answers at 0.02 and a decision at 0.60, a fifth on top: (2 x 200 + 6,000) x 1.2.
WORST = 7_680
LIMITS: dict[str, Any] = {"overlap_min": 2, "overlap_max": 2, "confidence_target": 0.5}


def _card(answer: str | None = None, decision: str | None = None, currency: str = "USD") -> list[Price]:
    given = ((0, answer), (4, decision))
    return [Price(tier=tier, amount=amount, currency=currency) for tier, amount in given if amount is not None]


def _publish(db: Session, project: Project, *prices: Price, days: int = 1) -> Raised:
    """Within a transaction no time passes, so that a card for later is the only second one."""
    return rate_cards.publish(db, project, prices, valid_from=clock.now(db) + timedelta(days=days))


def _funds(db: Session, project: Project) -> tuple[int, int]:
    (funds,) = funding.of_owner(db, project.requester_id)
    return funds.available, funds.reserved


def _reserved(db: Session, *asked: Task) -> list[int]:
    db.expire_all()
    return [task.reserved for task in asked]


def test_a_dearer_card_for_later_is_reserved_for_when_it_is_published(db: Session, books: None) -> None:
    project = factories.create_project(db, **LIMITS)
    one, two = (factories.create_task(db, project) for _ in range(2))
    free, _ = _funds(db, project)

    raised = _publish(db, project, *_card("0.05"))

    # Two answers cost 600 instead of 240 each.
    assert (raised.tasks, raised.amount, raised.available) == (2, 2 * 720, free)
    assert _reserved(db, one, two) == [WORST + 720] * 2
    assert _funds(db, project) == (free - 1_440, 2 * WORST + 1_440)


def test_a_task_that_comes_after_a_card_reserves_by_it_and_is_not_raised_again(db: Session, books: None) -> None:
    project = factories.create_project(db, **LIMITS)
    _publish(db, project, *_card("0.05"))
    task = factories.create_task(db, project)

    raised = _publish(db, project, *_card("0.04"), days=2)

    assert (raised.tasks, raised.amount, _reserved(db, task)) == (0, 0, [WORST + 720])


def test_answers_claimed_at_a_dearer_price_are_paid_by_what_was_raised(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, **LIMITS)
        task = factories.create_task(db, project)
        early = factories.create_worker(db)
        factories.answer(db, early, "crow", project=project)
        db.commit()
        raised = rate_cards.publish(db, project, _card("9"))
        db.commit()
        factories.answer_all(db, project, "crow")
        db.commit()
        factories.settle(db)
        db.commit()

        # One was claimed at 0.02 before; the other one costs 10.80, and so might a decision.
        assert raised.amount == 240 + 2 * 108_000 - WORST
        db.refresh(task)
        assert (task.status, sorted(db.scalars(text("SELECT amount FROM earnings")))) == ("settled", [200, 90_000])
        assert _funds(db, project) == (10_000_000 - 108_240, 0)


def test_a_card_that_funds_do_not_cover_is_refused_and_says_what_is_missing(db: Session, books: None) -> None:
    project = factories.create_project(db, factories.create_requester(db, funds="0.80"), **LIMITS)
    task = factories.create_task(db, project)

    with pytest.raises(InsufficientFunds, match=r"0\.0400 USD") as refused, db.begin_nested():
        _publish(db, project, *_card("0.05"))

    assert refused.value.extensions == {"missing": "0.0400", "currency": "USD"}
    assert (_reserved(db, task), _funds(db, project)) == ([WORST], (320, WORST))
    assert db.scalar(text("SELECT count(*) FROM rates WHERE valid_from > now()")) == 0


def test_a_card_that_funds_just_cover_is_published(db: Session, books: None) -> None:
    project = factories.create_project(db, factories.create_requester(db, funds="0.84"), **LIMITS)
    factories.create_task(db, project)

    _publish(db, project, *_card("0.05"))

    assert _funds(db, project) == (0, WORST + 720)


def test_a_preview_says_what_publishing_does_and_changes_nothing(db: Session, books: None) -> None:
    project = factories.create_project(db, **LIMITS)
    task = factories.create_task(db, project)
    before = _funds(db, project)

    foreseen = rate_cards.preview(db, project, _card("0.05", "0.70")).raised

    assert (_funds(db, project), _reserved(db, task)) == (before, [WORST])
    assert foreseen == _publish(db, project, *_card("0.05", "0.70"))
    assert foreseen.amount == 720 + 1_200


def test_a_preview_of_more_than_there_is_says_both(db: Session) -> None:
    project = factories.create_project(db, factories.create_requester(db, funds="0.80"), **LIMITS)
    factories.create_task(db, project)

    foreseen = rate_cards.preview(db, project, _card("0.05")).raised

    assert (foreseen.amount, foreseen.available) == (720, 320)


@pytest.mark.parametrize("card", [_card("0.01"), _card("0.02", "0.60"), _card(None, "0.10")])
def test_a_card_that_is_no_dearer_raises_nothing_and_lowers_nothing(
    db: Session, books: None, card: Sequence[Price]
) -> None:
    project = factories.create_project(db, **LIMITS)
    task = factories.create_task(db, project)

    raised = _publish(db, project, *card)

    assert (raised.tasks, raised.amount, _reserved(db, task)) == (0, 0, [WORST])


def test_what_was_answered_costs_what_its_claim_fixed_and_what_is_held_may_be_claimed_again(
    db: Session, books: None
) -> None:
    project = factories.create_project(db, **LIMITS)
    answered, held = (factories.create_task(db, project) for _ in range(2))
    factories.answer(db, factories.create_worker(db), project=project)
    worker = factories.create_worker(db)
    for task in (answered, held):
        assert factories.claim(db, worker, project).task_id == task.id

    _publish(db, project, *_card("0.05"))

    assert _reserved(db, answered, held) == [WORST + 360, WORST + 720]


def test_an_answer_that_comes_after_its_lease_has_ended_is_covered_at_its_old_price(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, **LIMITS)
        task = factories.create_task(db, project)
        db.commit()
        for card in (_card("0.09"), _card("0.01")):
            rate_cards.publish(db, project, card)
            db.commit()
            if card == _card("0.09"):
                factories.claim(db, factories.create_worker(db), project)
                age(db, "assignments", "lease_expires_at", 3_600)
                assignment.expire(db)
                db.commit()
        rate_cards.publish(db, project, _card("0.01", "5.00"))
        db.commit()

        assert _reserved(db, task) == [2 * 1_080 + 60_000]


def test_a_task_before_experts_is_raised_by_their_price(db: Session, books: None) -> None:
    project, task = factories.create_escalated(db)
    before = task.reserved

    _publish(db, project, *_card("0.05", "1.00"))

    # Both answers are given; one decision may come.
    assert _reserved(db, task) == [before + 4_800]


def test_a_panel_is_raised_by_all_who_may_be_asked(db: Session, books: None) -> None:
    project = factories.create_project(db, **LIMITS, second_opinion_share=0.5, panel_size=3)
    task = factories.create_task(db, project)
    before = task.reserved

    _publish(db, project, *_card(None, "1.00"))

    assert _reserved(db, task) == [before + 3 * 4_800]


def test_gold_is_raised_by_all_who_may_meet_it(db: Session, books: None) -> None:
    project = factories.create_gold_project(db, **LIMITS)
    view = factories.create_gold(db, project, exposures_max=10)
    gold = db.get_one(Task, (view.task_id, project.id))

    _publish(db, project, *_card("0.05"))

    assert _reserved(db, gold) == [10 * 600]


def test_every_batch_has_its_own_raised_and_what_waits_or_is_over_has_not(db: Session, books: None) -> None:
    project = factories.create_project(db, **LIMITS)
    batches = [factories.create_batch(db, project) for _ in range(2)]
    open_ones = [factories.create_task(db, project, batch) for batch in batches]
    over = factories.create_task(db, project, batches[0])
    tasks.cancel(db, over.requester_id, over.id, actor_ref="test")
    waiting = factories.create_task(db, project, factories.create_batch(db, project, status=BatchStatus.STAGING))
    other = factories.create_project(db, **LIMITS)
    foreign = factories.create_task(db, other)

    raised = _publish(db, project, *_card("0.05"))

    assert (raised.tasks, raised.amount) == (2, 1_440)
    assert _reserved(db, *open_ones) == [WORST + 720] * 2
    assert _reserved(db, over, waiting, foreign) == [WORST, 0, WORST]
    kept = {batch.id: WORST + 720 for batch in batches}
    rows = db.execute(text("SELECT cause_ref, reserved - spent - released AS kept FROM reserves"))
    assert {row.cause_ref: row.kept for row in rows if row.cause_ref in kept} == kept


def test_a_card_stays_in_its_currency(db: Session, books: None) -> None:
    project = factories.create_project(db, **LIMITS)

    for act in (rate_cards.preview, rate_cards.publish):
        with pytest.raises(RatesChangeCurrency, match="USD"), db.begin_nested():
            act(db, project, _card("0.05", currency="EUR"))


def test_a_task_that_is_sent_while_a_card_is_published_reserves_by_it(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, **LIMITS)
        db.commit()

    def send(db: Session) -> int:
        return factories.create_task(db, projects.find(db, project.requester_id, project.id)).reserved

    with house.sessions() as first:
        rate_cards.publish(first, project, _card("0.05"))
        with held_up(house, send) as sending:
            first.commit()
            assert sending.result() == WORST + 720


def test_a_card_waits_for_a_task_that_is_on_its_way_and_raises_it(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, **LIMITS)
        db.commit()

    def publish(db: Session) -> int:
        return rate_cards.publish(db, projects.find(db, project.requester_id, project.id), _card("0.05")).amount

    with house.sessions() as first:
        factories.create_task(first, projects.find(first, project.requester_id, project.id))
        with held_up(house, publish) as publishing:
            first.commit()
            assert publishing.result() == 720


def test_a_settlement_and_a_card_meet_and_nothing_is_short(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, **LIMITS)
        factories.create_task(db, project)
        factories.answer_all(db, project, "crow", "crow")
        db.commit()

    def publish(db: Session) -> int:
        return rate_cards.publish(db, projects.find(db, project.requester_id, project.id), _card("0.05")).tasks

    with house.sessions() as first:
        factories.settle(first)
        with held_up(house, publish) as publishing:
            first.commit()
            assert publishing.result() == 0


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("card"), st.integers(1, 900), st.integers(1, 9_000)),
        st.tuples(st.sampled_from(["task", "answer", "claim", "expire", "settle"]), st.just(0), st.just(0)),
    ),
    min_size=4,
    max_size=14,
)


@given(_STEPS)
@settings(max_examples=15, deadline=None, database=None)
def test_whatever_comes_between_cards_no_task_is_ever_short(
    shared_engine: Engine, steps: list[tuple[str, int, int]]
) -> None:
    with shared_engine.connect() as connection, Session(connection, expire_on_commit=False, autoflush=False) as db:
        project = factories.create_project(db, **LIMITS)
        factories.create_task(db, project)
        for days, (what, answer, decision) in enumerate(steps, 1):
            if what == "card":
                _publish(db, project, *_card(f"0.{answer:04}", f"0.{decision:04}"), days=days)
            else:
                _do(db, project, what)
            assert (
                checks.check(db)["W12 what an open task has set aside covers the worst that it may cost, by any card"]
                == []
            )
        assert all(rest >= 0 for rest in db.scalars(text("SELECT reserved - spent - released FROM reserves")))


def _do(db: Session, project: Project, what: str) -> None:
    has_work = db.scalar(
        text("SELECT count(*) FROM tasks WHERE project_id = :id AND status = 'open' AND free_slots > 0"),
        {"id": project.id},
    )
    if what == "task":
        factories.create_task(db, project)
    elif what == "settle":
        factories.settle(db)
    elif what == "expire":
        db.execute(text("UPDATE assignments SET status = 'expired' WHERE status = 'leased'"))
        db.execute(text("UPDATE tasks SET free_slots = overlap - (SELECT count(*) FROM assignments a WHERE a.task_id ="
                        " tasks.id AND a.status = 'answered') WHERE status = 'open'"))  # fmt: skip
    elif has_work and what == "answer":
        factories.answer(db, factories.create_worker(db), "crow", project=project, kind=Kind.ANSWER)
    elif has_work and what == "claim":
        factories.claim(db, factories.create_worker(db), project, Kind.ANSWER)


def test_what_a_card_was_published_for_can_be_read_back(db: Session) -> None:
    project = factories.create_project(db, **LIMITS)
    _publish(db, project, *_card("0.05"))

    shown = rates.page(db, project.id, PageRequest(10)).items

    assert [(row.tier, row.amount, row.exponent) for row in shown] == [(0, 500, 4), (4, 6_000, 4), (0, 200, 4)]


def test_a_preview_says_what_the_answers_of_the_last_month_would_have_cost(db: Session) -> None:
    project = factories.create_project(db, **LIMITS)
    factories.create_task(db, project)
    other = factories.create_project(db, **LIMITS)
    factories.create_task(db, other)
    for one in (project, other):
        factories.answer_all(db, one, "crow")
    factories.settle(db)

    last_month = rate_cards.preview(db, project, _card("0.05")).last_month

    assert (last_month.answers, last_month.cost) == (1, 240)
    assert (last_month.cheapest, last_month.dearest, last_month.unpriced) == (600, 600, 0)
