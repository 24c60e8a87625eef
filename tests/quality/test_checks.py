"""The package's invariants: each turns red when its rule is broken."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from quality import checking, checks, correction, quarantine
from quality.methods.evidence import Evidence, Kind
from tests import factories
from tests.conftest import Urls


@pytest.fixture(scope="module")
def judged(new_database: Callable[[], Urls]) -> Urls:
    """A database with an active quarantine and a proposed one, and an answer that was checked, committed."""
    urls = new_database()
    engine = create_engine(urls.app)
    with Session(engine, expire_on_commit=False, autoflush=False) as db:
        found = Evidence(Kind.CLUSTER, (0, 1), statistic=12.5, threshold=9.2, answers=40, sentence="They err as one.")
        quarantine.propose(db, "prj_birds", [found], ["a", "b"])
        (first, _) = db.scalars(quarantine.listed())
        quarantine.activate(db, first.id, reason="Seen.", decided_by="ops")
        project = factories.create_gold_project(db)
        factories.create_task(db, project)
        factories.create_gold(db, project)
        factories.answer(db, factories.create_worker(db), project=project)
        factories.settle(db)
        checking.count(db)
        settled = factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5, expert_share=0.0)
        task = factories.create_task(db, settled)
        factories.answer_all(db, settled, "rook")
        factories.settle(db)
        correction.relabel(
            db, settled.id, task.id, label=0, n_classes=2, reason="Its beak.", corrected_by="bob", correction_id="cor_1"
        )  # fmt: skip
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
    "Q4 every record holds each checked answer of its sequence once": "UPDATE voter_records SET n_right = 0",
    "Q5 what was checked is as right as what is known of its task says": "UPDATE votes SET label = 1 - label",
    "Q6 where answers are no classes, every label says something": "UPDATE project_skills SET kind = 'text'",
    "Q7 a label that was corrected is what its task is settled with, and nobody corrects what was never settled": """
        UPDATE consensus SET label = 1 - label""",
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


@pytest.mark.parametrize(
    "more",
    [
        "DELETE FROM voter_records",
        "UPDATE checked_votes SET seq = NULL, counted = NULL",
        """INSERT INTO checked_votes (project_id, task_id, voter_id, skill, source, is_right, counted, seq)
           SELECT project_id, 'again', voter_id, skill, source, true, true, 2 FROM checked_votes
            WHERE source = 'gold'""",
    ],
)
def test_an_answer_that_is_counted_twice_or_nowhere_turns_red(owner: Session, more: str) -> None:
    owner.execute(text(more))

    assert checks.check(owner)["Q4 every record holds each checked answer of its sequence once"]


@pytest.mark.parametrize(
    "more",
    [
        "UPDATE consensus SET decision = 'open'",
        "DELETE FROM consensus",
        """INSERT INTO corrected_labels
           SELECT project_id, task_id, 2, 'cor_2', 1, false, '', 'bob' FROM corrected_labels""",
    ],
)
def test_a_corrected_label_that_is_not_what_its_task_is_settled_with_turns_red(owner: Session, more: str) -> None:
    owner.execute(text(more))

    broken = checks.check(owner)

    assert [name[:2] for name, rows in broken.items() if rows][-1] == "Q7"


def test_a_quarantine_that_nobody_ends_turns_red(owner: Session) -> None:
    owner.execute(text("UPDATE quarantines SET ends_at = now() - interval '2 hours' WHERE status = 'active'"))

    assert checks.check(owner)["Q2 no quarantine holds for longer than its days"]
