"""Bugs planted in a copy of the tree, one at a time: what is edited, and what pytest says of the copy then.

Which bugs there are, and who has to see them, is in the tables of those who plant them: `access/guards.toml`,
`faults/planted.py` and `payments/planted.toml`.
"""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_LEFT_BEHIND = (".git", ".venv", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis")
_SECONDS_MAX = 600
_PYTEST = ("-m", "pytest", "-x", "--tb=short", "-rfE")


class PlaceMoved(Exception):
    """The product has changed where a bug is planted; plant it anew."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One place in one file of the tree, and what stands there instead."""

    file: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.file}: {' '.join(self.old.split())!r} becomes {' '.join(self.new.split())!r}"

    def of(self, source: str) -> str:
        """What becomes of a source that has the place just once."""
        if source.count(self.old) != 1:
            raise PlaceMoved(f"{self.file} has {source.count(self.old)} places that read {self.old!r}.")
        return source.replace(self.old, self.new)


def copy(folder: Path) -> Path:
    """A copy of the tree in a folder that is not there yet."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*_LEFT_BEHIND))
    return folder


_ticks = itertools.count(1)


@contextmanager
def planted(house: Path, edit: Edit) -> Iterator[None]:
    """Make an edit in a copy, and take it back afterwards."""
    path = house / edit.file
    before, when = path.read_text(), path.stat().st_mtime
    try:
        path.write_text(edit.of(before))
        # Python knows a changed file by its second and its size, and both may be as they were.
        os.utime(path, (when, when + next(_ticks)))
        yield
    finally:
        path.write_text(before)
        os.utime(path, (when, when))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What pytest says of a copy. code : 0 where all is green, 1 where a test is red, more where it could not run."""

    code: int
    output: str

    @property
    def killer(self) -> str | None:
        """The first test that failed, or whose fixtures found something wrong afterwards, and what it said.

        What failed before its test began says nothing about the bug: there it did not even come to a test.
        """
        failed = [line.removeprefix("FAILED ") for line in self.output.splitlines() if line.startswith("FAILED ")]
        if "ERROR at teardown of" in self.output:
            failed += [line.removeprefix("ERROR ") for line in self.output.splitlines() if line.startswith("ERROR ")]
        return failed[0] if self.code == 1 and failed else None


def run(house: Path, asked: Sequence[str]) -> Verdict:
    """Run tests of a copy, with its own packages before all others, until the first that fails.

    A bug that makes a test wait for ever is seen by another test, or not at all.
    """
    try:
        ran = subprocess.run(
            [sys.executable, *_PYTEST, *asked],
            cwd=house,
            # What failed and what it said, on one line.
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Verdict(124, f"It was not at its end after {_SECONDS_MAX} s.")
    return Verdict(ran.returncode, ran.stdout + ran.stderr)
