"""What the tables themselves refuse, whoever writes."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from payments import funding, payees

REFUSED = {
    "kind_known": """INSERT INTO accounts (id, role, owner_ref, currency, kind, bounded)
                     VALUES ('acc', 'r', 'o', 'USD', 'wish', true)""",
    "role_owner_ref_currency": """INSERT INTO accounts (id, role, owner_ref, currency, kind, bounded)
                                  VALUES ('acc', 'funds', 'req', 'USD', 'liability', true)""",
    "fk_accounts_currency": """INSERT INTO accounts (id, role, owner_ref, currency, kind, bounded)
                               VALUES ('acc', 'r', 'o', 'XAU', 'asset', true)""",
    "not_negative": "UPDATE balances SET debits = credits + 1",
    "not_overspent": "UPDATE reserves SET spent = reserved + 1",
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
