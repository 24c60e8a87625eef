"""What the tables themselves refuse, whoever writes."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from payments import funding, payees, runs
from tests.payments import owed

REFUSED = {
    "kind_known": """INSERT INTO accounts (id, role, owner_ref, currency, kind, bounded)
                     VALUES ('acc', 'r', 'o', 'USD', 'wish', true)""",
    "role_owner_ref_currency": """INSERT INTO accounts (id, role, owner_ref, currency, kind, bounded)
                                  VALUES ('acc', 'funds', 'req', 'USD', 'liability', true)""",
    "fk_accounts_currency": """INSERT INTO accounts (id, role, owner_ref, currency, kind, bounded)
                               VALUES ('acc', 'r', 'o', 'XAU', 'asset', true)""",
    "not_negative": "UPDATE balances SET debits = credits + 1",
    "not_overspent|contingency_held": "UPDATE reserves SET spent = reserved + 1",
    "rates_amount_positive": """INSERT INTO rates (id, owner_ref, tier, region, currency, amount)
                                VALUES ('rat', 'prj', 0, '', 'USD', 0)""",
    "earnings_amount_positive": """INSERT INTO earnings (id, payee_id, answer_ref, cause_ref, currency, amount, status)
                                   SELECT 'ern', id, 'ans', 'bat', 'USD', 0, 'pending' FROM payees""",
    "due_is_posted": """INSERT INTO earnings (id, payee_id, answer_ref, cause_ref, currency, amount, status)
                        SELECT 'ern', id, 'ans', 'bat', 'USD', 1, 'due' FROM payees""",
    "status_known": """INSERT INTO earnings (id, payee_id, answer_ref, cause_ref, currency, amount, status, entry_id)
                       SELECT 'ern', p.id, 'ans', 'bat', 'USD', 1, 'perhaps', max(j.id)
                         FROM payees p, journal_entries j GROUP BY p.id""",
    "fk_earnings_cause_ref": """INSERT INTO earnings (id, payee_id, answer_ref, cause_ref, currency, amount, status)
                                SELECT 'ern', id, 'ans', 'bat_unreserved', 'USD', 1, 'pending' FROM payees""",
    "uq_payees_owner_ref": "INSERT INTO payees (id, owner_ref, name, country) VALUES ('pye', 'wrk', 'n', 'KE')",
}


@pytest.mark.parametrize("constraint", REFUSED)
def test_the_tables_refuse_what_cannot_be(db: Session, books: None, constraint: str) -> None:
    payees.register(db, owner_ref="wrk", name="Ada", country="KE")
    funding.register(db, "req")
    funding.top_up(db, owner_ref="req", currency="USD", amount=9, bank_reference="b", actor_ref="finance")
    funding.reserve(db, owner_ref="req", cause_ref="bat", key="k", currency="USD", amount=9)

    with pytest.raises(IntegrityError, match=constraint), db.begin_nested():
        db.execute(text(REFUSED[constraint]))


FX = {"id": "fxr", "base": "USD", "quote": "KES", "numerator": 1, "denominator": 1, "source": "s", "entered_by": "ada",
      "confirmed_by": None, "confirmed_at": None, "needs_confirmation": True, "fetched_at": "2026-01-01",
      "valid_until": "2026-01-02"}  # fmt: skip
TAX = {"id": "txr", "country": "KE", "kind": "vat", "basis": "accrual", "document": None, "basis_points": 1,
       "threshold": None, "period": "none", "currency": "KES", "catch_up": False, "rounding": "up", "unit_exponent": 0,
       "valid_from": "2026-01-01", "valid_to": None, "authority": "KRA", "citation": "c", "entered_by": "ada",
       "confirmed_by": None, "confirmed_at": None}  # fmt: skip
NO_RATE: dict[str, dict[str, Any]] = {
    "above_zero": {"numerator": 0},
    "fx_rates_above_zero": {"denominator": -1},
    "two_currencies": {"quote": "USD"},
    "fk_fx_rates_base": {"base": "XAU"},
    "fk_fx_rates_quote": {"quote": "XAU"},
    "fx_rates_ends_later": {"valid_until": "2026-01-01"},
    "fx_rates_four_eyes": {"confirmed_by": "ada", "confirmed_at": "2026-01-01"},
    "fx_rates_confirmed_when": {"confirmed_by": "bob"},
    "confirmed_if_needed": {"confirmed_by": "bob", "confirmed_at": "2026-01-01", "needs_confirmation": False},
}
NO_RULE: dict[str, dict[str, Any]] = {
    "basis_points_range": {"basis_points": 10_001},
    "threshold_positive": {"threshold": 0},
    "period_of_threshold": {"period": "month"},
    "tax_rules_period_of_threshold": {"catch_up": True},
    "unit_exponent_range": {"unit_exponent": 7},
    "tax_rules_ends_later": {"valid_to": "2025-12-31"},
    "tax_rules_four_eyes": {"confirmed_by": "ada", "confirmed_at": "2026-01-01"},
    "tax_rules_confirmed_when": {"confirmed_at": "2026-01-01"},
    "tax_rules_kind_known": {"kind": "levy"},
    "tax_rules_basis_known": {"basis": "hope"},
    "tax_rules_period_known": {"period": "day", "threshold": 1},
    "tax_rules_rounding_known": {"rounding": "out"},
    "fk_tax_rules_currency": {"currency": "XAU"},
}


def _insert(db: Session, table: str, row: dict[str, Any]) -> None:
    db.execute(text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})"), row)


@pytest.mark.parametrize("constraint", NO_RATE)
def test_the_table_refuses_what_is_no_exchange_rate(db: Session, constraint: str) -> None:
    _insert(db, "fx_rates", {**FX, "id": "fxr_good"})

    with pytest.raises(IntegrityError, match=constraint), db.begin_nested():
        _insert(db, "fx_rates", {**FX, **NO_RATE[constraint]})


@pytest.mark.parametrize("constraint", NO_RULE)
def test_the_table_refuses_what_is_no_tax_rule(db: Session, constraint: str) -> None:
    _insert(db, "tax_rules", {**TAX, "id": "txr_good"})

    with pytest.raises(IntegrityError, match=constraint), db.begin_nested():
        _insert(db, "tax_rules", {**TAX, **NO_RULE[constraint]})


def test_an_earning_is_in_one_payout_that_has_not_left(db: Session) -> None:
    owed.payee(db, 700)
    run = owed.go_through(db, runs.begin(db, rail="paypal", prepared_by=owed.PREPARER))
    (item,) = db.execute(text("SELECT payout_id, earning_id, amount FROM payout_items")).all()
    db.execute(
        text("""INSERT INTO payouts (id, run_id, payee_id, method_id, fingerprint, part, currency, earned_currency,
                                     gross, net, end_to_end_id)
                SELECT 'pyo_other', run_id, payee_id, method_id, fingerprint, 1, currency, earned_currency, gross, net,
                       'other' FROM payouts WHERE run_id = :run_id"""),
        {"run_id": run.id},
    )

    with pytest.raises(IntegrityError, match="ix_payout_items_open"), db.begin_nested():
        db.execute(
            text("INSERT INTO payout_items (payout_id, earning_id, part, amount) VALUES ('pyo_other', :id, 0, 700)"),
            {"id": item.earning_id},
        )
