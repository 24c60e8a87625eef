"""The drills in small, so that they cannot rot. `make drill` runs them at size."""

from pathlib import Path

from sqlalchemy.orm import Session

from tests.drills import restore
from tests.drills.house import Told


def test_a_house_that_was_lost_under_load_comes_back_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    outcome = restore.drill(tmp_path, size=0, seconds=3)

    assert outcome.is_sound, outcome


def test_the_drill_sees_what_is_missing(db: Session) -> None:
    told = [Told("answers", "ans_never", 1.0, 2.0), Told("currencies", "USD", 1.0, 2.0)]

    assert restore.missing(db, told[:1]) == told[:1]
