"""A voter in a skill: each project counts by its votes, and their intervals as independent errors do."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound
from quality import skills
from tests import factories

VOTER = ids.new("wrk")


def _known(db: Session, skill: str, *, n_votes: int, reliability: float, half: float) -> None:
    project_id = ids.new("prj")
    skills.belongs(db, project_id, skill)
    db.execute(
        text("""
        INSERT INTO reliability (project_id, voter_id, confusion, reliability, low, high, n_votes)
        VALUES (:project_id, :voter_id, '', :reliability, :low, :high, :n_votes)
        """),
        {
            "project_id": project_id, "voter_id": VOTER, "reliability": reliability, "n_votes": n_votes,
            "low": reliability - half, "high": reliability + half,
        },
    )  # fmt: skip


def test_projects_of_one_skill_count_by_their_votes(db: Session) -> None:
    _known(db, "image", n_votes=300, reliability=0.9, half=0.04)
    _known(db, "image", n_votes=100, reliability=0.7, half=0.16)
    _known(db, "text", n_votes=10, reliability=0.6, half=0.3)

    image, words = skills.of_voter(db, VOTER)

    assert (image.skill, image.n_votes, image.n_projects) == ("image", 400, 2)
    assert image.reliability == pytest.approx(0.85)
    # Halves of 12 and 16 votes in 400: independent, they make 20.
    assert (image.low, image.high) == pytest.approx((0.80, 0.90))
    assert words.skill == "text"
    assert (words.low, words.high) == pytest.approx((0.3, 0.9))


def test_an_interval_stays_within_what_a_share_can_be(db: Session) -> None:
    _known(db, "image", n_votes=2, reliability=0.5, half=0.5)

    (image,) = skills.of_voter(db, VOTER)

    assert (image.low, image.high) == (0.0, 1.0)


def test_of_whom_nothing_is_known_there_is_nothing(db: Session) -> None:
    _known(db, "image", n_votes=0, reliability=0.5, half=0.1)

    assert skills.of_voter(db, VOTER) == []


def test_a_project_belongs_to_the_skill_it_was_made_with(db: Session) -> None:
    project = factories.create_project(db, skill="lang.sw", overlap_min=3, overlap_max=3, confidence_target=0.6)
    factories.create_task(db, project)
    answer, *_ = factories.answer_all(db, project, "rook", "rook", "crow")
    factories.settle(db)
    skills.belongs(db, project.id, "image")

    (found,) = skills.of_voter(db, answer.worker_id)

    assert (found.skill, found.n_votes, found.n_projects) == ("lang.sw", 1, 1)


def test_what_cannot_be_a_worker_is_not_found(db: Session) -> None:
    with pytest.raises(NotFound):
        skills.of_voter(db, "somebody")
