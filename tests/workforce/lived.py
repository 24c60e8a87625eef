"""A worker who has done all there is to do, and about whom all has been said; each word of it is marked as theirs.

What they are paid is beside it: whoever is owed something is not forgotten.
"""

import io
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from foundation import clock
from payments import clawbacks, holds, kyc, payees, payouts, tax_documents, unclaimed
from payments.kyc import Finding
from payments.models import Earning, Payee
from payments.payouts import Outcome
from payments.tax_documents import Shown
from quality import quarantine
from tests import factories
from tests.payments import owed
from tests.payments.owed import APPROVER, PREPARER
from workforce import (
    appeals,
    assignment,
    bulk_moves,
    consents,
    drafts,
    erasures,
    identity,
    invitation_lists,
    invitations,
    leases,
    linked,
    messages,
    onboarding,
    overrides,
    profiles,
    rejections,
    reports,
    suspensions,
)
from workforce.models import Project, Worker

_ONE: dict[str, Any] = {
    "overlap_min": 1, "overlap_max": 1, "confidence_target": 0.5, "expert_share": 0.0, "acceptance": "by_requester",
}  # fmt: skip
_SKILL = "lang.sw"


def come(db: Session, mark: str) -> Worker:
    """Somebody whom their team brings, with an account that says all that there is to say."""
    cells = "external_id,email,name,country,languages,pool\r\n"
    cells += f"{mark}-7,{mark}@example.com,Ada {mark},KE,sw:native en:b2,vendor\r\n"
    team = f"team of {mark[::-1]}"
    made = invitation_lists.check(db, io.BytesIO(cells.encode()), team=team, activates=True, made_by="ada")
    invitation_lists.apply(db, made.id, decided_by="bob")
    for _ in invitation_lists.go_on(db):
        pass
    asked = next(iter(db.scalars(invitation_lists.lines(db, made.id)))).invitation_id
    came = invitations.accept(db, secret=factories.secret_about(db, str(asked)))
    # They are brought a second time, and are there already.
    invitation_lists.check(db, io.BytesIO(cells.encode()), team=team, activates=True, made_by="ada")
    worker = onboarding.find(db, came.subject_id)
    profiles.say(db, worker.id, skills=[f"{mark} birds"], device_class="phone", payout_region="KE")
    consents.give(db, worker.id, version=consents.publish(db, words="Be kind.", published_by="ops").version)
    check = identity.request(db, worker.id)
    identity.decide(db, check.id, state="refused", reason=f"{mark}: blurred", decided_by="ops")
    messages.choose(db, worker.id, kind="tier_moved", by_mail=True)
    refused = erasures.request(db, worker.id)
    erasures.refuse(db, refused.id, reason=f"{mark}: not yet", refused_by="ops")
    return worker


def work(db: Session, worker: Worker, mark: str) -> None:
    """What they did, at what they hold, and what others said of it. Nothing is owed to them for it."""
    first, second, third, fourth = (_hold(db, worker) for _ in range(4))
    reports.report(db, worker.id, first.id, fence=first.fence, reason="other", note=f"{mark}: upside down")
    assignment.release(db, worker.id, second.id, fence=second.fence, reason="too_hard")
    leases.take_back(db, third.id, reason="other", note=f"{mark}: your time is over", taken_by="ops")
    drafts.save(db, worker.id, fourth.id, fence=fourth.fence, payload={"text": f"{mark}: so far"})
    exam = factories.create_exam(db)
    factories.sit(db, worker, exam, right=3, wrong=1)
    project = factories.create_project(db, **_ONE)
    factories.create_task(db, project)
    answer = factories.answer(db, worker, project=project)
    factories.settle(db)
    why = {"reason": "no_effort", "evidence": f"{mark}: the first label", "decided_by": "req_ada"}
    rejections.reject(db, project, answer.id, **why)
    appeal = appeals.appeal(db, worker.id, answer.id, grounds=f"{mark}: I looked")
    appeals.deny(db, appeal.id, decision=f"{mark}: you did not", decided_by="ops")
    _judge(db, worker, mark, project)


def _hold(db: Session, worker: Worker) -> assignment.Lease:
    project = factories.create_project(db, task_type="transcription", labels=[], form={})
    factories.create_task(db, project)
    return factories.claim(db, worker, project)


def _judge(db: Session, worker: Worker, mark: str, project: Project) -> None:
    """What ops decided about them."""
    other = factories.create_worker(db)
    held: dict[str, Any] = {"skill": factories.SKILL, "tier": 3, "days": 30}
    proposed = overrides.propose(db, worker.id, **held, reason=f"{mark}: ornithologist", proposed_by="ada")
    overrides.approve(db, proposed.id, approved_by="bob")
    factories.create_project(db, skill=_SKILL)
    file = f"worker_id,skill,tier,reason\r\n{worker.id},{_SKILL},3,{mark}: native\r\n"
    bulk_moves.propose(db, io.BytesIO(file.encode()), reason="They were tested.", days=30, proposed_by="ada")
    suspensions.suspend(db, [worker.id], hours=1, reason=f"{mark}: two in one", made_by="ops")
    suspensions.reinstate(db, worker.id)
    link = linked.declare(db, worker.id, other.id, kind="device", evidence=f"{mark}: a telephone", recorded_by="ops")
    linked.withdraw(db, link.id, reason=f"{mark}: a family", withdrawn_by="ops")
    factories.propose(db, project, worker, other)
    for one in db.scalars(quarantine.listed(voter_id=worker.id)).all():
        quarantine.dismiss(db, one.id, reason=f"{mark}: by chance", decided_by="ops")


def pay(db: Session, worker: Worker, mark: str) -> None:
    """What they earned and were paid, what came back, and what was taken, held and asked back of it."""
    payee = payees.find(db, worker.payee_id)
    owed.levy(db, 1_000, authority="KRA")
    owed.levy(db, 500, authority="COUNTY", basis="accrual")
    papers = tax_documents.enter(db, payee.id, Shown("resident", date(2020, 1, 1), "drawer 3"), entered_by="finance")
    tax_documents.confirm(db, papers.id, confirmed_by=APPROVER)
    kyc.record(db, payee.id, Finding("pending"), recorded_by="finance")
    _returned(db, payee)
    owed.set_method(db, payee)
    (paid,) = owed.owe(db, payee, 500_000)
    owed.pay_out(db)
    earning = db.scalars(select(Earning).where(Earning.answer_ref == paid)).one()
    asked = clawbacks.propose(db, earning.id, reason="Paid twice.", made_by=PREPARER)
    clawbacks.confirm(db, asked.id, confirmed_by=APPROVER)
    owed.give_goodwill(
        db, payee_id=payee.id, currency="USD", amount=500, reason=f"{mark}: sorry", actor_ref="ops"
    )  # fmt: skip
    until = clock.now(db) + timedelta(days=3)
    holds.place(db, payee_id=payee.id, reason=f"{mark}: unclear", made_by="ops", until=until)


def _returned(db: Session, payee: Payee) -> None:
    owed.set_method(db, payee)
    owed.owe(db, payee, 1_000_000)
    run = owed.sent(db)
    (payout,) = db.scalars(payouts.listed(run_id=run.id, payee_id=payee.id))
    payouts.settle(db, [Outcome(payout.id)])
    payouts.take_returns(db, [Outcome(payout.id, "account closed", payout.net)])
    long_ago = clock.now(db).date() - timedelta(days=31)
    made = unclaimed.propose(db, payout.id, noticed_on=long_ago, made_by=PREPARER)
    unclaimed.confirm(db, made.id, confirmed_by=APPROVER)
