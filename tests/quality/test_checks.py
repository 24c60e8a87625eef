"""The package's invariants: each turns red when its rule is broken."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from quality import checks, quarantine
from quality.methods.evidence import Evidence, Kind
from tests.conftest import Urls


@pytest.fixture(scope="module")
def judged(new_database: Callable[[], Urls]) -> Urls:
    """A database with an active quarantine and a proposed one, committed."""
    urls = new_database()
    engine = create_engine(urls.app)
    with Session(engine, expire_on_commit=False, autoflush=False) as db:
        found = Evidence(Kind.CLUSTER, (0, 1), statistic=12.5, threshold=9.2, answers=40, sentence="They err as one.")
        quarantine.propose(db, "prj_birds", [found], ["a", "b"])
        (first, _) = db.scalars(quarantine.listed())
        quarantine.activate(db, first.id, reason="Seen.", decided_by="ops")
        db.commit()
    engine.dispose()
    return urls


@pytest.fixture
def owner(judged: Urls) -> Iterator[Session]:
    """The owner's session on that database; what it does is rolled back."""
    engine = create_engine(judged.owner)
    with Session(engine) as session:
        yield session
    engine.dispose()


_FORGED = """
    ALTER TABLE accusations DISABLE TRIGGER append_only;
"""
BREAKS = {
    "Q1 every quarantine stands on evidence against its voter": _FORGED
    + "UPDATE accusations SET voter_id = 'c' || voter_id",
    "Q2 no quarantine holds for longer than its days": "UPDATE quarantines SET days = 3",
    "Q3 all evidence speaks against somebody": _FORGED + "DELETE FROM accusations",
}


def test_every_check_has_a_way_to_break_it() -> None:
    assert set(BREAKS) == set(checks.CHECKS)


def test_nothing_is_broken_at_first(owner: Session) -> None:
    assert not any(checks.check(owner).values())


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_turns_its_check_red(owner: Session, name: str) -> None:
    for statement in filter(str.strip, BREAKS[name].split(";")):
        owner.execute(text(statement))

    assert checks.check(owner)[name]


def test_a_quarantine_that_nobody_ends_turns_red(owner: Session) -> None:
    owner.execute(text("UPDATE quarantines SET ends_at = now() - interval '2 hours' WHERE status = 'active'"))

    assert checks.check(owner)["Q2 no quarantine holds for longer than its days"]
