"""That the table of guards is about the code as it is, and that no comparison with an owner was forgotten in it."""

import ast
import re
from pathlib import Path

from tests.access import guards

_PACKAGES = ("foundation", "quality", "payments", "workforce")
# A column that says whose a row is, compared with something; in Python and in SQL.
_OWNERSHIP = re.compile(
    r"(?:\.|\b)(?:requester_id|worker_id|owner_ref|payee_id|voter_id|actor_id|subject_id)"
    r"(?:\.in_\(|\s(?:==|!=|<>|IN)\s|\s=\s(?=:|[a-z]{1,2}\.))"
)


def test_a_guard_stands_in_its_file_just_once(root: Path) -> None:
    moved = [(file, source) for file, source in guards.known() if (root / file).read_text().count(source) != 1]

    assert moved == []


def test_a_mutant_is_another_program(root: Path) -> None:
    sources = {file: (root / file).read_text() for file, _ in guards.known()}
    programs = {file: ast.dump(ast.parse(source)) for file, source in sources.items()}
    mutants = guards.mutants()

    assert len(mutants) > 100
    assert [one for one in mutants if ast.dump(ast.parse(one.of(sources[one.file]))) == programs[one.file]] == []


def test_every_comparison_with_an_owner_is_a_guard_or_known_to_be_none(root: Path) -> None:
    known, forgotten = guards.known(), []
    for path in sorted(path for package in _PACKAGES for path in (root / package).rglob("*.py")):
        source, file = path.read_text(), str(path.relative_to(root))
        spans = [(at := source.index(guard), at + len(guard)) for name, guard in known if name == file]
        for found in _OWNERSHIP.finditer(source):
            if not any(begin <= found.start() < end for begin, end in spans):
                line = source.count("\n", 0, found.start()) + 1
                forgotten.append(f"{file}:{line}: {source.splitlines()[line - 1].strip()}")

    assert forgotten == []
