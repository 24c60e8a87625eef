"""What lists and sums hold: one's own, all of it and nothing else, on every page, in every total and cursor."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.access.canaries import Marks
from tests.access.matrix import ROWS
from tests.access.stage import Stage

_LIMIT = 3


@dataclass(frozen=True, slots=True)
class List:
    """A list: its address, the SQL that says what belongs in it for `:me`, who may read it, and its shape."""

    path: str
    holds: str
    readers: tuple[str, ...]
    items: str = "items"
    id: str = "id"
    total: str = ""


_WORKERS = ("worker", "other_worker", "suspended", "applicant", "expert")
_REQUESTERS = ("requester", "other_requester")
_READERS = ("finance", "approver", "auditor", "admin")
_TOLD = "EXISTS (SELECT FROM payee_contacts c WHERE c.payee_id = p.id AND c.retired_at IS NULL)"
_HOLDS_NOW = "ended_at IS NULL AND (until IS NULL OR until > now())"
_CLAIMABLE = """
    SELECT DISTINCT p.id FROM workers w CROSS JOIN projects p JOIN tasks t ON t.project_id = p.id AND t.free_slots > 0
      LEFT JOIN worker_tiers s ON s.worker_id = w.id AND s.skill = p.skill
     WHERE w.id = :me AND w.status = 'active' AND p.status = 'active' AND coalesce(s.tier, 1) >= p.tier_min
       AND t.parked_at IS NULL AND (t.kept_until IS NULL OR t.kept_until < now() OR w.id = ANY(t.kept_for))
       AND (p.countries = '{}' OR w.country = ANY(p.countries))
       AND p.required_exams <@ ARRAY(
            SELECT x.project_id FROM attempts x WHERE x.worker_id = w.id AND x.state = 'passed')
       AND (p.languages = '{}' OR EXISTS (
            SELECT FROM worker_languages l WHERE l.worker_id = w.id AND l.language = ANY(p.languages)
                                             AND l.level >= p.language_level))
       AND (p.pools = '{}' OR p.pools && coalesce(
            (SELECT array_agg(pool) FROM pool_memberships m WHERE m.worker_id = w.id AND m.ended_at IS NULL),
            '{crowd}'))
       AND (t.status = 'open' AND NOT EXISTS (
                SELECT FROM assignments a WHERE a.task_id = t.id AND a.worker_id = w.id AND a.kind = 'answer'
                                            AND a.status IN ('leased', 'answered'))
            OR t.status = 'escalated' AND s.tier = 4 AND NOT EXISTS (
                SELECT FROM assignments a WHERE a.task_id = t.id AND a.worker_id = w.id
                                            AND a.status IN ('leased', 'answered')))
"""
LISTS = (
    List("/api/me/available-work", _CLAIMABLE, ("worker", "other_worker", "expert"), id="project_id"),
    List("/api/me/assignments", "SELECT id FROM assignments WHERE worker_id = :me AND status = 'leased'", _WORKERS),
    List("/api/me/answers", "SELECT id FROM answers WHERE worker_id = :me", _WORKERS),
    List("/api/me/appeals", "SELECT id FROM appeals WHERE worker_id = :me", _WORKERS),
    List("/api/appeals", "SELECT id FROM appeals", ("ops",)),
    List("/api/appeals?state=open", "SELECT id FROM appeals WHERE state = 'open'", ("ops",)),
    List("/api/brakes", "SELECT id FROM brakes", ("ops",)),
    List("/api/brakes?state=on", "SELECT id FROM brakes WHERE state = 'on'", ("ops",)),
    List("/api/me/reviews", "SELECT answer_id FROM reviews WHERE worker_id = :me", _WORKERS, id="answer_id"),
    List(
        "/api/me/reviews?state=rejected",
        "SELECT answer_id FROM reviews WHERE worker_id = :me AND state = 'rejected'",
        ("worker",),
        id="answer_id",
    ),
    List("/api/me/tier-moves", "SELECT id FROM tier_moves WHERE worker_id = :me", _WORKERS),
    List(
        "/api/me/earnings",
        "SELECT e.id FROM earnings e JOIN payees p ON p.id = e.payee_id WHERE p.owner_ref = :me",
        _WORKERS,
    ),
    List("/api/projects", "SELECT id FROM projects WHERE requester_id = :me", _REQUESTERS),
    List("/api/imports", "SELECT id FROM imports WHERE requester_id = :me", _REQUESTERS),
    List("/v1/projects", "SELECT id FROM projects WHERE requester_id = :me", _REQUESTERS, items=""),
    List("/v1/batches", "SELECT id FROM batches WHERE requester_id = :me", _REQUESTERS, "docs", total="totalDocs"),
    List(
        "/v1/tasks",
        "SELECT id FROM tasks WHERE requester_id = :me AND status NOT IN ('gold', 'retired')",
        _REQUESTERS,
        "docs",
        "task_id",
        "total",
    ),
    List("/api/task-reports", "SELECT id FROM task_reports", ("ops",)),
    List("/api/task-reports?state=open", "SELECT id FROM task_reports WHERE state = 'open'", ("ops",)),
    List("/api/exams", "SELECT project_id FROM exams", ("ops",), id="project_id"),
    List(
        "/api/exams",
        "SELECT id FROM projects WHERE requester_id = :me AND purpose <> 'work'",
        _REQUESTERS,
        id="project_id",
    ),
    List("/api/exam-attempts", "SELECT id FROM attempts", ("ops",)),
    List("/api/exam-attempts?state=failed", "SELECT id FROM attempts WHERE state = 'failed'", ("ops",)),
    List("/api/me/attempts", "SELECT id FROM attempts WHERE worker_id = :me", _WORKERS),
    List(
        "/api/me/exams",
        "SELECT id FROM projects WHERE purpose <> 'work' AND status = 'active' AND (pools = '{}' OR :me = ''"
        " OR EXISTS (SELECT FROM pool_memberships m WHERE m.worker_id = :me AND m.pool = ANY(pools)"
        " AND m.ended_at IS NULL))",
        _WORKERS,
        id="project_id",
    ),
    List("/api/leases", "SELECT id FROM assignments WHERE status = 'leased'", ("ops",)),
    List(
        "/api/leases?ending_within_seconds=0",
        "SELECT id FROM assignments WHERE status = 'leased' AND lease_expires_at <= now()",
        ("ops",),
    ),
    List("/api/workers", "SELECT id FROM workers", ("ops",)),
    List("/api/workers?status=suspended", "SELECT id FROM workers WHERE status = 'suspended'", ("ops",)),
    List("/api/evidence", "SELECT id FROM evidence", ("ops",)),
    List("/api/quarantines", "SELECT id FROM quarantines", ("ops",)),
    List("/api/ladders/audio/workers", "SELECT id FROM workers", ("ops",), id="worker_id"),
    List(
        "/api/ladders/audio/workers?tier=4",
        "SELECT worker_id FROM worker_tiers WHERE skill = 'audio' AND tier = 4",
        ("ops",),
        id="worker_id",
    ),
    List("/api/tier-overrides", "SELECT id FROM tier_overrides", ("ops",)),
    List("/api/ladders/bird.crow/versions", "SELECT id FROM ladder_rules WHERE skill = 'bird.crow'", ("ops",)),
    List("/api/corrections", "SELECT id FROM corrections", ("ops",)),
    List("/api/corrections?state=applied", "SELECT id FROM corrections WHERE state = 'applied'", ("ops",)),
    List("/api/tier-overrides?state=active", "SELECT id FROM tier_overrides WHERE state = 'active'", ("ops",)),
    List("/api/quarantines?status=active", "SELECT id FROM quarantines WHERE status = 'active'", ("ops",)),
    List("/api/escalations", "SELECT id FROM tasks WHERE status = 'escalated'", ("ops",), id="task_id"),
    List("/api/requesters", "SELECT id FROM requesters", ("ops", "admin", "finance")),
    List("/api/journal", "SELECT id FROM journal_entries", _READERS),
    List("/api/journal?kind=top_up", "SELECT id FROM journal_entries WHERE kind = 'top_up'", ("auditor",)),
    List(
        "/api/journal?first_day=2024-01-15&last_day=2024-01-15",
        "SELECT id FROM journal_entries WHERE effective_on = '2024-01-15'",
        ("auditor",),
    ),
    List(
        "/api/me/payout-methods",
        "SELECT m.id FROM payout_methods m JOIN payees p ON p.id = m.payee_id WHERE p.owner_ref = :me",
        _WORKERS,
    ),
    List(
        "/api/me/payouts",
        "SELECT o.id FROM payouts o JOIN payees p ON p.id = o.payee_id"
        " WHERE p.owner_ref = :me AND o.state NOT IN ('prepared', 'dropped')",
        _WORKERS,
    ),
    List(
        "/api/me/holds",
        "SELECT h.id FROM holds h JOIN payees p ON p.id = h.payee_id"
        " WHERE p.owner_ref = :me AND h.ended_at IS NULL AND (h.until IS NULL OR h.until > now())",
        ("expert", "other_expert", "worker"),
    ),
    List(
        "/api/me/adjustments",
        "SELECT a.id FROM adjustments a JOIN earnings e ON e.id = a.earning_id JOIN payees p ON p.id = e.payee_id"
        " WHERE p.owner_ref = :me",
        _WORKERS,
    ),
    List(
        "/api/me/tax-documents",
        "SELECT d.id FROM tax_documents d JOIN payees p ON p.id = d.payee_id"
        " WHERE p.owner_ref = :me AND d.confirmed_by IS NOT NULL",
        ("worker", "other_worker"),
    ),
    List(
        "/api/me/withholdings",
        "SELECT w.payout_id FROM withholdings w JOIN payouts o ON o.id = w.payout_id JOIN payees p ON p.id = o.payee_id"
        " WHERE p.owner_ref = :me AND o.state NOT IN ('prepared', 'dropped')",
        ("worker", "other_worker"),
        id="payout_id",
    ),
    List(
        "/api/me/accrued-taxes",
        "SELECT t.id FROM accrued_taxes t JOIN payees p ON p.id = t.payee_id WHERE p.owner_ref = :me AND t.amount > 0",
        ("worker", "other_worker"),
    ),
    List("/api/payees", "SELECT id FROM payees", _READERS),
    List("/api/payees?country=KE", "SELECT id FROM payees WHERE country = 'KE'", ("auditor",)),
    List("/api/payees?has_contact=true", f"SELECT id FROM payees p WHERE {_TOLD}", ("finance",)),
    List("/api/payees?has_contact=false", f"SELECT id FROM payees p WHERE NOT {_TOLD}", ("auditor",)),
    List("/api/earnings", "SELECT id FROM earnings", _READERS),
    List("/api/earnings?status=due", "SELECT id FROM earnings WHERE status = 'due'", ("finance",)),
    List("/api/earnings?kind=goodwill", "SELECT id FROM earnings WHERE kind = 'goodwill'", ("auditor",)),
    List("/api/payout-methods", "SELECT id FROM payout_methods", _READERS),
    List("/api/holds", "SELECT id FROM holds", _READERS),
    List("/api/holds?active=true", f"SELECT id FROM holds WHERE {_HOLDS_NOW}", ("finance",)),
    List("/api/holds?active=false", f"SELECT id FROM holds WHERE NOT ({_HOLDS_NOW})", ("finance",)),
    List("/api/adjustments", "SELECT id FROM adjustments", _READERS),
    List("/api/paying-accounts", "SELECT id FROM paying_accounts", _READERS),
    List("/api/payout-runs", "SELECT id FROM payout_runs", _READERS),
    List("/api/payout-runs?state=draft", "SELECT id FROM payout_runs WHERE state = 'draft'", ("auditor",)),
    List("/api/payouts", "SELECT id FROM payouts", _READERS),
    List("/api/payouts?state=failed", "SELECT id FROM payouts WHERE state = 'failed'", ("auditor",)),
    List(
        "/api/payouts?rail=paypal&first_day=2026-01-01",
        "SELECT p.id FROM payouts p JOIN payout_runs r ON r.id = p.run_id WHERE r.rail = 'paypal'",
        ("auditor",),
    ),
    List("/api/payouts?rail=sepa&currency=USD", "SELECT id FROM payouts WHERE false", ("auditor",)),
    List("/api/bank-files", "SELECT id FROM bank_files", _READERS),
    List("/api/bank-entries", "SELECT id FROM bank_entries", _READERS),
    List("/api/bank-entries?state=suspense", "SELECT id FROM bank_entries WHERE state = 'suspense'", ("auditor",)),
    List("/api/resolutions", "SELECT id FROM resolutions", _READERS),
    List("/api/resolutions?state=posted", "SELECT id FROM resolutions WHERE state = 'posted'", ("auditor",)),
    List("/api/payout-failures", "SELECT id FROM payout_failures", _READERS),
    List("/api/payout-failures?state=posted", "SELECT id FROM payout_failures WHERE state = 'posted'", ("auditor",)),
    List("/api/fx-purchases", "SELECT id FROM fx_purchases", _READERS),
    List("/api/fx-purchases?state=posted", "SELECT id FROM fx_purchases WHERE state = 'posted'", ("auditor",)),
    List("/api/unclaimed", "SELECT id FROM unclaimed", _READERS),
    List("/api/unclaimed?state=kept", "SELECT id FROM unclaimed WHERE state = 'kept'", ("auditor",)),
    List(
        "/api/me/unclaimed",
        "SELECT u.id FROM unclaimed u JOIN payees p ON p.id = u.payee_id"
        " WHERE p.owner_ref = :me AND u.state IN ('kept', 'claimed')",
        ("applicant", "suspended", "worker"),
    ),
    List("/api/bank-balances", "SELECT id FROM bank_balances", _READERS),
    List("/api/bank-balances?currency=EUR", "SELECT id FROM bank_balances WHERE currency = 'EUR'", ("auditor",)),
    List("/api/rail-fees/unplaced", "SELECT id FROM unplaced_fees", _READERS),
    List(
        "/api/rail-fees/unplaced?reason=differs", "SELECT id FROM unplaced_fees WHERE reason = 'differs'", ("auditor",)
    ),
    List("/api/fx-rates", "SELECT id FROM fx_rates", _READERS),
    List(
        "/api/fx-rates?base=EUR&quote=KES", "SELECT id FROM fx_rates WHERE (base, quote) = ('EUR', 'KES')", ("auditor",)
    ),
    List("/api/fx-rates?quote=USD", "SELECT id FROM fx_rates WHERE quote = 'USD'", ("auditor",)),
    List("/api/tax-rules", "SELECT id FROM tax_rules", _READERS),
    List("/api/tax-rules?country=PH", "SELECT id FROM tax_rules WHERE country = 'PH'", ("auditor",)),
    List("/api/tax-documents", "SELECT id FROM tax_documents", _READERS),
    List("/api/withholdings", "SELECT payout_id FROM withholdings", _READERS, id="payout_id"),
    List("/api/accrued-taxes", "SELECT id FROM accrued_taxes WHERE amount > 0", _READERS),
    List("/api/accrued-taxes?authority=BIR", "SELECT id FROM accrued_taxes WHERE authority = 'BIR'", ("auditor",)),
    List("/api/remittances", "SELECT id FROM remittances", _READERS),
    List("/api/remittances?authority=KRA", "SELECT id FROM remittances WHERE authority = 'KRA'", ("auditor",)),
    List("/api/journal", "SELECT id FROM journal_entries", ("finance",)),
    List("/api/kyc-rules", "SELECT id FROM kyc_rules", _READERS),
    List("/api/kyc-rules?country=PH", "SELECT id FROM kyc_rules WHERE country = 'PH'", ("auditor",)),
    List("/api/kyc", "SELECT id FROM kyc_records", _READERS),
    List(
        "/api/kyc?expiring_within_days=9",
        "SELECT id FROM kyc_records WHERE expires_on BETWEEN current_date AND current_date + 9",
        ("auditor",),
    ),
    List("/api/screening-rounds", "SELECT id FROM screening_rounds", _READERS),
    List("/api/screenings", "SELECT id FROM screenings", _READERS),
    List(
        "/api/screenings?waiting=true",
        "SELECT id FROM screenings WHERE outcome = 'review' AND decision IS NULL",
        ("auditor",),
    ),
    List(
        "/api/screenings?waiting=false",
        "SELECT id FROM screenings WHERE outcome = 'clear' OR decision IS NOT NULL",
        ("auditor",),
    ),
    List("/api/blocks", "SELECT id FROM blocks", _READERS),
    List("/api/blocks?state=active", "SELECT id FROM blocks WHERE state = 'active'", ("auditor",)),
    List("/api/refunds", "SELECT id FROM refunds", ("finance", "approver", "auditor", "admin")),
    List("/api/refunds?state=proposed", "SELECT id FROM refunds WHERE state = 'proposed'", ("finance",)),
    List("/api/contracts", "SELECT id FROM contracts", ("finance", "approver", "auditor", "admin")),
    List("/api/credit-limits", "SELECT id FROM credit_limits", ("finance", "approver", "auditor", "admin")),
    List("/api/invoices", "SELECT id FROM invoices", ("finance", "approver", "auditor", "admin")),
    List("/api/invoices?state=paid", "SELECT id FROM invoices WHERE state = 'paid'", ("finance",)),
    List(
        "/api/me/invoices",
        "SELECT id FROM invoices WHERE owner_ref = :me AND serial IS NOT NULL",
        (*_REQUESTERS, "funds_only"),
    ),
    List("/api/credit-notes", "SELECT id FROM credit_notes", _READERS),
    List("/api/credit-notes?state=issued", "SELECT id FROM credit_notes WHERE state = 'issued'", ("finance",)),
    List(
        "/api/me/credit-notes",
        "SELECT id FROM credit_notes WHERE owner_ref = :me AND serial IS NOT NULL",
        (*_REQUESTERS, "funds_only"),
    ),
    List("/api/batch-floors", "SELECT id FROM batch_floors", _READERS),
    List("/api/batch-floors?state=closed", "SELECT id FROM batch_floors WHERE state = 'closed'", ("auditor",)),
    List("/api/clawbacks", "SELECT id FROM clawbacks", ("finance", "approver", "auditor", "admin")),
    List("/api/clawbacks?state=open", "SELECT id FROM clawbacks WHERE state = 'open'", ("finance",)),
    List("/api/redenominations", "SELECT id FROM redenominations", _READERS),
    List("/api/redenominations?currency=BGN", "SELECT id FROM redenominations WHERE currency = 'BGN'", ("finance",)),
    List("/api/floor-rules", "SELECT id FROM floor_rules", _READERS),
    List("/api/floor-rules?region=PH", "SELECT id FROM floor_rules WHERE region = 'PH'", ("auditor",)),
    List("/api/floor-weeks", "SELECT week FROM floor_weeks", _READERS, id="week"),
    List("/api/periods", "SELECT to_char(month, 'YYYY-MM') FROM periods", _READERS, id="month"),
    List("/api/accounts", "SELECT id FROM accounts", _READERS),
    List("/api/accounts?role=funds", "SELECT id FROM accounts WHERE role = 'funds'", ("auditor",)),
    List(
        "/api/accounts?owner_ref=house&currency=USD",
        "SELECT id FROM accounts WHERE (owner_ref, currency) = ('house', 'USD')",
        ("auditor",),
    ),
    List("/api/exports", "SELECT id FROM exports", _READERS),
    List("/api/exports?state=gone", "SELECT id FROM exports WHERE state = 'gone'", ("auditor",)),
    List("/api/exports?kind=journal", "SELECT id FROM exports WHERE kind = 'journal'", ("auditor",)),
    List("/api/account-codes", "SELECT account FROM account_codes", _READERS, id="account"),
    List("/api/parked-events", "SELECT id::text FROM outbox_events WHERE parked_at IS NOT NULL", ("ops", "admin")),
    List("/api/mails", "SELECT id FROM mails", ("ops",)),
    List("/api/invitations", "SELECT id FROM invitations", ("ops", "admin")),
    List("/api/me/member-invitations", "SELECT id FROM invitations WHERE requester_id = :me", _REQUESTERS),
    List(
        "/api/me/member-invitations?status=revoked",
        "SELECT id FROM invitations WHERE requester_id = :me AND status = 'revoked'",
        ("requester",),
    ),
    List("/api/me/test-workers", "SELECT id FROM test_world.workers WHERE works_for = :me", ("tester",)),
    List("/api/me/members", "SELECT id FROM members WHERE requester_id = :me", _REQUESTERS),
    List("/api/me/messages", "SELECT id FROM messages WHERE person_ref = :me", ("worker", "other_worker", "requester")),
    List(
        "/api/me/messages?unread=true",
        "SELECT id FROM messages WHERE person_ref = :me AND read_at IS NULL",
        ("worker",),
    ),
    List(
        "/api/me/identity-checks",
        "SELECT id FROM identity_checks WHERE worker_id = :me",
        ("worker", "other_worker"),
    ),
    List("/api/identity-checks", "SELECT id FROM identity_checks", ("ops",)),
    List("/api/identity-checks?state=refused", "SELECT id FROM identity_checks WHERE state = 'refused'", ("ops",)),
    List("/api/erasures", "SELECT id FROM erasures", ("ops",)),
    List("/api/erasures?state=requested", "SELECT id FROM erasures WHERE state = 'requested'", ("ops",)),
    List("/api/bulk-moves", "SELECT id FROM bulk_moves", ("ops",)),
    List("/api/bulk-moves?state=applied", "SELECT id FROM bulk_moves WHERE state = 'applied'", ("ops",)),
    List("/api/invitation-lists", "SELECT id FROM invitation_lists", ("ops",)),
    List("/api/invitation-lists?state=done", "SELECT id FROM invitation_lists WHERE state = 'done'", ("ops",)),
    List("/api/account-links", "SELECT id FROM account_links", ("ops",)),
    List("/api/account-links?open=false", "SELECT id FROM account_links WHERE withdrawn_at IS NOT NULL", ("ops",)),
    List("/api/account-links?kind=device", "SELECT id FROM account_links WHERE kind = 'device'", ("ops",)),
    List("/api/account-clusters", "SELECT cluster_id FROM workers WHERE cluster_id IS NOT NULL GROUP BY 1", ("ops",)),
    List("/api/suspensions", "SELECT id FROM suspensions", ("ops",)),
    List("/api/suspensions?state=proposed", "SELECT id FROM suspensions WHERE state = 'proposed'", ("ops",)),
    List("/api/staff-invitations", "SELECT id FROM invitations WHERE subject IS NOT NULL", ("admin",)),
    List("/api/invitations?bounced=true", "SELECT id FROM invitations WHERE false", ("ops",)),
    List("/api/invitations?bounced=false", "SELECT id FROM invitations WHERE ended_at IS NULL", ("ops",)),
    List("/api/invitations?status=sent", "SELECT id FROM invitations WHERE status = 'sent'", ("ops",)),
    List("/api/invitations?role=ops", "SELECT id FROM invitations WHERE role = 'ops'", ("admin",)),
    List("/api/mails?state=given_up", "SELECT id FROM mails WHERE state = 'given_up'", ("ops",)),
    List("/api/trail", "SELECT seq FROM trail_entries", ("auditor", "admin"), id="seq"),
)


@pytest.mark.parametrize("listed", LISTS, ids=lambda listed: listed.path)
def test_a_list_is_all_of_what_is_the_callers_and_nothing_else(stage: Stage, listed: List) -> None:
    with stage.scene() as session:
        for reader in listed.readers:
            me = stage.world.callers[reader].subject_id
            expected = sorted(session.scalars(text(listed.holds), {"me": me} if ":me" in listed.holds else {}))
            found = [item[listed.id] for page in _pages(stage, reader, listed) for item in page]
            assert (reader, sorted(found)) == (reader, expected)


def test_every_list_is_tested() -> None:
    paged = {row.rule for row in ROWS if {"next_cursor", "has_more", "[].id"} & row.shows}
    tested = {listed.path.partition("?")[0] for listed in LISTS}

    of_a_project = {
        f"/api/projects/<project_id>/{name}"
        for name in (
            "tasks",
            "rates",
            "reliability",
            "experts",
            "gold",
            "gold-proposals",
            "refits",
            "revisions",
            "reviews",
            "audits",
            "task-reports",
            "tasks/<task_id>/answers",
        )
    }
    of_a_run = {f"/api/payout-runs/<run_id>/{name}" for name in ("payouts", "left-out", "files")}
    of_an_invoice = {"/api/invoices/<invoice_id>/lines", "/api/me/invoices/<invoice_id>/lines"}
    of_an_invoice |= {"/api/credit-notes/<note_id>/lines", "/api/me/credit-notes/<note_id>/lines"}
    of_one = {"/api/exports/<export_id>/downloads", "/api/me/statements/<month>", "/api/brakes/<brake_id>/rejections"}
    of_one |= {"/api/imports/<import_id>/parts", "/api/imports/<import_id>/faults", "/api/ladders/<skill>/workers"}
    of_one |= {"/api/corrections/<correction_id>/lines"}
    of_one |= {
        "/api/invitation-lists/<list_id>/lines",
        "/api/imports/<import_id>/parts",
        "/api/imports/<import_id>/faults",
        "/api/ladders/<skill>/workers",
    }
    of_one |= {"/api/corrections/<correction_id>/lines", "/api/ladder-versions/<ladder_id>/moves"}
    of_one |= {"/api/ladders/<skill>/versions"}
    of_one |= {"/api/exams/<project_id>/questions", "/api/bulk-moves/<bulk_id>/lines"}
    of_one |= {"/api/workers/<worker_id>/tier-moves", "/api/workers/<voter_id>/checks"}
    assert paged - tested == of_a_project | of_a_run | of_an_invoice | of_one | {"/api/accounts/<account_id>/statement"}


def _pages(stage: Stage, reader: str, listed: List) -> Iterator[list[Any]]:
    """All pages; what leads to the next one is looked at on the way."""
    path = f"{listed.path}{'&' if '?' in listed.path else '?'}limit={_LIMIT}"
    while path:
        response = stage.send(reader, "GET", path)
        document = response.get_json()
        page = document[listed.items] if listed.items else document
        yield page
        if listed.total:
            path = _next_of_scale(document, listed, path)
        else:
            cursor = document["next_cursor"] if listed.items else None
            link = re.fullmatch(r'<([^>]+)>; rel="next"', response.headers.get("Link", ""))
            assert (cursor is None) == (link is None)
            assert link is None or cursor in link[1]
            path = link[1] if link else ""


def _next_of_scale(document: Any, listed: List, path: str) -> str:
    if not document["has_more"]:
        return ""
    if "next_token" in document:
        return f"{listed.path}?limit={_LIMIT}&next_token={document['next_token']}"
    return f"{listed.path}?limit={_LIMIT}&offset={document['offset'] + len(document[listed.items])}"


@pytest.mark.parametrize("listed", [listed for listed in LISTS if listed.total], ids=lambda listed: listed.path)
def test_a_total_counts_what_is_the_callers(stage: Stage, listed: List) -> None:
    with stage.scene() as session:
        for reader in listed.readers:
            expected = session.scalars(text(listed.holds), {"me": stage.world.callers[reader].subject_id}).all()
            document = stage.send(reader, "GET", f"{listed.path}?limit=1").get_json()
            assert (reader, document[listed.total]) == (reader, len(expected))


def test_the_lists_of_a_project_are_of_that_project(stage: Stage) -> None:
    with stage.scene() as session:
        for owner, project in stage.world.things["project"]["active"].items():
            where = {"id": project["project_id"]}
            tasks = stage.send(owner, "GET", f"/api/projects/{where['id']}/tasks").get_json()["items"]
            voters = stage.send("ops", "GET", f"/api/projects/{where['id']}/reliability").get_json()["items"]
            refits = stage.send("ops", "GET", f"/api/projects/{where['id']}/refits").get_json()["items"]
            revisions = stage.send("ops", "GET", f"/api/projects/{where['id']}/revisions").get_json()["items"]
            assert {task["id"] for task in tasks} == _ids(session, "SELECT id FROM tasks WHERE project_id = :id", where)
            assert {one["voter_id"] for one in voters} == _ids(
                session, "SELECT voter_id FROM reliability WHERE project_id = :id", where
            )
            experts = stage.send("ops", "GET", f"/api/projects/{where['id']}/experts").get_json()["items"]
            assert {one["voter_id"] for one in experts} == _ids(
                session, "SELECT voter_id FROM adjudications WHERE project_id = :id", where
            )
            numbers = session.scalars(text("SELECT number FROM refits WHERE project_id = :id ORDER BY 1 DESC"), where)
            assert [one["number"] for one in refits] == list(numbers)
            assert {one["task_id"] for one in revisions} == _ids(
                session, "SELECT task_id FROM revisions WHERE project_id = :id", where
            )


def test_the_gold_of_a_project_is_of_that_project(stage: Stage) -> None:
    with stage.scene() as session:
        for owner, given in stage.world.things["gold"]["active"].items():
            where = {"id": given["project_id"]}
            for reader in (owner, "ops"):
                shown = stage.send(reader, "GET", f"/api/projects/{where['id']}/gold").get_json()["items"]
                assert {one["task_id"] for one in shown} == _ids(
                    session, "SELECT task_id FROM golds WHERE project_id = :id", where
                )


def test_the_reviews_of_a_project_are_of_that_project_in_that_state_and_without_gold(stage: Stage) -> None:
    with stage.scene() as session:
        for state in ("waiting", "accepted", "rejected", "final"):
            for owner, given in stage.world.things["review"][state].items():
                where = {"id": given["project_id"], "state": state}
                path = f"/api/projects/{where['id']}/reviews?state={state}"
                shown = stage.send(owner, "GET", path).get_json()["items"]
                assert {one["answer_id"] for one in shown} == _ids(
                    session,
                    "SELECT answer_id FROM reviews WHERE project_id = :id AND state = :state AND NOT of_gold",
                    where,
                )


def test_the_answers_to_a_task_are_of_that_task_by_workers_whom_nobody_else_knows_by_these_names(stage: Stage) -> None:
    names: dict[str, set[str]] = {}
    with stage.scene() as session:
        for state in ("open", "answered", "widened", "settled", "escalated"):
            for owner, given in stage.world.things["task"][state].items():
                path = f"/api/projects/{given['project_id']}/tasks/{given['task_id']}/answers"
                shown = stage.send(owner, "GET", path).get_json()["items"]
                where = {"id": given["task_id"]}
                assert {one["id"] for one in shown} == _ids(
                    session, "SELECT id FROM answers WHERE task_id = :id", where
                )
                workers = _ids(session, "SELECT DISTINCT worker_id FROM answers WHERE task_id = :id", where)
                assert len({one["pseudonym"] for one in shown}) == len(workers)
                names.setdefault(owner, set()).update(one["pseudonym"] for one in shown)
    # The same two of the crowd answer everywhere.
    assert [len(known) for known in names.values()] == [2, 2]
    assert len(set.union(*names.values())) == 4


def test_what_is_shown_under_a_brake_was_rejected_by_that_requester(stage: Stage) -> None:
    with stage.scene() as session:
        for given in (owned[""] for owned in stage.world.things["brake"].values()):
            shown = stage.send("ops", "GET", f"/api/brakes/{given['brake_id']}/rejections").get_json()["items"]
            assert {one["answer_id"] for one in shown} == _ids(
                session,
                "SELECT answer_id FROM reviews r JOIN brakes b ON b.requester_id = r.requester_id"
                " WHERE b.id = :brake_id AND r.reason IS NOT NULL",
                dict(given),
            )


def test_audits_and_samples_are_of_that_project(stage: Stage) -> None:
    with stage.scene() as session:
        for owner, given in stage.world.things["task"]["audited"].items():
            where = {"id": given["project_id"]}
            shown = stage.send(owner, "GET", f"/api/projects/{where['id']}/audits").get_json()["items"]
            drawn = stage.send(owner, "GET", f"/api/projects/{where['id']}/audit-sample").get_json()["items"]
            assert {one["id"] for one in shown} == _ids(session, "SELECT id FROM audits WHERE project_id = :id", where)
            assert {one["id"] for one in drawn} == _ids(
                session,
                "SELECT id FROM tasks WHERE project_id = :id AND status = 'settled'"
                " AND id NOT IN (SELECT task_id FROM audits)",
                where,
            )


def test_the_gold_proposals_of_a_project_are_of_that_project(stage: Stage) -> None:
    with stage.scene() as session:
        for given in stage.world.things["proposal"]["proposed"].values():
            where = {"id": given["project_id"]}
            shown = stage.send("ops", "GET", f"/api/projects/{where['id']}/gold-proposals").get_json()["items"]
            assert {one["task_id"] for one in shown} == _ids(
                session, "SELECT task_id FROM gold_proposals WHERE project_id = :id", where
            )


def test_the_lists_of_a_run_are_of_that_run(stage: Stage) -> None:
    with stage.scene() as session:
        for run in stage.world.things["run"].values():
            where = {"id": run[""]["run_id"]}
            made = stage.send("auditor", "GET", f"/api/payout-runs/{where['id']}/files").get_json()["items"]
            assert {one["id"] for one in made} == _ids(session, "SELECT id FROM payout_files WHERE run_id = :id", where)
            paid = stage.send("finance", "GET", f"/api/payout-runs/{where['id']}/payouts").get_json()["items"]
            assert {one["id"] for one in paid} == _ids(session, "SELECT id FROM payouts WHERE run_id = :id", where)
            path = f"/api/payout-runs/{where['id']}/left-out"
            listed = List(path, "", ())
            left = [(one["payee_id"], one["reason"]) for page in _pages(stage, "finance", listed) for one in page]
            rows = session.execute(text("SELECT payee_id, reason FROM left_out WHERE run_id = :id"), where)
            assert sorted(left) == sorted(tuple(row) for row in rows)


def test_the_downloads_of_an_export_are_of_that_one(stage: Stage) -> None:
    with stage.scene() as session:
        for export in stage.world.things["export"].values():
            where = {"id": export[""]["export_id"]}
            shown = stage.send("auditor", "GET", f"/api/exports/{where['id']}/downloads").get_json()["items"]
            assert {one["id"] for one in shown} == _ids(
                session, "SELECT id FROM export_downloads WHERE export_id = :id", where
            )


def test_the_statement_of_a_month_is_its_workers_own(stage: Stage) -> None:
    with stage.scene() as session:
        month = session.scalars(text("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')")).one()
        for reader in ("worker", "other_worker", "expert"):
            me = {"me": stage.world.callers[reader].subject_id}
            expected = session.scalars(text(_MOVED), me).all()
            listed = List(f"/api/me/statements/{month}", "", ())
            found = [line["entry_id"] for page in _pages(stage, reader, listed) for line in page]
            assert (reader, sorted(filter(None, found))) == (reader, sorted(expected))
            file = stage.send(reader, "GET", f"/api/me/statements/{month}.csv").get_data(as_text=True)
            assert all(entry_id in file for entry_id in expected)
            assert file.count("jnl_") == len(expected)


_MOVED = """
    SELECT DISTINCT p.entry_id FROM postings p JOIN accounts a ON a.id = p.account_id AND a.role = 'payable'
      JOIN payees y ON y.id = a.owner_ref JOIN journal_entries e ON e.id = p.entry_id
     WHERE y.owner_ref = :me AND e.effective_on >= date_trunc('month', now() AT TIME ZONE 'UTC')
"""


_OF_PAYEE = {
    "/api/payout-methods": "SELECT id FROM payout_methods WHERE payee_id = :id",
    "/api/earnings": "SELECT id FROM earnings WHERE payee_id = :id",
    "/api/holds": "SELECT id FROM holds WHERE payee_id = :id",
    "/api/adjustments": "SELECT a.id FROM adjustments a JOIN earnings e ON e.id = a.earning_id WHERE e.payee_id = :id",
    "/api/payouts": "SELECT id FROM payouts WHERE payee_id = :id",
}


@pytest.mark.parametrize("path", _OF_PAYEE)
def test_what_is_asked_of_one_payee_is_of_that_one(stage: Stage, path: str) -> None:
    with stage.scene() as session:
        for payee in stage.world.things["payee"]["known"].values():
            where = {"id": payee["payee_id"]}
            shown = stage.send("auditor", "GET", path, query_string={"payee_id": where["id"]}).get_json()["items"]
            assert {one["id"] for one in shown} == _ids(session, _OF_PAYEE[path], where)


def test_scales_filters_keep_to_what_they_name(stage: Stage) -> None:
    with stage.scene() as session:
        for owner, batch in stage.world.things["batch"]["staging"].items():
            where = {"id": batch["batch_id"]}
            tasks = stage.send(owner, "GET", "/v1/tasks", query_string={"batch": batch["batch"]}).get_json()
            assert {task["task_id"] for task in tasks["docs"]} == _ids(
                session, "SELECT id FROM tasks WHERE batch_id = :id", where
            )
            batches = stage.send(owner, "GET", "/v1/batches", query_string={"project": batch["project"]}).get_json()
            assert {one["id"] for one in batches["docs"]} == _ids(
                session,
                "SELECT id FROM batches WHERE project_id = (SELECT project_id FROM batches WHERE id = :id)",
                where,
            )


def _ids(session: Session, sql: str, where: dict[str, Any]) -> set[str]:
    return set(session.scalars(text(sql), where))


# Sums: the same from the tables, for the caller alone.
_FUNDS = """
    SELECT sum(b.credits - b.debits) AS available,
           (SELECT sum(reserved - spent - released) FROM reserves WHERE owner_ref = :me) AS reserved,
           (SELECT sum(spent) FROM reserves WHERE owner_ref = :me) AS spent
      FROM accounts a JOIN balances b ON b.account_id = a.id WHERE a.role = 'funds' AND a.owner_ref = :me
       AND a.currency = 'USD'
"""
_EARNED = """
    SELECT count(*) AS answers, coalesce(sum(amount) FILTER (WHERE status = 'pending'), 0) AS pending,
           coalesce(sum(amount - withheld) FILTER (WHERE status = 'due'), 0) AS due
      FROM earnings e JOIN payees p ON p.id = e.payee_id WHERE p.owner_ref = :me
"""


def _units(amount: str) -> int:
    return int(Decimal(amount).scaleb(4))


def test_funds_are_the_callers_own(stage: Stage) -> None:
    with stage.scene() as session:
        for reader in _REQUESTERS:
            expected = session.execute(text(_FUNDS), {"me": stage.world.callers[reader].subject_id}).one()
            shown = {one["currency"]: one for one in stage.send(reader, "GET", "/api/funds").get_json()["items"]}
            amounts = tuple(_units(shown["USD"][name]) for name in ("available", "reserved", "spent"))
            assert (reader, amounts) == (reader, tuple(expected))
            assert set(shown) == ({"USD", "EUR"} if reader == "other_requester" else {"USD"})


def test_a_statement_sums_what_its_worker_has_earned(stage: Stage) -> None:
    with stage.scene() as session:
        for reader in ("worker", "expert"):
            expected = session.execute(text(_EARNED), {"me": stage.world.callers[reader].subject_id}).one()
            (shown,) = stage.send(reader, "GET", "/api/me/statement").get_json()["totals"]
            assert (shown["answers"], _units(shown["pending"]), _units(shown["due"])) == tuple(expected)


def test_progress_counts_its_project_alone(stage: Stage) -> None:
    with stage.scene() as session:
        for owner, project in stage.world.things["project"]["active"].items():
            where = {"id": project["project_id"]}
            shown = stage.send(owner, "GET", f"/api/projects/{where['id']}/progress").get_json()
            counted = session.execute(
                text("SELECT status, count(*) FROM tasks WHERE project_id = :id GROUP BY 1"), where
            )
            assert {name: n for name, n in shown["tasks"].items() if n} == dict(counted.all())
            answers = "SELECT count(*) FROM answers WHERE project_id = :id AND kind = 'answer'"
            assert shown["answers"] == session.scalar(text(answers), where)
            spent = "SELECT sum(spent) FROM reserves r JOIN batches b ON b.id = r.cause_ref WHERE b.project_id = :id"
            assert _units(shown["spent"]) == session.scalar(text(spent), where)


def test_a_batchs_status_counts_its_tasks_alone(stage: Stage) -> None:
    with stage.scene():
        for owner, batch in stage.world.things["batch"]["staging"].items():
            shown = stage.send(owner, "GET", f"/v1/batches/{batch['batch_id']}/status").get_json()
            assert shown == {"status": "staging", "pending": 1}


def test_a_worker_sees_their_own_places_on_the_ladders(stage: Stage) -> None:
    with stage.scene() as session:
        for reader in _WORKERS:
            where = {"me": stage.world.callers[reader].subject_id}
            tiers = stage.send(reader, "GET", "/api/me").get_json()["tiers"]
            places = session.execute(text("SELECT skill, tier FROM worker_tiers WHERE worker_id = :me"), where)
            assert {(one["skill"], one["tier"]) for one in tiers} == set(places.all())
            ladders = stage.send(reader, "GET", "/api/me/tiers").get_json()["items"]
            moves = set(session.scalars(text("SELECT id FROM tier_moves WHERE worker_id = :me"), where))
            assert [(one["skill"], one["tier"]) for one in ladders] == [(one["skill"], one["tier"]) for one in tiers]
            assert {one["move_id"] for one in ladders} <= moves


def test_the_pools_and_languages_of_a_worker_are_of_that_worker(stage: Stage) -> None:
    with stage.scene() as session:
        for person in stage.world.things["person"].values():
            for where in person.values():
                path = f"/api/workers/{where['worker_id']}"
                placed = stage.send("ops", "GET", f"{path}/pools").get_json()
                live = "SELECT pool FROM pool_memberships WHERE worker_id = :worker_id AND ended_at IS NULL"
                expected = _ids(session, live, dict(where))
                assert {one["pool"] for one in placed["memberships"]} == expected
                assert set(placed["pools"]) == (expected or {"crowd"})
                known = stage.send("ops", "GET", f"{path}/languages").get_json()["languages"]
                spoken = "SELECT language FROM worker_languages WHERE worker_id = :worker_id"
                assert {one["language"] for one in known} == _ids(session, spoken, dict(where))


def test_the_leases_of_a_worker_are_of_that_worker(stage: Stage) -> None:
    with stage.scene() as session:
        for owner in ("worker", "other_worker"):
            me = stage.world.callers[owner].subject_id
            shown = stage.send("ops", "GET", f"/api/leases?limit=200&worker_id={me}").get_json()["items"]
            held = "SELECT id FROM assignments WHERE status = 'leased' AND worker_id = :me"
            assert {one["id"] for one in shown} == _ids(session, held, {"me": me})


_GIVEN = """
    SELECT p.labels[n.label + 1] AS category, r.reliability
      FROM assignments a JOIN answers n ON n.task_id = a.task_id AND n.kind = 'answer'
      JOIN projects p ON p.id = a.project_id
      JOIN reliability r ON r.project_id = a.project_id AND r.voter_id = n.worker_id
     WHERE a.id = :id
"""


def test_a_dossier_is_of_its_task_and_tells_nobodys_name(stage: Stage, marks: Marks) -> None:
    with stage.scene() as session:
        for owner in ("expert", "other_expert"):
            pseudonyms: list[str] = []
            for state in ("ruling", "ruled"):
                held = stage.world.things["assignment"][state][owner]["assignment_id"]
                given = session.execute(text(_GIVEN), {"id": held}).all()
                response = stage.send(owner, "GET", f"/api/assignments/{held}/dossier")
                shown = response.get_json()["answers"]
                assert sorted((one["category"], one["reliability"]) for one in shown) == sorted(map(tuple, given))
                assert [str(mark) for mark in marks.found(response.text) if mark.table == "workers"] == []
                pseudonyms += [one["pseudonym"] for one in shown]
            # The same two answered both tasks; under a name that lasted, an expert would come to know them.
            assert len(pseudonyms) == len(set(pseudonyms)) == 4


def test_the_journal_of_one_requester_is_of_that_one(stage: Stage) -> None:
    with stage.scene() as session:
        for owner, payer in stage.world.things["payer"]["known"].items():
            where = {"id": payer["requester_id"]}
            shown = stage.send("finance", "GET", "/api/journal", query_string={"cause_ref": where["id"]}).get_json()
            expected = _ids(session, "SELECT id FROM journal_entries WHERE cause_ref = :id", where)
            assert (owner, {entry["id"] for entry in shown["items"]}) == (owner, expected)


def test_a_statement_is_of_its_account(stage: Stage) -> None:
    with stage.scene() as session:
        for account in session.execute(text("SELECT id, kind FROM accounts")).all():
            moved = text("SELECT entry_id, line FROM postings WHERE account_id = :id ORDER BY 1, 2")
            expected = session.execute(moved, {"id": account.id}).all()
            listed = List(f"/api/accounts/{account.id}/statement", "", ())
            shown = [move for page in _pages(stage, "auditor", listed) for move in page]
            assert [(move["entry_id"], move["line"]) for move in shown[1:-1]] == [tuple(row) for row in expected]
            total = sum(_units(move["debit"]) - _units(move["credit"]) for move in shown)
            sign = 1 if account.kind in {"asset", "expense"} else -1
            assert _units(shown[-1]["balance"]) == sign * total


# Cursors


_PAGED = [listed for listed in LISTS if listed.items == "items" and len(listed.readers) > 1]


def _cursor(stage: Stage, reader: str, path: str) -> str | None:
    cursor: str | None = stage.send(reader, "GET", f"{path}?limit=1").get_json()["next_cursor"]
    return cursor


@pytest.mark.parametrize("listed", _PAGED, ids=lambda listed: listed.path)
def test_a_cursor_is_its_callers_alone(stage: Stage, listed: List) -> None:
    reader, other, *_ = listed.readers
    with stage.scene():
        cursor = _cursor(stage, reader, listed.path)
        own = stage.send(reader, "GET", listed.path, query_string={"cursor": cursor})
        carried = stage.send(other, "GET", listed.path, query_string={"cursor": cursor})
        forged = stage.send(reader, "GET", listed.path, query_string={"cursor": f"A{cursor}"[: len(str(cursor))]})

    assert (own.status_code, carried.status_code, forged.status_code) == (200, 400, 400)


def test_a_cursor_is_its_addresss_and_its_filters_alone(stage: Stage) -> None:
    with stage.scene():
        cursor = _cursor(stage, "ops", "/api/workers")
        elsewhere = stage.send("ops", "GET", "/api/requesters", query_string={"cursor": cursor})
        narrowed = stage.send("ops", "GET", "/api/workers", query_string={"cursor": cursor, "status": "active"})

    assert (elsewhere.status_code, narrowed.status_code) == (400, 400)


def test_scales_next_token_leads_nobody_to_others_tasks(stage: Stage) -> None:
    theirs = stage.world.things["task"]["open"]["other_requester"]["task_id"]
    with stage.scene() as session:
        mine = _ids(
            session,
            "SELECT id FROM tasks WHERE requester_id = :me",
            {"me": stage.world.callers["requester"].subject_id},
        )
        shown = stage.send("requester", "GET", "/v1/tasks", query_string={"next_token": theirs}).get_json()["docs"]

    assert {task["task_id"] for task in shown} <= mine


def test_the_questions_of_an_exam_are_of_that_exam(stage: Stage) -> None:
    with stage.scene() as session:
        for owner, given in stage.world.things["exam"]["open"].items():
            shown = stage.send(owner, "GET", f"/api/exams/{given['project_id']}/questions").get_json()["items"]
            where = {"id": given["project_id"]}
            assert {one["id"] for one in shown} == _ids(
                session, "SELECT id FROM exam_questions WHERE project_id = :id", where
            )


def test_the_reports_of_a_project_are_of_that_project(stage: Stage) -> None:
    with stage.scene() as session:
        for owner, given in stage.world.things["reported"]["open"].items():
            shown = stage.send(owner, "GET", f"/api/projects/{given['project_id']}/task-reports").get_json()["items"]
            where = {"id": given["project_id"]}
            assert {one["id"] for one in shown} == _ids(
                session, "SELECT id FROM task_reports WHERE project_id = :id", where
            )
