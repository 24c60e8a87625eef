"""For every route a request that it answers as it promises, with real objects behind it.

The corpus takes these apart. A new route needs a line here before its bad inputs can be tried.
"""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import date, timedelta
from typing import Any

import marshmallow as ma
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import auth, clock, fields, ids, mail, trail
from payments import (
    adjustments,
    blocks,
    clawbacks,
    contacts,
    contracts,
    credit_notes,
    exchange,
    floor_weeks,
    funding,
    fx,
    holds,
    invoices,
    kyc,
    kyc_rules,
    money,
    payees,
    paying_accounts,
    payout_failures,
    payouts,
    periods,
    reconciliation,
    redenomination,
    refunds,
    remittances,
    runs,
    screening,
    statements,
    suspense,
    tax_documents,
    unclaimed,
)
from payments.models import (
    BankEntry,
    BankFile,
    Billing,
    Earning,
    Hold,
    Payee,
    PayoutRun,
    Presentation,
    Redenomination,
    ResolutionKind,
    Screening,
)
from payments.tax_documents import Shown
from quality import checking, proposals, quarantine
from tests import factories, wronged
from tests.attack import good_bulk, good_exams, good_reports, good_worlds
from tests.attack.request import Good
from tests.payments import cleared, exported, owed
from tests.payments.files.test_camt import OURS, document, entry
from workforce import (
    appeals,
    assignment,
    audits,
    consents,
    drafts,
    erasures,
    identity,
    imports,
    invitation_lists,
    invitations,
    ladder_versions,
    ladders,
    linked,
    messages,
    overrides,
    pools,
    rejections,
    schemas,
    suspensions,
    teams,
)
from workforce.messages import News
from workforce.models import (
    AuditVerdict,
    BatchStatus,
    Brake,
    Kind,
    LanguageLevel,
    Pool,
    Project,
    Requester,
    WorkerStatus,
)
from workforce.tiers import Tier

RATES = [{"tier": 0, "amount": "0.02", "currency": "USD"}]
_PROJECT = {"labels": ["crow", "rook"], "rates": RATES}


def _staff(role: str, **request: Any) -> Callable[[Session], Good]:
    return lambda _db: Good(role, **request)


def _application(_db: Session) -> Good:
    return Good("", body={"name": "Ada", "country": "KE"})


def _worker(db: Session) -> Good:
    """A worker who holds a task and has answered another, for what workers read about themselves."""
    project = factories.create_project(db)
    worker = factories.create_worker(db)
    for _ in range(2):
        factories.create_task(db, project)
    factories.answer(db, worker, project=project)
    factories.settle(db)
    factories.claim(db, worker, project)
    return Good("worker", worker.id)


def _claim(db: Session) -> Good:
    project = factories.create_project(db)
    factories.create_task(db, project)
    worker = factories.create_worker(db)
    return Good("worker", worker.id, body={"project_id": project.id, "kind": "answer"}, known={"/project_id": 422})


def _lease(db: Session, kind: Kind = Kind.ANSWER) -> tuple[str, assignment.Lease]:
    if kind == Kind.ADJUDICATION:
        project, _ = factories.create_escalated(db)
        worker = factories.create_worker(db, tier=Tier.EXPERT)
    else:
        project = factories.create_project(db, lease_seconds=86_400)
        factories.create_task(db, project)
        worker = factories.create_worker(db)
    return worker.id, factories.claim(db, worker, project, kind)


class _Category(fields.Schema):
    category = fields.Text(required=True)


def _answer(db: Session) -> Good:
    worker, lease = _lease(db)
    return Good(
        "worker",
        worker,
        {"assignment_id": lease.id},
        {"fence": lease.fence, "payload": {"category": "rook"}},
        known={"/fence": 409, "/payload": 422, "/payload/category": 422, "/payload/kept/0": 422},
        inside={"/payload": _Category()},
    )


def _held(db: Session) -> Good:
    worker, lease = _lease(db)
    return Good("worker", worker, {"assignment_id": lease.id}, {"fence": lease.fence}, known={"/fence": 409})


def _given_back(db: Session) -> Good:
    good = _held(db)
    return replace(good, body={**good.body, "reason": "unclear"})


def _dossier(db: Session) -> Good:
    worker, lease = _lease(db, Kind.ADJUDICATION)
    return Good("worker", worker, {"assignment_id": lease.id})


def _of_worker(status: WorkerStatus) -> Callable[[Session], Good]:
    return lambda db: Good("ops", names={"worker_id": factories.create_worker(db, status=status).id})


def _tier(db: Session) -> Good:
    names = {"worker_id": factories.create_worker(db).id, "skill": factories.SKILL}
    return Good("ops", names=names, body={"tier": 2, "reason": "Good work."})


def _of_audience(body: Any = None) -> Callable[[Session], Good]:
    """Where a worker may be: in two pools, and among those who know Swahili."""

    def good(db: Session) -> Good:
        worker = factories.create_worker(db)
        pools.put(db, worker.id, [Pool.CROWD, Pool.VENDOR], put_by="ops")
        pools.set_languages(db, worker.id, {"sw": LanguageLevel.C1})
        return Good("ops", names={"worker_id": worker.id}, body=body)

    return good


def _with_work(db: Session) -> Good:
    factories.create_task(db, factories.create_project(db))
    return Good("worker", factories.create_worker(db).id)


def _leases(db: Session) -> Good:
    worker_id, lease = _lease(db)
    query = f"limit=1&worker_id={worker_id}&project_id={lease.project_id}&ending_within_seconds=86400"
    return Good("ops", query=query)


def _taking_back(db: Session) -> Good:
    _, lease = _lease(db)
    return Good("ops", names={"assignment_id": lease.id}, body={"reason": "other", "note": "We are sorry."})


def _claims(db: Session) -> Good:
    good = _claim(db)
    return replace(good, body={**good.body, "count": 3})


def _my_draft(db: Session) -> Good:
    worker_id, lease = _lease(db)
    drafts.save(db, worker_id, lease.id, fence=lease.fence, payload={"category": "rook"})
    return Good("worker", worker_id, {"assignment_id": lease.id})


def _override(*, held: bool = False) -> Callable[[Session], Good]:
    def make(db: Session) -> Good:
        worker = factories.create_worker(db)
        made = overrides.propose(db, worker.id, skill="audio", tier=2, reason="A talk.", days=30, proposed_by="ada")
        if held:
            overrides.approve(db, made.id, approved_by="bob")
        return Good("ops", names={"override_id": made.id})

    return make


def _some_overrides(db: Session) -> Good:
    return replace(_override()(db), names={}, query="limit=1&state=proposed&skill=audio")


def _new_override(db: Session) -> Good:
    body = {"skill": "lang.sw", "tier": 2, "reason": "A talk.", "days": 30}
    return Good("ops", names={"worker_id": factories.create_worker(db).id}, body=body)


def _climber(role: str, *names: str, query: str = "") -> Callable[[Session], Good]:
    """A worker who was moved and of whom an answer was checked, for whoever reads about it."""

    def make(db: Session) -> Good:
        project = factories.create_gold_project(db)
        worker = factories.create_worker(db, tier=2)
        factories.create_task(db, project)
        factories.create_gold(db, project)
        factories.answer(db, worker, project=project)
        factories.settle(db)
        checking.count(db)
        known = {"worker_id": worker.id, "voter_id": worker.id, "skill": project.skill}
        return Good(role, worker.id, names={name: known[name] for name in names}, query=query)

    return make


def _workers(db: Session) -> Good:
    for _ in range(2):
        factories.create_worker(db)
    return Good("ops", query="limit=1&status=active")


def _escalations(db: Session) -> Good:
    factories.create_escalated(db)
    return Good("ops")


def _quarantines(query: str = "") -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        _proposed(db)
        return Good("ops", query=query)

    return good


def _of_quarantine(body: Any = None, *, active: bool = False) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        quarantine_id = _proposed(db)
        if active:
            quarantine.activate(db, quarantine_id, reason="Seen.", decided_by="ops")
        return Good("ops", names={"quarantine_id": quarantine_id}, body=body)

    return good


def _proposed(db: Session) -> str:
    project, workers = factories.create_project(db), [factories.create_worker(db) for _ in range(2)]
    factories.propose(db, project, *workers)
    return str(db.scalars(quarantine.listed(voter_id=workers[0].id)).one().id)


def _requesters(db: Session) -> Good:
    for _ in range(2):
        factories.create_requester(db, funds=None)
    return Good("admin", query="limit=1")


def _requester(db: Session) -> Good:
    return Good("requester", factories.create_project(db).requester_id)


def _new_project(db: Session) -> Good:
    body = {
        **_PROJECT, "name": "Rooks", "instruction": "Look.", "skill": factories.SKILL, "overlap_min": 2,
        "overlap_max": 3, "params": {"here": True}, "estimated_seconds": 20, "pools": ["crowd"], "countries": ["KE"],
        "languages": ["sw"], "language_level": "b1", "leases_max": 5, "answers_per_day": 40, "worker_share": 0.1,
        "priority": 3, "lease_policy": "learned", "late_rule": "paid", "reports_to_park": 3,
        "task_type": "categorization", "form": {},
    }  # fmt: skip
    known = {"/form": 422, "/form/kept/0": 422}
    return Good("requester", factories.create_requester(db).id, body=body, known=known)


def _of_project(role: str = "requester", query: str = "", body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project, _ = factories.create_escalated(db)
        names = {"project_id": project.id}
        if role == "requester":
            return Good(role, project.requester_id, names, query=query, body=body)
        return Good(role, names=names, query=query)

    return good


def _new_rates(*, later: bool = False) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project = factories.create_project(db)
        body: dict[str, Any] = {"rates": [{"tier": 0, "amount": "0.03", "currency": "USD"}]}
        known, dear = {"/rates/0/currency": 409}, {"/rates/0/amount": 409}
        if later:
            body["valid_from"] = (clock.now(db) + timedelta(days=1)).isoformat()
            known |= {"/valid_from": 422}
        else:
            body["estimated_seconds"] = 20
        names = {"project_id": project.id}
        return Good("requester", project.requester_id, names, body=body, known=known, dear=dear)

    return good


def _weighed(db: Session) -> Good:
    """A project in which somebody has been weighed."""
    project, _ = factories.create_escalated(db)
    voter = db.scalar(text("SELECT min(voter_id) FROM reliability WHERE project_id = :id"), {"id": project.id})
    return Good("ops", names={"project_id": project.id, "voter_id": str(voter)})


def _disagreements(db: Session) -> Good:
    project, _ = factories.create_escalated(db)
    return Good("ops", names={"project_id": project.id}, query="shared_min=1")


def _with_gold(db: Session) -> tuple[Project, str]:
    project = factories.create_gold_project(db)
    factories.create_task(db, project)
    given = factories.create_gold(db, project)
    factories.answer(db, factories.create_worker(db), project=project)
    factories.settle(db)
    return project, given.task_id


def _new_gold(db: Session) -> Good:
    project, _ = _with_gold(db)
    body = {"params": {"attachment": "a bird"}, "category": "rook", "explanation": "Its beak.", "exposures_max": 9}
    return Good("requester", project.requester_id, {"project_id": project.id}, body, known={"/category": 422})


def _golds(db: Session) -> Good:
    project, _ = _with_gold(db)
    factories.create_gold(db, project)
    return Good("requester", project.requester_id, {"project_id": project.id}, query="limit=1")


def _of_gold(role: str, body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project, task_id = _with_gold(db)
        names = {"project_id": project.id, "task_id": task_id}
        return (
            Good(role, project.requester_id, names, body) if role == "requester" else Good(role, names=names, body=body)
        )

    return good


def _proposal(body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project, task = factories.create_escalated(db, gold_share=0.5)
        expert = factories.create_worker(db, tier=Tier.EXPERT)
        factories.answer(db, expert, "crow", project=project, kind=Kind.ADJUDICATION)
        factories.settle(db)
        proposals.propose(db, project.id, most=1)
        return Good("ops", names={"project_id": project.id, "task_id": task.id}, body=body)

    return good


def _proposals(body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        found = _proposal(body)(db)
        return replace(found, names={"project_id": found.names["project_id"]})

    return good


def _golds_of(role: str) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project, _ = _with_gold(db)
        return Good(role, names={"project_id": project.id})

    return good


def _correction(body: Any) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project, task_id = _with_gold(db)
        names = {"project_id": project.id, "task_id": task_id}
        return Good("ops", names=names, body=body, known={"/category": 422})

    return good


_STEPS = [asdict(step) for step in ladders.DEFAULT.steps]


def _new_ladder(_db: Session) -> Good:
    # A shape alone does not say that nobody must keep more than was asked of them, or that the lowest asks nothing.
    shares = {f"/steps/{tier}/{name}": 422 for tier in range(5) for name in ("reach", "keep", "decay_days")}
    steps = [{name: value for name, value in step.items() if value is not None} for step in _STEPS]
    return Good("ops", names={"skill": "video"}, body={"reason": "Too many err.", "steps": steps}, dear=shares)


def _of_ladder(db: Session) -> Good:
    made = ladder_versions.propose(db, "audio", steps=_STEPS, reason="Too many err.", proposed_by="ada")
    return Good("ops", names={"ladder_id": made.id})


def _new_correction(db: Session) -> Good:
    _, task_id = _with_gold(db)
    body = {"kind": "gold", "task_id": task_id, "category": "crow", "reason": "Its beak."}
    known = {"/task_id": 404, "/category": 422, "/kind": 422, "/value": 422, "/value/kept/0": 422}
    return Good("ops", body=body, known=known)


def _of_correction(query: str = "", *, applied: bool = False) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        made = wronged.proposed(db, _with_gold(db)[1])
        body = {"content_hash": made.hash} if applied else None
        known = {"/content_hash": 409} if applied else {}
        return Good("ops", names={"correction_id": made.id}, body=body, query=query, known=known)

    return good


def _review(
    body: Callable[[str], Any] | None = None, query: str = "", *, named: bool = False
) -> Callable[[Session], Good]:
    """An answer that waits for its requester's word, beside another one."""

    def good(db: Session) -> Good:
        once: dict[str, Any] = {"overlap_min": 2, "overlap_max": 2, "confidence_target": 0.5, "expert_share": 0.0}
        project = factories.create_project(db, **once, acceptance="by_requester")
        factories.create_task(db, project)
        answer, _ = factories.answer_all(db, project, "rook", "rook")
        factories.settle(db)
        names = {"project_id": project.id, **({"answer_id": answer.id} if named else {})}
        sent = None if body is None else body(answer.id)
        return Good("requester", project.requester_id, names, sent, query=query, known={"/answer_ids/0": 404})

    return good


def _my_reviews(db: Session) -> Good:
    answer_id = _review(lambda one: one)(db).body
    worker_id = db.scalar(text("SELECT worker_id FROM answers WHERE id = :id"), {"id": answer_id})
    return Good("worker", str(worker_id), query="state=waiting&limit=1")


def _audited(body: Any = None, query: str = "", *, named: bool = False) -> Callable[[Session], Good]:
    """A project with settled tasks, of which one was audited."""

    def good(db: Session) -> Good:
        project = factories.create_project(db, overlap_min=1, overlap_max=1, confidence_target=0.5, expert_share=0.0)
        settled = [factories.create_task(db, project) for _ in range(3)]
        for _ in settled:
            factories.answer_all(db, project, "rook")
        factories.settle(db)
        right = audits.Finding(AuditVerdict.ACCEPTED)
        audits.audit(db, project, settled[0].id, right, made_by=project.requester_id)
        names = {"project_id": project.id, **({"task_id": settled[1].id} if named else {})}
        known = {"/category": 422, "/verdict": 422, "/value": 422, "/value/kept/0": 422}
        return Good("requester", project.requester_id, names, body, query=query, known=known if named else {})

    return good


def _rejected(db: Session) -> Any:
    """An answer that was rejected."""
    project = factories.create_project(
        db, overlap_min=1, overlap_max=1, confidence_target=0.5, expert_share=0.0, acceptance="by_requester"
    )
    factories.create_task(db, project)
    (answer,) = factories.answer_all(db, project, "rook")
    factories.settle(db)
    why = {"reason": "copied", "evidence": "Word for word."}
    rejections.reject(db, project, answer.id, decided_by=project.requester_id, **why)
    return answer


def _new_appeal(db: Session) -> Good:
    answer = _rejected(db)
    return Good("worker", answer.worker_id, {"answer_id": answer.id}, {"grounds": "They are my own words."})


def _appealed(db: Session) -> Any:
    answer = _rejected(db)
    return appeals.appeal(db, answer.worker_id, answer.id, grounds="They are my own words.")


def _my_appeals(db: Session) -> Good:
    return Good("worker", _appealed(db).worker_id, query="limit=1")


def _appeals(db: Session) -> Good:
    _appealed(db)
    return Good("ops", query="state=open&limit=1")


def _of_appeal(body: Any = None) -> Callable[[Session], Good]:
    return lambda db: Good("ops", names={"appeal_id": _appealed(db).id}, body=body)


def _braked(db: Session) -> str:
    """A requester whose rejections are on hold."""
    requester_id, now = factories.create_requester(db, funds=None).id, clock.now(db)
    brake = Brake(
        id=ids.new("bra"), requester_id=requester_id, state="on", since=now - timedelta(hours=1), n_rejected=50,
        n_judged=60,
    )  # fmt: skip
    db.add(brake)
    db.flush()
    return brake.id


def _brakes(db: Session) -> Good:
    _braked(db)
    return Good("ops", query="state=on&limit=1")


def _of_brake(body: Any = None, query: str = "") -> Callable[[Session], Good]:
    return lambda db: Good("ops", names={"brake_id": _braked(db)}, body=body, query=query)


def _top_up(db: Session) -> Good:
    owner = factories.create_requester(db, funds=None).id
    body = {"owner_ref": owner, "currency": "USD", "amount": "1.50", "bank_reference": f"bank {ids.new('ref')}"}
    # Of a little a processor cannot keep much.
    return Good("finance", body=body, known={"/owner_ref": 422}, dear={"/fee": 422})


def _books(db: Session) -> Good:
    cause = factories.create_requester(db).id
    return Good(
        "finance",
        query=f"limit=1&cause_ref={cause}&kind=top_up&first_day=2026-01-01&last_day=2099-12-31",
    )


def _fx_rate(db: Session) -> Good:
    now = clock.now(db)
    body = {
        "base": "USD", "quote": "KES", "rate": "129.25", "source": "central bank", "fetched_at": now.isoformat(),
        "valid_until": (now + timedelta(days=300)).isoformat(),
    }  # fmt: skip
    return Good("finance", body=body)


def _fx_rate_waiting(db: Session) -> Good:
    made = factories.enter_fx_rate(db)
    # The first of its kind, or else a jump.
    made = made if made.needs_confirmation else factories.enter_fx_rate(db, "260")
    return Good("approver", names={"rate_id": made.id})


def _fx_rates(db: Session) -> Good:
    for rate in ("129", "130"):
        factories.enter_fx_rate(db, rate)
    return Good("auditor", query="limit=1&base=USD&quote=KES", known={"?/base": 200, "?/quote": 200})


def _redenomination(db: Session) -> Good:
    return Good("approver", names={"redenomination_id": _redenominating(db, "BGN")})


def _new_redenomination(db: Session) -> Good:
    redenomination.refuse(db, _redenominating(db, "BGN"), refused_by="ben")
    return Good("finance", body={"currency": "BGN"}, known={"/currency": 422})


def _redenominating(db: Session, currency: str) -> str:
    """A proposal of this currency: there is one at a time, so that one which was approved comes to its end first."""
    for _ in redenomination.go_on(db):
        pass
    open_ = db.scalar(redenomination.listed(currency=currency).where(Redenomination.state == "proposed"))
    return (open_ or redenomination.propose(db, currency, proposed_by="finance")).id


def _redenominations(db: Session) -> Good:
    for currency in ("BGN", "HRK"):
        _redenominating(db, currency)
    return Good("auditor", query="limit=1&currency=BGN", known={"?/currency": 200})


_TAX_RULE = {
    "country": "KE", "kind": "withholding", "basis": "accrual", "document": "resident", "basis_points": 500,
    "threshold": "24000", "period": "month", "currency": "KES", "catch_up": True, "rounding": "down",
    "unit_exponent": 0, "valid_from": "2026-01-01", "valid_to": "2026-12-31", "authority": "KRA", "citation": "An act.",
}  # fmt: skip


def _tax_rule_waiting(db: Session) -> Good:
    return Good("approver", names={"rule_id": factories.enter_tax_rule(db).id})


def _tax_rules(db: Session) -> Good:
    for _ in range(2):
        factories.enter_tax_rule(db)
    return Good("auditor", query="limit=1&country=KE")


def _tax_document(db: Session) -> Good:
    body = {
        "payee_id": _payee(db).id, "document": "resident", "valid_from": "2026-01-01", "valid_to": "2026-12-31",
        "note": "In the drawer.",
    }  # fmt: skip
    return Good("finance", body=body, known={"/payee_id": 404})


def _shown(db: Session) -> tuple[Payee, str]:
    payee = _payee(db)
    shown = Shown("resident", date(2026, 1, 1), "In the drawer.")
    return payee, tax_documents.enter(db, payee.id, shown, entered_by="ada").id


def _tax_document_waiting(db: Session) -> Good:
    return Good("approver", names={"document_id": _shown(db)[1]})


def _tax_documents(db: Session) -> Good:
    payee, _ = _shown(db)
    return Good("auditor", query=f"limit=1&payee_id={payee.id}", known={"?/payee_id": 200})


def _withheld(db: Session) -> tuple[Payee, PayoutRun]:
    owed.levy(db, 1_000, authority="KRA")
    return _exported(db)


def _withholdings(db: Session) -> Good:
    payee, run = _withheld(db)
    query = f"limit=1&payee_id={payee.id}&run_id={run.id}&authority=KRA"
    return Good("auditor", query=query, known={"?/payee_id": 200, "?/run_id": 200, "?/authority": 200})


def _withheld_list(db: Session) -> Good:
    _withheld(db)
    return Good("auditor")


def _my_tax(db: Session) -> Good:
    payee, _ = _withheld(db)
    return Good("worker", payee.owner_ref)


def _accrued(db: Session) -> Payee:
    owed.levy(db, 1_000, authority="KRA", basis="accrual")
    return owed.payee(db, 10_000)


def _accrued_taxes(db: Session) -> Good:
    query = f"limit=1&payee_id={_accrued(db).id}&authority=KRA"
    return Good("auditor", query=query, known={"?/payee_id": 200, "?/authority": 200})


def _my_accrued_taxes(db: Session) -> Good:
    _accrued(db)
    return Good("worker", factories.create_worker(db).id)


_REMITTANCE = {"authority": "KRA", "currency": "USD", "amount": "0.01"}


def _remittance(db: Session) -> Good:
    _withheld(db)
    known = {"/authority": 409, "/currency": 409, "/amount": 409}
    return Good("finance", body={**_REMITTANCE, "filing": ids.new("fil")}, known=known)


def _sent(db: Session) -> str:
    _withheld(db)
    usd = money.currency(db, "USD")
    return remittances.enter(db, authority="KRA", currency=usd, amount=100, filing=ids.new("fil"), entered_by="ada").id


def _remittance_waiting(db: Session) -> Good:
    return Good("approver", names={"remittance_id": _sent(db)})


def _remittances(db: Session) -> Good:
    _sent(db)
    return Good("auditor", query="limit=1&authority=KRA", known={"?/authority": 200})


# Payouts


def _method(db: Session) -> Good:
    body = {"rail": "paypal", "kind": "email", "destination": {"email": "ada@example.com"}}
    known = {"/rail": 422, "/kind": 422, "/destination": 422, "/destination/kept/0": 422}
    return Good("worker", factories.create_worker(db).id, body=body, known=known)


def _paid(db: Session) -> Good:
    """Somebody to whom something was paid, with something held back and something given."""
    payee, _ = _exported(db)
    _hold_on(db, payee)
    _give(db, payee)
    return Good("worker", payee.owner_ref)


def _contact(db: Session) -> Good:
    return Good("worker", factories.create_worker(db).id, body={"email": "ada@example.com"}, known={"/email": 422})


def _told(db: Session) -> Good:
    payee = _payee(db)
    contacts.choose(db, payee.id, email="ada@example.com", set_by=payee.owner_ref)
    return Good("worker", payee.owner_ref)


def _contact_proof(db: Session) -> Good:
    payee = _payee(db)
    made = contacts.choose(db, payee.id, email="ada@example.com", set_by=payee.owner_ref)
    return Good("worker", payee.owner_ref, body={"secret": factories.secret_about(db, made.id)}, known={"/secret": 404})


_GUEST: dict[str, Any] = {"email": "ada@example.com", "role": "worker", "activates": False}
_NEW_STAFF = {"email": "ada@example.com", "role": "ops", "subject": "ada"}


def _invited(db: Session) -> str:
    # An address is invited once; the routes' requests may meet in one house.
    return invitations.invite(db, **{**_GUEST, "email": f"{ids.new('ref')}@example.com"}, made_by="ops").id


def _of_invitation(db: Session) -> Good:
    return Good("ops", names={"invitation_id": _invited(db)})


def _list_invitations(db: Session) -> Good:
    _invited(db)
    return Good("ops", query="limit=1&status=sent&role=worker&bounced=false")


def _invited_staff(db: Session) -> str:
    name = ids.new("stf")
    return invitations.propose_staff(db, email=f"{name}@example.com", role="ops", subject=name, made_by="bob").id


def _list_staff_invitations(db: Session) -> Good:
    _invited_staff(db)
    return Good("admin", query="limit=1")


def _proposed_staff(db: Session) -> Good:
    return Good("admin", names={"invitation_id": _invited_staff(db)})


def _held_invitation(**said: str) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        return Good("", body={"secret": factories.secret_about(db, _invited(db)), **said}, known={"/secret": 404})

    return good


def _informed(query: str = "", **request: Any) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        worker = factories.create_worker(db)
        for number in range(2):
            messages.tell(db, "gold_low", [News(worker.id, str(number), {"project_id": "x", "days": number})])
        return Good("worker", worker.id, query=query, **request)

    return good


def _reading(db: Session) -> Good:
    good = _informed()(db)
    newest = db.scalars(messages.listed(good.subject)).all()[-1]
    return replace(good, body={"through": newest.id}, known={"/through": 404})


def _pair(db: Session) -> dict[str, str]:
    return {name: factories.create_worker(db).id for name in ("one_ref", "other_ref")}


def _linking(db: Session) -> Good:
    body = {**_pair(db), "kind": "device", "evidence": "One telephone."}
    return Good("ops", body=body, known={"/one_ref": 422, "/other_ref": 422})


def _linked(query: str = "", body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        made = linked.declare(db, **_pair(db), kind="device", evidence="One telephone.", recorded_by="ops")
        return Good("ops", names={} if query else {"link_id": made.id}, query=query, body=body)

    return good


_PEOPLE = "external_id,email,name,country,languages,pool\r\n"


def _new_list(_db: Session) -> Good:
    sends = f"{_PEOPLE}7,{ids.new('abc')}@example.com,Ada,KE,sw:native en:b2,vendor\r\n"
    return Good("ops", query="team=acme&activates=true", sends=sends)


def _list_of_people(query: str = "") -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        sent = io.BytesIO(f"{_PEOPLE}7,{ids.new('abc')}@example.com,Ada,KE,,vendor\r\n".encode())
        made = invitation_lists.check(db, sent, team=ids.new("abc"), activates=False, made_by="bob")
        return Good("ops", names={} if query.startswith("limit=1&s") else {"list_id": made.id}, query=query)

    return good


def _suspending(db: Session) -> Good:
    body = {"worker_ids": [factories.create_worker(db).id], "hours": 24, "reason": "Two in one."}
    return Good("ops", body=body, known={"/worker_ids/0": 404})


def _suspension(query: str = "") -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        workers = [factories.create_worker(db).id]
        made = suspensions.suspend(db, workers, hours=1000, reason="Two in one.", made_by="bob")
        return Good("ops", names={} if query else {"suspension_id": made.id}, query=query)

    return good


_PROFILE = {
    "languages": [{"language": "sw", "level": "native"}],
    "skills": ["image"],
    "device_class": "phone",
    "payout_region": "KE",
}


def _applicant(body: Any = None) -> Callable[[Session], Good]:
    return lambda db: Good("worker", factories.create_worker(db, status=WorkerStatus.APPLICANT).id, body=body)


def _agreeing(db: Session) -> Good:
    version = consents.publish(db, words="Be kind.", published_by="ops").version
    return Good("worker", factories.create_worker(db).id, body={"version": version}, known={"/version": 409})


def _published(db: Session) -> Good:
    consents.publish(db, words="Be kind.", published_by="ops")
    return Good("")


def _checked(query: str = "", body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        check = identity.request(db, factories.create_worker(db).id)
        dear = {} if body is None else {"/state": 422, "/reason": 422, "/days": 422}
        return Good("ops", names={"check_id": check.id} if body else {}, query=query, body=body, dear=dear)

    return good


def _my_checks(db: Session) -> Good:
    return Good("worker", identity.request(db, factories.create_worker(db).id).worker_id, query="limit=1")


def _wish(query: str = "", body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        wish = erasures.request(db, factories.create_worker(db).id)
        return Good("ops", names={} if query else {"erasure_id": wish.id}, query=query, body=body)

    return good


def _member(body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        requester = factories.create_requester(db, funds=None)
        teams.join(db, requester.id, role="owner", masked="a***@example.com")
        member, _ = teams.join(db, requester.id, role="manager", masked="b***@example.com")
        return Good("requester", requester.id, names={"member_id": member.id}, body=body)

    return good


def _leaving_member(db: Session) -> Good:
    good = _member()(db)
    return replace(good, names={}, person=good.names["member_id"])


def _team(db: Session) -> Good:
    return replace(_member()(db), names={}, query="limit=1")


def _asked_member(query: str = "") -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        owner = factories.create_requester(db, funds=None).id
        made = invitations.invite_member(db, owner, email="ada@example.com", role="viewer", made_by=owner)
        return Good("requester", owner, names={} if query else {"invitation_id": made.id}, query=query)

    return good


def _new_member(db: Session) -> Good:
    body = {"email": "ada@example.com", "role": "viewer"}
    return Good("requester", factories.create_requester(db, funds=None).id, body=body, known={"/email": 422})


def _mail(db: Session) -> Good:
    """A mail that was given up."""
    made = mail.queue(db, to="ada@example.com", subject="A subject", body="A line.", about="thg_1")
    made.state, made.ended_at = mail.MailState.GIVEN_UP, clock.now(db)
    db.flush()
    return Good("ops", names={"mail_id": made.id})


def _mails(db: Session) -> Good:
    _mail(db)
    return Good("ops", query="state=given_up")


def _give(db: Session, to: Payee, amount: int = 5_000) -> Earning:
    given = {"payee_id": to.id, "currency": "USD", "reason": "Our fault."}
    return owed.give_goodwill(db, **given, amount=amount, actor_ref="finance")


def _hold_on(db: Session, payee: Payee) -> Hold:
    until = clock.now(db) + timedelta(days=3)
    return holds.place(db, payee_id=payee.id, reason="It is looked into.", until=until, made_by="ada")


def _payee(db: Session) -> Payee:
    """A worker as payments knows them, whom no run pays: they have said nothing yet."""
    return payees.of_owner(db, factories.create_worker(db).id)


def _draft(db: Session) -> tuple[Payee, PayoutRun]:
    payee = _payee(db)
    owed.set_method(db, payee)
    owed.levy(db, country=payee.country)
    _give(db, payee)
    return payee, owed.go_through(db, runs.begin(db, rail="paypal", prepared_by="ada"))


def _approved(db: Session) -> tuple[Payee, PayoutRun]:
    payee, run = _draft(db)
    return payee, runs.approve(db, run.id, content_hash=str(run.hash_text), approved_by="ben")


def _exported(db: Session) -> tuple[Payee, PayoutRun]:
    payee, run = _approved(db)
    return payee, owed.go_through(db, runs.release(db, run.id, released_by="ada"))


def _of_payee(rest: str = "") -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        payee, _ = _exported(db)
        for _ in range(2):
            _hold_on(db, payee)
        query = f"limit=1&payee_id={payee.id}{rest}"
        return Good("auditor", query=query, known={"?/payee_id": 200})

    return good


# Who may be paid out


_KYC_RULE = {
    "country": "KE", "currency": "KES", "threshold": "24000", "period": "rolling_year", "valid_from": "2026-01-01",
    "valid_to": "2026-12-31", "citation": "A circular.",
}  # fmt: skip


def _kyc_rule_waiting(db: Session) -> Good:
    terms = kyc_rules.Terms("USD", "total", date(2026, 1, 1), "A circular.", threshold="5")
    return Good("approver", names={"kyc_rule_id": kyc_rules.enter(db, terms, entered_by="ada").id})


def _new_kyc(db: Session) -> Good:
    payee = _payee(db)
    kyc.record(db, payee.id, kyc.Finding("pending"), recorded_by="ada")
    until = (clock.now(db).date() + timedelta(days=90)).isoformat()
    body = {"state": "verified", "provider": "Smile ID", "reference": "job 1", "expires_on": until, "note": "By hand."}
    known = {"/state": 409, "/expires_on": 422}
    return Good("finance", names={"payee_id": payee.id}, body=body, known=known)


def _kyc_of_payee(db: Session) -> Good:
    payee = _payee(db)
    cleared.verify(db, payee, days=20)
    query = f"limit=1&payee_id={payee.id}&expiring_within_days=30"
    return Good("auditor", query=query, known={"?/payee_id": 200})


def _own_kyc(db: Session) -> Good:
    cleared.rule(db, "1")
    return Good("worker", _payee(db).owner_ref)


def _new_round(db: Session) -> Good:
    cleared.listing(db, "Somebody Else,,")
    return Good("finance")


def _waiting(db: Session) -> Screening:
    payee = _payee(db)
    payee.name = "Listed Person"
    db.flush()
    cleared.listing(db, "Listed Person,,")
    return db.scalars(screening.listed(payee_id=payee.id)).one()


def _screenings(db: Session) -> Good:
    query = f"limit=1&payee_id={_waiting(db).payee_id}&waiting=true"
    return Good("auditor", query=query, known={"?/payee_id": 200})


def _screening(db: Session) -> Good:
    body = {"decision": "clear", "reason": "Born elsewhere."}
    return Good("approver", names={"screening_id": _waiting(db).id}, body=body)


def _new_block(db: Session) -> Good:
    body = {"payee_id": _payee(db).id, "reason": "A court."}
    return Good("finance", body=body, known={"/payee_id": 404})


def _blocks(db: Session) -> Good:
    payee = _payee(db)
    cleared.block(db, payee)
    return Good("auditor", query=f"limit=1&payee_id={payee.id}&state=active", known={"?/payee_id": 200})


def _block(role: str, state: str, body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        payee = _payee(db)
        _give(db, payee)
        made = blocks.propose(db, payee_id=payee.id, reason="A court.", made_by="ada")
        if state != "proposed":
            blocks.confirm(db, made.id, confirmed_by="ben")
        if state == "lifting":
            blocks.propose_lift(db, made.id, reason="It is over.", proposed_by="ada")
        return Good(role, names={"block_id": made.id}, body=body)

    return good


def _requester_who_spent(db: Session) -> tuple[str, str]:
    """A requester with terms and credit, who has spent some in the last month; and that month."""
    owner, now = factories.create_requester(db, funds=None).id, clock.now(db)
    contract = contracts.propose(
        db, owner_ref=owner, entity="ROOK", presentation=Presentation.AGENT, billing=Billing.POSTPAID,
        valid_from=now - timedelta(days=90), made_by="finance",
    )  # fmt: skip
    contracts.confirm(db, contract.id, confirmed_by="ops")
    usd, kwd = money.currency(db, "USD"), money.currency(db, "KWD")
    for currency in (usd, kwd):
        limit = contracts.propose_limit(
            db, owner_ref=owner, currency=currency, amount=2 * money.AMOUNT_MAX, valid_from=now - timedelta(days=90),
            made_by="finance",
        )  # fmt: skip
        contracts.confirm_limit(db, limit.id, confirmed_by="ops")
    contracts.draw(db, owner_ref=owner, currency=usd, amount=12_000, key=owner, actor_ref="finance")
    month = (now.date().replace(day=1) - timedelta(days=1)).replace(day=1)
    payee = payees.register(db, owner_ref=factories.create_worker(db).id, name="Ada", country="KE")
    with owed.booked_on(month):
        owed.give_bonus(
            db, owner_ref=owner, payee_id=payee.id, currency="USD", amount=10_000, reason="r", actor_ref="finance"
        )
    return owner, f"{month:%Y-%m}"


def _asked_refund(db: Session) -> dict[str, Any]:
    owner = factories.create_requester(db, funds=None).id
    top_up = funding.top_up(
        db, owner_ref=owner, currency="USD", amount=50_000, bank_reference=ids.new("ref"), actor_ref="finance"
    )
    return {"owner_ref": owner, "top_up_id": top_up, "currency": "USD", "amount": "1.50"}


def _new_refund(db: Session) -> Good:
    return Good(
        "finance",
        body=_asked_refund(db),
        known=dict.fromkeys(("/owner_ref", "/top_up_id", "/currency", "/amount"), 409),
    )


def _refund_of(body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        asked = {**_asked_refund(db), "currency": money.currency(db, "USD"), "amount": 15_000}
        made = refunds.propose(db, **asked, requested_by="finance")
        return Good("approver", names={"refund_id": made.id}, body=body)

    return good


def _refunds(db: Session) -> Good:
    made = _refund_of()(db)
    owner = db.scalar(text("SELECT owner_ref FROM refunds WHERE id = :refund_id"), made.names)
    return Good("auditor", query=f"limit=1&state=proposed&owner_ref={owner}")


def _new_contract(db: Session) -> Good:
    owner, now = factories.create_requester(db, funds=None).id, clock.now(db)
    body = {
        "owner_ref": owner, "entity": "ROOK", "presentation": "agent", "billing": "prepaid",
        "valid_from": now.isoformat(),
    }  # fmt: skip
    return Good("finance", body=body, known={"/owner_ref": 422, "/valid_from": 422})


def _new_limit(db: Session) -> Good:
    owner, now = factories.create_requester(db, funds=None).id, clock.now(db)
    body = {"owner_ref": owner, "currency": "USD", "amount": "100", "valid_from": now.isoformat()}
    return Good("finance", body=body, known={"/owner_ref": 422, "/valid_from": 422})


def _contract(db: Session) -> Good:
    made = contracts.propose(
        db, owner_ref=factories.create_requester(db, funds=None).id, entity="ROOK",
        presentation=Presentation.PRINCIPAL, billing=Billing.PREPAID, valid_from=clock.now(db), made_by="finance",
    )  # fmt: skip
    return Good("approver", names={"contract_id": made.id})


def _limit(db: Session) -> Good:
    made = contracts.propose_limit(
        db, owner_ref=factories.create_requester(db, funds=None).id, currency=money.currency(db, "USD"), amount=100,
        valid_from=clock.now(db), made_by="finance",
    )  # fmt: skip
    return Good("approver", names={"limit_id": made.id})


def _terms(db: Session) -> Good:
    owner, _ = _requester_who_spent(db)
    return Good("auditor", query=f"limit=1&owner_ref={owner}")


def _new_draw(db: Session) -> Good:
    owner, _ = _requester_who_spent(db)
    body = {"owner_ref": owner, "currency": "USD", "amount": "1.50", "reference": ids.new("ref")}
    return Good("finance", body=body, known={"/owner_ref": 409, "/currency": 409})


def _new_invoice(db: Session) -> Good:
    owner, month = _requester_who_spent(db)
    body = {"owner_ref": owner, "currency": "USD", "month": month, "vat_basis_points": 1_600}
    return Good("finance", body=body, known={"/owner_ref": 409, "/currency": 409, "/month": 409})


def _invoice(role: str = "finance", body: Any = None, *, is_issued: bool = True) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        owner, month = _requester_who_spent(db)
        made = invoices.draft(
            db, owner_ref=owner, currency=money.currency(db, "USD"), month=date.fromisoformat(f"{month}-01"),
            vat_basis_points=1_600, made_by="finance",
        )  # fmt: skip
        if is_issued:
            invoices.issue(db, made.id, issued_by="finance")
        subject = owner if role == "requester" else ids.new("stf")
        if not body or "amount" not in body:
            return Good(role, names={"invoice_id": made.id}, body=body, subject=subject)
        paid = {**body, "bank_reference": ids.new("ref")}
        known = {"/currency": 409, "/amount": 409}
        return Good(role, names={"invoice_id": made.id}, body=paid, known=known, subject=subject)

    return good


def _requester_who_got_back(db: Session) -> tuple[str, str]:
    """A requester to whom more came back in the month before last than they spent in it; and that month."""
    owner, last = _requester_who_spent(db)
    month = (date.fromisoformat(f"{last}-01") - timedelta(days=1)).replace(day=1)
    rows = text("""
        SELECT e.id FROM earnings e JOIN journal_lines l ON l.entry_id = e.entry_id
          JOIN accounts a ON a.id = l.debit_id WHERE a.owner_ref = :owner LIMIT 1""")
    with owed.booked_on(month):
        adjustments.reverse(db, [db.scalars(rows, {"owner": owner}).one()], reason="r", actor_ref="finance")
    return owner, f"{month:%Y-%m}"


def _new_credit_note(db: Session) -> Good:
    owner, month = _requester_who_got_back(db)
    body = {"owner_ref": owner, "currency": "USD", "month": month, "vat_basis_points": 1_600}
    return Good("finance", body=body, known={"/owner_ref": 409, "/currency": 409, "/month": 409})


def _credit_note(role: str = "finance", body: Any = None, *, is_issued: bool = True) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        owner, month = _requester_who_got_back(db)
        made = credit_notes.draft(
            db, owner_ref=owner, currency=money.currency(db, "USD"), month=date.fromisoformat(f"{month}-01"),
            vat_basis_points=1_600, made_by="finance",
        )  # fmt: skip
        if is_issued:
            credit_notes.issue(db, made.id, issued_by="ops")
        subject = owner if role == "requester" else ids.new("stf")
        return Good(role, names={"note_id": made.id}, body=body, subject=subject)

    return good


def _credit_notes(db: Session) -> Good:
    made = _credit_note()(db)
    owner = db.scalar(text("SELECT owner_ref FROM credit_notes WHERE id = :note_id"), made.names)
    return Good("auditor", query=f"limit=1&state=issued&owner_ref={owner}")


def _my_credit_notes(db: Session) -> Good:
    return Good("requester", _credit_note("requester")(db).subject, query="limit=1")


def _batch_floor(*, is_list: bool = False) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        cause = factories.create_task(db, factories.create_project(db)).batch_id
        query = f"limit=1&state=waiting&cause_ref={cause}" if is_list else f"cause_ref={cause}"
        return Good("auditor", query=query, known={"?/cause_ref": 200 if is_list else 404})

    return good


def _month(db: Session) -> date:
    """A month behind all that anybody has closed, and before there were entries."""
    last = db.scalar(text("SELECT max(month) FROM periods")) or date(1999, 12, 1)
    return (last + timedelta(days=31)).replace(day=1)


def _to_be_closed(db: Session) -> Good:
    return Good("finance", names={"month": f"{_month(db):%Y-%m}"})


def _closing(role: str) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        month = _month(db)
        periods.close(db, month, closed_by="somebody")
        known = {"month": f"{month:%Y-%m}"}
        if role == "approver":
            return Good(role, names=known, body={"hash": periods.shown(db, month).hash}, known={"/hash": 409})
        return Good(role, names=known)

    return good


def _new_hold(db: Session) -> Good:
    payee, until = _payee(db), clock.now(db) + timedelta(days=3)
    body = {
        "payee_id": payee.id, "earning_id": _give(db, payee).id, "reason": "It is looked into.",
        "until": until.isoformat(), "legal": False,
    }  # fmt: skip
    known = {"/payee_id": 404, "/earning_id": 404, "/until": 422, "/legal": 422}
    return Good("finance", body=body, known=known)


def _hold(db: Session) -> Good:
    return Good("finance", names={"hold_id": _hold_on(db, _payee(db)).id}, body={"reason": "It was explained."})


def _reversal(**more: str) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        body = {"earning_ids": [_give(db, _payee(db)).id], **more}
        return Good("finance", body=body, known={"/earning_ids/0": 404})

    return good


def _invoices(query: str, role: str = "auditor") -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        return replace(_invoice(role)(db), names={}, query=query)

    return good


def _rich(db: Session) -> Requester:
    """Somebody who can pay whatever an amount may say, and in dinars too."""
    requester = factories.create_requester(db, funds=None)
    for amount, currency in [("100000000000", "USD"), ("100000000000", "USD"), ("100", "KWD")]:
        factories.pay_in(db, requester.id, amount, currency)
    return requester


def _repair(**more: str) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        worker = factories.create_worker(db)
        project = factories.create_project(
            db, overlap_min=1, overlap_max=1, confidence_target=0.5, expert_share=0.0, spot_share=0.0
        )
        factories.create_task(db, project)
        factories.answer(db, worker, project=project)
        factories.settle(db)
        answer = text("SELECT e.id FROM earnings e JOIN payees p ON p.id = e.payee_id WHERE p.owner_ref = :id")
        earning_id = db.scalars(answer, {"id": worker.id}).one()
        return Good("finance", names={"earning_id": earning_id}, body={"amount": "0.50", **more}, dear={"/amount": 402})

    return good


def _gift(*, owner: bool) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        body = {
            "payee_id": _payee(db).id,
            "currency": "USD",
            "amount": "1.50",
            "reference": f"gift {ids.new('ref')}",
            "reason": "Good work.",
        }
        known = {"/payee_id": 404}
        if owner:
            body["owner_ref"] = _rich(db).id
            # Whoever is not there has no money, and nobody has any in all currencies.
            known |= {"/owner_ref": 402, "/currency": 402}
        return Good("finance", body=body, known=known)

    return good


def _paid_earning(db: Session) -> str:
    payee = payees.register(db, owner_ref=factories.create_worker(db).id, name="Ada", country="KE")
    made = owed.give_goodwill(db, payee_id=payee.id, currency="USD", amount=10_000, reason="r", actor_ref="finance")
    owed.set_method(db, payee)
    owed.levy(db, country=payee.country)
    owed.pay_out(db)
    return made.id


def _new_clawback(db: Session) -> Good:
    return Good("finance", body={"earning_id": _paid_earning(db), "reason": "Copied."}, known={"/earning_id": 404})


def _clawback(role: str, body: Any = None, *, state: str = "proposed") -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        made = clawbacks.propose(db, _paid_earning(db), reason="Copied.", made_by="finance")
        if state != "proposed":
            clawbacks.confirm(db, made.id, confirmed_by="ops")
        if state == "doomed":
            clawbacks.propose_write_off(db, made.id, reason="Gone.", proposed_by="finance")
        return Good(role, names={"clawback_id": made.id}, body=body)

    return good


_ACCOUNT = {"name": "Rookery", "iban": "DE89370400440532013000", "bic": "COBADEFF"}


def _account(_db: Session) -> Good:
    body = {"rail": "sepa", "details": _ACCOUNT}
    return Good("finance", body=body, known={"/rail": 422, "/details": 422, "/details/kept/0": 422})


def _entered(db: Session) -> str:
    return paying_accounts.enter(db, rail="sepa", details=_ACCOUNT, entered_by="ada").id


def _accounts(db: Session) -> Good:
    for _ in range(2):
        _entered(db)
    return Good("auditor", query="limit=1")


def _new_run(db: Session) -> Good:
    _draft(db)
    body = {"rail": "paypal", "cut_off": clock.now(db).isoformat()}
    return Good("finance", body=body, known={"/rail": 422, "/cut_off": 422})


def _runs(db: Session) -> Good:
    for _ in range(2):
        _draft(db)
    return Good("auditor", query="limit=1&state=draft")


def _of_run(
    make: Callable[[Session], tuple[Payee, PayoutRun]], role: str = "finance", query: str = ""
) -> Callable[[Session], Good]:
    return lambda db: Good(role, names={"run_id": make(db)[1].id}, query=query)


def _approval(db: Session) -> Good:
    _, run = _draft(db)
    body = {"content_hash": run.hash_text}
    return Good("approver", names={"run_id": run.id}, body=body, known={"/content_hash": 409})


def _drop(db: Session) -> Good:
    _, run = _draft(db)
    payout_id = next(iter(db.scalars(payouts.listed(run_id=run.id)))).id
    return Good("finance", names={"payout_id": payout_id}, body={"reason": "They asked to wait."})


def _failing(role: str, *, said: bool = True, body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        _, run = _exported(db)
        payout_id = next(iter(db.scalars(payouts.listed(run_id=run.id)))).id
        if said:
            payout_failures.propose(db, payout_id, reason="They wrote so.", made_by="ada")
        return Good(role, names={"payout_id": payout_id}, body=body)

    return good


def _run_file(db: Session) -> Good:
    _, run = _exported(db)
    return Good("finance", names={"run_id": run.id}, query="format=csv&part=1", known={"?/format": 422, "?/part": 422})


# What comes back from banks


def _bank_line(db: Session, *, said: bool = False) -> tuple[str, str]:
    """A line in suspense, and what was said of it."""
    owed.bank_account(db, OURS)
    sent = document(entry(amount="0.25", refs=("", ids.new("ref"))), name=ids.new("st"))
    reconciliation.read(db, io.BytesIO(sent), format_="camt", read_by="ada")
    line = db.scalars(reconciliation.entries(state="suspense").order_by(BankEntry.id.desc()).limit(1)).one()
    if not said:
        return line.id, ""
    made = suspense.propose(db, line.id, kind=ResolutionKind.OWN, role="rail_fee", reason="A charge.", made_by="ada")
    return line.id, made.id


def _new_bank_file(_db: Session) -> Good:
    # The same bytes are read once; a column that nobody asks for makes them others.
    sends = f"OriginatorConversationID,ResultCode,ResultDesc,{ids.new('ref')}\r\n"
    return Good("finance", query="format=mpesa", sends=sends, known={"?/format": 422})


def _new_import(db: Session) -> Good:
    batch = factories.create_batch(db, factories.create_project(db))
    return Good("requester", batch.requester_id, body={"batch": batch.id, "format": "csv"}, known={"/batch": 404})


def _of_import(body: Any = None, *, known: Mapping[str, int] | None = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        batch = factories.create_batch(db, factories.create_project(db))
        found = imports.announce(db, batch.requester_id, batch=batch.id, format_="csv")
        imports.add_part(db, batch.requester_id, found.id, 1, io.BytesIO(b"attachment\n"), sent_by=batch.requester_id)
        return Good("requester", batch.requester_id, {"import_id": found.id}, body, known=known or {})

    return good


def _import_part(db: Session) -> Good:
    batch = factories.create_batch(db, factories.create_project(db))
    found = imports.announce(db, batch.requester_id, batch=batch.id, format_="csv")
    query = f"import_id={found.id}&number=1"
    return Good("requester", batch.requester_id, query=query, sends="attachment\n", known={"?/import_id": 404})


def _bank_file(db: Session) -> Good:
    _bank_line(db)
    newest = reconciliation.files().order_by(BankFile.id.desc()).limit(1)
    return Good("auditor", names={"file_id": db.scalars(newest).one().id})


def _of_line(
    caller: str, body: Any = None, *, said: bool = False, known: Mapping[str, int] | None = None
) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        line_id, said_id = _bank_line(db, said=said)
        sent = {**body, "resolution_id": said_id} if body == {} else body
        return Good(caller, names={"bank_entry_id": line_id}, body=sent, known=known or {})

    return good


_OWN = {"kind": "own", "role": "rail_fee", "reason": "A charge."}


def _bought_for(db: Session) -> PayoutRun:
    """A run that pays in shillings what was earned in dollars."""
    rate = factories.enter_fx_rate(db, base="USD", quote="KES", rate="100")
    if rate.needs_confirmation:
        fx.confirm(db, rate.id, auth.Actor("tok_a", "ben", "approver", frozenset({"approve"})))
    # Whatever rules others have made meanwhile: verified, and enough for all that is taxed.
    cleared.verify(db, owed.payee(db, 300_000, rail="mpesa"))
    return owed.sent(db, "mpesa")


def _new_purchase(db: Session) -> Good:
    body = {
        "run_id": _bought_for(db).id, "bank_reference": ids.new("ref"), "sold_currency": "USD", "sold": "10.00",
        "bought_currency": "KES", "bought": "1000.00",
    }  # fmt: skip
    known = {"/run_id": 404, "/sold_currency": 409, "/bought_currency": 409}
    return Good("finance", body=body, known=known, dear={"/sold": 409, "/bought": 409})


def _purchase(role: str) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        usd, kes = money.currency(db, "USD"), money.currency(db, "KES")
        made = exchange.propose(
            db, run_id=_bought_for(db).id, bank_reference=ids.new("ref"), sold=(usd, 100_000), bought=(kes, 10_000_000),
            made_by="ada",
        )  # fmt: skip
        return Good(role, names={"purchase_id": made.id})

    return good


def _purchases(db: Session) -> Good:
    made = _purchase("auditor")(db)
    return replace(made, names={}, query="limit=1&state=proposed")


def _came_back(db: Session) -> str:
    """A payout that came back from somebody who is paid nowhere now."""
    payee, run = _exported(db)
    (payout,) = db.scalars(payouts.listed(run_id=run.id, payee_id=payee.id))
    payouts.settle(db, [payouts.Outcome(payout.id)])
    payouts.take_returns(db, [payouts.Outcome(payout.id, "closed", payout.net)])
    owed.retire(db, payee)
    db.expire_all()
    return payout.id


def _new_unclaimed(db: Session) -> Good:
    body = {"payout_id": _came_back(db), "noticed_on": "2026-01-01", "notice_days": 30}
    return Good("finance", body=body, known={"/payout_id": 404, "/noticed_on": 422})


def _unclaimed(role: str, *, kept: bool = False) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        made = unclaimed.propose(db, _came_back(db), noticed_on=date(2026, 1, 1), made_by="ada")
        if kept:
            unclaimed.confirm(db, made.id, confirmed_by="ben")
        subject = db.get_one(Payee, made.payee_id).owner_ref
        names = {"unclaimed_id": made.id}
        return Good(role, subject, names) if role == "worker" else Good(role, names=names)

    return good


def _all_unclaimed(role: str, query: str = "") -> Callable[[Session], Good]:
    return lambda db: replace(_unclaimed(role, kept=True)(db), names={}, query=query)


def _filing(role: str, *, amount: bool = False, filed: bool = True) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        unclaimed_id = _unclaimed("finance", kept=True)(db).names["unclaimed_id"]
        body: dict[str, Any] = {"filing": ids.new("filing")}
        if not filed:
            return Good(role, body={**body, "unclaimed_ids": [unclaimed_id]}, known={"/unclaimed_ids/0": 404})
        unclaimed.file(db, [unclaimed_id], filing=body["filing"], filed_by="ada")
        known = {"/filing": 404}
        if amount:
            body |= {"currency": "USD", "amount": "0.50"}
            known |= {"/currency": 409}
        return Good(role, body=body, known=known, dear={"/amount": 409} if amount else {})

    return good


def _clawbacks(db: Session) -> Good:
    return replace(_clawback("auditor")(db), names={}, query="limit=1&state=proposed")


_FLOOR_RULE = {
    "region": "KE", "currency": "KES", "hourly": "85.50", "valid_from": "2026-01-01", "valid_to": "2026-12-31",
    "citation": "An order.",
}  # fmt: skip


def _floor_rule_waiting(db: Session) -> Good:
    return Good("approver", names={"floor_id": factories.enter_floor_rule(db).id})


def _floor_rules(db: Session) -> Good:
    for _ in range(2):
        factories.enter_floor_rule(db)
    return Good("auditor", query="limit=1&region=KE")


def _wages(db: Session) -> Good:
    factories.create_escalated(db)
    return Good("finance", query="region=KE&tier=1&skill=image&since=2026-01-01&until=2026-01-31")


def _floor_weeks(db: Session) -> Good:
    for week in ("2026-W04", "2026-W05"):
        floor_weeks.begin(db, week, begun_by="finance")
    return Good("approver", query="limit=1")


def _periods(db: Session) -> Good:
    for _ in range(2):
        periods.close(db, _month(db), closed_by="somebody")
    return Good("auditor", query="limit=1")


def _closed(db: Session) -> Good:
    month = _month(db)
    periods.close(db, month, closed_by="somebody")
    periods.confirm(db, month, trial_hash=periods.shown(db, month).hash, confirmed_by="somebody else")
    return Good("finance", names={"month": f"{month:%Y-%m}"})


def _to_be_opened(db: Session) -> Good:
    closed = _closed(db)
    periods.reopen(db, periods.parse(closed.names["month"]), reopening_by="somebody")
    return replace(closed, role="approver")


def _book_accounts(db: Session) -> Good:
    for _ in range(2):
        factories.create_requester(db)
    return Good("auditor", query="limit=1&role=funds&currency=USD")


def _statement(db: Session) -> Good:
    owner = factories.create_requester(db).id
    names = {"account_id": statements.find(db, "funds", owner, "USD")}
    return Good("auditor", names=names, query="limit=1&since=2026-01-31T12:00:00Z&until=2999-01-31T12:00:00Z")


def _parked(role: str) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project = factories.create_project(db)
        told = {"answer_id": ids.new("ans"), "task_id": ids.new("tsk"), "project_id": project.id}
        insert = text(
            "INSERT INTO outbox_events (topic, stream, payload, parked_at, last_error)"
            " VALUES ('AnswerSubmitted', :stream, CAST(:told AS jsonb), now(), 'E: x') RETURNING id"
        )
        event_id = db.scalar(insert, {"stream": project.id, "told": json.dumps(told)})
        return Good(role, names={"event_id": str(event_id)})

    return good


def _trail(db: Session) -> Good:
    trail.record(db, auth.Actor("tok", "ada", "ops", frozenset()), "workers.greet")
    return Good("auditor")


class _Params(schemas.NewProject):
    """What Scale's surface reads out of a project's params."""

    class Meta:
        exclude = ("name", "task_type", "labels", "form", "params", "estimated_seconds")

    categories = ma.fields.List(fields.Text(name=True))


def _scales_project(db: Session) -> Good:
    params = {"categories": ["crow", "rook"], "rates": RATES, "overlap_min": 2, "overlap_max": 3}
    return Good(
        "requester",
        factories.create_requester(db).id,
        body={"name": "Rooks", "type": "categorization", "params": params},
        known={"/type": 400, "/params": 422},
        inside={"/params": _Params()},
    )


def _scales_name(db: Session) -> Good:
    project = factories.create_project(db)
    return Good("requester", project.requester_id, {"name": project.id})


def _scales_batch(db: Session) -> Good:
    project = factories.create_project(db)
    body = {"project": project.name, "name": "Morning", "callback": "", "metadata": {}, "staging": False}
    return Good("requester", project.requester_id, body=body, known={"/project": 404})


def _scales_batches(db: Session) -> Good:
    project = factories.create_project(db)
    factories.create_batch(db, project)
    return Good("requester", project.requester_id, query="limit=1&offset=0", known={"?/project": 404})


def _of_batch(body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project = factories.create_project(db)
        batch = factories.create_batch(db, project, status=BatchStatus.STAGING)
        factories.create_task(db, project, batch)
        return Good("requester", project.requester_id, {"name": batch.id}, body)

    return good


def _scales_task(db: Session) -> Good:
    project = factories.create_project(db)
    batch = factories.create_batch(db, project)
    body = {
        "project": project.name, "batch": batch.name, "unique_id": "rook-1", "instruction": "Look.",
        "attachment": "https://rooks.example/1.jpg", "attachments": [{"content": "x"}], "metadata": {"here": True},
        "categories": project.labels,
    }  # fmt: skip
    known = {"": 400, "/project": 404, "/batch": 404, "/categories": 400, "/categories/0": 400}
    return Good("requester", project.requester_id, body=body, known=known)


def _of_task(body: Any = None) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        project = factories.create_project(db)
        task = factories.create_task(db, project)
        return Good("requester", project.requester_id, {"task_id": task.id}, body)

    return good


def _scales_tasks(db: Session) -> Good:
    project = factories.create_project(db)
    for _ in range(2):
        factories.create_task(db, project)
    return Good(
        "requester", project.requester_id, query="limit=1&status=pending", known={"?/project": 404, "?/batch": 404}
    )


def _new_export(_db: Session) -> Good:
    parameters = {"first_day": "2026-01-31", "last_day": "2026-02-02", "detail": "day"}
    body = {"kind": "journal", "format": "beancount", "parameters": parameters}
    known = {"/kind": 422, "/format": 422, "/parameters/first_day": 422, "/parameters/last_day": 422}
    return Good("auditor", body=body, known=known)


def _export(query: str = "", *, is_named: bool = True) -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        for _ in range(2):
            made, _ = exported.make(db, "payables")
        return Good("auditor", names={"export_id": made.id} if is_named else {}, query=query)

    return good


def _account_codes(db: Session) -> Good:
    exported.set_codes(db)
    return Good("auditor", query="limit=1")


def _own_month(query: str = "") -> Callable[[Session], Good]:
    def good(db: Session) -> Good:
        worker = factories.create_worker(db)
        owed.owe(db, payees.of_owner(db, worker.id), 700, 800)
        return Good("worker", worker.id, {"month": f"{clock.now(db):%Y-%m}"}, query=query)

    return good


GOOD: dict[str, Callable[[Session], Good]] = {
    "POST /api/applications": _application,
    "GET /api/me": _worker,
    "GET /api/me/tiers": _climber("worker"),
    "GET /api/me/tier-moves": _climber("worker", query="limit=1"),
    "POST /api/claims": _claim,
    "POST /api/assignments/<assignment_id>/answer": _answer,
    "POST /api/assignments/<assignment_id>/renewal": _held,
    "POST /api/assignments/<assignment_id>/release": _given_back,
    "GET /api/me/assignments": _worker,
    "GET /api/me/answers": _worker,
    "GET /api/me/reviews": _my_reviews,
    "POST /api/answers/<answer_id>/appeal": _new_appeal,
    "GET /api/me/appeals": _my_appeals,
    "GET /api/appeals": _appeals,
    "GET /api/appeals/<appeal_id>": _of_appeal(),
    "POST /api/appeals/<appeal_id>/upholding": _of_appeal({"reason": "They are."}),
    "POST /api/appeals/<appeal_id>/denial": _of_appeal({"reason": "They are not."}),
    "GET /api/brakes": _brakes,
    "GET /api/brakes/<brake_id>/rejections": _of_brake(query="limit=1"),
    "POST /api/brakes/<brake_id>/release": _of_brake({"reason": "They are right."}),
    "POST /api/brakes/<brake_id>/undoing": _of_brake({"reason": "They are wrong."}),
    "GET /api/assignments/<assignment_id>/dossier": _dossier,
    "GET /api/workers": _workers,
    "POST /api/workers/<worker_id>/activation": _of_worker(WorkerStatus.APPLICANT),
    "POST /api/workers/<worker_id>/suspension": _of_worker(WorkerStatus.ACTIVE),
    "PUT /api/workers/<worker_id>/tiers/<skill>": _tier,
    "GET /api/me/available-work": _with_work,
    "GET /api/me/why-nothing": _with_work,
    "GET /api/workers/<worker_id>/why-nothing": _of_worker(WorkerStatus.ACTIVE),
    "GET /api/leases": _leases,
    "POST /api/assignments/<assignment_id>/withdrawal": _taking_back,
    "POST /api/claims/several": _claims,
    "PUT /api/assignments/<assignment_id>/draft": _answer,
    "GET /api/assignments/<assignment_id>/draft": _my_draft,
    "PUT /api/workers/<worker_id>/pools": _of_audience({"pools": ["vendor", "in_house"]}),
    "GET /api/workers/<worker_id>/pools": _of_audience(),
    "PUT /api/workers/<worker_id>/languages": _of_audience({"languages": [{"language": "sw", "level": "b2"}]}),
    "GET /api/workers/<worker_id>/languages": _of_audience(),
    "GET /api/workers/<worker_id>/tiers": _climber("ops", "worker_id"),
    "POST /api/workers/<worker_id>/tier-overrides": _new_override,
    "GET /api/tier-overrides": lambda db: replace(
        _override()(db), names={}, query="limit=1&state=proposed&skill=audio"
    ),
    "POST /api/tier-overrides/<override_id>/approval": _override(),
    "POST /api/tier-overrides/<override_id>/refusal": _override(),
    "POST /api/tier-overrides/<override_id>/end": _override(held=True),
    "GET /api/workers/<worker_id>/tier-moves": _climber("ops", "worker_id", query="limit=1"),
    "GET /api/workers/<voter_id>/checks": _climber("ops", "voter_id", query="limit=1&skill=image.categorization"),
    "GET /api/ladders/<skill>": _climber("worker", "skill"),
    "GET /api/ladders/<skill>/workers": _climber(
        "ops", "skill", query="limit=1&tier=2&country=KE&low_percent_min=0&high_percent_max=100"
    ),
    "GET /api/escalations": _escalations,
    "GET /api/evidence": _quarantines("limit=1&kind=cluster"),
    "GET /api/quarantines": _quarantines("limit=1&status=proposed"),
    "GET /api/quarantines/<quarantine_id>": _of_quarantine(),
    "POST /api/quarantines/<quarantine_id>/activation": _of_quarantine(
        {"reason": "Seen.", "days": 7, "everywhere": True}
    ),
    "POST /api/quarantines/<quarantine_id>/dismissal": _of_quarantine({"reason": "Twins."}),
    "POST /api/quarantines/<quarantine_id>/end": _of_quarantine({"reason": "It was explained."}, active=True),
    "POST /api/requesters": _staff("ops", body={"name": "Museum"}),
    "GET /api/requesters": _requesters,
    "POST /api/projects": _new_project,
    "GET /api/projects": _requester,
    **good_bulk.GOOD,
    **good_exams.GOOD,
    **good_reports.GOOD,
    **good_worlds.GOOD,
    "GET /api/projects/<project_id>": _of_project(),
    "GET /api/projects/<project_id>/progress": _of_project(),
    "GET /api/projects/<project_id>/tasks": _of_project(),
    "POST /api/projects/<project_id>/tasks": _of_project(body={"attachment": "a bird", "unique_id": "sent by itself"}),
    "GET /api/projects/<project_id>/audit-sample": _audited(query="most=2"),
    "POST /api/projects/<project_id>/tasks/<task_id>/audit": _audited(
        {"verdict": "fixed", "category": "crow", "comment": "Its beak."}, named=True
    ),
    "GET /api/projects/<project_id>/audits": _audited(query="limit=1"),
    "GET /api/projects/<project_id>/tasks/<task_id>/answers": _audited(query="limit=1", named=True),
    "GET /api/projects/<project_id>/reviews": _review(query="state=waiting&limit=1"),
    "POST /api/projects/<project_id>/reviews/acceptance": _review(lambda answer_id: {"answer_ids": [answer_id]}),
    "POST /api/projects/<project_id>/reviews/<answer_id>/rejection": _review(
        lambda _: {"reason": "copied", "evidence": "Word for word as another's."}, named=True
    ),
    "GET /api/projects/<project_id>/labels.csv": _of_project(query="after=tsk_0&most=10"),
    "GET /api/projects/<project_id>/labels.jsonl": _of_project(query="after=tsk_0&most=10"),
    "POST /api/projects/<project_id>/rates": _new_rates(later=True),
    "POST /api/projects/<project_id>/rates/preview": _new_rates(),
    "GET /api/projects/<project_id>/rates": _of_project(),
    "GET /api/projects/<project_id>/reliability": _of_project("ops"),
    "GET /api/projects/<project_id>/experts": _of_project("ops"),
    "GET /api/workers/<voter_id>/reliability": _weighed,
    "GET /api/projects/<project_id>/reliability/<voter_id>": _weighed,
    "GET /api/projects/<project_id>/disagreements": _disagreements,
    "GET /api/projects/<project_id>/agreement": _of_project(),
    "GET /api/projects/<project_id>/confusion": _of_project("ops"),
    "GET /api/projects/<project_id>/calibration": _of_project(),
    "GET /api/projects/<project_id>/cost-curve": _of_project(),
    "POST /api/projects/<project_id>/gold": _new_gold,
    "GET /api/projects/<project_id>/gold": _golds,
    "POST /api/projects/<project_id>/gold/<task_id>/retirement": _of_gold("ops", {"reason": "Too easy."}),
    "GET /api/projects/<project_id>/refits": _of_project("ops"),
    "GET /api/projects/<project_id>/revisions": _of_project("ops"),
    "GET /api/projects/<project_id>/gold/<task_id>/health": _of_gold("requester"),
    "GET /api/projects/<project_id>/gold-supply": _golds_of("ops"),
    "POST /api/projects/<project_id>/gold/<task_id>/correction/preview": _correction({"category": "crow"}),
    "POST /api/ladders/<skill>/versions": _new_ladder,
    "GET /api/ladders/<skill>/versions": lambda db: replace(_of_ladder(db), names={"skill": "audio"}, query="limit=1"),
    "GET /api/ladder-versions/<ladder_id>": _of_ladder,
    "GET /api/ladder-versions/<ladder_id>/preview": _of_ladder,
    "GET /api/ladder-versions/<ladder_id>/moves": lambda db: replace(_of_ladder(db), query="limit=1"),
    "POST /api/ladder-versions/<ladder_id>/approval": _of_ladder,
    "POST /api/corrections": _new_correction,
    "GET /api/corrections": lambda db: replace(
        _of_correction()(db), names={}, query="limit=1&kind=gold&state=proposed"
    ),
    "GET /api/corrections/<correction_id>": _of_correction(),
    "GET /api/corrections/<correction_id>/lines": _of_correction("limit=1&change=worker"),
    "POST /api/corrections/<correction_id>/preview": _of_correction(),
    "POST /api/corrections/<correction_id>/application": _of_correction(applied=True),
    "POST /api/corrections/<correction_id>/drop": _of_correction(),
    "POST /api/projects/<project_id>/gold-proposals": _proposals({"most": 3}),
    "GET /api/projects/<project_id>/gold-proposals": _proposals(),
    "POST /api/projects/<project_id>/gold-proposals/<task_id>/approval": _proposal({"exposures_max": 9}),
    "POST /api/projects/<project_id>/gold-proposals/<task_id>/refusal": _proposal({"reason": "Blurred."}),
    "POST /api/top-ups": _top_up,
    "GET /api/trial-balance": _staff("finance"),
    "GET /api/tie-out": _staff("finance"),
    "GET /api/journal": _books,
    "GET /api/payables.csv": _staff("finance"),
    "POST /api/redenominations/preview": _staff("finance", body={"currency": "BGN"}, known={"/currency": 422}),
    "POST /api/redenominations": _new_redenomination,
    "GET /api/redenominations": _redenominations,
    "POST /api/redenominations/<redenomination_id>/approval": _redenomination,
    "POST /api/redenominations/<redenomination_id>/refusal": _redenomination,
    "POST /api/fx-rates": _fx_rate,
    "POST /api/fx-rates/<rate_id>/confirmation": _fx_rate_waiting,
    "GET /api/fx-rates": _fx_rates,
    "POST /api/tax-rules": _staff("finance", body=_TAX_RULE),
    "POST /api/tax-rules/<rule_id>/confirmation": _tax_rule_waiting,
    "GET /api/tax-rules": _tax_rules,
    "POST /api/tax-documents": _tax_document,
    "POST /api/tax-documents/<document_id>/confirmation": _tax_document_waiting,
    "GET /api/tax-documents": _tax_documents,
    "GET /api/withholdings": _withholdings,
    "GET /api/withheld": _withheld_list,
    "GET /api/accrued-taxes": _accrued_taxes,
    "GET /api/me/accrued-taxes": _my_accrued_taxes,
    "POST /api/remittances": _remittance,
    "POST /api/remittances/<remittance_id>/confirmation": _remittance_waiting,
    "GET /api/remittances": _remittances,
    "GET /api/me/tax-documents": _my_tax,
    "GET /api/me/withholdings": _my_tax,
    "PUT /api/me/payout-method": _method,
    "GET /api/me/payout-method": _paid,
    "GET /api/me/payout-methods": _paid,
    "GET /api/me/next-payout": _paid,
    "GET /api/me/payouts": _paid,
    "POST /api/me/payout-method/freeze": _paid,
    "PUT /api/me/contact": _contact,
    "GET /api/me/contact": _told,
    "GET /api/me/messages": _informed("limit=1&unread=true"),
    "POST /api/me/messages/read": _reading,
    "GET /api/me/message-choices": _informed(),
    "PUT /api/me/message-choices": _informed(body={"kind": "gold_low", "by_mail": False}),
    "POST /api/me/leaving": _informed(),
    "GET /api/me/profile": _worker,
    "PUT /api/me/profile": _applicant(_PROFILE),
    "GET /api/me/members": _team,
    "POST /api/me/member-invitations": _new_member,
    "GET /api/me/member-invitations": _asked_member("limit=1&status=sent"),
    "POST /api/me/member-invitations/<invitation_id>/revocation": _asked_member(),
    "PUT /api/me/members/<member_id>": _member({"role": "viewer"}),
    "POST /api/me/members/<member_id>/removal": _member(),
    "POST /api/me/team-leaving": _leaving_member,
    "GET /api/queues": _staff("ops"),
    "POST /api/consent-versions": _staff("ops", body={"words": "Be kind."}),
    "GET /api/consent-versions/current": _published,
    "GET /api/me/consents": _worker,
    "POST /api/me/consents": _agreeing,
    "GET /api/me/identity-checks": _my_checks,
    "POST /api/me/identity-checks": _applicant(),
    "GET /api/identity-checks": _checked("limit=1&state=requested"),
    "POST /api/identity-checks/<check_id>/decision": _checked(body={"state": "passed", "days": 30}),
    "GET /api/me/export": _worker,
    "POST /api/me/erasure": _applicant(),
    "GET /api/erasures": _wish("limit=1&state=requested"),
    "POST /api/erasures/<erasure_id>/confirmation": _wish(),
    "POST /api/erasures/<erasure_id>/refusal": _wish(body={"reason": "A court."}),
    "POST /api/invitation-lists": _new_list,
    "GET /api/invitation-lists": _list_of_people("limit=1&state=checked"),
    "GET /api/invitation-lists/<list_id>": _list_of_people(),
    "GET /api/invitation-lists/<list_id>/lines": _list_of_people("limit=1&fate=new"),
    "POST /api/invitation-lists/<list_id>/application": _list_of_people(),
    "POST /api/invitation-lists/<list_id>/cancellation": _list_of_people(),
    "GET /api/account-links": _linked("limit=1&open=true&kind=device"),
    "POST /api/account-links": _linking,
    "POST /api/account-links/<link_id>/withdrawal": _linked(body={"reason": "A family."}),
    "GET /api/account-clusters": _linked("limit=1"),
    "POST /api/suspensions": _suspending,
    "GET /api/suspensions": _suspension("limit=1&state=proposed"),
    "POST /api/suspensions/<suspension_id>/confirmation": _suspension(),
    "POST /api/suspensions/<suspension_id>/refusal": _suspension(),
    "POST /api/me/contact/proof": _contact_proof,
    "POST /api/me/contact/proof-mail": _told,
    "POST /api/invitations": _staff("ops", body=_GUEST, known={"/email": 422}, dear={"/role": 422, "/activates": 422}),
    "POST /api/staff-invitations": _staff("admin", body=_NEW_STAFF, known={"/email": 422}),
    "GET /api/staff-invitations": _list_staff_invitations,
    "POST /api/staff-invitations/<invitation_id>/confirmation": _proposed_staff,
    "GET /api/invitations": _list_invitations,
    "POST /api/invitations/<invitation_id>/resend": _of_invitation,
    "POST /api/invitations/<invitation_id>/revocation": _of_invitation,
    "POST /api/invitations/lookup": _held_invitation(),
    "POST /api/invitations/acceptance": _held_invitation(name="Ada", country="KE"),
    "GET /api/me/holds": _paid,
    "GET /api/me/adjustments": _paid,
    "GET /api/payees": _staff("finance", query="limit=1&owner_ref=wrk_1&country=KE&has_contact=false"),
    "GET /api/earnings": _of_payee("&status=paid&kind=goodwill"),
    "GET /api/payout-methods": _of_payee(),
    "POST /api/holds": _new_hold,
    "POST /api/holds/<hold_id>/end": _hold,
    "GET /api/holds": _of_payee("&active=true"),
    "POST /api/reversals/preview": _reversal(),
    "POST /api/reversals": _reversal(reason="A mistake."),
    "POST /api/earnings/<earning_id>/repair/preview": _repair(),
    "POST /api/earnings/<earning_id>/repair": _repair(reason="It was harder."),
    "POST /api/bonuses": _gift(owner=True),
    "POST /api/bonuses/preview": _gift(owner=True),
    "POST /api/goodwill": _gift(owner=False),
    "GET /api/adjustments": _of_payee(),
    "POST /api/paying-accounts": _account,
    "POST /api/paying-accounts/<paying_id>/confirmation": lambda db: Good(
        "approver", names={"paying_id": _entered(db)}
    ),
    "GET /api/paying-accounts": _accounts,
    "POST /api/payout-runs": _new_run,
    "GET /api/payout-runs": _runs,
    "GET /api/payout-runs/<run_id>": _of_run(_draft, "auditor"),
    "GET /api/payout-runs/<run_id>/payouts": _of_run(_draft, "auditor", "limit=1&state=prepared"),
    "GET /api/payout-runs/<run_id>/left-out": _of_run(_draft, "auditor", "limit=1"),
    "POST /api/payout-runs/<run_id>/approval": _approval,
    "POST /api/payout-runs/<run_id>/recheck": _of_run(_draft),
    "POST /api/payout-runs/<run_id>/reopening": _of_run(_approved),
    "POST /api/payout-runs/<run_id>/release": _of_run(_approved),
    "POST /api/payout-runs/<run_id>/cancellation": _of_run(_draft),
    "GET /api/payout-runs/<run_id>/file": _run_file,
    "GET /api/payout-runs/<run_id>/files": _of_run(_exported, "auditor", "limit=1"),
    "POST /api/payouts/<payout_id>/drop": _drop,
    "GET /api/payouts": _of_payee("&state=exported&rail=paypal&currency=USD&first_day=2026-01-01&last_day=2099-12-31"),
    "GET /api/bank-files": _staff("auditor", query="limit=1"),
    "POST /api/bank-files": _new_bank_file,
    "GET /api/bank-files/<file_id>": _bank_file,
    "GET /api/bank-entries/<bank_entry_id>/candidates": _of_line("auditor"),
    "POST /api/bank-entries/<bank_entry_id>/resolution": _of_line("finance", _OWN, known={"/kind": 422, "/role": 409}),
    "POST /api/bank-entries/<bank_entry_id>/resolution/confirmation": _of_line(
        "approver", {}, said=True, known={"/resolution_id": 409}
    ),
    "POST /api/bank-entries/<bank_entry_id>/resolution/refusal": _of_line("approver", said=True),
    "GET /api/resolutions": _staff("auditor", query="limit=1&state=proposed"),
    "POST /api/payouts/<payout_id>/failure": _failing("finance", said=False, body={"reason": "They wrote so."}),
    "POST /api/payouts/<payout_id>/failure/confirmation": _failing("approver"),
    "POST /api/payouts/<payout_id>/failure/refusal": _failing("finance"),
    "GET /api/payout-failures": _staff("auditor", query="limit=1&state=proposed"),
    "POST /api/fx-purchases": _new_purchase,
    "POST /api/fx-purchases/<purchase_id>/confirmation": _purchase("approver"),
    "POST /api/fx-purchases/<purchase_id>/refusal": _purchase("finance"),
    "GET /api/fx-purchases": _purchases,
    "GET /api/payout-runs/<run_id>/fx-positions": lambda db: Good("auditor", names={"run_id": _bought_for(db).id}),
    "POST /api/unclaimed": _new_unclaimed,
    "POST /api/unclaimed/<unclaimed_id>/confirmation": _unclaimed("approver"),
    "POST /api/unclaimed/<unclaimed_id>/refusal": _unclaimed("finance"),
    "POST /api/unclaimed/<unclaimed_id>/claim": _unclaimed("finance", kept=True),
    "GET /api/unclaimed": _all_unclaimed("auditor", "limit=1&state=kept"),
    "GET /api/unclaimed-ages": _all_unclaimed("auditor"),
    "POST /api/unclaimed-filings": _filing("finance", filed=False),
    "POST /api/unclaimed-filings/confirmation": _filing("approver", amount=True),
    "POST /api/unclaimed-filings/refusal": _filing("finance"),
    "GET /api/me/unclaimed": _all_unclaimed("worker"),
    "POST /api/me/unclaimed/<unclaimed_id>/claim": _unclaimed("worker", kept=True),
    "GET /api/bank-balances": _staff("auditor", query="limit=1&closed_on=2026-01-01"),
    "GET /api/rail-fees": _staff("auditor", query="month=2026-01"),
    "GET /api/rail-fees/unplaced": _staff("auditor", query="limit=1&reason=differs"),
    "GET /api/bank-entries": _staff("auditor", query="limit=1&state=suspense"),
    "POST /api/kyc-rules": _staff("finance", body=_KYC_RULE),
    "POST /api/kyc-rules/<kyc_rule_id>/confirmation": _kyc_rule_waiting,
    "GET /api/kyc-rules": _staff("auditor", query="limit=1&country=KE"),
    "POST /api/payees/<payee_id>/kyc": _new_kyc,
    "GET /api/kyc": _kyc_of_payee,
    "GET /api/me/kyc": _own_kyc,
    "POST /api/screening-rounds": _new_round,
    "GET /api/screening-rounds": _staff("auditor", query="limit=1"),
    "GET /api/screenings": _screenings,
    "POST /api/screenings/<screening_id>/decision": _screening,
    "POST /api/blocks": _new_block,
    "GET /api/blocks": _blocks,
    "POST /api/blocks/<block_id>/confirmation": _block("approver", "proposed"),
    "POST /api/blocks/<block_id>/refusal": _block("approver", "proposed"),
    "POST /api/blocks/<block_id>/lift": _block("finance", "active", {"reason": "It is over."}),
    "POST /api/blocks/<block_id>/lift/confirmation": _block("approver", "lifting"),
    "POST /api/floor-rules": _staff("finance", body=_FLOOR_RULE),
    "POST /api/floor-rules/<floor_id>/confirmation": _floor_rule_waiting,
    "GET /api/floor-rules": _floor_rules,
    "GET /api/wages": _wages,
    "POST /api/floor-weeks": _staff("finance", body={"week": "2026-W05"}),
    "GET /api/floor-weeks": _floor_weeks,
    "GET /api/periods": _periods,
    "GET /api/periods/<month>": _closing("auditor"),
    "POST /api/periods/<month>/closing": _to_be_closed,
    "POST /api/periods/<month>/confirmation": _closing("approver"),
    "POST /api/periods/<month>/reopening": _closed,
    "POST /api/periods/<month>/reopening/confirmation": _to_be_opened,
    "GET /api/accounts": _book_accounts,
    "GET /api/accounts/<account_id>/statement": _statement,
    "GET /api/funds": _requester,
    "GET /api/me/statement": _worker,
    "GET /api/me/earnings": _worker,
    "POST /api/refunds": _new_refund,
    "GET /api/refunds": _refunds,
    "POST /api/refunds/<refund_id>/approval": _refund_of(),
    "POST /api/refunds/<refund_id>/refusal": _refund_of({"reason": "Twice."}),
    "POST /api/contracts": _new_contract,
    "GET /api/contracts": _terms,
    "POST /api/contracts/<contract_id>/confirmation": _contract,
    "POST /api/credit-limits": _new_limit,
    "GET /api/credit-limits": _terms,
    "POST /api/credit-limits/<limit_id>/confirmation": _limit,
    "POST /api/credit-draws": _new_draw,
    "POST /api/invoices": _new_invoice,
    "POST /api/credit-notes": _new_credit_note,
    "GET /api/credit-notes": _credit_notes,
    "GET /api/credit-notes/<note_id>/lines": _credit_note("auditor"),
    "POST /api/credit-notes/<note_id>/issue": _credit_note("approver", is_issued=False),
    "POST /api/credit-notes/<note_id>/void": _credit_note(body={"reason": "Another rate."}),
    "GET /api/me/credit-notes": _my_credit_notes,
    "GET /api/me/credit-notes/<note_id>/lines": _credit_note("requester"),
    "GET /api/batch-floors": _batch_floor(is_list=True),
    "GET /api/batch-floors/preview": _batch_floor(),
    "GET /api/invoices": _invoices("limit=1&state=issued"),
    "GET /api/invoices/<invoice_id>/lines": _invoice("auditor"),
    "POST /api/invoices/<invoice_id>/issue": _invoice(is_issued=False),
    "POST /api/invoices/<invoice_id>/payment": _invoice(body={"currency": "USD", "amount": "1.23"}),
    "POST /api/invoices/<invoice_id>/void": _invoice(body={"reason": "Another rate."}),
    "GET /api/me/invoices": _invoices("limit=1", "requester"),
    "GET /api/me/invoices/<invoice_id>/lines": _invoice("requester"),
    "GET /api/revenue": _invoices("month=2026-01"),
    "POST /api/clawbacks": _new_clawback,
    "GET /api/clawbacks": _clawbacks,
    "POST /api/clawbacks/<clawback_id>/confirmation": _clawback("approver"),
    "POST /api/clawbacks/<clawback_id>/refusal": _clawback("approver"),
    "POST /api/clawbacks/<clawback_id>/write-off": _clawback("finance", {"reason": "Gone."}, state="open"),
    "POST /api/clawbacks/<clawback_id>/write-off/confirmation": _clawback("approver", state="doomed"),
    "POST /api/exports": _new_export,
    "GET /api/exports": _export("limit=1&kind=payables&state=ready", is_named=False),
    "GET /api/exports/<export_id>": _export(),
    "GET /api/exports/<export_id>/file": _export(),
    "GET /api/exports/<export_id>/downloads": _export("limit=1"),
    "PUT /api/account-codes": _staff(
        "finance",
        body={"items": [{"account": "bank", "code": "1010"}]},
        known={"/items/0/account": 422},
        dear={"/items/0/code": 422},
    ),
    "GET /api/account-codes": _account_codes,
    "GET /api/ageing": _staff("auditor"),
    "GET /api/me/statements/<month>": _own_month("limit=1"),
    "GET /api/me/statements/<month>.csv": _own_month(),
    "GET /api/me/invoices/<invoice_id>.csv": _invoice("requester"),
    "GET /api/mails": _mails,
    "POST /api/mails/<mail_id>/retry": _mail,
    "GET /api/parked-events": _parked("admin"),
    "POST /api/parked-events/retry": _parked("ops"),
    "POST /api/parked-events/<event_id>/retry": _parked("ops"),
    "GET /api/trail": _trail,
    "GET /metrics": _staff("monitor"),
    "POST /v1/projects": _scales_project,
    "GET /v1/projects": _requester,
    "GET /v1/projects/<path:name>": _scales_name,
    "POST /v1/batches": _scales_batch,
    "GET /v1/batches": _scales_batches,
    "POST /api/imports": _new_import,
    "POST /api/import-parts": _import_part,
    "POST /api/imports/<import_id>/begin": _of_import({"parts": 1}, known={"/parts": 409}),
    "POST /api/imports/<import_id>/cancel": _of_import(),
    "GET /api/imports": _requester,
    "GET /api/imports/<import_id>": _of_import(),
    "GET /api/imports/<import_id>/parts": _of_import(),
    "GET /api/imports/<import_id>/faults": _of_import(),
    "GET /v1/batches/<path:name>/status": _of_batch(),
    "GET /v1/batches/<path:name>": _of_batch(),
    "POST /v1/batches/<path:name>/finalize": _of_batch({}),
    "POST /v1/task/categorization": _scales_task,
    "GET /v1/task/<task_id>": _of_task(),
    "POST /v1/task/<task_id>/cancel": _of_task({}),
    "GET /v1/tasks": _scales_tasks,
}
