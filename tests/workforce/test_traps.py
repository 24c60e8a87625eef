"""Traps that other systems of this kind have fallen into, each beside the test that shows that this one does not.

Where something of ours already has such a test it is named; what had none is tested here. The threads in which they
were told are named as they are numbered there.
"""

import re
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import wsgi
from tests import factories
from workforce import assignment, suspensions
from workforce.models import ProjectStatus, TaskStatus, WorkerStatus

_AT_ONCE = "workforce/test_claims_at_once.py"
# What went wrong, who told of it, and which tests show that it does not here.
TRAPS: dict[str, tuple[str, list[str]]] = {
    "two last answers are committed together, and nobody settles the task": (
        "PYBOSSA", ["workforce/test_settlement.py::test_settlements_at_once_pay_everybody_once"],
    ),
    "a claim, the end of its lease, a late answer and another claim come in any order": (
        "Label Studio, PYBOSSA, potato#90",
        ["workforce/test_assignment.py::test_whatever_everybody_does_slots_and_pay_stay_right"],
    ),
    "one worker answers one task in two windows": (
        "PYBOSSA, Dallinger#3072",
        ["workforce/test_assignment.py::test_one_lease_answered_in_many_windows_has_one_answer",
         "workforce/test_assignment.py::test_one_worker_in_many_windows_keeps_to_the_cap"],
    ),
    "what a banned worker answered is removed while its task still wants answers": (
        "Toloka", ["workforce/test_traps.py::test_what_somebody_answered_who_was_stopped_counts_and_is_paid"],
    ),
    "gold runs out for whoever is fast": (
        "Appen", ["workforce/test_traps.py::test_whoever_has_met_all_gold_goes_on_without"],
    ),
    "a gold is corrected after workers went down by it": (
        "Appen",
        ["workforce/test_tiers.py::test_a_demotion_by_wrong_gold_is_taken_back_when_the_gold_is_put_right",
         "journeys/test_year.py::test_a_year_of_a_worker"],
    ),
    "a fresh answer is not seen yet where the next claim looks": (
        "PYBOSSA at Bloomberg, PR#1088",
        ["workforce/test_assignment.py::test_a_position_that_becomes_visible_late_is_found_at_the_next_look_back"],
    ),
    "Redis is gone while tasks are held": (
        "PYBOSSA", ["workforce/test_traps.py::test_nothing_about_a_lease_is_outside_of_the_database"],
    ),
    "a call to pay is sent again after it had gone through": (
        "Prolific, Mechanical Turk, human-protocol#1901",
        ["payments/test_api_payouts.py::test_a_gift_that_is_sent_again_is_paid_once",
         "payments/test_earnings.py::test_an_answer_accepted_twice_at_once_is_paid_and_spent_once"],
    ),
    "a price is changed while somebody works for it": (
        "Outlier", ["workforce/test_assignment.py::test_a_price_is_fixed_at_the_claim_whatever_is_published_later"],
    ),
    "a project ends while tasks of it are held": (
        "Outlier, Surge",
        ["workforce/test_traps.py::test_what_is_held_of_a_project_that_pauses_is_answered_and_paid",
         "workforce/test_tasks.py::test_a_task_that_somebody_began_cannot_be_cancelled"],
    ),
    "a worker moves between their claim and their pay": (
        "nobody", ["workforce/test_traps.py::test_whoever_moves_is_paid_what_their_claim_promised"],
    ),
    "fewer answers are asked for than there are already": (
        "PYBOSSA, Label Studio, Argilla",
        ["workforce/test_traps.py::test_what_a_project_asks_for_stays_as_it_was_made"],
    ),
    "fifty workers find all tasks at the head of the line held, and open ones behind": (
        "PYBOSSA#667",
        [f"{_AT_ONCE}::test_what_others_hold_at_the_head_of_the_line_keeps_nobody_from_the_tasks_behind"],
    ),
    "one requester rejects everything": (
        "Mechanical Turk",
        ["workforce/test_rejections.py::test_seventy_thousand_at_once_are_as_many_as_the_brake_lets_through"],
    ),
    "one unit is two people's, and the bonus goes to the wrong one": (
        "psiTurk#190", ["workforce/test_assignment.py::test_each_lease_of_a_task_has_a_fence_of_its_own"],
    ),
    "what is read has more than one page": (
        "Dallinger PR#9343", ["foundation/test_pagination.py::test_pages_hold_every_row_once_newest_first"],
    ),
    "a mistake has failed good workers, and nobody can undo it": (
        "Mephisto#748",
        ["workforce/test_corrections.py::test_what_was_previewed_is_done_by_another_person_and_the_worker_is_told"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
def test_every_trap_has_a_test(root: Path, trap: str) -> None:
    for named in TRAPS[trap][1]:
        file, _, name = named.partition("::")
        assert re.search(rf"^def {name}\(", (root / "tests" / file).read_text(), re.MULTILINE), named


def test_what_somebody_answered_who_was_stopped_counts_and_is_paid(db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=2, overlap_max=2, confidence_target=0.5, expert_share=0.0)
    task, stopped = factories.create_task(db, project), factories.create_worker(db)
    given = factories.answer(db, stopped, project=project)
    suspensions.suspend(db, [stopped.id], hours=72, reason="Two in one.", made_by="ops")

    factories.answer_all(db, project, "rook")
    factories.settle(db)

    assert (task.status, task.overlap) == (TaskStatus.SETTLED, 2)
    status = db.execute(text("SELECT status FROM earnings WHERE answer_ref = :id"), {"id": given.id}).scalar_one()
    assert status == "due"


def test_whoever_has_met_all_gold_goes_on_without(db: Session) -> None:
    project, worker = factories.create_project(db, gold_share=0.5), factories.create_worker(db)
    for _ in range(2):
        factories.create_gold(db, project)
    tasks = {factories.create_task(db, project).id for _ in range(5)}

    done = {factories.answer(db, worker, project=project).task_id for _ in range(7)}

    assert tasks < done
    assert assignment.claim(db, worker.id, project_id=project.id) is None


def test_nothing_about_a_lease_is_outside_of_the_database(root: Path) -> None:
    for name in ("assignment", "leases", "drafts", "caps", "precedence", "linked", "golds"):
        assert "redis" not in (root / "workforce" / f"{name}.py").read_text().lower()


def test_what_is_held_of_a_project_that_pauses_is_answered_and_paid(db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5, expert_share=0.0)
    task, worker = factories.create_task(db, project), factories.create_worker(db)
    lease = factories.claim(db, worker, project)
    project.status = ProjectStatus.PAUSED
    db.flush()

    given = factories.submit(db, worker, lease)
    factories.settle(db)

    assert task.status == TaskStatus.SETTLED
    row = db.execute(text("SELECT status, amount FROM earnings WHERE answer_ref = :id"), {"id": given.id}).one()
    assert tuple(row) == ("due", lease.amount)


def test_whoever_moves_is_paid_what_their_claim_promised(db: Session, books: None) -> None:
    project = factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5, expert_share=0.0)
    factories.create_task(db, project)
    worker = factories.create_worker(db)
    lease = factories.claim(db, worker, project)
    worker.country = "DE"
    db.flush()

    given = factories.submit(db, worker, lease)
    factories.settle(db)

    row = db.execute(text("SELECT status, amount FROM earnings WHERE answer_ref = :id"), {"id": given.id}).one()
    assert tuple(row) == ("due", lease.amount)
    assert worker.status == WorkerStatus.ACTIVE


def test_what_a_project_asks_for_stays_as_it_was_made() -> None:
    changes = {
        (route.method, route.path)
        for group in wsgi.program.routes
        for route in group.routes
        if re.fullmatch(r"/(api|v1)/projects/<[^>]+>", route.path) and route.method != "GET"
    }

    assert changes == set()
