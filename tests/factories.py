"""Rows for tests: plain functions that make what is needed and name only what matters."""

import itertools
from typing import Any

from sqlalchemy.orm import Session

from payments import funding, money
from payments.rates import Price
from workforce import onboarding, projects, requesters, tasks, tiers
from workforce.models import Batch, BatchStatus, Project, Requester, Task, Worker, WorkerStatus

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


def create_project(db: Session, requester: Requester | None = None, **settings: Any) -> Project:
    """A project with two labels, a crowd price of 0.02 and an expert's of 0.60."""
    requester = requester or create_requester(db)
    chosen = projects.Settings(**{"labels": ["crow", "rook"], **settings})
    return projects.create(
        db, requester_id=requester.id, name=f"Project {next(_numbers)}", settings=chosen, prices=PRICES
    )


def create_batch(db: Session, project: Project, *, status: BatchStatus = BatchStatus.IN_PROGRESS) -> Batch:
    return projects.create_batch(db, project, name=f"Batch {next(_numbers)}", status=status)


def create_task(db: Session, project: Project, batch: Batch | None = None, **question: Any) -> Task:
    """A task, open and reserved unless its batch is staging."""
    batch = batch or projects.standing_batch(db, project)
    given = {"params": {"attachment": "a bird"}, "metadata": {}, **question}
    return tasks.create(db, project, batch, tasks.Question(**given))
