"""Confusion matrices: shares that sum to one, the votes behind them, and nothing where nothing is known."""

import numpy as np
import pytest
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound
from quality import confusion
from tests.quality.decided import PROJECT, decide, rule, tasks


def test_whoever_takes_one_label_for_another_is_seen_to(db: Session) -> None:
    # The last one says 1 of everything; the three others are right.
    decide(db, tasks(60, ["0001", "1111"]))

    found = confusion.of_voter(db, PROJECT, "v3")

    assert np.sum(found.confusion, axis=1) == pytest.approx([1.0, 1.0])
    assert found.confusion[0][1] > 0.7
    assert found.confusion[1][1] > 0.9
    assert (found.voter_id, found.n_votes) == ("v3", 60)
    assert 0 <= found.low <= found.reliability <= found.high <= 1
    assert found.low < 0.6 < found.high


def test_the_counts_are_the_votes_divided_by_what_their_tasks_may_be(db: Session) -> None:
    decide(db, {"t1": "111", "t2": "001", "t3": "000"})
    for task, label in {"t1": 1, "t2": 0, "t3": 0}.items():
        rule(db, task, label)

    of_crowd, of_last = confusion.of_crowd(db, PROJECT), confusion.of_voter(db, PROJECT, "v2")

    assert (of_crowd.counts, of_crowd.n_votes) == ([[5.0, 1.0], [0.0, 3.0]], 9)
    assert (of_last.counts, of_last.n_votes) == ([[1.0, 1.0], [0.0, 1.0]], 3)


def test_doubt_divides_a_vote(db: Session) -> None:
    decide(db, {"t1": "01"})

    found = confusion.of_crowd(db, PROJECT)

    assert np.sum(found.counts, axis=0) == pytest.approx([1.0, 1.0])
    assert np.array(found.counts) == pytest.approx(np.full((2, 2), 0.5), abs=0.1)


def test_the_voters_of_a_project_sum_to_its_crowd(db: Session) -> None:
    decide(db, tasks(10, ["001", "110", "1 0"]))

    each = [np.array(confusion.of_voter(db, PROJECT, f"v{number}").counts) for number in range(3)]

    assert sum(each) == pytest.approx(np.array(confusion.of_crowd(db, PROJECT).counts))


def test_before_the_first_fit_there_is_no_matrix(db: Session) -> None:
    assert confusion.of_crowd(db, PROJECT) == confusion.Confusion([], [], 0)


def test_whom_no_fit_has_seen_is_not_found(db: Session) -> None:
    decide(db, {"t1": "01"})

    for project, voter in ((PROJECT, "v9"), (ids.new("prj"), "v0"), ("birds", "v0")):
        with pytest.raises(NotFound):
            confusion.of_voter(db, project, voter)
