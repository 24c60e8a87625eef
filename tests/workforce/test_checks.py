"""The package's invariants: each turns red when its rule is broken."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from tests import factories
from tests.conftest import Urls
from workforce import checks


@pytest.fixture(scope="module")
def worked(new_database: Callable[[], Urls]) -> Urls:
    """A database with an open task that is half answered, a leased one and a settled one, committed."""
    urls = new_database()
    engine = create_engine(urls.app)
    with Session(engine, expire_on_commit=False, autoflush=False) as db:
        done = factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5)
        factories.create_task(db, done)
        factories.answer_all(db, done, "rook")
        factories.settle(db)
        half = factories.create_project(db, overlap_min=3)
        factories.create_task(db, half)
        factories.answer_all(db, half, "rook")
        factories.claim(db, factories.create_worker(db))
        db.commit()
    engine.dispose()
    return urls


@pytest.fixture
def owner(worked: Urls) -> Iterator[Session]:
    """The owner's session on that database; what it does is rolled back."""
    engine = create_engine(worked.owner)
    with Session(engine) as session:
        yield session
    engine.dispose()


BREAKS = {
    "W1 no task has more live leases and answers than slots": """
        UPDATE tasks SET free_slots = free_slots + 1 WHERE status = 'open'""",
    "W2 nobody answered a task twice": """
        ALTER TABLE answers DROP CONSTRAINT uq_answers_assignment_id_project_id;
        INSERT INTO answers SELECT 'ans_again', project_id, assignment_id, task_id, worker_id, kind, payload, label,
                                   status, late, created_at FROM answers LIMIT 1""",
    "W3 every answer has its vote": """
        DELETE FROM votes""",
    "W4 every answer of a settled task is accepted": """
        UPDATE answers SET status = 'submitted'""",
    "W5 every accepted answer is due once its event is delivered, at the price of its claim": """
        UPDATE assignments SET amount = amount + 1""",
    "W6 a final task has no free slot and no live lease": """
        UPDATE assignments SET status = 'leased'""",
}

MORE = {
    "a lease too many": ("W1", "UPDATE tasks SET overlap = 1, free_slots = 0 WHERE status = 'open'"),
    "a slot too few": ("W1", "UPDATE tasks SET free_slots = 0 WHERE status = 'open'"),
    "two rulings": ("W1", "UPDATE assignments SET kind = 'adjudication'"),
    "another label": ("W3", "UPDATE votes SET label = 0"),
    "no earning": ("W5", "DELETE FROM earnings"),
    "not yet due": ("W5", "UPDATE earnings SET status = 'pending'"),
    "a free slot": ("W6", "UPDATE tasks SET free_slots = 1"),
}


def test_every_check_has_a_way_to_break_it() -> None:
    assert BREAKS.keys() == checks.CHECKS.keys()


def test_honest_work_breaks_nothing(owner: Session) -> None:
    assert not any(checks.check(owner).values())


@pytest.mark.parametrize("name", BREAKS)
def test_a_check_turns_red_when_its_rule_is_broken(owner: Session, name: str) -> None:
    for statement in BREAKS[name].split(";"):
        owner.execute(text(statement))

    assert checks.check(owner)[name]


@pytest.mark.parametrize(("number", "statement"), MORE.values(), ids=MORE.keys())
def test_a_check_sees_every_way_to_break_its_rule(owner: Session, number: str, statement: str) -> None:
    owner.execute(text(statement))

    (found,) = [rows for name, rows in checks.check(owner).items() if name.startswith(number)]
    assert found
