"""What experts say together: the first word of each, what most of them say, and what the crowd adds to a tie."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound
from foundation.pagination import PageRequest
from quality import adjudication, consensus
from quality.adjudication import Ruling

PROJECT = "prj_1"


def _say(db: Session, **labels: int) -> None:
    adjudication.record(db, PROJECT, [Ruling("t1", voter_id, label) for voter_id, label in labels.items()])


def _verdict(db: Session) -> adjudication.Verdict:
    return adjudication.verdicts(db, PROJECT, ["t1", "t2"])["t1"]


def test_one_word_is_a_verdict(db: Session) -> None:
    _say(db, e1=1)

    assert _verdict(db) == adjudication.Verdict(label=1, voter_id="e1", n_rulings=1, agreed=True)


def test_what_nobody_has_ruled_on_has_no_verdict(db: Session) -> None:
    _say(db, e1=1)

    assert list(adjudication.verdicts(db, PROJECT, ["t1", "t2"])) == ["t1"]
    assert adjudication.verdicts(db, "prj_2", ["t1"]) == {}


def test_an_experts_first_word_stands(db: Session) -> None:
    _say(db, e1=1)
    _say(db, e1=0)

    assert (_verdict(db).label, _verdict(db).n_rulings) == (1, 1)


def test_what_most_say_is_the_label_and_the_first_who_said_it_is_named(db: Session) -> None:
    _say(db, e0=0, e1=1)
    db.execute(
        text("""
        INSERT INTO adjudications (project_id, task_id, voter_id, label, created_at)
        VALUES (:project, 't1', 'e2', 0, now() - interval '1 hour')
        """),
        {"project": PROJECT},
    )

    assert _verdict(db) == adjudication.Verdict(label=0, voter_id="e2", n_rulings=3, agreed=False)


def test_of_labels_said_equally_often_the_crowds_likelier_one_is_taken(db: Session) -> None:
    db.execute(
        text("""
        INSERT INTO consensus (project_id, task_id, label, confidence, posterior, n_votes, decision, reason)
        VALUES (:project, 't1', 2, 0.5, ARRAY[0.1, 0.4, 0.5], 3, 'escalate', '')
        """),
        {"project": PROJECT},
    )
    _say(db, e1=0, e2=1)

    assert (_verdict(db).label, _verdict(db).agreed) == (1, False)


def test_without_a_crowd_a_tie_goes_to_the_first_label(db: Session) -> None:
    _say(db, e1=1, e2=0)

    assert _verdict(db).label == 0


def test_experts_are_measured_by_those_who_ruled_on_the_same_tasks(db: Session) -> None:
    project_id = ids.new("prj")
    rulings = [
        ("alone", "e1", 0), ("agreed", "e1", 1), ("agreed", "e2", 1),
        ("split", "e1", 0), ("split", "e2", 1), ("split", "e3", 1), ("open", "e1", 0), ("open", "e3", 1),
    ]  # fmt: skip
    adjudication.record(db, project_id, [Ruling(*said) for said in rulings])
    for task_id, label in (("alone", 0), ("agreed", 1), ("split", 1)):
        consensus.adjudicate(db, project_id, task_id=task_id, label=label, voter_id="e1")

    rows = adjudication.page(db, project_id, PageRequest(10)).items

    assert [tuple(row) for row in rows] == [("e1", 4, 2, 1), ("e2", 2, 2, 2), ("e3", 2, 1, 1)]


def test_what_cannot_be_a_project_has_no_experts(db: Session) -> None:
    with pytest.raises(NotFound):
        adjudication.page(db, "birds", PageRequest(10))
