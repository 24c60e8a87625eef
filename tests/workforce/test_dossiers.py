"""What experts see: who waits for them, and what the crowd has said, without saying who did."""

import pytest
from sqlalchemy.orm import Session

from foundation.errors import NotFound
from foundation.pagination import PageRequest
from tests import factories
from workforce import dossiers, pseudonyms
from workforce.models import Worker


def test_escalations_are_listed_oldest_first_with_their_reason(db: Session, books: None) -> None:
    _, first = factories.create_escalated(db)
    _, second = factories.create_escalated(db)

    listed = dossiers.escalations(db, PageRequest(10)).items

    assert [one.task_id for one in listed] == [first.id, second.id]
    assert all(one.n_votes == 2 and "expert" in one.reason for one in listed)
    assert dossiers.escalations(db, PageRequest(1)).last == first.id


def test_an_experts_dossier_shows_answers_without_saying_whose(db: Session, books: None) -> None:
    _, task = factories.create_escalated(db)
    expert = factories.create_worker(db, tier=4)
    lease = factories.claim(db, expert)

    dossier = dossiers.dossier(db, expert.id, lease.id)

    assert dossier.task_id == task.id
    assert sorted(dossier.posterior) == ["crow", "rook"]
    assert sum(dossier.posterior.values()) == pytest.approx(1)
    assert [answer.category for answer in dossier.answers] == ["crow", "rook"]
    assert len({answer.pseudonym for answer in dossier.answers}) == 2
    shown = str(dossier)
    for worker in db.query(Worker):
        assert worker.id not in shown
        assert worker.name not in shown


def test_the_same_worker_has_another_pseudonym_on_another_task(db: Session) -> None:
    names = [pseudonyms.of(db, task_id, ["wrk_1"])["wrk_1"] for task_id in ("tsk_1", "tsk_2")]

    assert names[0] != names[1]


@pytest.mark.parametrize("whose", ["another expert", "a crowd lease", "nothing"])
def test_a_dossier_is_for_the_expert_who_holds_the_task(db: Session, books: None, whose: str) -> None:
    project, _ = factories.create_escalated(db)
    factories.create_task(db, project)
    expert, other = factories.create_worker(db, tier=4), factories.create_worker(db, tier=4)
    ruling = factories.claim(db, expert)
    crowd = factories.claim(db, expert)
    asked = {
        "another expert": (other.id, ruling.id),
        "a crowd lease": (expert.id, crowd.id),
        "nothing": (expert.id, "asg_none"),
    }

    with pytest.raises(NotFound):
        dossiers.dossier(db, *asked[whose])
