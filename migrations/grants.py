"""What the application's login may do with each table: rows are read and added, and only what has to change changes."""

from sqlalchemy import Connection, MetaData, text

_USUAL = "SELECT, INSERT, UPDATE, DELETE"
_UNUSUAL = {
    # Said once, by the migrations.
    "alembic_version": "SELECT",
    "currencies": "SELECT",
    "signing_keys": "SELECT",
    # Written once: the books, what they rest on, and what people said.
    "accounts": "SELECT, INSERT",
    "accusations": "SELECT, INSERT",
    "active_time": "SELECT, INSERT",
    "adjudications": "SELECT, INSERT",
    "adjustments": "SELECT, INSERT",
    "audits": "SELECT, INSERT",
    "balance_snapshots": "SELECT, INSERT",
    "bank_balances": "SELECT, INSERT",
    "bank_days": "SELECT, INSERT",
    "corrected_labels": "SELECT, INSERT",
    "correction_lines": "SELECT, INSERT",
    "credit_note_lines": "SELECT, INSERT",
    "evidence": "SELECT, INSERT",
    "invoice_lines": "SELECT, INSERT",
    "journal_entries": "SELECT, INSERT",
    "journal_lines": "SELECT, INSERT",
    "exposures": "SELECT, INSERT",
    "gold_corrections": "SELECT, INSERT",
    "known_labels": "SELECT, INSERT",
    "ladder_steps": "SELECT, INSERT",
    "like_values": "SELECT, INSERT",
    "left_out": "SELECT, INSERT",
    "owners": "SELECT, INSERT",
    "payout_files": "SELECT, INSERT",
    "project_skills": "SELECT, INSERT",
    "rates": "SELECT, INSERT",
    "redenomination_items": "SELECT, INSERT",
    "run_rates": "SELECT, INSERT",
    "seals": "SELECT, INSERT",
    "task_values": "SELECT, INSERT",
    "trail_entries": "SELECT, INSERT",
    "unplaced_fees": "SELECT, INSERT",
    "votes": "SELECT, INSERT",
    "weekly_pay": "SELECT, INSERT",
    "releases": "SELECT, INSERT",
    "withholdings": "SELECT, INSERT",
    "blocked_amounts": "SELECT, INSERT",
    "kyc_records": "SELECT, INSERT",
    "watch_list_rows": "SELECT, INSERT",
    "watch_lists": "SELECT, INSERT",
    # Whose state moves on while what they say stays.
    "account_links": "SELECT, INSERT, UPDATE (evidence, withdrawn_by, withdrawn_at, reason)",
    "accrued_months": "SELECT, INSERT, UPDATE (gross, base, taken)",
    "accrued_taxes": "SELECT, INSERT, UPDATE (counts)",
    "answers": "SELECT, INSERT, UPDATE (status)",
    "attempt_answers": "SELECT, INSERT, UPDATE (label, answered_at)",
    "attempts": "SELECT, INSERT, UPDATE",
    "exam_questions": "SELECT, INSERT, UPDATE (retired_at)",
    "task_reports": "SELECT, INSERT, UPDATE (note, state, decided_by, decided_at)",
    "exams": "SELECT, INSERT, UPDATE (qualified_by, qualified_at)",
    "appeals": "SELECT, INSERT, UPDATE (grounds, state, decision, decided_by, decided_at)",
    "brakes": "SELECT, INSERT, UPDATE (state, reason, decided_by, decided_at)",
    "assignments": "SELECT, INSERT, UPDATE (status, lease_expires_at)",
    "balances": "SELECT, INSERT, UPDATE (debits, credits)",
    "bank_files": "SELECT, INSERT, UPDATE (outcome)",
    "checked_votes": "SELECT, INSERT, UPDATE (is_right, counted, seq)",
    "batch_floors": "SELECT, INSERT, UPDATE (state, finished_at, hourly, through, lacking, funded, paid, n_payees, "
    "closed_at)",
    "batch_floor_pay": "SELECT, INSERT, UPDATE (top_up, entry_id)",
    "bank_entries": "SELECT, INSERT, UPDATE (state, payout_id)",
    "clawbacks": "SELECT, INSERT, UPDATE (returned, recovered, written_off, state, decided_by, decided_at, entry_id, "
    "write_off_by, write_off_reason, written_off_by, written_off_at)",
    "contracts": "SELECT, INSERT, UPDATE (confirmed_by, confirmed_at)",
    "bulk_lines": "SELECT, INSERT, UPDATE (fate, why, reason, override_id)",
    "bulk_moves": "SELECT, INSERT, UPDATE (state, n_waiting, n_moved, n_skipped, n_returned, n_kept, expires_at, "
    "decided_by, decided_at, undone_by, undone_at, undo_reason)",
    "corrections": "SELECT, INSERT, UPDATE (reason, state, n_previews, n_lines, content_hash, decided_by, decided_at)",
    "credit_limits": "SELECT, INSERT, UPDATE (confirmed_by, confirmed_at)",
    "credit_note_numbers": "SELECT, INSERT, UPDATE (last)",
    "credit_notes": "SELECT, INSERT, UPDATE (state, year, serial, issued_by, issued_at, entry_id, voided_by, "
    "voided_at, void_reason)",
    "earnings": "SELECT, INSERT, UPDATE (status, due_at, entry_id, amount, paid, withheld, revision)",
    "floor_rules": "SELECT, INSERT, UPDATE (confirmed_by, confirmed_at)",
    "floor_weeks": "SELECT, INSERT, UPDATE",
    "holds": "SELECT, INSERT, UPDATE (ended_by, ended_at, end_reason)",
    "invoice_numbers": "SELECT, INSERT, UPDATE (last)",
    "invoices": "SELECT, INSERT, UPDATE (state, year, serial, due, issued_by, issued_at, entry_id, payment_id, "
    "paid_at, voided_by, voided_at, void_reason)",
    "horizons": "SELECT, INSERT, UPDATE (heard_xact, is_final)",
    "ladder_rules": "SELECT, INSERT, UPDATE (confirmed_by, confirmed_at, looked_through, looked_at)",
    "nettings": "SELECT, INSERT, UPDATE (open, counts)",
    "tier_overrides": "SELECT, INSERT, UPDATE (reason, state, decided_by, decided_at, tier_before, ends_at, ended_by, "
    "ended_at)",
    # Locked by whoever changes what is paid to whom.
    "payees": "SELECT, INSERT, UPDATE (name)",
    "paying_accounts": "SELECT, INSERT, UPDATE (confirmed_by, confirmed_at)",
    "payout_failures": "SELECT, INSERT, UPDATE (state, decided_by, decided_at)",
    "payout_items": "SELECT, INSERT, UPDATE (open, counts)",
    "payout_methods": "SELECT, INSERT, UPDATE (status, retired_at), DELETE",
    "payout_runs": "SELECT, INSERT, UPDATE",
    "payouts": "SELECT, INSERT, UPDATE (state, reason, ended_at)",
    "project_paces": "SELECT, INSERT, UPDATE (seconds, median_seconds, p95_seconds, is_known)",
    "pool_memberships": "SELECT, INSERT, UPDATE (ended_by, ended_at)",
    "periods": "SELECT, INSERT, UPDATE (state, closed_by, confirmed_by, closed_at, trial_hash, reopening_by, "
    "reopened_by, reopened_at)",
    "quarantines": "SELECT, INSERT, UPDATE (everywhere, status, days, reason, decided_by, decided_at, ends_at, "
    "end_reason, ended_by, ended_at)",
    "fx_rates": "SELECT, INSERT, UPDATE (confirmed_by, confirmed_at)",
    "redenominations": "SELECT, INSERT, UPDATE (state, decided_by, decided_at, moved_through, n_payees, amount_from, "
    "amount_to, ended_at)",
    "refunds": "SELECT, INSERT, UPDATE (state, reason, decided_by, decided_at, entry_id)",
    "remittances": "SELECT, INSERT, UPDATE (confirmed_by, confirmed_at, entry_id)",
    "tax_documents": "SELECT, INSERT, UPDATE (confirmed_by, confirmed_at)",
    "reviews": "SELECT, INSERT, UPDATE (state, accept_at, reason, evidence, decided_by, decided_at, appeal_until)",
    "reserves": "SELECT, INSERT, UPDATE (reserved, spent, released, contingency)",
    "tax_rules": "SELECT, INSERT, UPDATE (confirmed_by, confirmed_at)",
    "blocks": "SELECT, INSERT, UPDATE (state, decided_by, decided_at, lift_by, lift_reason, lifted_by, lifted_at)",
    "kyc_rules": "SELECT, INSERT, UPDATE (confirmed_by, confirmed_at)",
    "screening_rounds": "SELECT, INSERT, UPDATE (state, screened_through, n_payees, n_reviews, ended_at)",
    "screenings": "SELECT, INSERT, UPDATE (decision, decided_by, decided_at, reason)",
    "fx_purchases": "SELECT, INSERT, UPDATE (gain, state, decided_by, decided_at, entry_id)",
    "resolutions": "SELECT, INSERT, UPDATE (state, decided_by, decided_at, entry_id)",
    "unclaimed": "SELECT, INSERT, UPDATE (amount, state, decided_by, decided_at, claimed_by, claimed_at, filing, "
    "filed_by, handed_by, handed_at)",
    "unclaimed_items": "SELECT, INSERT, UPDATE (counts)",
    # Of whom is forgotten, the words go.
    "tier_moves": "SELECT, INSERT, UPDATE (reason)",
    "withdrawals": "SELECT, INSERT, UPDATE (note)",
    # Bytes go when an export has expired, rows when it is finished; the manifest stays.
    "export_chunks": "SELECT, INSERT, DELETE",
    "export_downloads": "SELECT, INSERT",
    "export_rows": "SELECT, INSERT, DELETE",
    "exports": "SELECT, INSERT, UPDATE (state, as_of, n_drawn, n_done, attempt, taken_until, n_rows, n_bytes, sums, "
    "sha256, finished_at, failure, is_cleared)",
    # Address and text go a week after the end; that it was sent, or not, stays.
    "mails": "SELECT, INSERT, UPDATE (address, masked, body, state, attempts, waiting_since, due_at, last_error, "
    "ended_at)",
    "invitations": "SELECT, INSERT, UPDATE (email, masked, status, n_sent, confirmed_by, expires_at, ended_at, "
    "accepted_by)",
    "invitation_lists": "SELECT, INSERT, UPDATE (state, n_new, n_invited, n_there, expires_at, decided_by, decided_at)",
    "invitation_lines": "SELECT, INSERT, UPDATE (fate, external_id, email, name, invitation_id)",
    "consent_versions": "SELECT, INSERT",
    "consents": "SELECT, INSERT",
    "erasures": "SELECT, INSERT, UPDATE (state, reason, decided_by, decided_at)",
    "identity_checks": "SELECT, INSERT, UPDATE (state, reason, decided_by, decided_at, expires_on)",
    "members": "SELECT, INSERT, UPDATE (role, left_at)",
    "suspensions": "SELECT, INSERT, UPDATE (reason, state, decided_by, decided_at)",
    "suspended_workers": "SELECT, INSERT, UPDATE (begins_at, until, ended_at)",
    "messages": "SELECT, INSERT, UPDATE (read_at, created_at), DELETE",
    "proofs": "SELECT, INSERT, UPDATE (expires_at, ended_at), DELETE",
    "payee_contacts": "SELECT, INSERT, UPDATE (proved_at, retired_at), DELETE",
    # Never deleted.
    "batches": "SELECT, INSERT, UPDATE",
    "gold_proposals": "SELECT, INSERT, UPDATE",
    "golds": "SELECT, INSERT, UPDATE",
    "inquiries": "SELECT, INSERT, UPDATE",
    "projects": "SELECT, INSERT, UPDATE",
    "tasks": "SELECT, INSERT, UPDATE",
    "tokens": "SELECT, INSERT, UPDATE",
    "voter_records": "SELECT, INSERT, UPDATE",
    "voter_tests": "SELECT, INSERT, UPDATE",
    "workers": "SELECT, INSERT, UPDATE",
}
_VIEWS = ("postings", "spending")


def grant(connection: Connection, metadata: MetaData, role: str) -> None:
    """Give a role exactly what the application needs, whatever it had. The role must not own the tables."""
    quoted = connection.dialect.identifier_preparer.quote(role)
    for table in sorted({*metadata.tables, *_UNUSUAL}):
        connection.execute(text(f"REVOKE ALL ON {table} FROM {quoted}"))
        connection.execute(text(f"GRANT {_UNUSUAL.get(table, _USUAL)} ON {table} TO {quoted}"))
    for view in _VIEWS:
        connection.execute(text(f"GRANT SELECT ON {view} TO {quoted}"))
    # Of the world that the connection is in.
    schema = connection.scalar(text("SELECT quote_ident(current_schema())"))
    connection.execute(text(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {quoted}"))
    connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {quoted}"))
