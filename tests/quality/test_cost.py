"""The cost of confidence: answers replayed in the order in which they came."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from quality import cost
from quality.cost import TARGETS, Curve
from tests.quality.decided import PROJECT, Said, decide, tasks


def _come_first(db: Session, project: str, said: Said, voter: int) -> None:
    """One voter's answers came a minute before all others."""
    early = text("INSERT INTO votes VALUES (:project_id, :task_id, :voter_id, :label, now() - interval '1 minute')")
    for task, labels in said.items():
        label = int(labels[voter])
        db.execute(early, {"project_id": project, "task_id": task, "voter_id": f"v{voter}", "label": label})


def test_a_higher_target_takes_more_answers_and_is_reached_less_often(db: Session) -> None:
    decide(db, tasks(40, ["00000", "11111", "00011", "11000"]))

    found = cost.curve(db, PROJECT, answers_min=1)

    assert [stop.confidence for stop in found.stops] == list(TARGETS)
    assert found.n_tasks == 40
    answers = [stop.answers for stop in found.stops]
    reached = [stop.reached for stop in found.stops]
    assert (answers[0], reached[0]) == (40, 1.0)
    assert answers == sorted(answers)
    assert reached == sorted(reached, reverse=True)
    assert answers[-1] <= 200


def test_no_task_is_asked_for_less_than_all_get(db: Session) -> None:
    decide(db, tasks(10, ["00000", "11111"]))

    assert cost.curve(db, PROJECT, answers_min=3).stops[0].answers == 30


def test_whose_answer_came_first_decides_where_a_task_stops(db: Session) -> None:
    said, other = tasks(60, ["00001", "11110", "00000", "11111"]), ids.new("prj")
    decide(db, said)
    _come_first(db, other, said, voter=4)
    decide(db, said, project=other)

    known, unknown = (cost.curve(db, project, answers_min=1).stops for project in (PROJECT, other))

    assert sum(stop.answers for stop in known) < sum(stop.answers for stop in unknown)


def test_open_tasks_are_not_replayed(db: Session) -> None:
    decide(db, tasks(4, ["00", "11"]), opened=["t001"])

    assert cost.curve(db, PROJECT, answers_min=1).n_tasks == 3


def test_where_nothing_is_decided_there_is_no_curve(db: Session) -> None:
    assert cost.curve(db, PROJECT, answers_min=1) == Curve([], 0)

    decide(db, tasks(2, ["00"]), opened=["t000", "t001"])

    assert cost.curve(db, PROJECT, answers_min=1) == Curve([], 0)
