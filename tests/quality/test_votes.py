"""Votes: cast once, read back as arrays of codes in the order of ids."""

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from quality import consensus, votes
from quality.methods.votes import UNKNOWN


def _cast(db: Session, *rows: tuple[str, str, int], project: str = "prj_1") -> None:
    for task, voter, label in rows:
        votes.cast(db, project_id=project, task_id=task, voter_id=voter, label=label)


def test_the_first_vote_of_a_voter_stands(db: Session) -> None:
    _cast(db, ("t1", "w1", 1), ("t1", "w1", 0))

    assert db.execute(text("SELECT task_id, voter_id, label FROM votes")).all() == [("t1", "w1", 1)]


def test_votes_are_codes_of_sorted_ids_whoever_came_first(db: Session) -> None:
    _cast(db, ("t2", "w9", 1), ("t1", "w9", 0), ("t2", "w1", 2))

    coded = votes.read_all(db, "prj_1", n_classes=3)

    assert (coded.task_ids, coded.voter_ids) == (["t1", "t2"], ["w1", "w9"])
    triples = zip(coded.votes.tasks, coded.votes.voters, coded.votes.labels, strict=True)
    assert {tuple(map(int, one)) for one in triples} == {(0, 1, 0), (1, 0, 2), (1, 1, 1)}
    assert (coded.votes.n_tasks, coded.votes.n_voters, coded.votes.n_classes) == (2, 2, 3)
    assert {codes.dtype for codes in (coded.votes.tasks, coded.votes.voters, coded.votes.labels)} == {np.dtype(int)}


def test_another_projects_votes_are_not_read(db: Session) -> None:
    _cast(db, ("t1", "w1", 1))
    _cast(db, ("t1", "w2", 0), ("t3", "w3", 0), project="prj_2")

    coded = votes.read_all(db, "prj_1", n_classes=2)

    assert (coded.task_ids, coded.voter_ids) == (["t1"], ["w1"])


def test_some_tasks_are_read_alone_even_without_votes(db: Session) -> None:
    _cast(db, ("t1", "w1", 1), ("t2", "w2", 0))

    coded = votes.read(db, "prj_1", n_classes=2, task_ids=["t2", "t3"])

    assert (coded.task_ids, coded.voter_ids) == (["t2", "t3"], ["w2"])
    assert coded.votes.tasks.tolist() == [0]


def test_certain_labels_are_read_beside_the_votes(db: Session) -> None:
    _cast(db, ("t1", "w1", 1), ("t2", "w1", 0))
    consensus.adjudicate(db, "prj_1", task_id="t2", label=1, voter_id="w9")
    consensus.adjudicate(db, "prj_1", task_id="t3", label=0, voter_id="w9")

    coded = votes.read_all(db, "prj_1", n_classes=2)

    assert coded.task_ids == ["t1", "t2", "t3"]
    assert coded.known.tolist() == [UNKNOWN, 1, 0]


def test_a_project_without_votes_is_empty_arrays(db: Session) -> None:
    coded = votes.read_all(db, "prj_none", n_classes=2)

    assert (coded.task_ids, coded.voter_ids, coded.votes.tasks.shape) == ([], [], (0,))
