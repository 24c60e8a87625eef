"""Projects and their batches."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from foundation import errors, fields, ids
from foundation.auth import Actor
from foundation.errors import BadRequest, Conflict, NotFound, invalid
from foundation.limits import DAY, Limit
from payments import funding, money, rates
from payments.rates import Price
from quality import skills
from quality.escalation import Basis, Fallback
from workforce import required_exams, task_types
from workforce.models import (
    GOLD,
    Acceptance,
    Answer,
    Batch,
    BatchStatus,
    Kind,
    LanguageLevel,
    LateRule,
    LeasePolicy,
    Project,
    ProjectStatus,
    Purpose,
    Release,
    Requester,
    Task,
    TaskStatus,
    WhenRevised,
)
from workforce.task_types import categorization
from workforce.tiers import Tier

# A task without a batch joins its project's standing batch.
# A worker who asks for any task at all looks at every project with open work.
QUOTA = Limit("projects", 1_000, DAY)
_STANDING = "{project} (standing)"


class NameTaken(Conflict):
    """You have one with this name already."""


class NoSuchProject(NotFound):
    """You have no such project."""


class NoSuchBatch(NotFound):
    """You have no such batch."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a project is run. The defaults are those that were simulated on recorded crowds (docs/ops)."""

    labels: list[str] = field(default_factory=list)
    task_type: str = categorization.NAME
    form: dict[str, Any] = field(default_factory=dict)
    purpose: str = Purpose.WORK
    instruction: str = ""
    skill: str = "image.categorization"
    tier_min: int = Tier.NOVICE
    overlap_min: int = 6
    overlap_max: int = 11
    confidence_target: float = 0.9
    target_basis: str = Basis.EACH
    keep_seconds: int = 600
    read_seconds: int = 0
    expert_share: float = 0.2
    spot_share: float = 0.0
    error_cost: str | None = None
    experts_per_day: int | None = None
    expert_patience_seconds: int = 86_400
    without_expert: str = Fallback.WIDEN
    second_opinion_share: float = 0.0
    panel_size: int = 3
    when_revised: str = WhenRevised.REPORT
    gold_share: float = 0.0
    acceptance: str = Acceptance.ON_SETTLEMENT
    accept_within_seconds: int = 604_800
    lease_seconds: int = 900
    lease_policy: str = LeasePolicy.FIXED
    late_rule: str = LateRule.REFUSE
    reports_to_park: int = 2
    priority: int = 2
    leases_max: int | None = None
    answers_per_day: int | None = None
    worker_share: float = 1.0
    pools: list[str] = field(default_factory=list)
    countries: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    language_level: str = LanguageLevel.A1
    required_exams: list[str] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)


def create(db: Session, *, requester_id: str, name: str, settings: Settings, prices: Sequence[Price]) -> Project:
    """A new project with its rate card in force; without one nothing of it can be paid, which is for exams alone."""
    if len(set(settings.labels)) != len(settings.labels):
        raise invalid({"labels": ["The labels of a project must differ from each other."]})
    labels, form = task_types.set_up(settings.task_type, settings.labels, settings.form)
    kind = task_types.TYPES[settings.task_type].kind(form)
    if kind is not None and settings.gold_share > 0.0:
        raise invalid({"gold_share": ["Gold is for answers that are one of some labels."]})
    settings = replace(settings, labels=labels, form=form)
    if settings.overlap_min > settings.overlap_max:
        # The schema sees what was sent; here the defaults are filled in.
        reason = f"{settings.overlap_min} must not be above overlap_max {settings.overlap_max}."
        raise invalid({"overlap_min": [reason]})
    required_exams.refuse_unknown(db, requester_id, settings.required_exams)
    name = fields.tidy(name)
    _take_turns(db, requester_id)
    if db.scalar(select(Project.id).where(Project.requester_id == requester_id, Project.name == name)):
        raise NameTaken(f"You have a project called {name!r} already.")
    project = Project(
        id=ids.new("prj"),
        requester_id=requester_id,
        name=name,
        status=ProjectStatus.ACTIVE,
        **{key: getattr(settings, key) for key in Settings.__slots__ if key != "error_cost"},
    )
    db.add(project)
    db.flush()
    skills.belongs(db, project.id, project.skill, kind=kind, tolerance=form.get("tolerance"))
    if prices:
        with errors.within("/rates"):
            rates.publish(db, project.id, prices)
    if settings.error_cost is not None:
        with errors.within("/error_cost"):
            money.parse(settings.error_cost, money.currency(db, prices[0].currency))
        project.error_cost = Decimal(settings.error_cost)
        db.flush()
    return project


def find(db: Session, requester_id: str, name_or_id: str) -> Project:
    """A requester's own project by its id or name; another's looks as if it did not exist."""
    column = Project.id if ids.looks_valid(name_or_id, "prj") else Project.name
    found = db.scalar(select(Project).where(Project.requester_id == requester_id, column == fields.tidy(name_or_id)))
    if found is None:
        raise NoSuchProject("You have no project with this name or id.")
    return found


def seen_by(db: Session, actor: Actor, project_id: str) -> Project:
    """A project to look at: ops may see any by its id, a requester their own."""
    if "ops" not in actor.scopes:
        return find(db, actor.subject_id, project_id)
    found = db.get(Project, project_id)
    if found is None:
        raise NoSuchProject("There is no project with this id.")
    return found


def listed(requester_id: str) -> Select[Project]:
    """All projects of a requester."""
    return select(Project).where(Project.requester_id == requester_id)


def create_batch(
    db: Session, project: Project, *, name: str, status: BatchStatus, callback_url: str = "", metadata: Any = None
) -> Batch:
    """A new batch. In progress, each task reserves its worst case when it is made; staging, all do at the launch."""
    name = fields.tidy(name)
    _take_turns(db, project.requester_id)
    if db.scalar(select(Batch.id).where(Batch.requester_id == project.requester_id, Batch.name == name)):
        raise NameTaken(f"You have a batch called {name!r} already.")
    batch = Batch(
        id=ids.new("bat"),
        project_id=project.id,
        requester_id=project.requester_id,
        name=name,
        status=status,
        callback_url=callback_url,
        metadata_=metadata or {},
    )
    db.add(batch)
    db.flush()
    return batch


def _take_turns(db: Session, requester_id: str) -> None:
    # Two posts of one name at once: the second waits for the first one's commit, then sees that the name is taken.
    db.execute(select(Requester.id).where(Requester.id == requester_id).with_for_update(key_share=True))


def find_batch(db: Session, requester_id: str, name_or_id: str) -> Batch:
    """A requester's own batch by its id or name."""
    column = Batch.id if ids.looks_valid(name_or_id, "bat") else Batch.name
    found = db.scalar(select(Batch).where(Batch.requester_id == requester_id, column == fields.tidy(name_or_id)))
    if found is None:
        raise NoSuchBatch("You have no batch with this name or id.")
    return found


class BatchElsewhere(BadRequest):
    """The batch belongs to another project."""


def batch_of(db: Session, project: Project, name_or_id: str | None) -> Batch:
    """A batch of a project by its id or name, or its standing one."""
    if name_or_id is None:
        return standing_batch(db, project)
    found = find_batch(db, project.requester_id, name_or_id)
    if found.project_id != project.id:
        reason = f"It is not of the project {project.name!r}."
        raise BatchElsewhere(reason, errors=[{"pointer": "/batch", "reason": reason}])
    return found


def standing_batch(db: Session, project: Project) -> Batch:
    """The batch of tasks that named none, made when it is first needed, and anew when another fee was agreed."""
    rows = select(Batch).where(Batch.project_id == project.id, Batch.standing)
    found = db.scalar(rows)
    if found is None or _has_other_fee(db, found):
        # Two first tasks at once: the second waits here and then finds the batch.
        _take_turns(db, project.requester_id)
        found = db.scalar(rows.execution_options(populate_existing=True))
    if found is not None and _has_other_fee(db, found):
        found.standing = False
        db.flush()
        found = None
    return found or _make_standing(db, project)


def _has_other_fee(db: Session, batch: Batch) -> bool:
    """Whether what a batch would still reserve has another fee than was agreed since; a batch keeps its fee."""
    fixed = funding.fees_of(db, [batch.id]).get(batch.id)
    return fixed is not None and fixed != funding.fee_in_force(db, batch.requester_id)


def _make_standing(db: Session, project: Project) -> Batch:
    name = _STANDING.format(project=project.name)
    if db.scalar(select(Batch.id).where(Batch.requester_id == project.requester_id, Batch.name == name)):
        # The requester has a batch of this name already: their own, or the standing one of another fee.
        name = f"{name} {ids.new('bat')}"
    batch = create_batch(db, project, name=name, status=BatchStatus.IN_PROGRESS)
    batch.standing = True
    db.flush()
    return batch


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a project stands; amounts in ledger units of its one currency."""

    tasks: dict[str, int]
    answers: int
    adjudications: int
    released: dict[str, int]
    spent: int
    currency: str
    exponent: int


def progress(db: Session, project: Project) -> Progress:
    """How far a project has come and what it has cost, fee included."""
    tasks = select(Task.status, func.count()).where(Task.project_id == project.id).group_by(Task.status)
    by_status = dict(db.execute(tasks).all())
    answers = select(Answer.kind, func.count()).where(Answer.project_id == project.id).group_by(Answer.kind)
    by_kind = dict(db.execute(answers).all())
    released = (
        select(Release.reason, func.count().label("n")).where(Release.project_id == project.id).group_by(Release.reason)
    )
    batches = db.scalars(select(Batch.id).where(Batch.project_id == project.id)).all()
    price = rates.dearest(db, project.id, tier_max=Tier.EXPERT)
    return Progress(
        tasks={status.value: by_status.get(status, 0) for status in TaskStatus if status not in GOLD},
        answers=by_kind.get(Kind.ANSWER, 0),
        adjudications=by_kind.get(Kind.ADJUDICATION, 0),
        released={row.reason: row.n for row in db.execute(released)},
        spent=funding.spent(db, batches),
        currency=price.currency,
        exponent=price.exponent,
    )
