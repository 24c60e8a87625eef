"""What other targets would have cost, in money: what was paid, with the fee."""

from sqlalchemy.orm import Session

from payments.rates import Price
from tests import factories
from workforce import costs, projects
from workforce.costs import CostCurve
from workforce.models import Kind
from workforce.tiers import Tier

# A price of 0.02 and a fifth more, in units of 10^-4.
_EACH = 240


def _settled(db: Session, *said: str) -> CostCurve:
    project = factories.create_project(db, overlap_min=2, overlap_max=3, confidence_target=0.6, expert_share=0.0)
    for categories in said:
        factories.create_task(db, project)
        factories.answer_all(db, project, *categories.split())
        factories.settle(db)
    return costs.curve(db, project)


def test_a_curve_costs_what_its_answers_cost(db: Session, books: None) -> None:
    found = _settled(db, "rook rook", "crow crow")

    assert (found.n_tasks, found.currency, found.exponent) == (2, "USD", 4)
    assert [point.answers for point in found.points] == [2.0] * len(found.points)
    assert {point.cost for point in found.points} == {2 * _EACH}
    assert (found.points[0].reached, found.points[-1].reached) == (1.0, 0.0)


def test_an_expert_has_a_price_once_one_has_decided(db: Session, books: None) -> None:
    project, _ = factories.create_escalated(db)
    assert costs.curve(db, project).expert_price is None

    expert = factories.create_worker(db, tier=Tier.EXPERT)
    factories.answer(db, expert, project=project, kind=Kind.ADJUDICATION)
    factories.settle(db)
    found = costs.curve(db, project)

    assert found.expert_price == 7_200
    assert {(point.answers, point.cost) for point in found.points} == {(2.0, 2 * _EACH)}


def test_where_nothing_is_settled_there_are_no_points(db: Session, books: None) -> None:
    project = factories.create_project(db)
    factories.create_task(db, project)
    factories.answer_all(db, project, "rook")
    factories.settle(db)

    assert costs.curve(db, project) == CostCurve([], 0, None, "USD", 4)


def test_the_price_of_an_answer_is_the_mean_of_what_was_paid(db: Session, books: None) -> None:
    project = projects.create(
        db,
        requester_id=factories.create_requester(db).id,
        name="birds",
        settings=projects.Settings(labels=["crow", "rook"], overlap_min=2, confidence_target=0.6, expert_share=0.0),
        prices=[Price(tier=0, amount="0.02", currency="USD"), Price(tier=2, amount="0.05", currency="USD")],
    )
    factories.create_task(db, project)
    for tier in (Tier.NOVICE, Tier.REGULAR):
        factories.answer(db, factories.create_worker(db, tier=tier), project=project, kind=Kind.ANSWER)
    factories.settle(db)

    found = costs.curve(db, project)

    # 0.02 and 0.05 with the fee.
    assert {point.cost for point in found.points} == {240 + 600}
