"""Rate cards of projects in work: a dearer one reaches nobody before what is set aside covers it."""

from sqlalchemy.orm import Session

from payments import rates
from payments.rates import Price
from tests import factories
from tests.conftest import House


def test_today(house: House) -> None:
    with house.sessions() as db:
        project = factories.create_project(db, overlap_min=2, overlap_max=2, confidence_target=0.5)
        factories.create_task(db, project)
        db.commit()
        rates.publish(db, project.id, [Price(0, "9", "USD")])
        db.commit()
        factories.answer_all(db, project, "crow", "crow")
        db.commit()
        factories.settle(db)
        db.commit()
