"""Work, rulings, fixes, rejections, refits and corrections in any order, beside a model of what must come of it."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

import wsgi
from foundation.errors import Conflict, Invalid
from quality import certain, consensus, gold, reliability, revisions
from tests import factories, wronged
from tests.conftest import age
from tests.workforce.test_rejections import WEEK, WHY
from tests.wronged import corrected
from workforce import assignment, audits, corrections, rejections, reviews
from workforce.audits import Finding
from workforce.corrections import Wanted
from workforce.models import AuditVerdict, CorrectionKind, Kind, Review, Task

_LABELS = ["crow", "rook"]
# What is kept of answers: their state and price, what is due for them, and what the house has made up for.
_PAID = text("""
    SELECT n.id, n.status, a.amount, coalesce(e.status IN ('due', 'paid'), false) AS is_due,
           (SELECT array_agg(l.amount) FROM correction_lines l
              JOIN corrections c ON c.id = l.correction_id AND c.n_previews = l.preview AND c.state = 'applied'
             WHERE l.answer_id = n.id AND l.paid_by = 'house') AS made_up
      FROM answers n JOIN assignments a ON a.id = n.assignment_id AND a.project_id = n.project_id
      LEFT JOIN earnings e ON e.answer_ref = n.id
""")
_GOODWILL = text("SELECT coalesce(sum(amount), 0)::bigint FROM earnings WHERE kind = 'goodwill'")
# Every vote whose truth was ever known, and as which of its voter's it was counted.
_CHECKED = text("""
    SELECT c.voter_id, c.task_id, c.seq, v.label FROM checked_votes c JOIN votes v USING (project_id, task_id, voter_id)
""")
_RECORDS = text("SELECT voter_id, since, n, n_right FROM voter_records")
_RULED = text("SELECT task_id, label FROM known_labels")


class Birds:
    """A project with gold, six of whose tasks two workers have answered alike, and a model of what its labels are.

    is_checked : an expert has looked at all of them, and said that both were wrong: they went down by it, and have
    worked for less since. is_judged : the requester accepts answers.
    """

    def __init__(self, db: Session, *, is_checked: bool, is_judged: bool) -> None:
        self.db = db
        self.project = factories.create_gold_project(
            db, overlap_min=2, overlap_max=2, confidence_target=0.5, expert_share=float(is_checked),
            spot_share=float(is_checked), acceptance="by_requester" if is_judged else "on_settlement",
        )  # fmt: skip
        self.dear = wronged.dear(db)
        self.tasks = [factories.create_task(db, self.project) for _ in range(6)]
        self.golds = [factories.create_gold(db, self.project).task_id for _ in range(2)]
        self.workers = [factories.create_worker(db) for _ in range(2)]
        # What tasks were corrected to; what they were corrected or fixed to, whichever came last.
        self.right: dict[str, int] = {}
        self.shown: dict[str, int] = {}
        for _ in range(8):
            for worker in self.workers:
                factories.answer(db, worker, "crow", project=self.project)
        factories.settle(db)
        expert = factories.create_worker(db, tier=4)
        while lease := assignment.claim(db, expert.id, kind=Kind.ADJUDICATION):
            factories.submit(db, expert, lease, "rook")
            factories.settle(db)
        assert {task.status for task in self.tasks} == {"settled"}
        self.count(0)
        self.work(0)

    def correct(self, number: int) -> None:
        """Let a task be what it is not."""
        task = self.tasks[number]
        other = 1 - (task.label or 0)
        corrected(self.db, task.id, category=_LABELS[other])
        self.right[task.id] = self.shown[task.id] = other

    def fix(self, number: int) -> None:
        task = self.tasks[number]
        other = 1 - (task.label or 0)
        finding = Finding(AuditVerdict.FIXED, _LABELS[other])
        audits.audit(self.db, self.project, task.id, finding, made_by="req")
        self.shown[task.id] = other

    def rework(self, number: int) -> None:
        """What was corrected is not decided anew."""
        task_id, finding = self.tasks[number].id, Finding(AuditVerdict.REWORK)
        if task_id in self.right:
            act = partial(audits.audit, self.db, self.project, task_id, finding, made_by="req")
            assert not self._may(act)

    def correct_gold(self, number: int) -> None:
        task_id = self.golds[number % 2]
        category = (*_LABELS, None)[number % 3]

        def act() -> None:
            wanted = Wanted(CorrectionKind.GOLD, "", task_id=task_id, category=category)
            made = corrections.propose(self.db, wanted, proposed_by="ada")
            corrections.apply(self.db, made.id, content_hash=made.hash, applied_by="bob")

        self._may(act)

    def reject(self, number: int) -> None:
        """Reject all that waits of a task."""
        rows = reviews.listed(self.project.id, state="waiting").where(Review.task_id == self.tasks[number].id)
        for answer_id in [one.answer_id for one in self.db.scalars(rows)]:
            self._may(partial(rejections.reject, self.db, self.project, answer_id, **WHY))

    def give_back(self, _: int) -> None:
        """Let the time pass in which rejections may be appealed."""
        age(self.db, "reviews", "appeal_until", 2 * WEEK)
        rejections.end(self.db)

    def work(self, number: int) -> None:
        wronged.work(self.db, self.workers[number % 2], self.dear)

    def refit(self, _: int) -> None:
        reliability.refit(self.db, self.project.id, n_classes=2)

    def count(self, _: int) -> None:
        """Records are a recount of what is known, from scratch."""
        wronged.follow(self.db)
        truth: dict[str, int | None] = {row.task_id: row.label for row in self.db.execute(_RULED)}
        truth.update(self.right)
        for view in (gold.find(self.db, self.project.id, task_id) for task_id in self.golds):
            truth[view.task_id] = None if view.ended_by == "contested" else view.label
        n, right = Counter[str](), Counter[str]()
        since = {row.voter_id: row.since for row in self.db.execute(_RECORDS)}
        for row in self.db.execute(_CHECKED):
            known = truth[row.task_id]
            if row.seq is not None and row.seq > since[row.voter_id] and known is not None:
                n[row.voter_id] += 1
                right[row.voter_id] += row.label == known
        for row in self.db.execute(_RECORDS):
            assert (row.n, row.n_right) == (n[row.voter_id], right[row.voter_id])

    def _may(self, act: Callable[[], Any]) -> bool:
        """Whether somebody may do this now; if not, nothing has happened."""
        try:
            with self.db.begin_nested():
                act()
        except (Conflict, Invalid):
            self.db.expire_all()
            return False
        return True

    def look(self) -> None:
        """What was said last is shown; what was corrected last is known; nobody is paid twice."""
        for task_id, label in self.shown.items():
            task = self.db.get_one(Task, (task_id, self.project.id), populate_existing=True)
            assert (task.status, task.label, task.confidence) == ("settled", label, 1.0)
            assert task.settled_by in {"correction", "requester"}
        for task_id, label in self.right.items():
            found = consensus.find(self.db, self.project.id, task_id)
            assert found is not None
            assert (found.label, found.confidence) == (label, 1.0)
            assert certain.label(self.db, self.project.id, task_id) == label
        revised = {task_id for task_id, _, _ in revisions.since(self.db, self.project.id, 0, most=99)}
        assert not revised & set(self.right)
        made_up = 0
        for row in self.db.execute(_PAID):
            sums = row.made_up or []
            made_up += sum(sums)
            assert len(sums) <= 1
            # The house pays a rejected answer in full, and what was accepted beyond its price.
            assert not (row.is_due and row.status == "rejected")
            assert row.status != "rejected" or sums in ([], [row.amount])
        assert self.db.scalar(_GOODWILL) == made_up


_ACTS = [
    Birds.correct, Birds.correct, Birds.correct, Birds.fix, Birds.rework, Birds.correct_gold, Birds.reject,
    Birds.give_back, Birds.work, Birds.refit, Birds.count,
]  # fmt: skip


@pytest.mark.parametrize("is_judged", [False, True])
@pytest.mark.parametrize("is_checked", [False, True])
@settings(max_examples=3)
@given(steps=st.lists(st.tuples(st.sampled_from(_ACTS), st.integers(0, 5)), min_size=12, max_size=20))
def test_in_any_order_the_last_word_counts_records_are_a_recount_and_nobody_is_paid_twice(
    shared_engine: Engine,
    is_checked: bool,  # noqa: FBT001
    is_judged: bool,  # noqa: FBT001
    steps: list[tuple[Callable[[Birds, int], None], int]],
) -> None:
    with shared_engine.connect() as connection:
        outer = connection.begin()
        with Session(
            connection, join_transaction_mode="create_savepoint", expire_on_commit=False, autoflush=False
        ) as db:
            birds = Birds(db, is_checked=is_checked, is_judged=is_judged)
            for act, number in steps:
                act(birds, number)
                birds.look()
            birds.count(0)
            broken = {name: rows for check in wsgi.program.checks for name, rows in check(db).items() if rows}
        outer.rollback()
    assert broken == {}
