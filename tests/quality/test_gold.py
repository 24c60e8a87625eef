"""What gold is to inference: known, and capped."""

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from quality import gold, reliability, votes
from quality.gold_words import Ending
from tests import factories


def _cast(db: Session, project_id: str, task_id: str, *labels: int) -> None:
    for number, label in enumerate(labels):
        votes.cast(db, project_id=project_id, task_id=task_id, voter_id=f"wrk_{number}", label=label)


def test_a_fit_knows_the_label_of_gold_that_was_voted_on(db: Session) -> None:
    project = factories.create_gold_project(db)
    voted, _ = factories.create_gold(db, project), factories.create_gold(db, project)
    _cast(db, project.id, voted.task_id, 0, 0)

    coded = votes.read_all(db, project.id, n_classes=2)

    assert coded.task_ids == [voted.task_id]
    assert coded.known.tolist() == coded.gold.tolist() == [1]
    assert coded.sampled.tolist() == [-1]


def test_gold_whose_label_is_doubted_is_no_longer_known(db: Session) -> None:
    project = factories.create_gold_project(db)
    doubted = factories.create_gold(db, project)
    _cast(db, project.id, doubted.task_id, 0, 0)
    gold.retire(db, project.id, doubted.task_id, ended_by=Ending.CONTESTED, reason="most say crow")

    assert votes.read_all(db, project.id, n_classes=2).known.tolist() == [-1]


def test_gold_makes_nobody_more_reliable_than_their_other_answers_allow(db: Session) -> None:
    project = factories.create_gold_project(db)
    for number in range(20):
        known = factories.create_gold(db, project)
        _cast(db, project.id, known.task_id, 1, 1, 0)
        if number < 10:
            _cast(db, project.id, factories.create_task(db, project).id, 1, 1, 0)

    reliability.refit(db, project.id, n_classes=2)

    counted = db.execute(text("SELECT n_votes FROM reliability WHERE project_id = :id"), {"id": project.id})
    # Ten ordinary votes each, and a tenth of that on gold.
    assert counted.scalars().all() == [11, 11, 11]
    shares = reliability.of_voters(db, project.id, ["wrk_0", "wrk_2"])
    assert shares["wrk_0"] > shares["wrk_2"]
    assert np.isfinite(list(shares.values())).all()
