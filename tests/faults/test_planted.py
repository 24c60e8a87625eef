"""Bugs are planted in code that goes on changing: here it shows at once when a place has moved."""

import ast
from pathlib import Path

import pytest

from tests.faults import planted
from tests.faults.faults import ALL
from tests.faults.planted import BUGS, Planted
from tests.faults.reckoning import Reckoning
from tests.planting import Edit, PlaceMoved


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_bug_finds_its_place(bug: Planted, tmp_path: Path) -> None:
    build = planted.build(bug, tmp_path / "build")

    for edit in bug.edits:
        text = (build / edit.file).read_text()
        assert edit.new in text
        ast.parse(text)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_bug_names_faults_and_what_they_bring_to_light(bug: Planted) -> None:
    assert set(bug.faults) <= set(ALL)
    assert hasattr(Reckoning(), bug.shows)


def test_a_bug_whose_place_has_moved_is_not_planted(tmp_path: Path) -> None:
    bug = Planted("gone", [Edit("wsgi.py", "no such line", "")], faults=(), shows="lost")

    with pytest.raises(PlaceMoved, match=r"wsgi\.py has 0 places"):
        planted.build(bug, tmp_path / "build")
