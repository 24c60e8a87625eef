"""One small world in a database of its own: everybody who may call, and a thing of each kind in each of its states.

It is committed once; whoever plays in it rolls back. Callers and what they may expect are in `matrix.toml`; a canary
is planted in every text of it (`canaries.py`).
"""

import base64
import hashlib
import io
import json
import secrets
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, select, text, update
from sqlalchemy.orm import Session

from foundation import auth, clock, db, ids, mail, outbox, proofs
from foundation import worlds as foundation_worlds
from foundation.jobs import run_steps
from foundation.worlds import World as Side
from payments import (
    active_time,
    adjustments,
    clawbacks,
    contracts,
    credit_notes,
    floor_weeks,
    funding,
    invoices,
    ledger,
    money,
    payees,
    periods,
    redenomination,
    refunds,
)
from payments.active_time import Piece
from payments.ledger import BANK, HOUSE, PLATFORM_FEE, AccountName, Entry, Line
from payments.models import (
    Billing,
    CreditNoteState,
    Earning,
    InvoiceState,
    Payee,
    PayeeContact,
    Presentation,
    RefundState,
)
from payments.rates import Price
from quality import proposals, quarantine
from quality.gold_words import Ending, Verdict
from quality.models import Quarantine, QuarantineStatus
from tests import factories, wronged
from tests.access import banking, broken, bulk, canaries, clear, pay, sat
from tests.conftest import DESTINATION_KEYS, Urls, _app
from tests.payments import owed
from workforce import (
    appeals,
    assignment,
    audits,
    consents,
    corrections,
    drafts,
    erasures,
    golds,
    identity,
    importing,
    imports,
    invitation_lists,
    invitations,
    ladder_versions,
    ladders,
    leases,
    linked,
    messages,
    onboarding,
    overrides,
    pools,
    profiles,
    projects,
    rejections,
    reviews,
    suspensions,
    tasks,
    teams,
    tiers,
    worlds,
)
from workforce.events import AnswerSubmitted
from workforce.messages import News
from workforce.models import (
    Answer,
    AnswerStatus,
    Appeal,
    AppealState,
    Assignment,
    AuditVerdict,
    BatchStatus,
    Brake,
    BrakeState,
    CorrectionState,
    Invitation,
    Kind,
    LanguageLevel,
    Message,
    OverrideState,
    Pool,
    Project,
    ProjectStatus,
    RejectReason,
    ReleaseReason,
    Requester,
    Review,
    ReviewState,
    Task,
    TaskStatus,
    Worker,
    WorkerStatus,
)

MATRIX: dict[str, Any] = tomllib.loads((Path(__file__).parent / "matrix.toml").read_text())

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls with some token; what belongs to `who` is theirs."""

    name: str
    who: str
    role: str
    subject_id: str
    # How their token is: "" if it is a good one, else one of the kinds in matrix.toml.
    token: str
    secret: str
    header: str | None
    # In which of the two worlds of the house they are.
    side: Side = Side.LIVE

    @property
    def viewer(self) -> tuple[str, str]:
        """The role and the subject that they are shown things as; a bad token is nobody's."""
        good = self.token == "" or MATRIX["tokens"]["answers"][self.token] == "good"
        return (self.role, self.subject_id) if good else ("", "")


@dataclass(frozen=True, slots=True)
class World:
    """Who calls, and what there is: by kind, state and owner, as requests name it. `mine` is what a requester uses."""

    urls: Urls
    callers: dict[str, Caller]
    things: dict[str, dict[str, dict[str, Values]]]
    mine: Mapping[str, Values]

    def save(self, path: Path) -> None:
        """Keep the world for another process; its database stays."""
        path.write_text(json.dumps(asdict(self)))

    @staticmethod
    def load(path: Path) -> "World":
        """A world that was saved."""
        kept = json.loads(path.read_text())
        callers = {name: Caller(**{**caller, "side": Side(caller["side"])}) for name, caller in kept["callers"].items()}
        return World(Urls(**kept["urls"]), callers, kept["things"], kept["mine"])


@dataclass(frozen=True, slots=True)
class Thing:
    """A row that requests are about: what it is, the state it was brought into, and whose it is."""

    kind: str
    state: str
    owner: str
    id: str


@dataclass(frozen=True, slots=True)
class Cast:
    """The people of the world by their callers' names, a crowd that answers, and the requesters."""

    workers: dict[str, Worker]
    crowd: list[Worker]
    requesters: dict[str, Requester]
    # What whoever confirms is called, so that there is something of their own to be confirmed.
    approver: str = field(default_factory=canaries.new)
    # The same of admins, two of whom it takes to invite staff.
    admin: str = field(default_factory=canaries.new)
    ops: str = field(default_factory=canaries.new)


def build(urls: Urls) -> World:
    """Make the world in an empty, migrated database."""
    engine = db.make_engine(urls.app)
    with db.sessions(engine, destination_keys=DESTINATION_KEYS)() as session:
        cast = people(session)
        made = list(things(session, cast))
        now = clock.now(session).isoformat()
        callers = {caller.name: caller for caller in tokens(session, cast)}
        # What has just been used is not touched by every request.
        session.execute(update(auth.Token).values(last_used_at=text("now()")))
        session.commit()
        _send_with_keys(engine, callers)
        canaries.plant(urls.owner)
        clear.follow_names(urls.owner)
        _know_proofs(urls.owner)
        named: dict[str, dict[str, dict[str, Values]]] = {}
        for thing in made:
            named.setdefault(thing.kind, {}).setdefault(thing.state, {})[thing.owner] = _values(session, thing)
    engine.dispose()
    batches = named["batch"]
    mine = {
        name: {
            "project": batches["in_progress"][name]["project"],
            "batch": batches["in_progress"][name]["batch"],
            "batch_elsewhere": batches["unpaid"][name]["batch"],
            "exam": named["exam"]["open"][name]["project_id"],
            "now": now,
            "requester_id": cast.requesters[name].id,
        }
        for name in cast.requesters
    }
    return World(urls, callers, named, mine)


# What proves a thing of this id, as `_know_proofs` lets it be.
_PROVES = "'rp_' || md5(id) || md5(id || '.')"
# What a request may have to say about a thing of a kind, read when the canaries have been planted.
_VALUES = {
    "assignment": """
        SELECT a.id AS assignment_id, a.fence, a.fence + 1 AS other_fence, p.labels[1] AS category
          FROM assignments a JOIN projects p ON p.id = a.project_id WHERE a.id = :id""",
    "work": "SELECT id AS project_id FROM projects WHERE id = :id",
    "project": "SELECT id AS project_id, name AS project FROM projects WHERE id = :id",
    "batch": """
        SELECT b.id AS batch_id, b.name AS batch, p.name AS project
          FROM batches b JOIN projects p ON p.id = b.project_id WHERE b.id = :id""",
    "import": "SELECT id AS import_id FROM imports WHERE id = :id",
    "exam": """
        SELECT x.project_id, p.labels[2] AS category,
               (SELECT min(id) FROM exam_questions WHERE project_id = p.id) AS question_id,
               (SELECT max(id) FROM exam_questions WHERE project_id <> p.id) AS elsewhere_id
          FROM exams x JOIN projects p ON p.id = x.project_id WHERE p.id = :id""",
    "reported": "SELECT id AS task_id, project_id FROM tasks WHERE id = :id",
    "sat": "SELECT project_id FROM exams WHERE project_id = :id",
    "attempt": """
        SELECT a.id AS attempt_id, p.labels[1] AS category
          FROM attempts a JOIN projects p ON p.id = a.project_id WHERE a.id = :id""",
    "task": "SELECT id AS task_id, unique_id, project_id FROM tasks WHERE id = :id",
    "weighed": """
        SELECT project_id, min(voter_id) AS voter_id FROM reliability WHERE project_id = :id GROUP BY project_id""",
    "gold": """
        SELECT g.project_id, g.task_id, p.labels[1] AS category, p.labels[g.label + 1] AS known,
               p.labels[2 - g.label] AS other
          FROM golds g JOIN projects p ON p.id = g.project_id WHERE g.task_id = :id""",
    "proposal": "SELECT project_id, task_id FROM gold_proposals WHERE task_id = :id",
    "rejection": "SELECT id AS answer_id FROM answers WHERE id = :id",
    "appeal": "SELECT id AS appeal_id FROM appeals WHERE id = :id",
    "brake": "SELECT id AS brake_id FROM brakes WHERE id = :id",
    "review": "SELECT project_id, answer_id FROM reviews WHERE answer_id = :id",
    "person": "SELECT id AS worker_id FROM workers WHERE id = :id",
    "payer": """
        SELECT id AS requester_id, (SELECT max(top_up_id) FROM refunds WHERE owner_ref = r.id) AS top_up_id,
               to_char(now(), 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS now,
               to_char(now(), 'YYYY-MM') AS this_month, to_char(now() - interval '1 month', 'YYYY-MM') AS month
          FROM requesters r WHERE id = :id""",
    "refund": "SELECT id AS refund_id FROM refunds WHERE id = :id",
    "contract": "SELECT id AS contract_id FROM contracts WHERE id = :id",
    "limit": "SELECT id AS limit_id FROM credit_limits WHERE id = :id",
    "invoice": "SELECT id AS invoice_id FROM invoices WHERE id = :id",
    "credit_note": "SELECT id AS note_id FROM credit_notes WHERE id = :id",
    # The month before that of the first of its credit notes.
    "got_back": """
        SELECT owner_ref AS requester_id, to_char(min(period) - interval '1 month', 'YYYY-MM') AS credit_month
          FROM credit_notes WHERE owner_ref = :id GROUP BY owner_ref""",
    "batch_floor": "SELECT cause_ref FROM reserves WHERE cause_ref = :id",
    "earning": "SELECT id AS earning_id FROM earnings WHERE id = :id",
    "clawback": "SELECT id AS clawback_id FROM clawbacks WHERE id = :id",
    "redenomination": "SELECT id AS redenomination_id FROM redenominations WHERE id = :id",
    "override": "SELECT id AS override_id FROM tier_overrides WHERE id = :id",
    "ladder": "SELECT id AS ladder_id FROM ladder_rules WHERE id = :id",
    "correction": """
        SELECT id AS correction_id, encode(content_hash, 'hex') AS content_hash FROM corrections WHERE id = :id""",
    "wronged": """
        SELECT g.task_id, p.labels[2 - g.label] AS other
          FROM golds g JOIN projects p ON p.id = g.project_id WHERE g.task_id = :id""",
    "mislabelled": """
        SELECT t.id AS task_id, p.labels[2 - t.label] AS other
          FROM tasks t JOIN projects p ON p.id = t.project_id WHERE t.id = :id""",
    "quarantine": "SELECT id AS quarantine_id FROM quarantines WHERE id = :id",
    "fx_rate": "SELECT id AS rate_id FROM fx_rates WHERE id = :id",
    "tax_rule": "SELECT id AS rule_id FROM tax_rules WHERE id = :id",
    "tax_document": "SELECT id AS document_id FROM tax_documents WHERE id = :id",
    "remittance": "SELECT id AS remittance_id FROM remittances WHERE id = :id",
    "payee": "SELECT id AS payee_id FROM payees WHERE id = :id",
    "hold": "SELECT id AS hold_id FROM holds WHERE id = :id",
    "paying_account": "SELECT id AS paying_id FROM paying_accounts WHERE id = :id",
    "run": "SELECT id AS run_id, encode(content_hash, 'hex') AS content_hash FROM payout_runs WHERE id = :id",
    "payout": "SELECT id AS payout_id FROM payouts WHERE id = :id",
    "failing": "SELECT id AS payout_id FROM payouts WHERE id = :id",
    "bank_file": "SELECT id AS file_id FROM bank_files WHERE id = :id",
    "bank_entry": """
        SELECT b.id AS bank_entry_id, coalesce(max(r.id), replace(b.id, 'ben', 'sol')) AS resolution_id
          FROM bank_entries b LEFT JOIN resolutions r ON r.bank_entry_id = b.id WHERE b.id = :id GROUP BY b.id""",
    "bought_for": "SELECT id AS run_id FROM payout_runs WHERE id = :id",
    "fx_purchase": "SELECT id AS purchase_id FROM fx_purchases WHERE id = :id",
    "came_back": "SELECT id AS payout_id FROM payouts WHERE id = :id",
    "unclaimed": """
        SELECT id AS unclaimed_id, coalesce(filing, 'none') AS filing,
               to_char(amount / 10000.0, 'FM99990.0000') AS amount FROM unclaimed WHERE id = :id""",
    "floor_rule": "SELECT id AS floor_id FROM floor_rules WHERE id = :id",
    "period": "SELECT to_char(month, 'YYYY-MM') AS month FROM periods WHERE month = CAST(:id AS date)",
    "barred": "SELECT id AS payee_id FROM payees WHERE id = :id",
    "kyc_rule": "SELECT id AS kyc_rule_id FROM kyc_rules WHERE id = :id",
    "screening": "SELECT id AS screening_id FROM screenings WHERE id = :id",
    "block": "SELECT id AS block_id FROM blocks WHERE id = :id",
    "export": "SELECT id AS export_id FROM exports WHERE id = :id",
    "account": "SELECT id AS account_id FROM accounts WHERE id = :id",
    "event": "SELECT id AS event_id FROM outbox_events WHERE id = CAST(:id AS bigint)",
    "mail": "SELECT id AS mail_id FROM mails WHERE id = :id",
    "invitation": f"SELECT id AS invitation_id, {_PROVES} AS secret FROM invitations WHERE id = :id",
    "check": "SELECT id AS check_id FROM identity_checks WHERE id = :id",
    "bulk_move": "SELECT id AS bulk_id, encode(content_hash, 'hex') AS content_hash FROM bulk_moves WHERE id = :id",
    "list": "SELECT id AS list_id FROM invitation_lists WHERE id = :id",
    "link": """
        SELECT l.id AS link_id, l.one_ref, (SELECT min(w.id) FROM workers w) AS somebody
          FROM account_links l WHERE l.id = :id""",
    "erasure": "SELECT id AS erasure_id FROM erasures WHERE id = :id",
    "member_invitation": "SELECT id AS invitation_id FROM invitations WHERE id = :id",
    "member": "SELECT id AS member_id FROM members WHERE id = :id",
    "message": "SELECT id AS message_id FROM messages WHERE id = :id",
    "suspension": "SELECT id AS suspension_id FROM suspensions WHERE id = :id",
    "contact_proof": f"SELECT {_PROVES} AS secret FROM payee_contacts WHERE id = :id",
}
_PREFIXES = {
    "bulk_id": "bmv", "list_id": "ivl", "link_id": "lnk", "one_ref": "wrk", "somebody": "wrk",
    "assignment_id": "asg", "project_id": "prj", "batch_id": "bat", "task_id": "tsk", "worker_id": "wrk",
    "requester_id": "req", "voter_id": "wrk", "quarantine_id": "qtn", "override_id": "ovr",
    "rate_id": "fxr", "rule_id": "txr", "payee_id": "pye", "hold_id": "hld", "paying_id": "pac", "run_id": "run",
    "payout_id": "pyo", "earning_id": "ern", "document_id": "txd", "remittance_id": "rmt",
    "refund_id": "rfd", "contract_id": "ctr", "limit_id": "crl", "invoice_id": "inv",
    "note_id": "crn", "cause_ref": "bat", "answer_id": "ans", "appeal_id": "apl", "brake_id": "bra",
    "redenomination_id": "rdn",
    "clawback_id": "clw", "top_up_id": "jnl",
    "floor_id": "flr",
    "file_id": "bfl", "bank_entry_id": "ben", "resolution_id": "sol", "purchase_id": "fxp", "unclaimed_id": "unc",
    "kyc_rule_id": "kyr", "screening_id": "scr", "block_id": "blk", "account_id": "acc", "export_id": "exp",
    "mail_id": "mal", "invitation_id": "ivt", "message_id": "msg", "suspension_id": "sus",
    "check_id": "idc", "member_id": "mem", "erasure_id": "ers", "import_id": "imp", "correction_id": "cor",
    "ladder_id": "lad",
    "question_id": "exq", "elsewhere_id": "exq", "attempt_id": "exm",
}  # fmt: skip


def _values(session: Session, thing: Thing) -> Values:
    return dict(session.execute(text(_VALUES[thing.kind]), {"id": thing.id}).one()._mapping)


def missing(values: Values) -> Values:
    """What would name such a thing, if it were there."""
    return {name: _missing(name, value) for name, value in values.items()}


def _missing(name: str, value: Any) -> Any:
    if name in _PREFIXES:
        return ids.new(_PREFIXES[name])
    if name == "event_id":
        return 10**12
    if name == "content_hash":
        return secrets.token_hex(32)
    return canaries.new() if isinstance(value, str) else value


def malformed(values: Values) -> Values:
    """The same, with ids that none could be."""
    return {name: "nonsense" if name.endswith("_id") else value for name, value in missing(values).items()}


# Each of these has an assignment in every state; those of one state are of one task.
_OWNERS = ("worker", "other_worker", "suspended", "offboarded")
_EXPERTS = ("expert", "other_expert")
_DISPUTE: dict[str, Any] = {"overlap_min": 2, "overlap_max": 2, "confidence_target": 0.95, "expert_share": 1.0}


def people(session: Session) -> Cast:
    """Everybody, and nearly all active: they have work to do before some of them are suspended."""
    named = [name for name, caller in MATRIX["callers"].items() if caller["role"] == "worker"]
    workers = {
        name: factories.create_worker(
            session,
            tier=4 if name in {*_EXPERTS, "party"} else None,
            status=WorkerStatus.APPLICANT if name == "applicant" else WorkerStatus.ACTIVE,
        )
        for name in named
    }
    # To be an expert at something else is nothing here.
    for tier in (3, 4):
        tiers.set_tier(session, workers["worker"].id, skill="audio", tier=tier, reason="", moved_by="ops")
    # Who was once a vendor's is none of theirs any more.
    pools.put(session, workers["worker"].id, [Pool.VENDOR], put_by="ops")
    pools.put(session, workers["worker"].id, [Pool.IN_HOUSE, Pool.CROWD], put_by="ops")
    pools.put(session, workers["other_worker"].id, [Pool.VENDOR], put_by="ops")
    pools.set_languages(session, workers["worker"].id, {"sw": LanguageLevel.B1, "en": LanguageLevel.NATIVE})
    pools.set_languages(session, workers["other_expert"].id, {"sw": LanguageLevel.B2})
    crowd = [factories.create_worker(session) for _ in range(4)]
    requesters = {name: factories.create_requester(session) for name in ("requester", "other_requester")}
    factories.pay_in(session, requesters["other_requester"].id, "5", "EUR")
    return Cast(workers, crowd, requesters)


# As if the last refit decided everything otherwise.
_REVISED = text("""
    INSERT INTO revisions (project_id, task_id, settled_label, settled_confidence, label, confidence, refit)
    SELECT c.project_id, c.task_id, c.label, c.confidence, 1 - c.label, c.confidence, f.generation
      FROM consensus c JOIN project_fits f USING (project_id)
""")


def things(session: Session, cast: Cast) -> Iterator[Thing]:
    """Every thing in every state, in the order in which it can be made."""
    pay.levy(session)
    yield from _lapsed(session, cast)
    yield from _rulings(session, cast)
    yield from _held(session, cast)
    yield from _work(session, cast)
    for owner, requester in cast.requesters.items():
        yield from _tasks(session, cast, owner, requester)
        yield from _batches(session, owner, requester)
        yield from _imports(session, owner, requester)
        yield _weighed(session, cast, owner, requester)
        yield from _golds(session, cast, owner, requester)
        yield from _proposals(session, cast, owner, requester)
        yield from _reviews(session, cast, owner, requester)
        yield from _refunds(session, owner, requester)
        yield from _terms(session, owner, requester)
        yield from _invoices(session, owner, requester)
        yield from _credit_notes(session, owner, requester)
        yield _batch_floor(session, owner, requester)
        yield from _clawbacks(session, owner, requester)
        yield Thing("payer", "known", owner, requester.id)
    yield from _appeals(session, cast)
    session.execute(_REVISED)
    yield from _quarantines(session, cast)
    yield from _overrides(session, cast)
    yield from _corrections(session)
    yield from _rates_and_rules(session, cast)
    yield from (Thing(*found) for found in pay.things(session, cast.workers, cast.approver))
    yield from (Thing(*found) for found in broken.things(session, cast.crowd, cast.requesters))
    yield from (Thing(*found) for found in sat.things(session, cast.workers, cast.crowd, cast.requesters))
    yield from (Thing(*found) for found in clear.things(session, cast.approver))
    yield from (Thing(*found) for found in banking.things(session, cast.workers, cast.approver))
    yield from _redenominations(session, cast)
    yield from _floors(session, cast)
    yield from _persons(session, cast)
    yield from _events(session)
    yield from _mails(session)
    yield from _months(session, cast)
    yield from _invitations(session, cast)
    yield from _contact_proofs(session, cast)
    yield from _messages(session, cast)
    yield from _suspensions(session, cast)
    yield from _checks(session, cast)
    yield from _erasures(session)
    yield from _members(session, cast)
    _test_worlds(session, cast)
    yield from _links(session, cast)
    yield from _lists(session, cast)
    yield from (Thing(*found) for found in bulk.things(session, cast.ops))
    bank = session.scalars(text("SELECT id FROM accounts WHERE role = 'bank' AND currency = 'USD'")).one()
    yield Thing("account", "known", "", bank)


def _asked(session: Session, requester: Requester, **settings: Any) -> tuple[Project, Task]:
    project = factories.create_project(session, requester, **settings)
    return project, factories.create_task(session, project)


def _claims(session: Session, cast: Cast, project: Project, state: str) -> list[Thing]:
    leases = {name: factories.claim(session, cast.workers[name], project, Kind.ANSWER) for name in _OWNERS}
    return [Thing("assignment", state, name, lease.id) for name, lease in leases.items()]


def _lapse(session: Session, things: Sequence[Thing]) -> None:
    rows = update(Assignment).where(Assignment.id.in_([thing.id for thing in things]))
    session.execute(rows.values(lease_expires_at=text("now() - interval '1 hour'")))
    assignment.expire(session)


def _lapsed(session: Session, cast: Cast) -> Iterator[Thing]:
    """Leases that ended by themselves, and what has become of their tasks since."""
    requester = cast.requesters["requester"]
    wide: dict[str, Any] = {"overlap_min": 6}
    exact = {**_DISPUTE, "overlap_min": 4, "overlap_max": 4}
    states = {"expired": wide, "retaken": exact, "cancelled": wide, "taken_again": wide, "escalated_since": exact}
    asked = {state: _asked(session, requester, **settings) for state, settings in states.items()}
    made = [thing for state, (project, _) in asked.items() for thing in _claims(session, cast, project, state)]
    _lapse(session, made)

    # Of these somebody else holds a slot, and others are free.
    factories.claim(session, cast.crowd[0], asked["expired"][0])
    for worker in cast.crowd:
        factories.claim(session, worker, asked["retaken"][0])
    tasks.cancel(session, requester.id, asked["cancelled"][1].id, actor_ref=requester.id)
    _claims(session, cast, asked["taken_again"][0], "leased")
    for worker, category in zip(cast.crowd, ["crow", "rook", "crow", "rook"], strict=True):
        factories.answer(session, worker, category, project=asked["escalated_since"][0])
    factories.settle(session)
    assert asked["escalated_since"][1].status == TaskStatus.ESCALATED
    yield from made


def _disputed(session: Session, requester: Requester, *voters: Worker) -> tuple[Project, Task]:
    """A project with a task that waits for an expert."""
    project, task = _asked(session, requester, **_DISPUTE)
    for voter, category in zip(voters, ["crow", "rook"], strict=True):
        factories.answer(session, voter, category, project=project, kind=Kind.ANSWER)
    factories.settle(session)
    assert task.status == TaskStatus.ESCALATED
    return project, task


def _rulings(session: Session, cast: Cast) -> Iterator[Thing]:
    """What experts decide now, have decided and have let go. The party took part in each dispute."""
    requester, voters = cast.requesters["requester"], (cast.workers["party"], cast.crowd[0])
    project, _ = _disputed(session, requester, *voters)
    for name in _EXPERTS:
        expert = cast.workers[name]
        lease = factories.claim(session, expert, project, Kind.ADJUDICATION)
        assignment.release(session, expert.id, lease.id, fence=lease.fence)
        yield Thing("assignment", "ruling_released", name, lease.id)
        lease = factories.claim(session, expert, project, Kind.ADJUDICATION)
        yield (lapsed := Thing("assignment", "ruling_expired", name, lease.id))
        _lapse(session, [lapsed])
    for name in _EXPERTS:
        for state in ("ruling", "ruled"):
            other_project, _ = _disputed(session, requester, *voters)
            lease = factories.claim(session, cast.workers[name], other_project, Kind.ADJUDICATION)
            if state == "ruled":
                factories.submit(session, cast.workers[name], lease)
            yield Thing("assignment", state, name, lease.id)
    factories.settle(session)
    # The first dispute is open. Beside it an open task, so that its project has something for everybody.
    factories.create_task(session, project)
    yield Thing("work", "disputed", "", project.id)


def _held(session: Session, cast: Cast) -> Iterator[Thing]:
    """Leases that are held, were given back or have been answered."""
    for state in ("leased", "overdue", "released", "answered", "accepted", "withdrawn"):
        project, task = _asked(session, cast.requesters["requester"], overlap_min=4 if state == "accepted" else 6)
        for thing in _claims(session, cast, project, state):
            row = session.get_one(Assignment, (thing.id, project.id))
            if state == "released":
                assignment.release(session, row.worker_id, row.id, fence=row.fence, reason=ReleaseReason.NO_TIME)
            elif state == "leased":
                drafts.save(session, row.worker_id, row.id, fence=row.fence, payload={"category": "rook"})
            elif state in {"answered", "accepted"}:
                assignment.submit(session, row.worker_id, row.id, fence=row.fence, payload={"category": "rook"})
            elif state == "overdue":
                row.lease_expires_at = clock.now(session) - timedelta(hours=1)
            elif state == "withdrawn":
                leases.take_back(session, row.id, reason="other", note="We are sorry.", taken_by="ops")
            yield thing
        factories.settle(session)
        assert (task.status == TaskStatus.SETTLED) == (state == "accepted")
        if state == "leased":
            yield Thing("work", "held", "", project.id)


def _work(session: Session, cast: Cast) -> Iterator[Thing]:
    """Projects with a task that nobody has seen yet."""
    exam = factories.create_exam(session, cast.requesters["requester"])
    factories.sit(session, cast.workers["worker"], exam, right=0, wrong=4)
    factories.sit(session, cast.workers["other_worker"], exam, right=4)
    settings_of: dict[str, dict[str, Any]] = {
        "open": {},
        "senior": {"tier_min": 3},
        "paused": {},
        "vendors": {"pools": [Pool.VENDOR]},
        "abroad": {"countries": ["DE", "FR"]},
        "spoken": {"languages": ["de", "sw"], "language_level": LanguageLevel.B2},
        "examined": {"required_exams": [exam.project_id]},
    }
    for state, settings in settings_of.items():
        project, _ = _asked(session, cast.requesters["requester"], **settings)
        if state == "paused":
            project.status = ProjectStatus.PAUSED
        yield Thing("work", state, "", project.id)


def _tasks(session: Session, cast: Cast, owner: str, requester: Requester) -> Iterator[Thing]:
    """A requester's tasks in every state but `staged`."""
    one, other, *_ = cast.crowd
    exams = [factories.create_exam(session, requester).project_id]
    asked = {
        "open": _asked(session, requester, pools=list(Pool), countries=["KE"], languages=["en"], required_exams=exams),
        "held": _asked(session, requester),
        "answered": _asked(session, requester),
        "widened": _asked(session, requester, overlap_min=2, confidence_target=0.99, expert_share=0.0),
        "settled": _asked(session, requester, overlap_min=2, confidence_target=0.75),
        "audited": _asked(session, requester, overlap_min=2, confidence_target=0.75),
        "cancelled": _asked(session, requester),
        "escalated": _disputed(session, requester, one, other),
    }
    asked["open"][1].unique_id = "taken"
    factories.claim(session, one, asked["held"][0])
    _take_a_minute(session, one, factories.answer(session, one, project=asked["answered"][0]), asked["answered"][1])
    alike = ("rook", "rook")
    for state, categories in {"widened": ("crow", "rook"), "settled": alike, "audited": alike}.items():
        for voter, category in zip((one, other), categories, strict=True):
            factories.answer(session, voter, category, project=asked[state][0])
    factories.settle(session)
    tasks.cancel(session, requester.id, asked["cancelled"][1].id, actor_ref=requester.id)
    assert (asked["widened"][1].status, asked["widened"][1].overlap) == (TaskStatus.OPEN, 3)
    assert asked["settled"][1].status == TaskStatus.SETTLED
    fixed = audits.Finding(AuditVerdict.FIXED, "crow", "Its beak.")
    audits.audit(session, asked["audited"][0], asked["audited"][1].id, fixed, made_by=requester.id)
    _transcribe(session, requester, one)
    for state, (_, task) in asked.items():
        yield Thing("task", state, owner, task.id)
    yield Thing("project", "active", owner, asked["open"][0].id)
    asked["answered"][0].status = ProjectStatus.PAUSED
    yield Thing("project", "paused", owner, asked["answered"][0].id)
    ruled, task = _disputed(session, requester, one, other)
    factories.answer(session, cast.workers["expert"], project=ruled, kind=Kind.ADJUDICATION)
    factories.settle(session)
    wronged.corrected(session, task.id, by="ops", proposed_by="finance")
    yield Thing("project", "ruled", owner, ruled.id)


def _transcribe(session: Session, requester: Requester, voter: Worker) -> None:
    """A settled task whose answers are no classes."""
    project, _ = _asked(session, requester, task_type="transcription", labels=[], confidence_target=0.5)
    lease = factories.claim(session, voter, project)
    assignment.submit(session, voter.id, lease.id, fence=lease.fence, payload={"text": "The rook flies."})
    factories.settle(session)


def _take_a_minute(session: Session, worker: Worker, answer: Answer, task: Task) -> None:
    """As if an answer had taken so long that its price is below the floor. What is said first stands."""
    until = clock.now(session)
    begun = until - timedelta(minutes=1)
    active_time.record(session, [Piece(answer.id, worker.payee_id, task.batch_id, "image", 1, "KE", begun, until)])


def _weighed(session: Session, cast: Cast, owner: str, requester: Requester) -> Thing:
    """A project with all that there is to see of how good its labels are: a spot check, and a dispute that is over."""
    project = factories.create_project(session, requester, **{**_DISPUTE, "spot_share": 1.0})
    one, other, *_ = cast.crowd
    for categories in (("rook", "rook"), ("crow", "rook")):
        task = factories.create_task(session, project)
        for voter, category in zip((one, other), categories, strict=True):
            factories.answer(session, voter, category, project=project, kind=Kind.ANSWER)
        factories.settle(session)
        factories.answer(session, cast.workers["expert"], project=project, kind=Kind.ADJUDICATION)
        factories.settle(session)
        assert task.settled_by == "expert"
        # The next one is not drawn.
        project.spot_share = 0.0
        session.flush()
    return Thing("weighed", "decided", owner, project.id)


def _golds(session: Session, cast: Cast, owner: str, requester: Requester) -> Iterator[Thing]:
    """A requester's gold in every state. Two workers have met each, and one or both have answered."""
    for state in ("active", "retiring", "retired"):
        project, task = _asked(session, requester, gold_share=0.5)
        made = factories.create_gold(session, project, explanation="Its beak is bare.")
        for worker in (cast.workers["worker"], cast.crowd[0]):
            lease = factories.claim(session, worker, project)
            if worker == cast.crowd[0] or state == "retired":
                factories.submit(session, worker, lease)
        factories.settle(session)
        if state != "active":
            golds.retire(session, project.id, made.task_id, ended_by=Ending.TOLD, reason="Too easy.")
        if state == "retired":
            tasks.cancel(session, requester.id, task.id, actor_ref=requester.id)
            factories.settle(session)
            assert golds.close(session) == 1
            golds.correct(session, project, made.task_id, label=0, reason="Its beak.", corrected_by="ops")
        yield Thing("gold", state, owner, made.task_id)
    yield Thing("gold", "doubtful", owner, _doubtful(session, cast, requester))


def _doubtful(session: Session, cast: Cast, requester: Requester) -> str:
    """A gold that two who are alike answered differently, and a task as well: the gold tells whom to believe."""
    once: dict[str, Any] = {"overlap_min": 2, "overlap_max": 2, "expert_share": 0.0, "gold_share": 0.5}
    project, _ = _asked(session, requester, **once)
    made = factories.create_gold(session, project)
    for _ in range(4):
        factories.create_task(session, project)
    for worker, category in zip(cast.crowd[:2], ["crow", "rook"], strict=True):
        for given in (category, "crow", "rook", "crow", "rook", category):
            factories.answer(session, worker, given, project=project)
    factories.settle(session)
    return made.task_id


def _proposals(session: Session, cast: Cast, owner: str, requester: Requester) -> Iterator[Thing]:
    """Disputes that an expert has decided, proposed as gold: one waits, one is approved and one refused."""
    project, disputed = _asked(session, requester, **_DISPUTE, gold_share=0.5)
    asked = {"proposed": disputed}
    for state in ("approved", "refused"):
        asked[state] = factories.create_task(session, project)
    for voter, category in zip(cast.crowd[:2], ["crow", "rook"], strict=True):
        for _ in asked:
            factories.answer(session, voter, category, project=project, kind=Kind.ANSWER)
    factories.settle(session)
    for _ in asked:
        factories.answer(session, cast.workers["other_expert"], "rook", project=project, kind=Kind.ADJUDICATION)
    factories.settle(session)
    assert proposals.propose(session, project.id, most=10) == len(asked)
    golds.approve(session, project, asked["approved"].id, exposures_max=9, approved_by="ops")
    refusal = {"reason": "Blurred.", "decided_by": "ops"}
    proposals.decide(session, project.id, asked["refused"].id, verdict=Verdict.REFUSED, **refusal)
    yield from (Thing("proposal", state, owner, task.id) for state, task in asked.items())


def _reviews(session: Session, cast: Cast, owner: str, requester: Requester) -> Iterator[Thing]:
    """Answers in every state of their requester's word, all of one worker, in one project; and one to gold."""
    rules: dict[str, Any] = {"overlap_min": 1, "overlap_max": 1, "expert_share": 0.0, "confidence_target": 0.5}
    project, _ = _asked(session, requester, **rules, acceptance="by_requester", gold_share=0.5)
    for _ in range(3):
        factories.create_task(session, project)
    factories.create_gold(session, project)
    for _ in range(5):
        factories.answer(session, cast.workers["worker"], project=project, kind=Kind.ANSWER)
    factories.settle(session)
    # Before any is accepted, and gold with it.
    of_gold = select(Review).where(Review.project_id == project.id, Review.of_gold)
    yield Thing("review", "of_gold", owner, session.scalars(of_gold).one().answer_id)
    asked = session.scalars(reviews.listed(project.id).order_by(Review.answer_id)).all()
    for state, review in zip(ReviewState, asked, strict=True):
        if state == ReviewState.ACCEPTED:
            reviews.accept(session, project, [review.answer_id], decided_by="ops")
        elif state != ReviewState.WAITING:
            evidence = {"reason": RejectReason.COPIED, "evidence": "Word for word."}
            rejections.reject(session, project, review.answer_id, decided_by="ops", **evidence)
        if state == ReviewState.FINAL:
            review.appeal_until = clock.now(session)
            session.flush()
            assert rejections.end(session) == 1
        yield Thing("review", state, owner, review.answer_id)


def _appeals(session: Session, cast: Cast) -> Iterator[Thing]:
    """Answers of two workers in every state in which an appeal may meet them, and appeals with what came of them."""
    requester = factories.create_requester(session)
    rules: dict[str, Any] = {"overlap_min": 1, "overlap_max": 1, "expert_share": 0.0, "confidence_target": 0.5}
    for name in ("worker", "other_worker"):
        project = factories.create_project(session, requester, **rules, acceptance="by_requester")
        states = ("waiting", "accepted", "rejected", "late", *AppealState)
        for _ in states:
            factories.create_task(session, project)
        given = [factories.answer(session, cast.workers[name], project=project, kind=Kind.ANSWER) for _ in states]
        factories.settle(session)
        for state, answer in zip(states, given, strict=True):
            _judge(session, project, answer, state)
            if state not in set(AppealState):
                yield Thing("rejection", state, name, answer.id)
                continue
            appeal = _appeal(session, project, answer, state)
            if state == AppealState.OPEN:
                yield Thing("rejection", "appealed", name, answer.id)
            if name == "worker":
                yield Thing("appeal", state, "", appeal.id)
    session.execute(text("DELETE FROM outbox_events WHERE topic = 'AppealDecided'"))
    yield from _brakes(session, requester)


def _judge(session: Session, project: Project, answer: Answer, state: str) -> None:
    """Accept or reject an answer that waits, or leave it waiting; too late for an appeal, or not."""
    word = {"decided_by": project.requester_id}
    if state == "accepted":
        reviews.accept(session, project, [answer.id], **word)
    elif state != "waiting":
        evidence = {"reason": RejectReason.NO_EFFORT, "evidence": "The first label each time."}
        review = rejections.reject(session, project, answer.id, **word, **evidence)
        review.appeal_until = clock.now(session) if state == "late" else review.appeal_until
        session.flush()


def _appeal(session: Session, project: Project, answer: Answer, state: str) -> Appeal:
    """An appeal against a rejection, in a state."""
    made = appeals.appeal(session, answer.worker_id, answer.id, grounds="I looked.")
    if state in {"upheld", "denied"}:
        decide = appeals.uphold if state == "upheld" else appeals.deny
        decide(session, made.id, decision="We looked.", decided_by="ops")
    if state == "moot":
        reviews.accept(session, project, [answer.id], decided_by=project.requester_id)
    return made


def _brakes(session: Session, requester: Requester) -> Iterator[Thing]:
    """Brakes on somebody whose rejections there are, and on others, in every state."""
    for state in BrakeState:
        over = {} if state == "on" else {"reason": "Seen.", "decided_by": "ops", "decided_at": clock.now(session)}
        owner = requester if state == "on" else factories.create_requester(session, funds=None)
        brake = Brake(
            id=ids.new("bra"), requester_id=owner.id, state=state, since=clock.now(session) - timedelta(hours=1),
            n_rejected=6, n_judged=8, **over,
        )  # fmt: skip
        session.add(brake)
        session.flush()
        yield Thing("brake", state, "", brake.id)


def _batches(session: Session, owner: str, requester: Requester) -> Iterator[Thing]:
    """A requester's batches in every state, and the staged task of one of them."""
    project = factories.create_project(session, requester)
    dear = projects.create(
        session, requester_id=requester.id, name="dear", settings=projects.Settings(labels=["crow", "rook"]),
        prices=[Price(tier=0, amount="900", currency="USD")],
    )  # fmt: skip
    made = {
        "staging": factories.create_batch(session, project, status=BatchStatus.STAGING),
        "empty": factories.create_batch(session, project, status=BatchStatus.STAGING),
        "in_progress": factories.create_batch(session, project),
        "standing": projects.standing_batch(session, project),
        "completed": factories.create_batch(session, project, status=BatchStatus.COMPLETED),
        "unpaid": factories.create_batch(session, dear, status=BatchStatus.STAGING),
    }
    factories.create_task(session, dear, made["unpaid"])
    yield Thing("task", "staged", owner, factories.create_task(session, project, made["staging"]).id)
    yield from (Thing("batch", state, owner, batch.id) for state, batch in made.items())


def _imports(session: Session, owner: str, requester: Requester) -> Iterator[Thing]:
    """A file of tasks in every state; there is room for one more that is not over."""
    project = factories.create_project(session, requester)
    for state, header in {
        "cancelled": b"attachment", "failed": b"nothing", "finished": b"attachment", "stopped": b"attachment",
        "receiving": b"attachment",
    }.items():  # fmt: skip
        batch = factories.create_batch(session, project, status=BatchStatus.STAGING)
        found = imports.announce(session, requester.id, batch=batch.id, format_="csv")
        sent = io.BytesIO(header + f"\n{owner}, {state}\na bird\n".encode())
        imports.add_part(session, requester.id, found.id, 1, sent, sent_by=requester.id)
        if state == "cancelled":
            imports.cancel(session, requester.id, found.id)
        elif state != "receiving":
            imports.begin(session, requester.id, found.id, n_parts=1)
            batch.status = BatchStatus.COMPLETED if state == "stopped" else BatchStatus.STAGING
            run_steps(session, importing.go_on(session))
        assert found.state == state
        yield Thing("import", state, owner, found.id)


def _overrides(session: Session, cast: Cast) -> Iterator[Thing]:
    """An override in every state, of a skill in which nobody works."""
    for state, worker in zip(OverrideState, cast.crowd, strict=True):
        made = overrides.propose(
            session, worker.id, skill="audio", tier=2, reason="A talk.", days=30, proposed_by="ops"
        )
        if state == OverrideState.REFUSED:
            overrides.refuse(session, made.id, refused_by="finance")
        if state in {OverrideState.ACTIVE, OverrideState.ENDED}:
            overrides.approve(session, made.id, approved_by="finance")
        if state == OverrideState.ENDED:
            overrides.end(session, made.id, ended_by="finance")
        yield Thing("override", state, "", made.id)


def _links(session: Session, cast: Cast) -> Iterator[Thing]:
    """Accounts that count as one, some no more; one is of somebody of ops, who decides nothing about it."""
    for state in ("open", "over", "theirs"):
        one, other = (factories.create_worker(session).id for _ in range(2))
        said = {"kind": "device", "evidence": "One telephone.", "recorded_by": "another"}
        made = linked._record(session, one, cast.ops if state == "theirs" else other, **said)
        assert made is not None
        if state == "over":
            linked.withdraw(session, made.id, reason="A family.", withdrawn_by="another")
        yield Thing("link", state, "", made.id)
    wanted: dict[str, Any] = {"skill": "audio", "tier": 2, "reason": "A talk.", "days": 30, "proposed_by": "another"}
    yield Thing("override", "theirs", "", overrides.propose(session, one, **wanted).id)


def _lists(session: Session, cast: Cast) -> Iterator[Thing]:
    """Lists of people in every state, each with a line that is wrong; and somebody who was invited by one."""
    for state in ("checked", "done", "cancelled", "theirs"):
        said = f"external_id,email,name,country,pool\n1,{canaries.new()}@example.com,A,KE,vendor\n2,,B,KE,vendor\n"
        made_by = cast.ops if state == "theirs" else "another"
        made = invitation_lists.check(session, io.BytesIO(said.encode()), team=state, activates=True, made_by=made_by)
        if state == "cancelled":
            invitation_lists.cancel(session, made.id, decided_by="another")
        if state == "done":
            invitation_lists.apply(session, made.id, decided_by="finance")
            run_steps(session, invitation_lists.go_on(session))
            (invited,) = session.scalars(invitation_lists.lines(session, made.id, fate="invited"))
            yield Thing("invitation", "listed", "", str(invited.invitation_id))
        yield Thing("list", state, "", made.id)


def _corrections(session: Session) -> Iterator[Thing]:
    """A correction in every state, each of another worker in a skill of their own; a ladder by which one of them moves.

    And a gold that is still wrong.
    """
    for state, skill in zip(CorrectionState, ("bird", "bird.crow", "bird.rook"), strict=True):
        made = wronged.proposed(session, wronged.underpaid(session, skill=skill)[0], by="finance")
        if state == CorrectionState.APPLIED:
            corrections.apply(session, made.id, content_hash=made.hash, applied_by="ops")
        if state == CorrectionState.DROPPED:
            corrections.drop(session, made.id, dropped_by="ops")
        yield Thing("correction", state, "", made.id)
    for held, skill in (("confirmed", "bird.wren"), ("proposed", "bird.crow")):
        # Of which nobody who was ever wrong keeps the first step.
        steps = [{**asdict(step), "decay_days": None} for step in ladders.DEFAULT.steps]
        steps[1] |= {"reach": 0.99, "keep": 0.99}
        rule = ladder_versions.propose(session, skill, steps=steps, reason="Too many err.", proposed_by="finance")
        if held == "confirmed":
            ladder_versions.approve(session, rule.id, approved_by="ops")
            run_steps(session, ladder_versions.roll_out(session))
        yield Thing("ladder", held, "", rule.id)
    yield Thing("wronged", "known", "", wronged.underpaid(session, skill="bird.jay")[0])
    yield Thing("mislabelled", "settled", "", wronged.underpaid(session, wronged.overruled, skill="bird.owl")[0])


def _quarantines(session: Session, cast: Cast) -> Iterator[Thing]:
    """A quarantine in every state, with the same evidence against all who are in one."""
    accused = dict(zip(QuarantineStatus, [cast.workers["worker"], *cast.crowd], strict=False))
    project = factories.create_project(session, cast.requesters["requester"])
    factories.propose(session, project, *accused.values())
    for status, worker in accused.items():
        proposed = session.scalars(select(Quarantine).where(Quarantine.voter_id == worker.id)).one()
        if status in {QuarantineStatus.ACTIVE, QuarantineStatus.ENDED}:
            quarantine.activate(session, proposed.id, reason="Seen.", decided_by="ops")
        if status == QuarantineStatus.ENDED:
            quarantine.end(session, proposed.id, reason="It was explained.", ended_by="ops")
        if status == QuarantineStatus.DISMISSED:
            quarantine.dismiss(session, proposed.id, reason="Twins.", decided_by="ops")
        yield Thing("quarantine", status, "", proposed.id)
    factories.create_task(session, project)
    factories.answer(session, cast.crowd[3], project=project)
    factories.settle(session)


def _rates_and_rules(session: Session, cast: Cast) -> Iterator[Thing]:
    """Exchange rates and tax rules, waiting and confirmed, and some that the approver entered under another token."""
    rates = {
        "confirmed": factories.enter_fx_rate(session, confirmed=True),
        "counting": factories.enter_fx_rate(session, "130"),
        "waiting": factories.enter_fx_rate(session, "200"),
        "theirs": factories.enter_fx_rate(session, "201", entered_by=cast.approver),
    }
    for base, quote in (("EUR", "KES"), ("EUR", "USD")):
        factories.enter_fx_rate(session, "1.1", base=base, quote=quote)
    rules = {
        "confirmed": factories.enter_tax_rule(session, confirmed=True),
        "waiting": factories.enter_tax_rule(session, document="non_resident", basis_points=2_000),
        "theirs": factories.enter_tax_rule(session, country="PH", currency="PHP", entered_by=cast.approver),
    }
    yield from (Thing("fx_rate", state, "", rate.id) for state, rate in rates.items())
    yield from (Thing("tax_rule", state, "", rule.id) for state, rule in rules.items())


def _refunds(session: Session, owner: str, requester: Requester) -> Iterator[Thing]:
    """Of one top-up a part is asked back, a part has gone back, and a part was refused."""
    top_up_id = funding.top_up(
        session, owner_ref=requester.id, currency="USD", amount=90_000, bank_reference=f"source {requester.id}",
        actor_ref="finance",
    )  # fmt: skip
    for state in RefundState:
        made = refunds.propose(
            session, owner_ref=requester.id, currency=money.currency(session, "USD"), amount=10_000,
            top_up_id=top_up_id, requested_by="finance",
        )  # fmt: skip
        if state == RefundState.APPROVED:
            refunds.approve(session, made.id, approved_by="ops")
        if state == RefundState.REFUSED:
            refunds.refuse(session, made.id, reason="Twice.", refused_by="ops")
        yield Thing("refund", state, owner, made.id)


def _terms(session: Session, owner: str, requester: Requester) -> Iterator[Thing]:
    """A contract and a credit limit that hold, and ones that wait for somebody."""
    since = clock.now(session) - timedelta(days=300)
    for state in ("confirmed", "proposed"):
        contract = contracts.propose(
            session, owner_ref=requester.id, entity="ROOK", presentation=Presentation.AGENT, billing=Billing.POSTPAID,
            valid_from=since, made_by="finance",
        )  # fmt: skip
        limit = contracts.propose_limit(
            session, owner_ref=requester.id, currency=money.currency(session, "USD"), amount=10**6, valid_from=since,
            made_by="finance",
        )  # fmt: skip
        if state == "confirmed":
            contracts.confirm(session, contract.id, confirmed_by="ops")
            contracts.confirm_limit(session, limit.id, confirmed_by="ops")
        yield Thing("contract", state, owner, contract.id)
        yield Thing("limit", state, owner, limit.id)


def _paid_answer(session: Session, requester: Requester) -> str:
    """An answer by somebody new that is accepted, all alone in its project; returns its earning's id."""
    project, _ = _asked(session, requester, overlap_min=1, overlap_max=1, expert_share=0.0, confidence_target=0.5)
    worker = factories.create_worker(session)
    factories.answer(session, worker, project=project)
    factories.settle(session)
    rows = text("SELECT e.id FROM earnings e JOIN payees p ON p.id = e.payee_id WHERE p.owner_ref = :worker")
    return str(session.scalars(rows, {"worker": worker.id}).one())


def _invoices(session: Session, owner: str, requester: Requester) -> Iterator[Thing]:
    """Five months in each of which something was spent on credit: the last one is not invoiced yet."""
    usd, month = money.currency(session, "USD"), clock.now(session).date()
    contracts.draw(
        session, owner_ref=requester.id, currency=usd, amount=5_000, key=f"draw {requester.id}", actor_ref="finance"
    )
    for state in (None, *InvoiceState):
        month = (month.replace(day=1) - timedelta(days=1)).replace(day=1)
        with owed.booked_on(month):
            _paid_answer(session, requester)
        if state is None:
            continue
        made = invoices.draft(
            session, owner_ref=requester.id, currency=usd, month=month, vat_basis_points=0, made_by="finance"
        )
        if state != InvoiceState.DRAFT:
            invoices.issue(session, made.id, issued_by="finance")
        if state == InvoiceState.PAID:
            invoices.pay(
                session, made.id, currency="USD", amount=made.due or 0, bank_reference=f"payment {requester.id}",
                actor_ref="finance",
            )  # fmt: skip
        if state == InvoiceState.VOID:
            invoices.void(session, made.id, reason="Another rate.", voided_by="finance")
        yield Thing("invoice", state, owner, made.id)


def _credit_notes(session: Session, owner: str, requester: Requester) -> Iterator[Thing]:
    """Three months before those of the invoices, in each of which something came back."""
    month = clock.now(session).date()
    for _ in range(len(InvoiceState) + 1):
        month = (month.replace(day=1) - timedelta(days=1)).replace(day=1)
    payee_id = session.get_one(Earning, _paid_answer(session, requester)).payee_id
    for state in CreditNoteState:
        month = (month - timedelta(days=1)).replace(day=1)
        bonus = owed.give_bonus(
            session, owner_ref=requester.id, payee_id=payee_id, currency="USD", amount=100, reason="Thanks.",
            actor_ref="finance",
        )  # fmt: skip
        with owed.booked_on(month):
            adjustments.reverse(session, [bonus.id], reason="Twice.", actor_ref="finance")
        note = credit_notes.draft(
            session, owner_ref=requester.id, currency=money.currency(session, "USD"), month=month, vat_basis_points=0,
            made_by="finance",
        )  # fmt: skip
        if state != CreditNoteState.DRAFT:
            credit_notes.issue(session, note.id, issued_by="ops")
        if state == CreditNoteState.VOID:
            credit_notes.void(session, note.id, reason="Another rate.", voided_by="finance")
        yield Thing("credit_note", state, owner, note.id)
    bonus = owed.give_bonus(
        session, owner_ref=requester.id, payee_id=payee_id, currency="USD", amount=100, reason="Thanks.",
        actor_ref="finance",
    )  # fmt: skip
    with owed.booked_on((month - timedelta(days=1)).replace(day=1)):
        adjustments.reverse(session, [bonus.id], reason="Twice.", actor_ref="finance")
    yield Thing("got_back", "", owner, requester.id)


def _batch_floor(session: Session, owner: str, requester: Requester) -> Thing:
    """A batch with an answer that was held against the floor."""
    earning = session.get_one(Earning, _paid_answer(session, requester))
    assert earning.cause_ref is not None
    session.execute(
        text("""INSERT INTO batch_floors (id, cause_ref, round, currency, state, finished_at, closed_at)
                VALUES (:id, :cause_ref, 1, 'USD', 'closed', now(), now())"""),
        {"id": ids.new("bfl"), "cause_ref": earning.cause_ref},
    )
    return Thing("batch_floor", "closed", owner, earning.cause_ref)


def _clawbacks(session: Session, owner: str, requester: Requester) -> Iterator[Thing]:
    """Earnings that are due and paid, and paid ones that are asked back, up to one that was given up."""
    yield Thing("earning", "due", owner, _paid_answer(session, requester))
    states = ("", "proposed", "refused", "open", "doomed", "written_off")
    earned = {state: _paid_answer(session, requester) for state in states}
    for earning_id in earned.values():
        payee = session.get_one(Payee, session.get_one(Earning, earning_id).payee_id)
        owed.set_method(session, payee, set_by=payee.owner_ref)
    owed.pay_out(session, prepared_by="finance", approved_by="ops")
    for state, earning_id in earned.items():
        if not state:
            yield Thing("earning", "paid", owner, earning_id)
            continue
        made = clawbacks.propose(session, earning_id, reason="Copied.", made_by="finance")
        if state == "refused":
            clawbacks.refuse(session, made.id, refused_by="ops")
        elif state != "proposed":
            clawbacks.confirm(session, made.id, confirmed_by="ops")
        if state in {"doomed", "written_off"}:
            clawbacks.propose_write_off(session, made.id, reason="Gone.", proposed_by="finance")
        if state == "written_off":
            clawbacks.write_off(session, made.id, confirmed_by="ops")
        yield Thing("clawback", state, owner, made.id)


def _redenominations(session: Session, cast: Cast) -> Iterator[Thing]:
    """Of moneys that are over: one is done, one was dropped, one waits, and one waits that the approver proposed.

    Somebody is owed it whom no run pays, for its successor has no rate.
    """
    payee = payees.of_owner(session, cast.workers["other_expert"].id)
    owed.give_goodwill(
        session, payee_id=payee.id, currency="BGN", amount=20_000, reason="Our fault.", actor_ref="finance"
    )
    for state, currency in {"done": "BGN", "refused": "VEF", "proposed": "VES.2018", "theirs": "DEM"}.items():
        proposed_by = cast.approver if state == "theirs" else "finance"
        made = redenomination.propose(session, currency, proposed_by=proposed_by)
        if state == "done":
            redenomination.approve(session, made.id, approved_by="ops")
            for _ in redenomination.steps(session, made.id):
                pass
        if state == "refused":
            redenomination.refuse(session, made.id, refused_by="ops")
        yield Thing("redenomination", state, "", made.id)


def _floors(session: Session, cast: Cast) -> Iterator[Thing]:
    """Floor rules, waiting and confirmed, one that the approver entered under another token, and weeks."""
    rules = {
        "confirmed": factories.enter_floor_rule(session, confirmed=True),
        "waiting": factories.enter_floor_rule(session, region="PH"),
        "theirs": factories.enter_floor_rule(session, region="IN", entered_by=cast.approver),
    }
    _work_an_hour(session, cast.crowd[0], cast.requesters["requester"])
    for week in ("2026-W03", "2026-W04", "2026-W05"):
        floor_weeks.begin(session, week, begun_by="finance")
    for _ in floor_weeks.steps(session, "2026-W05"):
        pass
    yield from (Thing("floor_rule", state, "", rule.id) for state, rule in rules.items())


def _work_an_hour(session: Session, worker: Worker, requester: Requester) -> None:
    """An answer that took an hour and became due in a week that is over."""
    project, task = _asked(session, requester, overlap_min=1, overlap_max=1, confidence_target=0.5, expert_share=0.0)
    answer = factories.answer(session, worker, project=project, kind=Kind.ANSWER)
    at = datetime(2026, 1, 28, tzinfo=UTC)
    piece = Piece(answer.id, worker.payee_id, task.batch_id, "image", 1, "KE", at - timedelta(hours=1), at)
    # What is said first stands.
    active_time.record(session, [piece])
    factories.settle(session)
    session.execute(text("UPDATE earnings SET due_at = :at WHERE answer_ref = :id"), {"at": at, "id": answer.id})


def _persons(session: Session, cast: Cast) -> Iterator[Thing]:
    for name, status in {"suspended": WorkerStatus.SUSPENDED, "offboarded": WorkerStatus.OFFBOARDED}.items():
        onboarding.move(session, cast.workers[name].id, status)
    of_state = {"applicant": "applicant", "active": "worker", "suspended": "suspended", "offboarded": "offboarded"}
    yield from (Thing("person", state, name, cast.workers[name].id) for state, name in of_state.items())


def _events(session: Session) -> Iterator[Thing]:
    """Two events that failed too often, with what their failure said, and one that waits."""
    answer = session.scalars(select(Answer).where(Answer.status == AnswerStatus.ACCEPTED).limit(1)).one()
    told = AnswerSubmitted(answer_id=answer.id, task_id=answer.task_id, project_id=answer.project_id)
    for _ in range(2):
        outbox.publish(session, told)
    session.execute(text("UPDATE outbox_events SET parked_at = now(), last_error = ''"))
    outbox.publish(session, told)
    for event in session.scalars(select(outbox.OutboxEvent)):
        yield Thing("event", "waiting" if event.parked_at is None else "parked", "", str(event.id))


def _mails(session: Session) -> Iterator[Thing]:
    """What payees were told of, in every state; one that was given up is without its text by now."""
    told = session.scalars(select(mail.Mail).order_by(mail.Mail.id)).all()
    states = ("waiting", "sent", "given_up", "erased")
    for state, one in zip(states, told[: len(states)], strict=True):
        if state != "waiting":
            one.state = mail.MailState.SENT if state == "sent" else mail.MailState.GIVEN_UP
            one.ended_at, one.last_error = clock.now(session), None if state == "sent" else "550 Nobody"
        if state == "erased":
            one.address = one.body = None
        yield Thing("mail", state, "", one.id)
    session.flush()


def _know_proofs(owner_url: str) -> None:
    """Let the secrets of the world be what their subjects' ids say: no table tells one."""
    engine = create_engine(owner_url)
    with engine.begin() as connection:
        connection.execute(_KNOWN_PROOFS)
    engine.dispose()


_KNOWN_PROOFS = text(f"""
    UPDATE proofs SET secret_hash = sha256(convert_to({_PROVES.replace("id", "subject")}, 'UTF8'))
     WHERE id = (SELECT max(id) FROM proofs AS newer WHERE newer.subject = proofs.subject)
""")


def _invitations(session: Session, cast: Cast) -> Iterator[Thing]:
    """Who was asked to come, in every state; of those that are `lapsed` the time is over and no sweep has seen it."""

    def ask(role: str = "worker") -> Invitation:
        email = f"{canaries.new()}@example.com"
        return invitations.invite(session, email=email, role=role, activates=False, made_by="ops")

    def propose(made_by: str) -> Invitation:
        email, subject = f"{canaries.new()}@example.com", canaries.new()
        return invitations.propose_staff(session, email=email, role="ops", subject=subject, made_by=made_by)

    made = {state: ask() for state in ("sent", "lapsed", "often", "accepted", "revoked", "expired")}
    made |= {"proposed": propose("admin"), "theirs": propose(cast.admin), "staff": propose("admin")}
    theirs = cast.requesters["requester"].id
    made["member"] = invitations.invite_member(
        session, theirs, email=f"{canaries.new()}@example.com", role="viewer", made_by=theirs
    )
    invitations.confirm_staff(session, made["staff"].id, confirmed_by="another")
    for _ in range(invitations.SENT_MAX - 1):
        invitations.resend(session, made["often"].id)
    secret = factories.secret_about(session, made["accepted"].id)
    invitations.accept(session, secret=secret, name="Somebody", country="KE")
    invitations.revoke(session, made["revoked"].id)
    for state in ("expired", "lapsed"):
        past = {"expires_at": text("now() - interval '1 hour'")}
        session.execute(update(Invitation).where(Invitation.id == made[state].id).values(past))
        session.execute(update(proofs.Proof).where(proofs.Proof.subject == made[state].id).values(past))
        if state == "expired":
            invitations.expire(session)
    session.expire_all()
    for state, invitation in made.items():
        yield Thing("invitation", state, "", invitation.id)


def _contact_proofs(session: Session, cast: Cast) -> Iterator[Thing]:
    """What was sent to contacts: to the present one, and to the one before."""
    for name in ("worker", "other_worker"):
        payee = payees.of_owner(session, cast.workers[name].id)
        before, present = session.scalars(
            select(PayeeContact).where(PayeeContact.payee_id == payee.id).order_by(PayeeContact.id)
        ).all()
        yield Thing("contact_proof", "living", name, present.id)
        yield Thing("contact_proof", "ended", name, before.id)


def _messages(session: Session, cast: Cast) -> Iterator[Thing]:
    """What some workers and requesters were told; the oldest of it was read."""
    owners = {name: cast.workers[name].id for name in ("worker", "other_worker")}
    owners |= {name: requester.id for name, requester in cast.requesters.items()}
    for name, person in owners.items():
        for number in range(5):
            messages.tell(session, "gold_low", [News(person, str(number), {"project_id": "x", "days": number})])
        told = session.scalars(messages.listed(person).order_by(Message.id)).all()
        messages.mark_read(session, person, through=told[0].id)
        messages.choose(session, person, kind="gold_low", by_mail=False)
        yield Thing("message", "told", name, told[-1].id)


def _suspensions(session: Session, cast: Cast) -> Iterator[Thing]:
    """Suspensions in every state, of somebody who does nothing else."""
    stopped = factories.create_worker(session)
    for state in ("proposed", "theirs", "refused", "confirmed"):
        made = suspensions.suspend(
            session,
            [stopped.id],
            hours=1000,
            reason="Somebody saw it.",
            made_by=cast.ops if state == "theirs" else "ops",
        )
        if state == "refused":
            suspensions.refuse(session, made.id, refused_by="another")
        if state == "confirmed":
            suspensions.confirm(session, made.id, confirmed_by="another")
        yield Thing("suspension", state, "", made.id)


def _checks(session: Session, cast: Cast) -> Iterator[Thing]:
    """Checks of workers' identities in every state; what callers say of themselves and agreed to."""
    for name in ("worker", "other_worker"):
        worker_id = cast.workers[name].id
        profiles.say(session, worker_id, skills=["image"], device_class="phone", payout_region="KE")
        for _ in range(4):
            check = identity.request(session, worker_id)
            identity.decide(session, check.id, state="refused", reason="Blurred.", decided_by="ops")
    version = consents.publish(session, words="Be kind.", published_by="ops").version
    consents.give(session, cast.workers["worker"].id, version=version)
    for state in ("requested", "in_review", "passed", "refused"):
        check = identity.request(session, factories.create_worker(session).id)
        if state != "requested":
            reason = "Blurred." if state == "refused" else None
            identity.decide(session, check.id, state=state, reason=reason, decided_by="ops")
        yield Thing("check", state, "", check.id)


def _erasures(session: Session) -> Iterator[Thing]:
    """Wishes to be forgotten, of people who do nothing else; one of them is owed something."""
    for state in ("requested", "owed", "done", "refused"):
        worker = factories.create_worker(session)
        if state == "owed":
            owed.give_goodwill(
                session, payee_id=payees.of_owner(session, worker.id).id, currency="USD", amount=50_000,
                reason="Our fault.", actor_ref="finance",
            )  # fmt: skip
        wish = erasures.request(session, worker.id)
        if state == "done":
            erasures.confirm(session, wish.id, confirmed_by="ops")
        if state == "refused":
            erasures.refuse(session, wish.id, reason="A court.", refused_by="ops")
        yield Thing("erasure", state, "", wish.id)


def _members(session: Session, cast: Cast) -> Iterator[Thing]:
    """Teams with one owner."""
    for name, requester in cast.requesters.items():
        for state, role in {"owner": "owner", "manager": "manager", "viewer": "viewer", "left": "viewer"}.items():
            member, _ = teams.join(session, requester.id, role=role, masked="a***@example.com")
            if state == "left":
                teams.leave(session, requester.id, member.id)
            yield Thing("member", state, name, member.id)
        for state in ("sent", "revoked"):
            asked = invitations.invite_member(
                session, requester.id, email=f"{canaries.new()}@example.com", role="viewer", made_by=requester.id
            )
            if state == "revoked":
                invitations.revoke(session, asked.id)
            yield Thing("member_invitation", state, name, asked.id)


def _owner(requester_id: str) -> auth.Actor:
    return auth.Actor("", requester_id, "requester", frozenset({"requester", "funds"}))


def _test_worlds(session: Session, cast: Cast) -> None:
    """Test worlds of all requesters, each with more workers than a page has."""
    for requester in cast.requesters.values():
        account_id = worlds.enter(session, _owner(requester.id)).account_id
        with foundation_worlds.in_test(session) as test:
            for number in range(5):
                said: dict[str, Any] = {"name": f"Tester {number}", "country": "KE"}
                worlds.employ(test, account_id, **said, pools_in=[], languages={}, steps={})


def _months(session: Session, cast: Cast) -> Iterator[Thing]:
    """Months of the books in a row: two closed, a third that is to be opened again, two that wait to be closed."""
    found = Line(AccountName(BANK, HOUSE, "USD"), AccountName(PLATFORM_FEE, HOUSE, "USD"), 10_000)
    ledger.post(session, [Entry("found", "found", HOUSE, "finance", (found,), effective_on=date(2024, 1, 15))])
    states = ("earlier", "closed", "reopening", "closing", "theirs")
    for number, state in enumerate(states, 1):
        month = date(2024, number, 1)
        periods.close(session, month, closed_by=cast.approver if state == "theirs" else "finance")
        if state in {"earlier", "closed", "reopening"}:
            seen = periods.shown(session, month).hash
            periods.confirm(session, month, trial_hash=seen, confirmed_by=cast.approver)
        yield Thing("period", state, "", month.isoformat())
    periods.reopen(session, date(2024, 3, 1), reopening_by="finance")


def _send_with_keys(engine: Engine, callers: Mapping[str, Caller]) -> None:
    """Requests whose answers are kept for whoever sends them again."""
    client, body = _app(db.sessions(engine)).test_client(), {"name": "Somebody"}
    for key in ("one", "two"):
        headers = {"Authorization": str(callers["ops"].header), "Idempotency-Key": key}
        assert client.post("/api/requesters", json=body, headers=headers).status_code == 201


def tokens(session: Session, cast: Cast) -> Iterator[Caller]:
    """Everybody who calls, and for one of each role every kind of token that is not simply good."""
    subjects = {name: worker.id for name, worker in cast.workers.items()}
    subjects |= {name: requester.id for name, requester in cast.requesters.items()}
    subjects |= {"approver": cast.approver, "admin": cast.admin, "ops": cast.ops}
    for name, given in MATRIX["callers"].items():
        role, who = given["role"], given.get("who", name)
        if not role:
            yield Caller(name, who, role, "", "none", "", None)
            continue
        if "side" in given:
            entered = worlds.enter(session, _owner(subjects[who]))
            secret = str(entered.token)
            yield Caller(name, name, role, entered.account_id, "", secret, f"Bearer {secret}", Side(given["side"]))
            continue
        # Whoever is staff has a name that stands nowhere else.
        subject = subjects.setdefault(who, canaries.new())
        if "member" in given:
            _, secret = teams.join(session, subject, role=given["member"], masked="v***@example.com")
        else:
            _, secret = auth.issue(session, role=role, subject_id=subject, name="a token", scopes=given.get("scopes"))
        yield Caller(name, who, role, subject, "", secret, f"Bearer {secret}")
        if name in MATRIX["tokens"]["of"]:
            for kind, spoiled, header in _spoiled(session, role, subject):
                yield Caller(f"{name} ({kind})", who, role, subject, kind, spoiled, header)


def _spoiled(session: Session, role: str, subject: str) -> Iterator[tuple[str, str, str]]:
    """Each kind of token by its name, its secret and the header that it comes in."""

    def issue(**options: Any) -> tuple[auth.Token, str]:
        return auth.issue(session, role=role, subject_id=subject, name="a token", **options)

    good, secret = issue()
    yield "basic", secret, "Basic " + base64.b64encode(f"{secret}:".encode()).decode()
    yield "as a password", secret, "Basic " + base64.b64encode(f"user:{secret}".encode()).decode()
    yield "of another scheme", secret, f"Token {secret}"
    yield "mistyped", secret, f"Bearer {secret[:-1]}{'a' if secret[-1] != 'a' else 'b'}"
    yield "cut", secret, f"Bearer {secret[:-1]}"
    yield "its id", secret, f"Bearer {good.id}"
    yield "its hash", secret, f"Bearer {hashlib.sha256(secret.encode()).hexdigest()}"
    yield "unknown", (unknown := auth._new_secret()), f"Bearer {unknown}"
    _, secret = issue(scopes=[])
    yield "without scopes", secret, f"Bearer {secret}"
    token, secret = issue(days=1)
    token.expires_at = clock.now(session) - timedelta(seconds=1)
    yield "expired", secret, f"Bearer {secret}"
    token, secret = issue()
    auth.revoke(session, token.id)
    yield "revoked", secret, f"Bearer {secret}"
    token, secret = issue()
    auth.rotate(session, token.id)
    yield "rotated", secret, f"Bearer {secret}"
