"""Workers who went down by golds that had the wrong label, and what they earned meanwhile."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from payments.rates import Price
from quality import checking
from quality.events import ReliabilityChanged
from tests import factories
from workforce import corrections, projects, tiers
from workforce.corrections import Wanted
from workforce.models import Correction, CorrectionKind, Kind, Project, Worker

ONE: dict[str, Any] = {"overlap_min": 1, "overlap_max": 1, "confidence_target": 0.5, "expert_share": 0.0}
# Of a wrong answer to five golds nobody keeps the first step, and of four they do.
WRONG = 5


def failed(db: Session, worker: Worker, n: int = WRONG, **settings: Any) -> tuple[Project, list[str]]:
    """A worker says crow to so many golds that are rooks, and goes down by it."""
    project = factories.create_gold_project(db, **ONE, **settings)
    known = []
    for _ in range(n):
        factories.create_task(db, project)
        known.append(factories.create_gold(db, project).task_id)
        for _ in range(2):
            factories.answer(db, worker, "crow", project=project)
        factories.settle(db)
    follow(db)
    return project, known


def overruled(db: Session, worker: Worker, n: int = WRONG, **settings: Any) -> tuple[Project, list[str]]:
    """A worker says crow to so many tasks of a spot check, which an expert takes for rooks; they go down by it."""
    spot = {**ONE, "expert_share": 1.0, "spot_share": 1.0, **settings}
    project, expert = factories.create_project(db, **spot), factories.create_worker(db, tier=4)
    if project.skill != factories.SKILL:
        tiers.set_tier(db, expert.id, skill=project.skill, tier=4, reason="test", moved_by="ops")
    task_ids = []
    for _ in range(n):
        task_ids.append(factories.create_task(db, project).id)
        factories.answer(db, worker, "crow", project=project)
        factories.settle(db)
        factories.answer(db, expert, "rook", project=project, kind=Kind.ADJUDICATION)
        factories.settle(db)
    follow(db)
    return project, task_ids


def follow(db: Session) -> None:
    """Count what was checked, and deliver what that tells."""
    checking.count(db)
    rows = db.execute(text("DELETE FROM outbox_events WHERE topic = 'ReliabilityChanged' RETURNING id, payload")).all()
    for row in sorted(rows, key=lambda row: row.id):
        tiers.follow(db, [ReliabilityChanged(**row.payload)])


def dear(db: Session, **settings: Any) -> Project:
    """A project that pays a candidate .02 and everybody above .05."""
    prices = (Price(0, "0.02", "USD"), Price(1, "0.05", "USD"), Price(4, "0.60", "USD"))
    chosen = {"labels": ["crow", "rook"], "spot_share": 0.0, "tier_min": 0, **ONE, **settings}
    requester = factories.create_requester(db)
    return projects.create(
        db, requester_id=requester.id, name=ids.new("nam"), settings=projects.Settings(**chosen), prices=prices
    )


def work(db: Session, worker: Worker, project: Project, n: int = 1) -> None:
    """So many answers that are accepted at once."""
    for _ in range(n):
        factories.create_task(db, project)
        factories.answer(db, worker, project=project)
    factories.settle(db)


def underpaid(db: Session, by: Callable[..., tuple[Project, list[str]]] = failed, *, skill: str) -> list[str]:
    """Golds, or rulings, that were wrong about somebody new, who has earned too little since."""
    worker = factories.create_worker(db)
    _, known = by(db, worker, skill=skill)
    work(db, worker, dear(db, skill=skill))
    return known


def proposed(db: Session, task_id: str, *, by: str = "ada", kind: str = "gold", category: str = "crow") -> Correction:
    """That a gold, or a settled task, is a crow."""
    wanted = Wanted(CorrectionKind(kind), "Its beak.", task_id=task_id, category=category)
    return corrections.propose(db, wanted, proposed_by=by)


def corrected(
    db: Session, task_id: str, *, by: str = "bob", proposed_by: str = "ada", kind: str = "label", category: str = "crow"
) -> Correction:
    """The same, applied by somebody else."""
    made = proposed(db, task_id, by=proposed_by, kind=kind, category=category)
    return corrections.apply(db, made.id, content_hash=made.hash, applied_by=by)
