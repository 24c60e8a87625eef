"""Rows for tests: plain functions that make what is needed and name only what matters."""

import itertools
import re
from datetime import date, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import auth, clock
from payments import floors, funding, fx, money, taxes
from payments.models import FloorRule, FxRate, TaxRule
from payments.rates import Price
from payments.taxes import Terms
from quality import gold, quarantine
from quality.gold_words import Source
from quality.methods import evidence
from workforce import assignment, attempts, exams, golds, onboarding, projects, requesters, settlement, tasks, tiers
from workforce.events import AnswerSubmitted
from workforce.models import (
    Answer,
    Attempt,
    Batch,
    BatchStatus,
    Exam,
    Kind,
    Project,
    Requester,
    Task,
    TaskStatus,
    Worker,
    WorkerStatus,
)

_numbers = itertools.count(1)

SKILL = "image.categorization"
PRICES = (Price(tier=0, amount="0.02", currency="USD"), Price(tier=4, amount="0.60", currency="USD"))


def create_requester(db: Session, *, funds: str | None = "1000") -> Requester:
    """A requester who has paid in."""
    requester, _ = requesters.register(db, name=f"Requester {next(_numbers)}")
    if funds is not None:
        pay_in(db, requester.id, funds)
    return requester


def pay_in(db: Session, requester_id: str, amount: str, currency: str = "USD") -> None:
    units = money.parse(amount, money.currency(db, currency))
    funding.top_up(
        db, owner_ref=requester_id, currency=currency, amount=units,
        bank_reference=f"bank {next(_numbers)}", actor_ref="finance",
    )  # fmt: skip


def create_worker(db: Session, *, tier: int | None = None, status: WorkerStatus = WorkerStatus.ACTIVE) -> Worker:
    """A worker, active and on the starting step unless said otherwise."""
    worker, _ = onboarding.apply(db, name=f"Worker {next(_numbers)}", country="KE")
    if status != WorkerStatus.APPLICANT:
        onboarding.move(db, worker.id, WorkerStatus.ACTIVE)
    if status not in {WorkerStatus.APPLICANT, WorkerStatus.ACTIVE}:
        onboarding.move(db, worker.id, status)
    if tier is not None:
        tiers.set_tier(db, worker.id, skill=SKILL, tier=tier, reason="test", moved_by="ops")
    return worker


def secret_about(db: Session, about: str) -> str:
    """The secret in the newest letter about something."""
    rows = text("SELECT body FROM mails WHERE about = :about AND body IS NOT NULL ORDER BY id DESC LIMIT 1")
    found = re.search("rp_[0-9a-f]{64}", db.scalars(rows, {"about": about}).one())
    assert found is not None, "a letter that brings a secret"
    return found[0]


def create_project(db: Session, requester: Requester | None = None, **settings: Any) -> Project:
    """A project with two labels, a crowd price of 0.02 and an expert's of 0.60; nothing is drawn for a spot check."""
    requester = requester or create_requester(db)
    chosen = projects.Settings(**{"labels": ["crow", "rook"], "spot_share": 0.0, **settings})
    return projects.create(
        db, requester_id=requester.id, name=f"Project {next(_numbers)}", settings=chosen, prices=PRICES
    )


def create_exam(db: Session, requester: Requester | None = None, *, n: int = 4, **changes: Any) -> Exam:
    """An exam of some questions whose answer is a rook each, half of which must be right; or training."""
    requester = requester or create_requester(db)
    prices, questions = changes.pop("prices", ()), changes.pop("questions", n)
    terms = {name: changes.pop(name) for name in exams.Terms.__slots__ if name in changes}
    given = {"labels": ["crow", "rook"], "purpose": "exam", "tier_min": 0, **changes}
    made = exams.create(
        db, requester_id=requester.id, name=f"Exam {next(_numbers)}", prices=prices,
        settings=projects.Settings(**given),
        terms=exams.Terms(**{"n_questions": n, "n_needed": max(n // 2, 1), **terms}),
    )  # fmt: skip
    for i in range(questions):
        asked = exams.Question({"attachment": f"bird {i}"}, "rook", f"Its beak, {i}.")
        exams.add_question(db, made.project_id, asked, added_by=requester.id)
    return made


def sit(db: Session, worker: Worker, exam: Exam, *, right: int, wrong: int = 0) -> Attempt:
    """An attempt with so many answers right, and then so many wrong."""
    attempt = attempts.start(db, worker.id, exam.project_id)
    for place in range(1, right + wrong + 1):
        category = "rook" if place <= right else "crow"
        attempts.answer(db, worker.id, attempt.id, place=place, payload={"category": category})
    return attempt


def create_batch(db: Session, project: Project, *, status: BatchStatus = BatchStatus.IN_PROGRESS) -> Batch:
    return projects.create_batch(db, project, name=f"Batch {next(_numbers)}", status=status)


def create_task(db: Session, project: Project, batch: Batch | None = None, **question: Any) -> Task:
    """A task, open and reserved unless its batch is staging."""
    batch = batch or projects.standing_batch(db, project)
    given = {"params": {"attachment": "a bird"}, "metadata": {}, **question}
    return tasks.create(db, project, batch, tasks.Question(**given))


def claim(db: Session, worker: Worker, project: Project | None = None, kind: Kind | None = None) -> assignment.Lease:
    """A lease that there must be."""
    lease = assignment.claim(db, worker.id, project_id=None if project is None else project.id, kind=kind)
    assert lease is not None
    return lease


def submit(db: Session, worker: Worker, lease: assignment.Lease, category: str = "rook") -> Answer:
    return assignment.submit(db, worker.id, lease.id, fence=lease.fence, payload={"category": category})


def answer(
    db: Session, worker: Worker, category: str = "rook", *, project: Project | None = None, kind: Kind | None = None
) -> Answer:
    """Claim whatever comes next and answer it."""
    return submit(db, worker, claim(db, worker, project, kind), category)


def answer_all(db: Session, project: Project, *categories: str) -> list[Answer]:
    """One answer for each category, every one by a new worker."""
    return [answer(db, create_worker(db), category, project=project) for category in categories]


def told(db: Session) -> list[AnswerSubmitted]:
    """Take every answer that waits to be settled out of the outbox."""
    rows = db.execute(text("DELETE FROM outbox_events WHERE topic = 'AnswerSubmitted' RETURNING id, payload")).all()
    return [AnswerSubmitted(**row.payload) for row in sorted(rows, key=lambda row: row.id)]


def settle(db: Session) -> list[AnswerSubmitted]:
    """Deliver everything that waits, inside the caller's transaction."""
    events = told(db)
    for project_id in sorted({event.project_id for event in events}):
        settlement.settle_answers(db, [event for event in events if event.project_id == project_id])
    return events


def create_escalated(db: Session, **settings: Any) -> tuple[Project, Task]:
    """A task on which two workers disagreed and that now waits for an expert."""
    chosen = {"overlap_min": 2, "overlap_max": 2, "expert_share": 1.0, "confidence_target": 0.95, **settings}
    project = create_project(db, **chosen)
    task = create_task(db, project)
    answer_all(db, project, "crow", "rook")
    settle(db)
    assert task.status == TaskStatus.ESCALATED
    return project, task


def create_gold(db: Session, project: Project, label: int = 1, *, exposures_max: int = 10, **known: Any) -> gold.View:
    """A gold that is a rook unless said otherwise."""
    chosen = gold.Known(**{"label": label, "source": Source.REQUESTER, **known})
    return golds.add(
        db, project, {"attachment": "a bird"}, chosen, exposures_max=exposures_max, added_by=project.requester_id
    )


def create_gold_project(db: Session, **settings: Any) -> Project:
    """A project in which every other task that a worker is given is gold, as long as there is gold."""
    return create_project(db, **{"gold_share": 0.5, **settings})


def propose(db: Session, project: Project, *workers: Worker) -> None:
    """Evidence that these workers err as one, and a quarantine proposed for each."""
    found = evidence.Evidence(
        kind=evidence.Kind.CLUSTER, voters=tuple(range(len(workers))), statistic=12.5, threshold=9.2, answers=40,
        sentence="These voters err as one.",
    )  # fmt: skip
    quarantine.propose(db, project.id, [found], [worker.id for worker in workers])


def approver(subject_id: str = "approver") -> auth.Actor:
    """Somebody who confirms, by name."""
    return auth.Actor("tok_1", subject_id, "approver", frozenset({"approve"}))


def enter_fx_rate(db: Session, rate: str = "129.25", *, confirmed: bool = False, **changes: Any) -> FxRate:
    """A rate from USD to KES, fetched just now by finance, whether it counts or not."""
    now = clock.now(db)
    given = {
        "base": "USD", "quote": "KES", "rate": rate, "source": "central bank", "fetched_at": now,
        "valid_until": now + timedelta(days=1), "entered_by": "finance", **changes,
    }  # fmt: skip
    made = fx.enter(db, **given)
    return fx.confirm(db, made.id, approver()) if confirmed else made


def enter_tax_rule(db: Session, *, confirmed: bool = False, entered_by: str = "finance", **changes: Any) -> TaxRule:
    """A rule of 5 % of all pay in Kenya, to whole shillings, for as long as there is a year after 2025."""
    terms: dict[str, Any] = {
        "country": "KE", "kind": "withholding", "basis": "payment", "basis_points": 500, "currency": "KES",
        "rounding": "down", "unit_exponent": 0, "valid_from": date(2026, 1, 1), "authority": "KRA",
        "citation": "an act", **changes,
    }  # fmt: skip
    made = taxes.enter(db, Terms(**terms), entered_by=entered_by)
    return taxes.confirm(db, made.id, approver()) if confirmed else made


def enter_floor_rule(
    db: Session, hourly: str = "5.00", *, confirmed: bool = False, entered_by: str = "finance", **changes: Any
) -> FloorRule:
    """A floor of 5.00 USD an hour in Kenya since 2026, whether it counts or not."""
    given = {"region": "KE", "currency": "USD", "valid_from": date(2026, 1, 1), "citation": "an act", **changes}
    made = floors.enter(db, floors.Terms(hourly=hourly, **given), entered_by=entered_by)
    return floors.confirm(db, made.id, confirmed_by="approver") if confirmed else made
