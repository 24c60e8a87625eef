"""How far a project's voters agree, and who disagrees with whom beyond what their errors explain."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import NotFound
from quality import agreement
from tests.quality.decided import PROJECT, decide, tasks


def test_agreement_is_that_of_the_decided_tasks(db: Session) -> None:
    decide(db, {"t1": "11", "t2": "01", "t3": "0 "}, opened=["t2"])

    found = agreement.of_project(db, PROJECT)

    assert (found.alpha, found.observed, found.expected) == (None, 1.0, 1.0)
    assert (found.n_tasks, found.n_votes) == (1, 2)


def test_agreement_by_hand(db: Session) -> None:
    decide(db, {"t1": "11", "t2": "01", "t3": "00", "t4": "0 "})

    found = agreement.of_project(db, PROJECT)

    # Four of six votes agree; of the 30 pairs of three 0 and three 1, 12 are equal.
    assert found.observed == pytest.approx(4 / 6)
    assert found.expected == pytest.approx(12 / 30)
    assert found.alpha == pytest.approx((4 / 6 - 12 / 30) / (1 - 12 / 30))


def test_a_project_without_votes_has_no_agreement(db: Session) -> None:
    found = agreement.of_project(db, PROJECT)

    assert (found.alpha, found.observed, found.n_tasks, found.n_votes) == (None, None, 0, 0)


def test_another_projects_votes_are_not_looked_at(db: Session) -> None:
    decide(db, {"t1": "00", "t2": "11"})
    decide(db, {"t1": "01", "t2": "10"}, project=ids.new("prj"))

    assert agreement.of_project(db, PROJECT).alpha == 1.0


def test_of_a_large_project_the_newest_votes_are_looked_at(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quality.votes.DECIDED_MAX", 5)
    decide(db, {"t1": "01", "t2": "01", "t3": "11", "t4": "00"})

    # The fifth vote is of the second task, which is cut off.
    assert agreement.of_project(db, PROJECT).n_tasks == 2
    assert agreement.of_project(db, PROJECT).alpha == 1.0


def test_whoever_contradicts_another_is_shown_with_them(db: Session) -> None:
    decide(db, tasks(40, ["0001", "1110"]))

    worst = agreement.disagreements(db, PROJECT)

    assert [pair.voter_ids for pair in worst] == [["v0", "v3"], ["v1", "v3"], ["v2", "v3"]]
    assert {(pair.n_shared, pair.agreement) for pair in worst} == {(40, 0.0)}
    assert all(0.0 < pair.expected < 0.5 for pair in worst)


def test_two_who_are_unreliable_may_disagree(db: Session) -> None:
    # Nobody knows what the fourth says and the fifth; on their own they are expected to agree half of the time.
    decide(db, tasks(40, ["00001", "11101", "00010", "11110", "00000", "11111", "00011", "11100"]))

    pairs = {tuple(pair.voter_ids): pair for pair in agreement.disagreements(db, PROJECT)}

    assert ("v3", "v4") not in pairs or abs(pairs["v3", "v4"].expected - pairs["v3", "v4"].agreement) < 0.1


def test_pairs_with_few_tasks_in_common_are_left_out(db: Session) -> None:
    decide(db, tasks(9, ["0001", "1110"]))

    assert agreement.disagreements(db, PROJECT) == []
    assert len(agreement.disagreements(db, PROJECT, shared_min=9)) == 3


def test_no_more_than_fifty_pairs_are_shown(db: Session) -> None:
    decide(db, tasks(12, ["0" * 8 + "1" * 8, "1" * 8 + "0" * 8, "0" * 16]))

    assert len(agreement.disagreements(db, PROJECT)) == 50


def test_a_project_that_nobody_has_fitted_shows_no_pairs(db: Session) -> None:
    assert agreement.disagreements(db, PROJECT) == []

    decide(db, tasks(12, ["01"]))
    db.execute(text("DELETE FROM project_fits"))

    assert agreement.disagreements(db, PROJECT) == []


def test_what_cannot_be_a_project_is_not_found(db: Session) -> None:
    with pytest.raises(NotFound):
        agreement.disagreements(db, "birds")
