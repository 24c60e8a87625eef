"""That the tables are about the code and the tests as they are: each bug has its place, each of the forty its tests."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.payments import forty, planted
from tests.payments.planted import Bug
from tests.planting import Edit, PlaceMoved

BUGS = planted.bugs()


def test_there_are_bugs_and_no_two_of_one_name() -> None:
    assert len(BUGS) >= 30
    assert len({bug.name for bug in BUGS}) == len(BUGS)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_stands_in_its_file_just_once_and_makes_another_program(root: Path, bug: Bug) -> None:
    source = (root / bug.edit.file).read_text()

    planted_source = bug.edit.of(source)

    assert planted_source != source
    if bug.edit.file.endswith(".py"):
        assert ast.dump(ast.parse(planted_source)) != ast.dump(ast.parse(source))


def test_a_bug_whose_place_has_moved_is_not_planted() -> None:
    with pytest.raises(PlaceMoved, match="has 0 places"):
        Edit("payments/money.py", "no such line", "").of("")


def test_the_forty_are_forty() -> None:
    assert [one.number for one in forty.tests()] == list(range(1, 41))


@pytest.mark.parametrize("one", forty.tests(), ids=lambda one: str(one.number))
def test_each_of_the_forty_has_a_test_and_a_bug_that_turns_it_red_or_says_why_not(one: forty.Forty) -> None:
    bugs = {bug.name: bug for bug in BUGS}

    assert (one.tests and one.bugs) or one.why
    assert [name for name in one.bugs if name not in bugs] == []
    # A bug is bound to tests of its own; one of them shows this of the forty.
    strangers = [name for name in one.bugs if not set(bugs[name].tests) & set(one.tests)]
    assert strangers == []


def test_every_test_that_the_tables_name_is_collected(root: Path) -> None:
    named = {test for one in forty.tests() for test in one.tests} | {test for bug in BUGS for test in bug.tests}

    asked = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:xdist", *sorted(named)]
    collected = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)

    assert collected.returncode == 0, collected.stdout + collected.stderr
