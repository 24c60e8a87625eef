"""A gold that had the wrong label: what would change, and what changes."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from quality import correction, gold, reliability, votes
from quality.gold_words import Ending
from tests import factories
from workforce.models import Project


def _wrong_gold(db: Session, n_tasks: int = 20) -> tuple[Project, str]:
    """A project in which two good voters contradict a gold that is a rook, and a bad one agrees with it."""
    project = factories.create_gold_project(db)
    known = factories.create_gold(db, project, label=1)
    for number in range(n_tasks):
        task_id = f"tsk_{number}"
        for voter_id, label in {"wrk_good": 0, "wrk_fair": 0, "wrk_bad": number % 2}.items():
            votes.cast(db, project_id=project.id, task_id=task_id, voter_id=voter_id, label=label)
    for voter_id, label in {"wrk_good": 0, "wrk_fair": 0, "wrk_bad": 1}.items():
        votes.cast(db, project_id=project.id, task_id=known.task_id, voter_id=voter_id, label=label)
    reliability.refit(db, project.id, n_classes=2)
    return project, known.task_id


def _shares(db: Session, project: Project) -> dict[str, float]:
    return reliability.of_voters(db, project.id, ["wrk_good", "wrk_fair", "wrk_bad"])


def test_a_preview_tells_whose_reliability_would_move_and_writes_nothing(db: Session) -> None:
    project, task_id = _wrong_gold(db)
    before = _shares(db, project)

    found = correction.preview(db, project.id, task_id, label=0, n_classes=2)

    assert (found.label_from, found.label_to, found.become_right, found.become_wrong) == (1, 0, 2, 1)
    assert found.voters_moved == len(found.voters) > 0
    moves = {one.voter_id: one.after - one.before for one in found.voters}
    assert moves.get("wrk_good", 0) > 0
    assert moves.get("wrk_bad", 0) < 0
    assert {one.voter_id: one.before for one in found.voters}.items() <= before.items()
    assert _shares(db, project) == before
    assert gold.find(db, project.id, task_id).label == 1


def test_a_correction_does_what_its_preview_said(db: Session) -> None:
    project, task_id = _wrong_gold(db)
    said = correction.preview(db, project.id, task_id, label=0, n_classes=2)

    made = correction.apply(db, project.id, task_id, label=0, n_classes=2, reason="Its beak.", corrected_by="tok_x")

    assert made.refitted
    after = _shares(db, project)
    assert {one.voter_id: one.after for one in said.voters} == pytest.approx(
        {one.voter_id: after[one.voter_id] for one in said.voters}
    )
    (kept,) = db.execute(text("SELECT label_from, label_to, reason, corrected_by FROM gold_corrections")).all()
    assert tuple(kept) == (1, 0, "Its beak.", "tok_x")


def test_a_correction_can_turn_the_consensus_of_another_task(db: Session) -> None:
    project = factories.create_gold_project(db)
    known = factories.create_gold(db, project, label=1)
    for number in range(10):
        for voter_id in ("wrk_a", "wrk_b"):
            votes.cast(db, project_id=project.id, task_id=f"tsk_{number}", voter_id=voter_id, label=number % 2)
    for task_id in ("tsk_tie", known.task_id):
        votes.cast(db, project_id=project.id, task_id=task_id, voter_id="wrk_a", label=0)
        votes.cast(db, project_id=project.id, task_id=task_id, voter_id="wrk_b", label=1)

    found = correction.preview(db, project.id, known.task_id, label=0, n_classes=2)

    # Between two who are alike, the gold decides whom to believe.
    assert found.tasks == [correction.Flip("tsk_tie", before=1, after=0)]
    assert found.tasks_flipped == 1


def test_a_corrected_gold_that_was_doubted_is_known_again(db: Session) -> None:
    project, task_id = _wrong_gold(db)
    gold.retire(db, project.id, task_id, ended_by=Ending.CONTESTED, reason="most say crow")

    correction.apply(db, project.id, task_id, label=0, n_classes=2, reason="They are right.", corrected_by="tok_x")

    assert votes.read_all(db, project.id, n_classes=2).gold.max() == 0


def test_the_label_that_a_gold_has_is_no_correction(db: Session) -> None:
    project, task_id = _wrong_gold(db)

    with pytest.raises(correction.LabelStands):
        correction.preview(db, project.id, task_id, label=1, n_classes=2)
    with pytest.raises(correction.LabelStands):
        correction.apply(db, project.id, task_id, label=1, n_classes=2, reason="", corrected_by="")


def test_a_gold_that_is_not_there_cannot_be_corrected(db: Session) -> None:
    with pytest.raises(gold.NoSuchGold):
        correction.apply(db, "prj", "tsk", label=1, n_classes=2, reason="", corrected_by="")


def test_gold_that_nobody_has_answered_changes_nothing(db: Session) -> None:
    project = factories.create_gold_project(db)
    known = factories.create_gold(db, project)

    found = correction.preview(db, project.id, known.task_id, label=0, n_classes=2)

    assert (found.become_right, found.become_wrong, found.voters, found.tasks) == (0, 0, [], [])
    assert correction.apply(db, project.id, known.task_id, label=0, n_classes=2, reason="", corrected_by="").refitted


def test_a_large_project_is_not_previewed_and_is_fitted_by_the_sweep(db: Session) -> None:
    project, task_id = _wrong_gold(db)
    many = {"n": correction.VOTES_MAX + 1, "id": project.id}
    db.execute(text("UPDATE project_fits SET n_votes = :n WHERE project_id = :id"), many)

    with pytest.raises(correction.TooManyVotes):
        correction.preview(db, project.id, task_id, label=0, n_classes=2)
    made = correction.apply(db, project.id, task_id, label=0, n_classes=2, reason="", corrected_by="")

    assert not made.refitted
    assert list(reliability.grown(db, project.id)) == [project.id]
